"""wherry images."""

from __future__ import annotations

import time

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.store.images import ImageRecord

VERB = Verb(
    "[OPTIONS] [REPOSITORY[:TAG]]",
    "List images",
    [
        Flag("all", "Show all images (there are no intermediate ones to hide)", short="a"),
        Flag("digests", "Show digests"),
        Flag("filter", "Filter output: dangling, reference, label, before, since, until", short="f", kind="list"),
        Flag("format", "Format output: 'json', or the default table", kind="string"),
        Flag("no-trunc", "Don't truncate output"),
        Flag("quiet", "Only show image IDs", short="q"),
    ],
    most=1,
    examples=["wherry images", "wherry images --filter dangling=true", "wherry images 'shop/*'"],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """One line for each name of each image."""
    wants_json = is_json(args.text("format"))
    filters = args.all("filter")
    if args.rest:
        filters = (*filters, f"reference={args.rest[0]}")
    if filters:
        from wherry.engine.filters import parse_filters
        from wherry.engine.image_list import KEYS

        records = engine.images.list(parse_filters(filters, KEYS))
    else:
        records = engine.images.list()
    rows = [row for record in records for row in _rows(record, digests=args.on("digests"))]
    if args.on("quiet"):
        for record, *_ in rows:
            out.line(_id(record, args))
    elif wants_json:
        for row in rows:
            out.json(_document(row, args))
    else:
        _table(rows, args, out)
    return 0


def is_json(text: str) -> bool:
    if text not in {"", "table", "json", "{{json .}}"}:
        from wherry.errors import Unsupported

        raise Unsupported(f"format {text!r} is not supported yet", hint="--format json gives one JSON object per line")
    return text in {"json", "{{json .}}"}


_Row = tuple["ImageRecord", str, str, str]


def _rows(record: ImageRecord, *, digests: bool) -> Iterator[_Row]:
    """(record, repository, tag, digest), "<none>" where there is none: as docker, each tag with each digest."""
    known: dict[str, list[str]] = {}
    for name in record.digests:
        repository, _, digest = name.partition("@")
        known.setdefault(repository, []).append(digest)
    shown = set()
    for tag in record.tags:
        repository, _, name = tag.rpartition(":")
        shown.add(repository)
        for digest in (known.get(repository) if digests else None) or ["<none>"]:
            yield record, repository, name, digest
    for repository, all_of_it in known.items():
        if repository not in shown:
            for digest in all_of_it if digests else ["<none>"]:
                yield record, repository, "<none>", digest
    if not record.references:
        yield record, "<none>", "<none>", "<none>"


def _id(record: ImageRecord, args: Args) -> str:
    return record.id if args.on("no-trunc") else record.id.short


def _since(record: ImageRecord) -> str:
    from wherry.cli.render import ago

    return f"{ago(time.time() - record.created_ns / 1e9)} ago" if record.created_ns else "N/A"


def _table(rows: list[_Row], args: Args, out: Output) -> None:
    from wherry.cli.render import human_size

    headers = ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]
    cells = [[repo, tag, _id(record, args), _since(record), human_size(record.size)] for record, repo, tag, _ in rows]
    if args.on("digests"):
        headers.insert(2, "DIGEST")
        for cell, row in zip(cells, rows, strict=True):
            cell.insert(2, row[3])
    out.table(headers, cells)


def _document(row: _Row, args: Args) -> dict[str, str]:
    from wherry.cli.render import human_size

    record, repository, tag, digest = row
    created = time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC", time.gmtime(record.created_ns / 1e9))
    size = human_size(record.size)
    return {
        "Containers": "N/A", "CreatedAt": created, "CreatedSince": _since(record), "Digest": digest,
        "ID": _id(record, args), "Repository": repository, "SharedSize": "N/A", "Size": size, "Tag": tag,
        "UniqueSize": "N/A", "VirtualSize": size,
    }  # fmt: skip
