"""wherry compose version."""

from __future__ import annotations

from wherry.cli.compose import compose_verb
from wherry.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = compose_verb(
    "[OPTIONS]",
    "Show the version information",
    [
        Flag("format", "Format the output: pretty or json", short="f", kind="string"),
        Flag("short", "Only the version number"),
    ],
    examples=("wherry compose version", "wherry compose version --short"),
)

# Scripts compare it with the version that they need: what is told is the docker-compose whose ways these are
COMPOSE_VERSION = "2.26.1"


def run(engine: Engine, args: Args, out: Output) -> int:
    from wherry._version import __version__

    if args.on("short"):
        out.line(COMPOSE_VERSION)
    elif args.text("format") == "json":
        out.json({"version": f"v{COMPOSE_VERSION}"})
    else:
        # Differs from docker: `compose version` says whose work it is, too
        out.line(f"Docker Compose version v{COMPOSE_VERSION} (wherry {__version__})")
    return 0
