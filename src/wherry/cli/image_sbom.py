"""wherry image sbom."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb
from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

__all__ = ["VERB", "run"]

VERB = Verb(
    "[OPTIONS] IMAGE",
    "Print what is installed in a local image: an SBOM",
    [Flag("format", "spdx (2.3) or cyclonedx (1.6), both JSON", kind="string", default="spdx")],
    least=1,
    most=1,
    examples=["wherry image sbom shop/api", "wherry image sbom --format cyclonedx shop/api > sbom.json"],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """The document, as `build --sbom` would attach it."""
    from wherry.engine.trust_sbom import formats, sbom

    kinds = formats(args.text("format"))
    if len(kinds) > 1:
        raise InputError("one document is printed at a time", hint="--format spdx or --format cyclonedx")
    (document,) = sbom(engine, engine.images.resolve(args.rest[0]), kinds)
    # As it is, for a file or a pipe; a terminal gets it made harmless
    if out.is_terminal:
        import json

        out.json(json.loads(document.data), indent=2)
    else:
        from wherry.fs.atomic import write_all

        write_all(out.out_fd, document.data)
    return 0
