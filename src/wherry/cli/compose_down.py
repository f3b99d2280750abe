"""wherry compose down."""

from __future__ import annotations

from wherry.cli.compose import ComposeContext, compose_verb
from wherry.cli.compose_work import interrupts
from wherry.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = compose_verb(
    "[OPTIONS] [SERVICES]",
    "Stop and remove containers, networks",
    [
        Flag("remove-orphans", "Remove containers for services not defined in the Compose file"),
        Flag("rmi", 'Remove images used by services. "local" remove only images that don\'t have a custom tag '
             '("local"|"all")', kind="string"),
        Flag("timeout", "Specify a shutdown timeout in seconds", short="t", kind="int"),
        Flag("volumes", 'Remove named volumes declared in the "volumes" section of the Compose file and anonymous '
             "volumes attached to containers", short="v"),
    ],
    most=None,
    examples=("wherry compose down", "wherry compose down --volumes --rmi local", "wherry compose -p demo down"),
)  # fmt: skip


def run(engine: Engine, args: Args, out: Output) -> int:
    from wherry.compose.down import DownRequest, down, down_plan

    context = ComposeContext(engine, args, out)
    project, name = context.project_or_name(args.rest)
    request = DownRequest(
        tuple(args.rest),
        args.on("volumes"),
        args.on("remove-orphans") or context.env.get("COMPOSE_REMOVE_ORPHANS", "").lower() in {"1", "t", "true"},
        args.text("rmi"),
        args.number("timeout"),
        context.parallel,
    )
    if context.is_dry:
        out.write(down_plan(engine, name, project, request).text())
        return 0
    with interrupts() as found, context.progress() as progress:
        down(engine, name, project, request, progress, found.cancel)
    return 0
