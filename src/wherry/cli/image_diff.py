"""wherry image diff."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.image_diff import Difference, FileChange
    from wherry.store.images import ImageRecord

__all__ = ["VERB", "run"]

VERB = Verb(
    "[OPTIONS] IMAGE IMAGE",
    "Show what differs between two images: packages and files",
    [
        Flag("all", "List the files of packages too", short="a"),
        Flag("format", "Format output: 'json', a Go template, or the default tables", kind="string"),
    ],
    least=2,
    most=2,
    examples=[
        "wherry image diff shop/api:1 shop/api:2",
        "wherry image diff --format '{{range .Packages}}{{println .Name .From .To}}{{end}}' shop/api:1 shop/api:2",
    ],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """0 also when they differ: the question was answered."""
    from wherry.engine.image_diff import diff

    before, after = (engine.images.resolve(name) for name in args.rest)
    found = diff(engine, before, after)
    text = args.text("format")
    if text not in {"", "table"}:
        from wherry.cli import formats

        formats.document(out, _document(found, before, after), text)
    else:
        _tables(found, out, everything=args.on("all"))
    return 0


def _tables(found: Difference, out: Output, *, everything: bool) -> None:
    files = [one for one in found.files if everything or not one.package]
    if found.packages:
        out.table(
            ["PACKAGE", "CHANGE", "FROM", "TO", "SIZE", "FILES"],
            [
                (one.name, one.change, one.from_version or "-", one.to_version or "-",
                 _more(one.to_size - one.from_size), str(one.files))
                for one in found.packages
            ],
        )  # fmt: skip
        out.line()
    if files:
        out.table(["FILE", "CHANGE", "SIZE", "WHAT"], [_cells(one) for one in files])
        out.line()
    out.line(_summary(found))


def _cells(one: FileChange) -> tuple[str, str, str, str]:
    slash = "/" if one.kind == "folder" and one.path != "/" else ""
    return one.path + slash, one.change, _more(one.to_size - one.from_size), ", ".join(one.what)


def _more(size: int) -> str:
    from wherry.cli.render import human_size

    return f"{'-' if size < 0 else '+'}{human_size(abs(size))}" if size else "0B"


def _summary(found: Difference) -> str:
    if not found.files:
        return "no difference"
    counts = [
        f"{number} {name}"
        for name in ("added", "removed", "changed")
        if (number := sum(one.change == name for one in found.files))
    ]
    total = sum(one.to_size - one.from_size for one in found.files)
    return f"files and folders: {', '.join(counts)}; {_more(total)}"


def _document(found: Difference, before: ImageRecord, after: ImageRecord) -> dict[str, Any]:
    return {
        "From": str(before.id),
        "To": str(after.id),
        "Packages": [
            {"Change": one.change, "Name": one.name, "From": one.from_version, "To": one.to_version,
             "FromSize": one.from_size, "ToSize": one.to_size, "Files": one.files, "Folder": one.folder}
            for one in found.packages
        ],
        "Files": [
            {"Change": one.change, "Path": one.path, "Kind": one.kind, "FromSize": one.from_size, "ToSize": one.to_size,
             "What": list(one.what), "Package": one.package}
            for one in found.files
        ],
    }  # fmt: skip
