"""Modules of the project: which file a dotted name means, and under which name and from where a file is imported."""

from __future__ import annotations

from wherry.scaffold.source import Sketch, Sources, dotted

__all__ = ["Placement", "placed", "reachable"]


class Placement:
    """The project's files by dotted name, from its root."""

    def __init__(self, sources: Sources) -> None:
        self.by_name = {dotted(one.path): one for one in sources.sketches}
        self.folders = {one.path.rpartition("/")[0] for one in sources.sketches}
        self.packages = {one.path.rpartition("/")[0] for one in sources.sketches if one.path.endswith("/__init__.py")}

    def find(self, name: str, importer: str) -> Sketch | None:
        """As `importer` would import it: beside itself, in a folder above, or below src/."""
        above = importer.split("/")[:-1]
        bases = [above[:depth] for depth in range(len(above), -1, -1)] + [["src"]]
        for base in bases:
            found = self.by_name.get(".".join([*base, name]) if base else name)
            if found:
                return found
        return None

    def top_names(self) -> set[str]:
        """First names that mean the project's own code, wherever it is."""
        names = {part for folder in self.folders for part in folder.split("/") if part}
        return names | {name.rpartition(".")[2] for name in self.by_name}


def placed(sketch: Sketch, where: Placement) -> tuple[str, str]:
    """(folder, dotted module): the folder that is to be the working folder, and the file's name from there."""
    *parents, name = sketch.path.split("/")
    stem = name.removesuffix(".py")
    start = len(parents)
    while start > 0 and "/".join(parents[:start]) in where.packages:
        start -= 1
    if start == len(parents) and parents and _is_package_by_use(sketch, parents, where):
        start = 0
    if parents[:1] == ["src"] and start == 0 and "src" not in where.packages and not _names_src(sketch):
        start = 1
    if not all(part.isidentifier() for part in parents[start:]):
        start = len(parents)
    module = ".".join([*parents[start:], *([] if stem == "__init__" else [stem])])
    return "/".join(parents[:start]) or ".", module or stem


def _names_src(sketch: Sketch) -> bool:
    return any(one.module.split(".")[0] == "src" for one in sketch.imports)


def _is_package_by_use(sketch: Sketch, parents: list[str], where: Placement) -> bool:
    """A folder without __init__.py: whether its file imports as a part of a package, or its neighbours by bare name."""
    own = "/".join(parents)
    roots = {one.module.split(".")[0] for one in sketch.imports if not one.module.startswith(".")}
    if any(one.module.startswith(".") for one in sketch.imports) or parents[0] in roots:
        return True
    beside = {one.rpartition(".")[2] for one in where.by_name if one.startswith(own.replace("/", ".") + ".")}
    at_root = {one for one in where.by_name if "." not in one} | {folder.split("/")[0] for folder in where.folders}
    return not (roots & beside - at_root) and parents != ["src"]


def reachable(start: Sketch, where: Placement) -> set[str]:
    """Paths of the files that the import of one brings along, itself among them."""
    seen, waiting = {start.path}, [start]
    while waiting:
        one = waiting.pop()
        for name in _wanted(one):
            found = where.find(name, one.path)
            if found and found.path not in seen:
                seen.add(found.path)
                waiting.append(found)
    return seen


def _wanted(sketch: Sketch) -> list[str]:
    """Dotted names that a file may mean: `from a import b` may be a.b."""
    names = []
    lines = sketch.data.split(b"\n")
    for one in sketch.imports:
        bare = one.module.lstrip(".")
        level = len(one.module) - len(bare)
        parts = sketch.path.split("/")[:-1]
        base = parts[: len(parts) - level + 1] if level else []
        head = ".".join([*base, *([bare] if bare else [])])
        if head:
            names.append(head)
        _, _, tail = lines[one.line - 1].decode("utf-8", "replace").partition(" import ")
        names += [
            f"{head}.{word.split()[0]}" if head else word.split()[0]
            for word in tail.strip(" ()\\").split(",")
            if word.split()
        ]
    return names
