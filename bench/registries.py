"""Registries on loopback for the benchmark: Debian's docker-registry and wherry's own, each with a store of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from bench.engines import PROJECT

__all__ = ["DockerRegistry", "Registry", "WherryRegistry"]

_CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


class Registry:
    """An empty registry that answers at `host`; `close` ends it by its pid and removes what it stored."""

    def __init__(self, parent: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="registry-", dir=parent))
        self.port = _free_port()
        self.host = f"127.0.0.1:{self.port}"
        self._log = open(self.folder / "log", "wb")  # noqa: SIM115  # closed in close()
        env = {key: value for key, value in os.environ.items() if not key.startswith(("REGISTRY_", "WHERRY_"))}
        self.process = subprocess.Popen(self.argv(), stdout=self._log, stderr=self._log, env=env)
        self._wait()

    def argv(self) -> list[str]:
        raise NotImplementedError

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def peak_mb(self) -> float:
        """The most memory that it had at once."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def _wait(self) -> None:
        for _ in range(200):
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        said = (self.folder / "log").read_text(errors="replace")[-2000:]
        self.close()
        raise RuntimeError(f"{type(self).__name__} does not answer:\n{said}")

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class DockerRegistry(Registry):
    """registry:2.8, as Debian packs it."""

    def argv(self) -> list[str]:
        if not shutil.which("docker-registry"):
            raise RuntimeError("docker-registry is not installed: apt-get install docker-registry")
        config = self.folder / "config.yml"
        config.write_text(_CONFIG.format(folder=self.folder / "data", port=self.port))
        return ["docker-registry", "serve", str(config)]


class WherryRegistry(Registry):
    def argv(self) -> list[str]:
        return [str(PROJECT / ".venv" / "bin" / "wherry"), "registry", "serve", "--addr", self.host,
                "--storage", str(self.folder / "data")]  # fmt: skip


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
