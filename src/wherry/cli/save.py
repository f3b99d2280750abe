"""wherry save."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "[OPTIONS] IMAGE [IMAGE...]",
    "Save one or more images to a tar archive (streamed to STDOUT by default)",
    [
        Flag("output", "Write to a file, instead of STDOUT", short="o", kind="string"),
        Flag("platform", "Save only images for this platform, and fail for others", kind="string"),
    ],
    least=1,
    most=None,
    examples=["wherry save -o api.tar shop/api:1.4", "wherry save shop/api | gzip > api.tar.gz"],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """A file appears whole or not at all."""
    from wherry.cli.to_file import write_out
    from wherry.oci.platform import Platform

    platform = Platform.parse(args.text("platform")) if args.text("platform") else None
    write_out(args.text("output"), out, lambda write: engine.images.save(args.rest, write, platform=platform))
    return 0
