"""wherry rmi."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb
from wherry.errors import NotFound, WherryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "[OPTIONS] IMAGE [IMAGE...]",
    "Remove one or more images",
    [
        Flag("force", "Force removal of the image", short="f"),
        Flag("no-prune", "Accepted for docker's sake: there are no untagged parents"),
    ],
    least=1,
    most=None,
    examples=["wherry rmi shop/api:1.4", "wherry rmi $(wherry images -q --filter dangling=true)"],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """Goes on after a failure; with --force an image that is not there is no failure."""
    failed = False
    for name in args.rest:
        try:
            for line in engine.images.remove(name, force=args.on("force")):
                out.line(line)
        except WherryError as fault:
            failed = failed or not (args.on("force") and isinstance(fault, NotFound))
            out.error(f"wherry: {fault}" + (f"\nhint: {fault.hint}" if fault.hint else ""))
    return 1 if failed else 0
