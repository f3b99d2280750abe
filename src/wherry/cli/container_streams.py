"""Which of our own streams are joined to a container, as docker chooses."""

from __future__ import annotations

from wherry.errors import UsageError
from wherry.runtime.attach import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.render import Output
    from wherry.runtime.options import RunOptions

__all__ = ["for_run", "joined"]


class _NoTerminal(UsageError):
    exit_code = 1


def joined(out: Output, *, stdin: bool, tty: bool, signals: bool = True, detach_keys: str = "") -> Streams:
    """All three (stdin when asked for). Raises: UsageError for a terminal that our stdin is not."""
    if tty and stdin and not out.in_is_terminal:
        raise _NoTerminal("the input device is not a TTY")
    return Streams(
        out.in_fd if stdin else -1, out.out_fd, out.err_fd, tty=tty, signals=signals, detach_keys=detach_keys
    )


def for_run(options: RunOptions, out: Output) -> Streams | None:
    """None with -d; -a chooses, and stdin needs -i. Raises: UsageError for -t without a terminal."""
    if options.detach:
        return None
    streams = joined(
        out, stdin=options.stdin, tty=options.tty, signals=options.sig_proxy, detach_keys=options.detach_keys
    )
    if options.attach:
        streams = streams._replace(
            stdin=streams.stdin if "stdin" in options.attach else -1,
            stdout=streams.stdout if "stdout" in options.attach else -1,
            stderr=streams.stderr if "stderr" in options.attach else -1,
        )
    return streams
