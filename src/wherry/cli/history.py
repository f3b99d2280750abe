"""wherry history."""

from __future__ import annotations

import time

from wherry.cli.flags import Flag, Verb
from wherry.cli.render import ago, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.formats import Row
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.image_list import HistoryRow

VERB = Verb(
    "[OPTIONS] IMAGE",
    "Show the history of an image",
    [
        Flag("format", "Format output: 'table', 'table TEMPLATE', 'json', or a Go template", kind="string"),
        Flag("human", "Print sizes and dates in human readable format", short="H", default="true"),
        Flag("no-trunc", "Don't truncate output"),
        Flag("quiet", "Only show image IDs", short="q"),
    ],
    least=1,
    most=1,
    examples=["wherry history shop/api"],
)


_HEADERS = {
    "ID": "IMAGE", "CreatedSince": "CREATED", "CreatedAt": "CREATED AT", "CreatedBy": "CREATED BY", "Size": "SIZE",
    "Comment": "COMMENT",
}  # fmt: skip


def run(engine: Engine, args: Args, out: Output) -> int:
    """The newest step first."""
    from wherry.cli.formats import Listing, listing

    created = "CreatedSince" if args.on("human") else "CreatedAt"
    kind = Listing("image.historyContext", _HEADERS, ("ID", created, "CreatedBy", "Size", "Comment"))
    rows = engine.images.history(args.rest[0], whole=args.on("no-trunc"))
    format = args.text("format")
    cells = [_cells(row, args, is_table=format in {"", "table"}) for row in rows]
    listing(out, kind, cells, format, quiet=args.on("quiet"))
    return 0


def _id(row: HistoryRow, args: Args) -> str:
    if args.on("no-trunc") or not row.image.startswith("sha256:"):
        return row.image
    return row.image[7:19]


def _cells(row: HistoryRow, args: Args, *, is_table: bool) -> Row:
    by = row.created_by.replace("\t", " ")
    if is_table:
        by = by.replace("\n", " ")
    if not args.on("no-trunc") and len(by) > 45:
        by = by.replace("\n", " ")[:44] + "…"
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row.created_ns / 1e9)) if row.created_ns else ""
    return {
        "ID": _id(row, args),
        "CreatedSince": f"{ago(time.time() - row.created_ns / 1e9)} ago" if row.created_ns else "N/A",
        "CreatedAt": at,
        "CreatedBy": by,
        "Size": human_size(row.size) if args.on("human") else str(row.size),
        "Comment": row.comment,
    }
