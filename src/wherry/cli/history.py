"""wherry history."""

from __future__ import annotations

import time

from wherry.cli.flags import Flag, Verb
from wherry.cli.render import ago, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.image_list import HistoryRow

VERB = Verb(
    "[OPTIONS] IMAGE",
    "Show the history of an image",
    [
        Flag("format", "Format output: 'json', or the default table", kind="string"),
        Flag("human", "Print sizes and dates in human readable format", short="H", default="true"),
        Flag("no-trunc", "Don't truncate output"),
        Flag("quiet", "Only show image IDs", short="q"),
    ],
    least=1,
    most=1,
    examples=["wherry history shop/api"],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """The newest step first."""
    from wherry.cli.images import is_json

    wants_json = is_json(args.text("format"))
    rows = engine.images.history(args.rest[0], whole=args.on("no-trunc"))
    if args.on("quiet"):
        for row in rows:
            out.line(_id(row, args))
    elif wants_json:
        for row in rows:
            id, since, by, size, comment = _cells(row, args)
            created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row.created_ns / 1e9))
            if args.on("no-trunc"):
                by = row.created_by.replace("\t", " ")
            out.json({"Comment": comment, "CreatedAt": created, "CreatedBy": by, "CreatedSince": since, "ID": id,
                      "Size": size})  # fmt: skip
    else:
        human = args.on("human")
        headers = ["IMAGE", "CREATED" if human else "CREATED AT", "CREATED BY", "SIZE", "COMMENT"]
        out.table(headers, [_cells(row, args) for row in rows])
    return 0


def _id(row: HistoryRow, args: Args) -> str:
    if args.on("no-trunc") or not row.image.startswith("sha256:"):
        return row.image
    return row.image[7:19]


def _cells(row: HistoryRow, args: Args) -> tuple[str, str, str, str, str]:
    text = row.created_by.replace("\t", " ").replace("\n", " ")
    if not args.on("no-trunc") and len(text) > 45:
        text = text[:44] + "…"
    if args.on("human"):
        created = f"{ago(time.time() - row.created_ns / 1e9)} ago" if row.created_ns else "N/A"
        return _id(row, args), created, text, human_size(row.size), row.comment
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row.created_ns / 1e9)) if row.created_ns else ""
    return _id(row, args), created, text, str(row.size), row.comment
