"""A root with a Python base image, and wherry's command line on it as a user has it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).parents[2]
MAIN = "import sys; from wherry.cli.main import main; sys.exit(main(sys.argv[1:]))"


class Lesson:
    """`base` is the image that a lesson's Dockerfile starts FROM here."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder, self.root = folder, folder / "root"
        kept = {name: value for name, value in env.items() if not name.startswith(("WHERRY_", "PYTHON"))}
        self.env = {**kept, "WHERRY_ROOT": str(self.root), "PYTHONPATH": str(PROJECT / "src")}
        self.base = ""

    def wherry(self, *argv: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", MAIN, *argv]
        return subprocess.run(
            command, cwd=cwd or self.folder, env=self.env | env, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=600,
        )  # fmt: skip

    def must(self, *argv: str, cwd: Path | None = None, **env: str) -> str:
        done = self.wherry(*argv, cwd=cwd, **env)
        assert done.returncode == 0, f"wherry {' '.join(argv)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def bootstrap(self) -> None:
        """python:3.10 where this machine has one, else what it has."""
        offers = [line.split()[0] for line in self.must("bootstrap", "--list").splitlines()[1:]]
        names = [name for name in offers if name.startswith("python:")]
        self.base = "python:3.10" if "python:3.10" in names else names[0]
        self.must("bootstrap", self.base)

    def context(self, name: str, files: dict[str, str]) -> Path:
        """A build context; FROM BASE in a Dockerfile becomes the base image's name."""
        folder = self.folder / name
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text.replace("FROM BASE", f"FROM {self.base}"))
        return folder

    def everything(self) -> list[Path]:
        """Every file of every layer and blob, and the database."""
        places = [self.root / "layers", self.root / "blobs"]
        found = [path for place in places for path in place.rglob("*") if path.is_file() and not path.is_symlink()]
        return [*found, *self.root.glob("state.db*")]


def host_certificates() -> list[bytes]:
    """A line from the middle of each certificate that this host trusts beyond Debian's."""
    folder = Path("/usr/local/share/ca-certificates")
    paths = list(folder.rglob("*.crt")) if folder.is_dir() else []
    return [path.read_bytes().splitlines()[8] for path in paths]


def is_alone(root: Path, within_s: float = 10) -> bool:
    """Whether no process names the root and nothing below it is mounted, at once or soon: a monitor ends by itself."""
    deadline = time.monotonic() + within_s
    while users_of(root) or str(root) in Path("/proc/self/mountinfo").read_text():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def users_of(root: Path) -> list[str]:
    """The command lines that name the root."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and int(folder.name) != os.getpid():
            try:
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(root) in line:
                found.append(line)
    return found
