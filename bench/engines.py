"""The two command lines under test, each with a store of its own in one temporary folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["CA_NAMES", "Docker", "Engine", "Wherry"]

PROJECT = Path(__file__).resolve().parents[1]
_SUBNET = "10.213.77.1/24"
CA_NAMES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")


class Engine:
    """`run` times one command line of it, output thrown away (kept for the error)."""

    name = ""
    command: tuple[str, ...] = ()

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "WHERRY_"))}
        self.env = kept

    def run(self, *argv: str) -> float:
        """Seconds of wall time. Raises: RuntimeError when it fails."""
        return self._time([*self.command, *argv])

    def compose(self, *argv: str) -> float:
        """As `run`, of the engine's compose. Raises: RuntimeError when it fails."""
        return self._time([*self.compose_command, *argv])

    def _time(self, command: list[str]) -> float:
        start = time.monotonic()
        done = subprocess.run(command, env=self.env, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=False)  # fmt: skip
        took = time.monotonic() - start
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        return took

    @property
    def compose_command(self) -> tuple[str, ...]:
        return *self.command, "compose"

    def build(self, context: Path, *options: str, tag: str = "bench") -> float:
        return self.run("build", *options, "-t", tag, str(context))

    def close(self) -> None:
        """End what was started, and only that."""


class Wherry(Engine):
    name = "wherry"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.command = (str(PROJECT / ".venv" / "bin" / "wherry"), "--root", str(folder / "root"))

    def base(self) -> str:
        """The lesson's base image, made here when no registry can be reached: its name."""
        offers = subprocess.run([*self.command, "bootstrap", "--list"], capture_output=True, text=True, check=True)
        names = [line.split()[0] for line in offers.stdout.splitlines()[1:]]
        pythons = [name for name in names if name.startswith("python:")]
        name = "python:3.10" if "python:3.10" in pythons else pythons[0]
        self.run("bootstrap", name)
        return name


class Docker(Engine):
    """Its own daemon: own data, own socket, ended by its pid; the rules that it left in the firewall are taken out."""

    name = "docker"

    def __init__(self, folder: Path, *, network: bool = True) -> None:
        super().__init__(folder)
        if not shutil.which("dockerd"):
            raise RuntimeError("dockerd is not installed: apt-get install docker.io docker-cli docker-buildx")
        self._tables = _tables()
        # A bridge of its own: docker0 may be another daemon's, and go away with it
        self._bridge = f"bench{os.getpid() % 100000}" if network else ""
        socket = folder / "docker.sock"
        self.env |= {"DOCKER_HOST": f"unix://{socket}", "DOCKER_CONFIG": str(folder / "config"), "DOCKER_BUILDKIT": "1"}
        (folder / "config").mkdir()
        self.command = ("docker",)
        self._log = open(folder / "dockerd.log", "wb")  # noqa: SIM115  # closed in close()
        argv = ["dockerd", "--data-root", str(folder / "data"), "--exec-root", str(folder / "exec"), "--pidfile",
                str(folder / "pid"), "--host", f"unix://{socket}", "--config-file", "/dev/null"]  # fmt: skip
        if network:
            for line in (f"link add {self._bridge} type bridge", f"address add {_SUBNET} dev {self._bridge}",
                         f"link set {self._bridge} up"):  # fmt: skip
                subprocess.run(["ip", *line.split()], check=True, capture_output=True)
            argv += ["--bridge", self._bridge]
        else:  # a second daemon, beside the one with the bridge and the rules
            argv += ["--bridge=none", "--iptables=false", "--ip6tables=false"]
        self._daemon = subprocess.Popen(argv, stdout=self._log, stderr=self._log, env=self.env, start_new_session=True)
        self._wait()

    def _wait(self) -> None:
        for _ in range(300):
            if self._daemon.poll() is not None:
                break
            if subprocess.run(["docker", "info"], env=self.env, capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.1)
        log = (self.folder / "dockerd.log").read_text(errors="replace")[-3000:]
        self.close()
        raise RuntimeError(f"dockerd does not answer:\n{log}")

    @property
    def pids(self) -> list[int]:
        """The daemon and its containerd."""
        found = [self._daemon.pid]
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal():
                try:
                    parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                except OSError:
                    continue
                if parent == self._daemon.pid:
                    found.append(int(folder.name))
        return found

    def load(self, wherry: Wherry, base: str) -> None:
        """The same base as wherry's, with the host's certificates inside: docker gives a build none of them."""
        archive = self.folder / "base.tar"
        wherry.run("save", "-o", str(archive), base)
        self.run("load", "-i", str(archive))
        archive.unlink()
        bundle = next((os.environ[name] for name in CA_NAMES if os.environ.get(name)), "")
        if not bundle:
            return
        context = self.folder / "base"
        context.mkdir()
        shutil.copy(bundle, context / "ca.pem")
        env = " ".join(f"{name}=/etc/bench-ca.pem" for name in CA_NAMES)
        (context / "Dockerfile").write_text(f"FROM {base}\nCOPY ca.pem /etc/bench-ca.pem\nENV {env}\n")
        self.build(context, tag=base)

    def build(self, context: Path, *options: str, tag: str = "bench") -> float:
        proxies = [name for name in os.environ if name.lower() in ("http_proxy", "https_proxy", "no_proxy")]
        args = [word for name in proxies for word in ("--build-arg", name)]
        return super().build(context, *args, *options, tag=tag)

    @property
    def compose_command(self) -> tuple[str, ...]:
        return ("docker-compose",)  # `docker compose` runs that, 20 ms later

    def close(self) -> None:
        if self._daemon.poll() is None:
            self._daemon.terminate()
            try:
                self._daemon.wait(60)
            except subprocess.TimeoutExpired:
                self._daemon.kill()
                self._daemon.wait()
        self._log.close()
        for table in _tables() - self._tables:
            subprocess.run(["nft", "delete", "table", *table.split()], capture_output=True, check=False)
        if self._bridge:
            subprocess.run(["ip", "link", "delete", self._bridge], capture_output=True, check=False)
        for line in sorted(Path("/proc/self/mounts").read_text().splitlines(), reverse=True):
            target = line.split()[1]
            if target.startswith(f"{self.folder}/"):
                subprocess.run(["umount", "-l", target], capture_output=True, check=False)


def _tables() -> set[str]:
    done = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=False)
    return {line.removeprefix("table ").strip() for line in done.stdout.splitlines()}


if __name__ == "__main__":
    sys.exit("run it by `make bench`")
