"""wherry compose logs."""

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
    "View output from containers",
    [
        Flag("follow", "Follow log output", short="f"),
        Flag("index", "Index of the container if service has multiple replicas", kind="int", default=0),
        Flag("no-color", "Produce monochrome output"),
        Flag("no-log-prefix", "Don't print prefix in logs"),
        Flag("since", "Show logs since timestamp (e.g. 2026-01-02T13:23:37Z) or relative (e.g. 42m)", kind="string"),
        Flag("tail", "Number of lines to show from the end of each container's log", short="n", kind="string",
             default="all"),
        Flag("timestamps", "Show timestamps", short="t"),
        Flag("until", "Show logs before a timestamp (e.g. 2026-01-02T13:23:37Z) or relative (e.g. 42m)", kind="string"),
    ],
    most=None,
    examples=("wherry compose logs -f --tail 20", "wherry compose logs --since 10m web"),
)  # fmt: skip


def run(engine: Engine, args: Args, out: Output) -> int:
    """All lines go to standard output, as with docker-compose."""
    from wherry.cli.compose_printer import LogPrinter
    from wherry.cli.logs import query_of
    from wherry.compose.choose import one_of
    from wherry.compose.logs import Following, source_of
    from wherry.compose.observe import observe

    context = ComposeContext(engine, args, out)
    project, name = context.project_or_name(args.rest)
    if project:
        check_services(project, args.rest)
    query, index = query_of(args), args.number("index") or 0
    wanted = set(args.rest or (project.services if project else ()))
    observed = observe(engine, name)
    for service in args.rest if index else ():
        one_of(observed, service, index=index, all=True)
    sources = [
        source_of(one, name) for one in observed.containers
        if not one.one_off and (not wanted or one.service in wanted) and index in {0, one.number}
    ]  # fmt: skip
    printer = LogPrinter(
        out,
        [one.name for one in sources],
        has_colour=context.has_colour and not args.on("no-color"),
        has_prefix=not args.on("no-log-prefix"),
    )
    following = Following(engine, printer, query)
    if query.follow and not index:
        following.join(name, wanted)
    try:
        for source in sources:
            if query.follow:
                following.add(source)
            else:
                following.read(source)  # one behind the other: the output is the same each time
        following.wait()
    finally:
        following.stop()
        printer.close()
    return 0
