"""Many command lines in little time: one Python that has imported wherry, and a child of it for each line.

As a program it reads a JSON list of argument lists from standard input, and writes [code, stdout, stderr] of each.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from wherry.cli.main import main

__all__ = ["Answer", "ask"]

_HANGS_S = 60
Answer = tuple[int, str, str]


def ask(lines: Sequence[Sequence[str]], *, root: str, cwd: Path, env: dict[str, str]) -> list[Answer]:
    """What each line answered, in order. Lines are without "wherry"; standard input is empty."""
    whole = [["--root", root, *line] for line in lines]
    source = os.pathsep.join(str(Path(__file__).parents[2] / name) for name in ("src", ""))
    done = subprocess.run(
        [sys.executable, __file__],
        input=json.dumps(whole), capture_output=True, text=True, cwd=cwd, env={**env, "PYTHONPATH": source}, check=True,
    )  # fmt: skip
    return [(code, out, err) for code, out, err in json.loads(done.stdout)]


def _answer(line: list[str]) -> Answer:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            code = 70
            try:
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                signal.alarm(_HANGS_S)
                code = main(line)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out.seek(0)
        err.seek(0)
        return status, out.read().decode("utf-8", "replace"), err.read().decode("utf-8", "replace")


if __name__ == "__main__":
    answers = [_answer(line) for line in json.load(sys.stdin)]
    print(json.dumps(answers))
