"""wherry logs."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.runtime.logs import LogQuery

VERB = Verb(
    "[OPTIONS] CONTAINER",
    "Fetch the logs of a container",
    [
        Flag("details", "Show extra details provided to logs"),
        Flag("follow", "Follow log output", short="f"),
        Flag("since", "Show logs since timestamp (e.g. 2026-01-02T13:23:37Z) or relative (e.g. 42m)", kind="string"),
        Flag("tail", "Number of lines to show from the end of the logs", short="n", kind="string", default="all"),
        Flag("timestamps", "Show timestamps", short="t"),
        Flag("until", "Show logs before a timestamp (e.g. 2026-01-02T13:23:37Z) or relative (e.g. 42m)", kind="string"),
    ],
    least=1,
    most=1,
    examples=("wherry logs -f --tail 20 api", "wherry logs --since 10m api"),
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """stdout to stdout, stderr to stderr, byte for byte."""
    from wherry.fs.atomic import write_all

    fds = {"stdout": out.out_fd, "stderr": out.err_fd}
    for stream, data in engine.containers.logs(args.rest[0], _query(args)):
        write_all(fds.get(stream, fds["stdout"]), data)
    return 0


def _query(args: Args) -> LogQuery:
    import time

    from wherry.engine.filters import parse_moment
    from wherry.runtime.logs import LogQuery

    tail, now = args.text("tail"), time.time_ns()
    return LogQuery(
        follow=args.on("follow"),
        # As docker: what is no number, or a negative one, means all
        tail=int(tail) if tail.isdecimal() else -1,
        since_ns=parse_moment(args.text("since"), now) if args.text("since") else 0,
        until_ns=parse_moment(args.text("until"), now) if args.text("until") else 0,
        timestamps=args.on("timestamps"),
    )
