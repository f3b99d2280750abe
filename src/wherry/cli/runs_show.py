"""One run for people: what it was given, what came of it, from which code, in which image."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from wherry.cli.render import Output
    from wherry.track.record import Record

__all__ = ["show"]


def show(out: Output, record: Record) -> None:
    """Sections that the run has nothing for are left out. Names are whatever a program logged: control characters in
    them are made harmless.
    """
    from wherry.cli.render import clean

    document = record.document
    for name, text in _head(document, record.folder):
        if text:
            out.line(f"{name + ':':<12} {clean(text)}")
    sections = (("Parameters", _parameters(document)), ("Metrics", _metrics(document)),
                ("Data", _files(document.get("data", ()))), ("Artifacts", _files(document["artifacts"])),
                ("Promoted to", _promoted(document)))  # fmt: skip
    for title, rows in sections:
        if rows:
            out.line(f"\n{title}:")
            widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
            for row in rows:
                cells = [clean(cell).ljust(width) for cell, width in zip(row, widths, strict=True)]
                out.line("  " + "  ".join(cells).rstrip())


def _head(document: Mapping[str, Any], folder: str) -> Iterator[tuple[str, str]]:
    from wherry.cli.render import moment
    from wherry.runs.query import duration

    code = document.get("exit_code")
    yield "Run", f"{document['name']} ({document['id']})"
    yield "Experiment", document["experiment"]
    yield "Status", document["status"] + (f", exit code {code}" if code else "")
    yield "Error", document.get("error", "")
    seconds = duration(document)
    yield "Started", moment(document["started_ms"] * 1_000_000) + (f", took {seconds:.1f} s" if seconds else "")
    yield "Command", " ".join(document.get("command", []))
    yield "Code", _code(document.get("git", {}))
    image = document.get("image", {})
    yield "Image", " ".join(filter(None, (image.get("name"), image.get("digest") or image.get("id"))))
    yield "Container", document.get("container", {}).get("name", "")
    yield "Ran on", _machine(document.get("environment", {}))
    yield "Tags", ", ".join(f"{name}={value}" if value else name for name, value in document["tags"].items())
    yield "Parent", document.get("parent", "")
    yield "Folder", folder


def _code(code: Mapping[str, Any]) -> str:
    if not code:
        return ""
    found = code.get("commit", "")[:12] or "no commit yet"
    found += f" ({code['branch']})" if code.get("branch") else ""
    if code.get("diff"):
        lines = code["diff"].splitlines()
        added = sum(line.startswith("+") and not line.startswith("+++") for line in lines)
        removed = sum(line.startswith("-") and not line.startswith("---") for line in lines)
        found += f", changed: +{added} -{removed} (runs show --diff)"
    if code.get("untracked_count"):
        found += f", {code['untracked_count']} untracked"
    return found + (f", {code['remote']}" if code.get("remote") else "")


def _machine(side: Mapping[str, Any]) -> str:
    gpus = side.get("gpus", [])
    words = [f"Python {side['python']}" if side.get("python") else "", side.get("os", ""), side.get("arch", ""),
             f"{side['cpu_count']} CPUs" if side.get("cpu_count") else "", ", ".join(map(str, gpus)),
             f"CUDA {side['cuda']}" if side.get("cuda") else "",
             f"{len(side['packages'])} packages" if side.get("packages") else ""]  # fmt: skip
    return ", ".join(filter(None, words))


def _parameters(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    from wherry.runs.compare import shown

    return [(name, shown(value)) for name, value in document["params"].items()]


def _metrics(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    from wherry.runs.compare import shown

    found: list[tuple[str, ...]] = []
    for name, one in document["metrics"].items():
        least, most = (f"{word} {shown(one[word])} at {one[word + '_step']}" if word in one else ""
                       for word in ("min", "max"))  # fmt: skip
        count = f"{one['count']} points" if "count" in one else ""
        found.append((name, shown(one.get("last")), least, most, count))
    return found


def _files(some: Iterable[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    from wherry.cli.render import human_size

    return [(str(one["name"]), human_size(int(one["size"])), str(one["digest"])) for one in some]


def _promoted(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    from wherry.cli.render import moment

    return [(one["image"]["name"], one["image"]["id"][7:19], moment(one["at_ms"] * 1_000_000))
            for one in document.get("promoted", ())]  # fmt: skip
