"""wherry system df."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from wherry.cli.flags import Args
    from wherry.cli.formats import Listing, Row
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.builder_cache import Entry
    from wherry.engine.prune import Usage

VERB = Verb(
    "[OPTIONS]",
    "Show disk usage",
    [
        Flag("format", "Format output: 'table', 'table TEMPLATE', 'json', or a Go template", kind="string"),
        Flag("verbose", "Show detailed information on space usage", short="v"),
    ],
    most=0,
    examples=["wherry system df", "wherry system df -v", "wherry system df --format '{{.Type}}: {{.Size}}'"],
)

_HEADERS = {
    "Type": "TYPE", "TotalCount": "TOTAL", "Active": "ACTIVE", "Size": "SIZE", "Reclaimable": "RECLAIMABLE",
}  # fmt: skip
_RAW = """type: {{.Type}}
total: {{.TotalCount}}
active: {{.Active}}
size: {{.Size}}
reclaimable: {{.Reclaimable}}
"""
_IMAGES = ("Repository", "Tag", "ID", "CreatedSince", "Size", "SharedSize", "UniqueSize", "Containers")
_CONTAINERS = ("ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names")
_VOLUMES = ("Name", "Links", "Size")
_CACHE_HEADERS = {
    "ID": "CACHE ID", "CacheType": "CACHE TYPE", "Size": "SIZE", "CreatedSince": "CREATED",
    "LastUsedSince": "LAST USED", "UsageCount": "USAGE", "Shared": "SHARED", "Description": "DESCRIPTION",
    "CreatedAt": "CREATED AT", "LastUsedAt": "LAST USED AT", "InUse": "IN USE", "Parent": "PARENT",
}  # fmt: skip
_CACHE = ("ID", "CacheType", "Size", "CreatedSince", "LastUsedSince", "UsageCount", "Shared")


def run(engine: Engine, args: Args, out: Output) -> int:
    """docker's lines; with -v a table for each kind, or one document for a template."""
    from wherry.cli.formats import Listing, listing
    from wherry.engine.prune import usage

    format = args.text("format")
    if args.on("verbose"):
        return _verbose(engine, out, "" if format == "table" else format)
    kind = Listing("formatter.diskUsageImagesContext", _HEADERS, tuple(_HEADERS), "Type", _RAW)
    listing(out, kind, [_row(one) for one in usage(engine)], format)
    return 0


def _row(one: Usage) -> Row:
    from wherry.cli.render import human_size

    share = f" ({one.reclaimable * 100 // one.size}%)" if one.size and one.kind != "Build Cache" else ""
    return {
        "Type": one.kind, "TotalCount": str(one.total), "Active": str(one.active),
        "Size": human_size(one.size, digits=4), "Reclaimable": human_size(one.reclaimable, digits=4) + share,
    }  # fmt: skip


def _verbose(engine: Engine, out: Output, format: str) -> int:
    from wherry.cli import images, ps, volume
    from wherry.cli.formats import Listing, listing
    from wherry.cli.render import human_size
    from wherry.engine.builder_cache import entries

    whole = bool(format)
    cache = entries(engine)
    parts: list[tuple[str, Listing, Sequence[Row]]] = [
        ("Images", images.listing_of(_IMAGES), _images(engine, whole=whole)),
        (
            "Containers",
            Listing("formatter.ContainerContext", ps.HEADERS, _CONTAINERS),
            _containers(engine, whole=whole),
        ),
        ("Volumes", Listing("formatter.volumeContext", volume.HEADERS, _VOLUMES), _volumes(engine)),
        ("BuildCache", Listing("formatter.buildCacheContext", _CACHE_HEADERS, _CACHE), [_entry(one) for one in cache]),
    ]
    if format:
        _document(out, parts, format)
        return 0
    headings = ("Images space usage:", "Containers space usage:", "Local Volumes space usage:",
                f"Build cache usage: {human_size(sum(one.size for one in cache), digits=4)}")  # fmt: skip
    for heading, (_, kind, rows) in zip(headings, parts, strict=True):
        out.line(heading + "\n")
        listing(out, kind, rows, "")
        if kind is not parts[-1][1]:
            out.line()
    return 0


def _document(out: Output, parts: Sequence[tuple[str, Listing, Sequence[Row]]], format: str) -> None:
    from wherry.cli.formats import document
    from wherry.cli.formats_template import TemplateSyntaxError, context

    whole: dict[str, Any] = {name: [context(kind, row) for row in rows] for name, kind, rows in parts}
    try:
        document(out, whole, "{{json .}}" if format == "json" else format, "*formatter.diskUsageContext")
    except TemplateSyntaxError as fault:
        fault.exit_code = 1  # as docker: this is a list, too
        raise


def _images(engine: Engine, *, whole: bool) -> list[Row]:
    from wherry.cli import images
    from wherry.cli.render import human_size
    from wherry.engine.usage_details import image_uses

    return [
        {
            **images.cells(row, whole=whole),
            "Containers": str(one.containers),
            "Digest": "",
            "SharedSize": human_size(one.shared_bytes, digits=4),
            "UniqueSize": human_size(one.size_bytes - one.shared_bytes, digits=4),
        }
        for one in image_uses(engine)
        for row in images.rows(one.record, digests=False)
    ]


def _containers(engine: Engine, *, whole: bool) -> list[Row]:
    from wherry.cli import ps
    from wherry.cli.render import human_size

    found = engine.containers.list({}, all=True, size=True)
    return [{**ps.row(engine, one, whole=whole), "Size": human_size(one.size)} for one in found]


def _volumes(engine: Engine) -> list[Row]:
    from wherry.cli import volume
    from wherry.cli.render import human_size
    from wherry.engine.usage_details import volume_uses

    return [
        {**volume.row(one.volume), "Links": str(one.links), "Size": human_size(one.size_bytes, digits=4)}
        for one in volume_uses(engine)
    ]


def _entry(one: Entry) -> Row:
    import time

    from wherry.cli.render import ago, human_size, moment

    now = time.time_ns()
    return {
        "ID": f"{one.id[:12]}{'*' * one.is_mutable}", "CacheType": one.type, "Size": human_size(one.size),
        "CreatedSince": f"{ago((now - one.created_ns) / 1e9)} ago", "CreatedAt": moment(one.created_ns),
        "LastUsedSince": f"{ago((now - one.used_ns) / 1e9)} ago", "LastUsedAt": moment(one.used_ns),
        "UsageCount": str(one.uses), "Shared": str(one.is_shared).lower(), "InUse": str(one.is_in_use).lower(),
        "Description": one.what, "Parent": "",
    }  # fmt: skip
