"""wherry compose volumes."""

from __future__ import annotations

from wherry.cli.compose import ComposeContext, check_services, compose_verb
from wherry.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = compose_verb(
    "[OPTIONS] [SERVICE...]",
    "List volumes",
    [
        Flag("format", "Format output: 'table', 'table TEMPLATE', 'json', or a Go template", kind="string"),
        Flag("quiet", "Only display volume names", short="q"),
    ],
    most=None,
    examples=("wherry compose volumes", "wherry compose volumes -q db"),
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """Those with the project's label, and those that containers of the named services use."""
    from wherry.cli.volume import print_volumes
    from wherry.compose.observe import observe

    project, name = ComposeContext(engine, args, out).project_or_name(args.rest)
    if project:
        check_services(project, args.rest)
    observed = observe(engine, name)
    names = {one.name for one in observed.own_volumes}
    if args.rest:
        names = {volume for one in observed.containers if one.service in args.rest for _, volume, _ in one.volumes}
    print_volumes(args, out, [one for one in engine.volumes.list() if one.name in names])
    return 0
