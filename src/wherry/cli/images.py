"""wherry images."""

from __future__ import annotations

import time

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wherry.cli.flags import Args
    from wherry.cli.formats import Listing, Row
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.store.images import ImageRecord

VERB = Verb(
    "[OPTIONS] [REPOSITORY[:TAG]]",
    "List images",
    [
        Flag("all", "Show all images (there are no intermediate ones to hide)", short="a"),
        Flag("digests", "Show digests"),
        Flag(
            "filter",
            "Filter output: dangling, reference, label, before, since, until",
            short="f",
            kind="list",
            type_name="filter",
        ),
        Flag("format", "Format output: 'table', 'table TEMPLATE', 'json', or a Go template", kind="string"),
        Flag("no-trunc", "Don't truncate output"),
        Flag("quiet", "Only show image IDs", short="q"),
    ],
    most=1,
    examples=[
        "wherry images",
        "wherry images --filter dangling=true",
        "wherry images 'shop/*'",
        "wherry images --format '{{.Repository}}:{{.Tag}}'",
    ],
)


HEADERS = {
    "Repository": "REPOSITORY", "Tag": "TAG", "Digest": "DIGEST", "ID": "IMAGE ID", "CreatedSince": "CREATED",
    "Size": "SIZE", "CreatedAt": "CREATED AT", "Containers": "CONTAINERS", "SharedSize": "SHARED SIZE",
    "UniqueSize": "UNIQUE SIZE", "VirtualSize": "SIZE",
}  # fmt: skip
_COLUMNS = ("Repository", "Tag", "ID", "CreatedSince", "Size")
_WITH_DIGEST = ("Repository", "Tag", "Digest", "ID", "CreatedSince", "Size")
_RAW = """repository: {{.Repository}}
tag: {{.Tag}}
%simage_id: {{.ID}}
created_at: {{.CreatedAt}}
virtual_size: {{.Size}}
"""


def run(engine: Engine, args: Args, out: Output) -> int:
    """One line for each name of each image."""
    from wherry.cli.formats import listing

    digests, format = args.on("digests"), args.text("format")
    filters = args.all("filter")
    if args.rest:
        filters = (*filters, f"reference={args.rest[0]}")
    if filters:
        from wherry.engine.filters import parse_filters
        from wherry.engine.image_list import KEYS

        records = engine.images.list(parse_filters(filters, KEYS))
    else:
        records = engine.images.list()
    if digests and format.startswith("table ") and "{{.Digest}}" not in format:
        format += r"\t{{.Digest}}"  # as docker
    digests = digests or ".Digest" in format
    kind = listing_of(_WITH_DIGEST if digests else _COLUMNS, _RAW % ("digest: {{.Digest}}\n" if digests else ""))
    whole = args.on("no-trunc")
    shown = [cells(row, whole=whole) for record in records for row in rows(record, digests=digests)]
    listing(out, kind, shown, format, quiet=args.on("quiet"))
    return 0


def listing_of(columns: Sequence[str], raw: str = "") -> Listing:
    from wherry.cli.formats import Listing

    return Listing("formatter.imageContext", HEADERS, columns, raw=raw)


_Row = tuple["ImageRecord", str, str, str]


def rows(record: ImageRecord, *, digests: bool) -> Iterator[_Row]:
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


def _since(record: ImageRecord) -> str:
    from wherry.cli.render import ago

    return f"{ago(time.time() - record.created_ns / 1e9)} ago" if record.created_ns else "N/A"


def cells(row: _Row, *, whole: bool) -> Row:
    """docker's fields of an image in a list."""
    from wherry.cli.render import human_size, moment

    record, repository, tag, digest = row
    return {
        "Containers": "N/A", "CreatedAt": lambda: moment(record.created_ns), "CreatedSince": lambda: _since(record),
        "Digest": digest, "ID": record.id if whole else record.id.short, "Repository": repository, "SharedSize": "N/A",
        "Size": lambda: human_size(record.size), "Tag": tag, "UniqueSize": "N/A",
        "VirtualSize": lambda: human_size(record.size, digits=4),
    }  # fmt: skip
