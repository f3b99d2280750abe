"""wherry track."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.runs_record import Request

__all__ = ["VERB", "pairs", "request", "run"]

VERB = Verb(
    "[OPTIONS] COMMAND [ARG...]",
    "Run a command and record it as a training run",
    [
        Flag("data", "Record what it learns from by digest: PATH or NAME=PATH", kind="list"),
        Flag("experiment", "What the run is grouped by", short="e", kind="string", default="default"),
        Flag("name", "What the run is called (default: two words)", kind="string"),
        Flag("param", "Record a parameter (NAME=VALUE)", short="p", kind="list"),
        Flag("tag", "Record a tag (NAME=VALUE)", kind="list"),
    ],
    least=1,
    most=None,
    interspersed=False,
    examples=["wherry track -- python train.py --lr 0.1", "wherry track -e iris -p lr=0.1 -- python train.py"],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """The command's exit code; 128 and the signal's number when one ended it; 126, 127 when it can't be started."""
    from wherry.engine.runs_record import record

    asked = request(args)._replace(name=args.text("name"), tags=pairs("--tag", args.all("tag")))
    return record(engine, asked, args.rest, (out.in_fd, out.out_fd, out.err_fd))


def request(args: Args) -> Request:
    """What `track` and `run --track` both take. Raises: InputError."""
    from wherry.engine.runs_record import Request

    return Request(args.text("experiment"), params=pairs("--param", args.all("param")), data=args.all("data"))


def pairs(flag: str, texts: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE. Raises: InputError."""
    from wherry.errors import InputError

    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise InputError(f"{flag} must be NAME=VALUE; got {text[:80]!r}")
        found[name] = value
    return found
