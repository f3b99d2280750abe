"""The two command lines under comparison, each with a store, a network namespace and a `docker` of its own.

A network namespace each: neither sees the other's bridge, rules or published ports, and this machine sees none of it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from wherry.settings import Paths

__all__ = ["Docker", "Side", "Wherry"]

BIN = Path(__file__).parent / "bin"
SECONDS = 90  # for a whole case, on a busy machine
_MAIN = "import sys; from wherry.cli.main import main; sys.exit(main(sys.argv[1:]))"
_END = 'ids=$(docker ps -aq); test -z "$ids" || docker rm -fv $ids'
_WAIT = "ip link set lo up; echo ready; exec cat"


class Side:
    """`run` hands a script to bash with `docker` on its PATH; `close` ends what was started."""

    name = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("bin", "home", "work"):
            (folder / name).mkdir(parents=True)
        # `cat` holds the namespaces until its input is closed, also when we are killed
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--propagation", "slave", "sh", "-c", _WAIT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout
        assert self._holder.stdout.readline() == b"ready\n"
        self.env = {
            "PATH": f"{folder}/bin:{BIN}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(folder / "home"),
            "PYTHON": sys.executable,
            "PORT": "18080",
        }

    def enter(self, *argv: str) -> list[str]:
        return ["nsenter", "--target", str(self._holder.pid), "--net", "--mount", "--", *argv]

    def run(self, script: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
        # Files, not pipes: whatever a script leaves behind must not hold us up
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            done = subprocess.run(
                self.enter(
                    "timeout", "-k", "1", str(SECONDS), "bash", "-c", f"cd {shlex.quote(str(folder))}\n{script}"
                ),
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                check=False,
            )
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, out.read(), err.read())

    def must(self, script: str) -> None:
        done = self.run(script, self.folder / "work")
        assert done.returncode == 0, f"{self.name}: {script}\n{done.stdout.decode()}\n{done.stderr.decode()}"

    def tidy(self) -> None:
        """Remove all containers."""
        self.run(_END, self.folder / "work")

    def close(self) -> None:
        assert self._holder.stdin
        assert self._holder.stdout
        self._holder.stdin.close()
        self._holder.stdout.close()
        self._holder.wait(30)


class Wherry(Side):
    name = "wherry"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (folder / "main.py").write_text(_MAIN)
        command = f'#!/bin/sh\nexec {sys.executable} {folder}/main.py --root {folder}/root "$@"\n'
        for name, text in (("docker", command), ("docker-compose", command.replace('"$@"', 'compose "$@"'))):
            (folder / "bin" / name).write_text(text)
            (folder / "bin" / name).chmod(0o755)
        source = Path(__file__).parents[2] / "src"
        self.env["PYTHONPATH"] = str(source)

    def close(self) -> None:
        self.tidy()
        super().close()
        shutil.rmtree(Paths.for_user(self.env, 0, str(self.folder / "root")).run, ignore_errors=True)


class Docker(Side):
    """dockerd with everything of its own; its cgroups are removed at the end."""

    name = "docker"

    def __init__(self, folder: Path, config: str = "/dev/null") -> None:
        """`config` is a daemon.json."""
        super().__init__(folder)
        self._parent = f"wherry-compat-{os.getpid()}"
        self._log = (folder / "dockerd.log").open("wb")
        self.env |= {"DOCKER_HOST": f"unix://{folder}/sock", "DOCKER_CONFIG": f"{folder}/home", "DOCKER_BUILDKIT": "1"}
        argv = ["dockerd", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec",
                "--pidfile", f"{folder}/pid", "--host", f"unix://{folder}/sock", "--config-file", config,
                "--cgroup-parent", f"/{self._parent}"]  # fmt: skip
        self._daemon = subprocess.Popen(self.enter(*argv), stdout=self._log, stderr=self._log, env=self.env)
        for _ in range(300):
            if self.run("docker info", folder).returncode == 0:
                return
            if self._daemon.poll() is not None:
                break
            time.sleep(0.1)
        said = (folder / "dockerd.log").read_text(errors="replace")[-3000:]
        self.close()
        raise RuntimeError(f"dockerd does not answer:\n{said}")

    def close(self) -> None:
        self.tidy()
        self._daemon.terminate()
        try:
            self._daemon.wait(30)
        except subprocess.TimeoutExpired:
            self._daemon.kill()
            self._daemon.wait()
        self._log.close()
        super().close()
        for mount in Path("/sys/fs/cgroup").iterdir():
            for path in sorted((mount / self._parent).rglob("*"), reverse=True):
                if path.is_dir():
                    path.rmdir()
            if (mount / self._parent).is_dir():
                (mount / self._parent).rmdir()
        shutil.rmtree(self.folder / "data", ignore_errors=True)
