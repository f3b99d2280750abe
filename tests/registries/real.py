"""Real servers on loopback: docker-registry 2.8 and wherry's own; plain, behind TLS, with users."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["Authority", "DockerRegistry", "Served", "WherryRegistry", "free_port"]

_CONFIG = """\
version: 0.1
log: {{level: info, accesslog: {{disabled: false}}}}
storage: {{filesystem: {{rootdirectory: {folder}}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}", secret: tests{tls}}}
validation: {{manifests: {{urls: {{allow: ["^https://"]}}}}}}
{auth}"""

_MAIN = "import sys; from wherry.cli.main import main; sys.exit(main(sys.argv[1:]))"
_CURVE = ("-pkeyopt", "ec_paramgen_curve:prime256v1")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Authority:
    """A certificate authority made by openssl in `folder`, and certificates that it signs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.ca = folder / "ca.crt"
        self._openssl("req", "-x509", "-newkey", "ec", *_CURVE, "-nodes", "-days", "30",
                      "-subj", "/CN=wherry tests", "-keyout", "ca.key", "-out", "ca.crt",
                      "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip

    def issue(self, *names: str, days: tuple[str, str] | None = None, stem: str = "server") -> tuple[Path, Path]:
        """Certificate and key for `names` ("DNS:localhost", "IP:127.0.0.1"); `days` are not-before and not-after
        as YYYYMMDDHHMMSSZ, for certificates that are not valid now."""
        extensions = self._folder / f"{stem}.ext"
        extensions.write_text(f"subjectAltName={','.join(names)}\nextendedKeyUsage=serverAuth,clientAuth\n")
        self._openssl("req", "-newkey", "ec", *_CURVE, "-nodes", "-subj", "/CN=registry",
                      "-keyout", f"{stem}.key", "-out", f"{stem}.csr")  # fmt: skip
        span = ["-not_before", days[0], "-not_after", days[1]] if days else ["-days", "20"]
        self._openssl("x509", "-req", "-in", f"{stem}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                      "-extfile", str(extensions), "-out", f"{stem}.crt", *span)  # fmt: skip
        return self._folder / f"{stem}.crt", self._folder / f"{stem}.key"

    def _openssl(self, *argv: str) -> None:
        subprocess.run(["openssl", *argv], cwd=self._folder, check=True, capture_output=True)


class Served:
    """`tls` is (certificate, key); `users` name to password. `log()` is what it said, requests included."""

    def __init__(
        self,
        folder: Path,
        *,
        tls: tuple[Path, Path] | None = None,
        users: dict[str, str] | None = None,
        port: int = 0,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = port or free_port()
        self.host = f"localhost:{self.port}"
        self.tls = tls
        self.users = users or {}
        if users:
            import bcrypt

            lines = [
                f"{name}:{bcrypt.hashpw(word.encode(), bcrypt.gensalt(4)).decode()}" for name, word in users.items()
            ]
            (folder / "htpasswd").write_text("\n".join(lines) + "\n")
        self._argv = self.argv()
        self._log = open(folder / "log", "ab")  # noqa: SIM115  # closed in close()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def argv(self) -> list[str]:
        raise NotImplementedError

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def start(self) -> None:
        env = {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")}
        env["OTEL_TRACES_EXPORTER"] = "none"
        self._process = subprocess.Popen(self._argv, stdout=self._log, stderr=self._log, env=env)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as sock:
                    if self.tls:
                        context = ssl.create_default_context()
                        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                        context.wrap_socket(sock).close()
                return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f"{type(self).__name__} does not answer:\n{self.log()[-2000:]}")

    def kill(self) -> None:
        """As a crash would: `start` brings it back on the same port with what it stored."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def close(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class DockerRegistry(Served):
    """As Debian packs it."""

    def argv(self) -> list[str]:
        auth = f"auth: {{htpasswd: {{realm: tests, path: {self.folder}/htpasswd}}}}\n" if self.users else ""
        pair = f", tls: {{certificate: {self.tls[0]}, key: {self.tls[1]}}}" if self.tls else ""
        config = self.folder / "config.yml"
        config.write_text(_CONFIG.format(folder=self.folder / "data", port=self.port, tls=pair, auth=auth))
        return ["docker-registry", "serve", str(config)]


class WherryRegistry(Served):
    def argv(self) -> list[str]:
        tls = ["--tls-cert", str(self.tls[0]), "--tls-key", str(self.tls[1])] if self.tls else []
        auth = ["--htpasswd", f"{self.folder}/htpasswd"] if self.users else []
        return [sys.executable, "-c", _MAIN, "--root", f"{self.folder}/root", "registry", "serve", "--addr",
                f"127.0.0.1:{self.port}", "--storage", f"{self.folder}/data", "--delete", *tls, *auth]  # fmt: skip
