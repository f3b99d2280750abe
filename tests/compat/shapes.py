"""docker's JSON and wherry's of equal objects, walked side by side; docs/inspect.md says where they may part.

A shape is a title, lines that make an object, and a last line that prints its JSON. `$N` is a name of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.compat.sides import Side

__all__ = ["PAGE", "Difference", "Shape", "allowed", "document", "fits", "own_values", "shapes", "walk"]

PAGE = Path(__file__).parents[2] / "docs" / "inspect.md"
_END = "docker rm -fv $N $N-o >/dev/null 2>&1; docker network rm $N $N-net >/dev/null 2>&1"


class Shape(NamedTuple):
    title: str
    setup: str
    shows: str
    number: int

    @property
    def kind(self) -> str:
        """What docs/inspect.md calls it: the first word of the title where there are several kinds."""
        return self.title.partition(":")[0]


class Difference(NamedTuple):
    """`path` as docs/inspect.md writes it: dots between keys, [] for any element of a list."""

    path: str
    what: str


def shapes() -> list[Shape]:
    parts = re.split(r"^=== *(.*)\n", (Path(__file__).parent / "cases" / "shapes.inspect").read_text(), flags=re.M)
    found = []
    for number, (title, body) in enumerate(zip(parts[1::2], parts[2::2], strict=True)):
        *setup, shows = body.strip().split("\n")
        found.append(Shape(title, "\n".join(setup), shows, number))
    return found


def document(side: Side, shape: Shape) -> Any:
    """The first object that the last line prints; what was made is gone afterwards."""
    folder = side.folder / "work" / f"shape{shape.number}"
    folder.mkdir()
    name = f"shape{shape.number}"
    script = f"N={name}; {{ {shape.setup or 'true'}\n}} >log 2>&1 </dev/null\n{shape.shows} >out 2>>log; {_END}; true"
    done = side.run(script, folder)
    said = (folder / "log").read_text(errors="replace")
    assert done.returncode == 0, f"{side.name} did not come to an end: {said}"
    text = (folder / "out").read_text()
    assert text.strip() not in {"", "[]"}, f"{side.name}: {shape.setup}\n{shape.shows}\n{said}"
    # This side's own words in values: its folders, and the shape's
    doc = json.loads(text.replace(str(side.folder), "SIDE"))
    return settled(doc[0] if isinstance(doc, list) else doc)


def settled(doc: Any) -> Any:
    """Lists whose order is docker's map order, at random."""
    if isinstance(doc, dict):
        if isinstance(doc.get("Mounts"), list):
            doc["Mounts"].sort(key=lambda one: one.get("Destination", ""))
        ports = doc.get("NetworkSettings", {}).get("Ports") or {}
        for places in ports.values():
            for place in places or []:
                # One of the kernel's own, which nobody asked for
                place["HostPort"] = "FREE" if int(place["HostPort"]) >= 32768 else place["HostPort"]
            (places or []).sort(key=lambda one: (one["HostIp"], one["HostPort"]))
        ((doc.get("Config") or {}).get("Env") or []).sort()
        ((doc.get("HostConfig") or {}).get("Binds") or []).sort()
        if isinstance(doc.get("Containers"), dict):
            doc["Containers"] = {f"#{place}": one for place, one in enumerate(doc["Containers"].values())}
    return doc


def walk(docker: Any, wherry: Any, own: list[str], path: str = "") -> Iterator[Difference]:
    """Every place where keys, types or values part. Below a path of `own` values need only be of one type, and both
    empty or both not."""
    if type(docker) is not type(wherry):
        yield Difference(path, f"docker {_short(docker)}, wherry {_short(wherry)}")
    elif isinstance(docker, dict):
        for key in sorted(docker.keys() | wherry.keys()):
            below = f"{path}.{key}" if path else key
            if key not in wherry:
                yield Difference(below, f"only docker has it: {_short(docker[key])}")
            elif key not in docker:
                yield Difference(below, f"only wherry has it: {_short(wherry[key])}")
            else:
                yield from walk(docker[key], wherry[key], own, below)
    elif isinstance(docker, list) and len(docker) == len(wherry):
        for one, other in zip(docker, wherry, strict=True):
            yield from walk(one, other, own, f"{path}[]")
    elif docker != wherry and not (bool(docker) == bool(wherry) and any(fits(one, path) for one in own)):
        yield Difference(path, f"docker {_short(docker)}, wherry {_short(wherry)}")


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 200 else f"{text[:200]}..."


def fits(pattern: str, path: str) -> bool:
    """Whether the pattern names the path, or something above it. "*" is any one key."""
    words, place = pattern.split("."), path.split(".")
    if pattern.startswith("**."):
        return place[-1] == words[-1]
    # A key may hold dots: those of a label, an option or a port do
    return re.match(rf"{_regex(pattern)}(\.|\[|$)", path) is not None


def _regex(pattern: str) -> str:
    return "".join("[^.]+" if part == "*" else re.escape(part) for part in re.split(r"(\*)", pattern))


def _rows(heading: str) -> list[tuple[str, str]]:
    """(kinds, path) of the table below a heading of the page."""
    body = PAGE.read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    found = []
    for line in body.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and cells[1].startswith("`"):
            found += [(cells[0], one) for one in re.findall(r"`([^`]+)`", cells[1])]
    return found


def own_values(kind: str) -> list[str]:
    return [path for kinds, path in _rows("Values of each one's own") if kind in kinds.split(", ")]


def allowed(kind: str) -> list[str]:
    return [path for kinds, path in _rows("Differences") if kind in kinds.split(", ")]
