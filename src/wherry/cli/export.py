"""wherry export."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "[OPTIONS] CONTAINER",
    "Export a container's filesystem as a tar archive",
    [Flag("output", "Write to a file, instead of STDOUT", short="o", kind="string")],
    least=1,
    most=1,
    examples=["wherry export -o api.tar api", "wherry export api | tar tv"],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """A file appears whole or not at all."""
    from wherry.cli.to_file import write_out

    row = engine.containers.find(args.rest[0])  # before a file is made
    write_out(args.text("output"), out, lambda write: engine.containers.export(row.id, write))
    return 0
