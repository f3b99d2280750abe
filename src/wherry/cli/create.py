"""wherry create."""

from __future__ import annotations

from wherry.cli.flags import Verb
from wherry.cli.run_flags import CREATE_FLAGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    "Create a new container",
    CREATE_FLAGS,
    least=1,
    most=None,
    interspersed=False,
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """Prints the id."""
    from wherry.cli.run_flags import options as parse
    from wherry.cli.run_image import require_image
    from wherry.host.linux import require_root

    require_root(engine.settings.uid, "wherry create")
    options = parse(args, engine.settings)
    require_image(engine, args.rest[0], options, out, quiet=args.on("quiet"))
    out.line(engine.containers.create(args.rest[0], options).id)
    return 0
