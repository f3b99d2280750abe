"""wherry, docker, podman and skopeo as they are installed, each with folders of its own, talking to one registry."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.registries.real import Served

__all__ = ["Docker", "Podman", "Program", "Skopeo", "Wherry"]

_GROUP = f"wherry-interop-{os.getpid()}"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MAIN = "import sys; from wherry.cli.main import main; sys.exit(main(sys.argv[1:]))"


class Program:
    """`pull`, `push` and `digest` take names as a user writes them: localhost:5000/api:1."""

    def __init__(self, folder: Path, *registries: Served, ca: Path | None = None) -> None:
        """`ca` signed the certificates of the registries that speak TLS."""
        folder.mkdir(parents=True)
        self.folder = folder
        self.env = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(folder),
            "DOCKER_CONFIG": str(folder / "docker"),
            "REGISTRY_AUTH_FILE": str(folder / "docker" / "config.json"),
            "TMPDIR": str(folder / "tmp"),
        }
        (folder / "docker").mkdir()
        (folder / "tmp").mkdir()
        auths = {}
        for registry in registries:
            for name, word in registry.users.items():
                auths[registry.host] = {"auth": base64.b64encode(f"{name}:{word}".encode()).decode()}
            if registry.tls and ca:
                certs = folder / ".config" / "containers" / "certs.d" / registry.host
                certs.mkdir(parents=True)
                shutil.copy(ca, certs / "ca.crt")
        (folder / "docker" / "config.json").write_text(json.dumps({"auths": auths}))
        (folder / "docker" / "config.json").chmod(0o600)
        self._plain = {registry.host for registry in registries if not registry.tls}

    def command(self) -> list[str]:
        raise NotImplementedError

    def run(self, *argv: str, code: int | None = 0, stdin: str = "", timeout_s: float = 120) -> str:
        """Its output; what it said otherwise is in the failure."""
        done = subprocess.run(
            [*self.command(), *argv], env=self.env, input=stdin, capture_output=True, text=True,
            check=False, timeout=timeout_s, cwd=self.folder,
        )  # fmt: skip
        assert code is None or done.returncode == code, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout if code == 0 else done.stdout + done.stderr

    def insecure(self, name: str) -> bool:
        return name.partition("/")[0] in self._plain

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Wherry(Program):
    def command(self) -> list[str]:
        return [sys.executable, "-c", _MAIN, "--root", str(self.folder / "root")]

    def pull(self, name: str) -> str:
        """The digest that it tells."""
        return str(_DIGEST.findall(self.run("pull", name))[0])

    def push(self, source: str, target: str) -> str:
        if source != target:
            self.run("tag", source, target)
        return str(_DIGEST.findall(self.run("push", target))[-1])

    def copy(self, source: str, target: str, *options: str) -> str:
        return self.run("copy", "-q", *options, source, target).strip()

    def close(self) -> None:
        from wherry.settings import Paths

        shutil.rmtree(Paths.for_user(self.env, os.geteuid(), str(self.folder / "root")).run, ignore_errors=True)
        super().close()


class Skopeo(Program):
    def command(self) -> list[str]:
        return ["skopeo"]

    def digest(self, name: str) -> str:
        """Of the manifest that the registry has, as skopeo computes it."""
        import hashlib

        options = ["--tls-verify=false"] if self.insecure(name) else []
        argv = [*self.command(), "inspect", "--raw", *options, f"docker://{name}"]
        done = subprocess.run(argv, env=self.env, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        return f"sha256:{hashlib.sha256(done.stdout).hexdigest()}"

    def copy(self, source: str, target: str, *options: str) -> None:
        for side, name in (("src", source), ("dest", target)):
            if name.startswith("docker://") and self.insecure(name.removeprefix("docker://")):
                options = (*options, f"--{side}-tls-verify=false")
        self.run("copy", "-q", *options, source, target)


class Podman(Program):
    def command(self) -> list[str]:
        return ["podman", "--root", f"{self.folder}/store", "--runroot", f"{self.folder}/run", "--tmpdir",
                f"{self.folder}/libpod", "--storage-driver", "vfs", "--events-backend", "none", "--runtime", "runc",
                "--cgroup-manager", "cgroupfs"]  # fmt: skip

    def _verify(self, name: str) -> list[str]:
        return ["--tls-verify=false"] if self.insecure(name) else []

    def pull(self, name: str) -> str:
        self.run("pull", "-q", *self._verify(name), name)
        return str(json.loads(self.run("image", "inspect", name))[0]["Digest"])

    def push(self, source: str, target: str) -> str:
        self.run("tag", source, target)
        note = self.folder / "digest"
        self.run("push", "-q", *self._verify(target), "--digestfile", str(note), target)
        return note.read_text().strip()

    def run_true(self, name: str) -> None:
        self.run("run", "--rm", "--network", "none", "--cgroup-parent", f"/{_GROUP}", name, "true")

    def close(self) -> None:
        _remove_groups()
        super().close()


class Docker(Program):
    """A daemon of its own, without bridge and rules; its cgroups are removed at the end."""

    def __init__(self, folder: Path, *registries: Served, ca: Path | None = None) -> None:
        super().__init__(folder, *registries, ca=ca)
        self.env["DOCKER_HOST"] = f"unix://{folder}/sock"
        argv = ["dockerd", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile",
                f"{folder}/pid", "--host", f"unix://{folder}/sock", "--config-file", "/dev/null", "--bridge=none",
                "--iptables=false", "--ip6tables=false", "--cgroup-parent", f"/{_GROUP}"]  # fmt: skip
        self._log = open(folder / "log", "wb")  # noqa: SIM115  # closed in close()
        self._daemon = subprocess.Popen(argv, stdout=self._log, stderr=self._log, env=self.env)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._daemon.poll() is None:
            if subprocess.run(["docker", "info"], env=self.env, capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.1)
        said = (folder / "log").read_text(errors="replace")[-3000:]
        self.close()
        raise RuntimeError(f"dockerd does not answer:\n{said}")

    def command(self) -> list[str]:
        return ["docker"]

    def pull(self, name: str) -> str:
        return str(_DIGEST.findall(self.run("pull", name))[0])

    def push(self, source: str, target: str) -> str:
        self.run("tag", source, target)
        return str(_DIGEST.findall(self.run("push", target))[-1])

    def run_true(self, name: str) -> None:
        self.run("run", "--rm", "--network", "none", name, "true")

    def close(self) -> None:
        if self._daemon.poll() is None:
            self._daemon.terminate()
            try:
                self._daemon.wait(60)
            except subprocess.TimeoutExpired:
                self._daemon.kill()
                self._daemon.wait()
        self._log.close()
        _remove_groups()
        super().close()


def _remove_groups() -> None:
    """What a runtime leaves of the cgroups that it made; another program's may still be in use."""
    root = Path("/sys/fs/cgroup")
    for group in (root / _GROUP, *(mount / _GROUP for mount in root.iterdir())):
        if group.is_dir():
            for path in (*sorted(group.rglob("*"), reverse=True), group):
                if path.is_dir():
                    with suppress(OSError):
                        path.rmdir()
