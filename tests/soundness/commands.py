"""What RUN steps do: a grammar of commands, some of which say what exactly they read. It is kept in commands.d.

A template's text has places: {f} {g} paths of files (there or not), {d} {e} folders, {s} scripts, {n} a new name in a
folder that COPY brings, {o} a private name in /out, {r} a folder that COPY fills, {w} a word. Its head says what it
reads: "unknown", "nothing", or words like "file:f list:d" (see Read); its result is never part of it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.soundness.edits import FILES, FOLDERS, LINKS

__all__ = ["TEMPLATES", "Command", "Read", "Template", "command", "fill"]


class Read(NamedTuple):
    """One observation of the tree below a step. `path` is absolute, links in it are followed.

    `kind`: "file" is type, mode, owner and content; "stat" is type, mode, owner and size; "lstat" the same without
    following the last link; "list" is a folder's names and types; "tree" that of all folders below; "all" is
    everything below: types, modes, owners, content, link targets.
    """

    kind: str
    path: str


class Template(NamedTuple):
    """`tools` is the set of programs that it needs beside busybox; `writes` says that it changes what is there."""

    name: str
    text: str
    reads: str | None
    weight: float = 1
    tools: frozenset[str] = frozenset()
    writes: bool = False


class Command(NamedTuple):
    name: str
    text: str
    reads: tuple[Read, ...] | None


def _templates() -> tuple[Template, ...]:
    found = []
    for path in sorted((Path(__file__).parent / "commands.d").glob("*.txt")):
        for block in path.read_text().split("\n== ")[1:]:
            head, _, text = block.partition("\n")
            name, weight, reads, *tools = (word.strip() for word in head.split("|"))
            exact = None if reads == "unknown" else reads.replace("nothing", "")
            needs = frozenset(" ".join(tools).split())
            found.append(Template(name, text.strip("\n"), exact, float(weight), needs, path.stem == "write"))
    return tuple(found)


TEMPLATES = _templates()
_FILES = (*FILES, *LINKS, "a", "b", "sub/c", "a", "sub/linked", "moved")
_SCRIPTS = ("run.sh", "tool", "bin/tool", "run.sh")
_NEW = ("new", "z", "out.txt", "sub/new", "void/new", "sub/deep/new", "b", "pkg/new")


def fill(rng: random.Random, template: Template, roots: Sequence[str], out: str) -> Command:
    """The template with its places taken. `roots` are the folders that COPY fills; `out` is free for the step."""
    places = {
        "f": _path(rng, roots, _FILES), "g": _path(rng, roots, _FILES), "d": _folder(rng, roots),
        "e": _folder(rng, roots), "s": _path(rng, roots, _SCRIPTS), "n": _path(rng, roots, _NEW), "o": f"{out}.d",
        "w": str(rng.randrange(3)), "r": rng.choice(roots),
    }  # fmt: skip
    text = template.text
    for key, value in places.items():
        text = text.replace(f"{{{key}}}", value)
    if template.reads is None:
        return Command(template.name, text, None)
    words = [word.partition(":") for word in template.reads.split()]
    return Command(template.name, text, tuple(Read(kind, places[key]) for kind, _, key in words))


def _path(rng: random.Random, roots: Sequence[str], names: Sequence[str]) -> str:
    return f"{rng.choice(roots)}/{rng.choice(names)}"


def _folder(rng: random.Random, roots: Sequence[str]) -> str:
    return rng.choice(roots) if rng.random() < 0.45 else _path(rng, roots, FOLDERS)


def command(rng: random.Random, roots: Sequence[str], out: str, tools: frozenset[str]) -> Command:
    """A random step, as one line of shell that leaves what it says and its status in `out`."""
    fits = [one for one in TEMPLATES if one.tools <= tools and (not tools or one.tools or rng.random() < 0.3)]
    weights = [one.weight for one in fits]
    template = rng.choices(fits, weights)[0]
    made = fill(rng, template, roots, out)
    if rng.random() < 0.2:
        more = fill(rng, rng.choices(fits, weights)[0], roots, f"{out}.more")
        # Behind a command that writes, what the next one reads may be its work
        reads = None if made.reads is None or template.writes or more.reads is None else (*made.reads, *more.reads)
        made = Command(f"{made.name}; {more.name}", f"{made.text}; {more.text}", reads)
    if rng.random() < 0.03:
        return made  # may fail, and does so in both builds
    return made._replace(text=f"{{ {made.text} ; }} >{out} 2>&1; echo $? >>{out}")
