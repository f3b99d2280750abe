"""wherry compose stats."""

from __future__ import annotations

from wherry.cli.compose import ComposeContext, compose_verb
from wherry.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = compose_verb(
    "[OPTIONS] [SERVICE]",
    "Display a live stream of container(s) resource usage statistics",
    [
        Flag("all", "Show all containers (default shows just running)", short="a"),
        Flag("format", "Format output: 'table', 'table TEMPLATE', 'json', or a Go template", kind="string"),
        Flag("no-stream", "Disable streaming stats and only pull the first result"),
        Flag("no-trunc", "Do not truncate output"),
    ],
    most=1,
    examples=("wherry compose stats --no-stream",),
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """Of the containers that are there now, until Ctrl-C or until none of them is there any more."""
    from wherry.cli import stats
    from wherry.compose.choose import containers
    from wherry.compose.observe import observe

    name = ComposeContext(engine, args, out).name()
    found = containers(observe(engine, name), args.rest, all=args.on("all"), one_off=True)
    return stats.show(engine, [one.id[:12] for one in found] or None, args, out)
