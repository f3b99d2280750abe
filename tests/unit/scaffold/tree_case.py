"""A project in one text, so that no tool of ours trips over what is broken on purpose.

What the case is about.
--- main.py
its text
--- model.pkl (hex)
80 04
--- deep.py (repeat 5000)
(
--- link -> target
===
what is expected
"""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["expected", "lay_out"]


def lay_out(case: Path, folder: Path) -> None:
    """Write the case's files below `folder`."""
    body = case.read_text().rpartition("\n===")[0]
    for part in re.split(r"^--- ", body, flags=re.MULTILINE)[1:]:
        head, _, text = part.partition("\n")
        name, _, target = head.partition(" -> ")
        name, _, how = name.partition(" (")
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if target:
            path.symlink_to(target)
        elif how == "hex)":
            path.write_bytes(bytes.fromhex(text))
        else:
            times = int(how.removeprefix("repeat ").removesuffix(")")) if how else 0
            path.write_text(text.strip() * times if times else text)


def expected(case: Path) -> list[str]:
    return case.read_text().rpartition("\n===")[2].strip().splitlines()
