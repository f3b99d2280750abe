"""`config` of random projects, beside docker-compose: `python -m tests.compose_differential --n 5000 --seed 1`.

Every project is written to a folder, read by docker-compose (a process) and by `compose.load` (here), and what both say
has to be the same: the text, byte for byte, or the exit code of the failure.
"""

from __future__ import annotations

import argparse
import difflib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.compose_files import ENVIRONMENT, Files

__all__ = ["Difference", "Side", "docker", "ours", "run"]

KINDS = ("yaml", "json", "hash", "tree")
_ARGUMENTS = {
    "yaml": ["--format", "yaml"], "json": ["--format", "json"], "hash": ["--hash", "*"], "tree": ["--no-interpolate"],
}  # fmt: skip


class Side(NamedTuple):
    """What one of both said."""

    code: int
    text: str
    error: str


class Difference(NamedTuple):
    seed: int
    kind: str
    docker: Side
    ours: Side

    @property
    def told(self) -> str:
        """For people."""
        head = f"seed {self.seed} {self.kind}: docker exits {self.docker.code}, we {self.ours.code}"
        if self.docker.code or self.ours.code:
            return f"{head}\n  docker: {self.docker.error}\n  ours:   {self.ours.error}"
        lines = difflib.unified_diff(
            self.docker.text.splitlines(), self.ours.text.splitlines(), "docker", "ours", "", "", 1
        )
        return "\n".join([head, *list(lines)[:24]])


def docker(folder: Path, files: list[str], kind: str) -> Side:
    """Ask docker-compose."""
    chosen = [word for file in files for word in ("-f", file)]
    env = {**ENVIRONMENT, "HOME": "/home/me"}
    done = subprocess.run(
        ["docker-compose", *chosen, "config", *_ARGUMENTS[kind]],
        cwd=folder, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [line for line in done.stderr.splitlines() if not line.startswith("time=")]
    return Side(done.returncode, done.stdout, " ".join(lines))


def ours(folder: Path, files: list[str], kind: str) -> Side:
    """Ask the library, as `wherry compose config` does."""
    from wherry.compose.config_hash import shown_hash
    from wherry.compose.config_text import project_text, tree_text
    from wherry.compose.load import LoadRequest, load, load_tree
    from wherry.errors import WherryError

    request = LoadRequest(
        current_dir=str(folder), environment={**ENVIRONMENT, "HOME": "/home/me"}, files=files,
        interpolate=kind != "tree", resolve_environment=kind != "hash",
    )  # fmt: skip
    try:
        if kind == "tree":
            return Side(0, tree_text(load_tree(request).tree), "")
        project = load(request)
    except WherryError as fault:
        return Side(1 if kind == "tree" else fault.exit_code, "", str(fault))
    if kind == "hash":
        return Side(0, "".join(f"{name} {shown_hash(each)}\n" for name, each in project.services.items()), "")
    return Side(0, project_text(project, kind), "")


def run(seed: int, folder: Path, kind: str) -> Difference | None:
    """Compare one project; None when both say the same."""
    made = Files(seed)
    for name, text in {**made.files, **made.extra}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    files = list(made.files)
    his, own = docker(folder, files, kind), ours(folder, files, kind)
    if his.code != own.code or (his.text != own.text and not his.code):
        return Difference(seed, kind, his, own)
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--most", type=int, default=10, help="stop after so many differences")
    asked = parser.parse_args()
    found = failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(os.path.realpath(name)) / "project"
        folder.mkdir()
        for seed in range(asked.seed, asked.seed + asked.n):
            difference = run(seed, folder, asked.kind or KINDS[seed % len(KINDS)])
            if difference:
                found += 1
                print(difference.told, flush=True)
            if found >= asked.most:
                break
    print(f"{seed - asked.seed + 1} projects, {found} differences", file=sys.stderr)
    return 1 if found or failed else 0


if __name__ == "__main__":
    sys.exit(main())
