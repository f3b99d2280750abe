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
    from itertools import groupby

    from wherry.fs.atomic import write_all

    fds = {"stdout": out.out_fd, "stderr": out.err_fd}
    for batch in engine.containers.log_batches(args.rest[0], query_of(args)):
        for stream, lines in groupby(batch, _stream):
            write_all(fds.get(stream, fds["stdout"]), b"".join([one[1] for one in lines]))
    return 0


def _stream(one: tuple[str, bytes]) -> str:
    return one[0]


def query_of(args: Args) -> LogQuery:
    """What the flags ask for; those of `compose logs` are the same. Raises: InputError."""
    import time

    from wherry.runtime.logs import LogQuery

    tail, now = args.text("tail").removeprefix("+"), time.time_ns()
    return LogQuery(
        follow=args.on("follow"),
        # As docker: what is no number, or a negative one, means all
        tail=int(tail) if tail.isascii() and tail.isdigit() and len(tail) <= 18 else -1,
        since_ns=_moment("since", args.text("since"), now),
        until_ns=_moment("until", args.text("until"), now),
        timestamps=args.on("timestamps"),
        details=args.has("details") and args.on("details"),
    )


def _moment(name: str, text: str, now_ns: int) -> int:
    """Raises: InputError in docker's words."""
    if not text:
        return 0
    from wherry.engine.filters import parse_moment
    from wherry.errors import InputError

    try:
        return parse_moment(text, now_ns)
    except InputError:
        raise InputError(
            f'invalid value for "{name}": failed to parse value as time or duration: "{text}"',
            hint="as 10m, 2026-01-31T12:00:00Z, or seconds since 1970",
        ) from None
