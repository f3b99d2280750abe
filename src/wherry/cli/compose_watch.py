"""wherry compose watch."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from functools import partial

from wherry.cli.compose import ComposeContext, compose_verb
from wherry.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wherry.cancel import Cancel
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = compose_verb(
    "[SERVICE...]",
    "Watch build context for service and rebuild/refresh containers when files are updated",
    [
        Flag("no-up", "Do not build & start services before watching"),
        Flag("prune", "Prune dangling images on rebuild", default=True),
        Flag("quiet", "hide build output"),
    ],
    most=None,
    examples=("wherry compose watch", "wherry compose watch --no-up web", "wherry compose up --watch"),
)

_INTERRUPTED = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(engine: Engine, args: Args, out: Output) -> int:
    """Ends with ^C: the services go on, as with docker-compose."""
    from wherry.cancel import Cancel
    from wherry.compose.watch_session import WatchOptions, bring_up, check, watch_project
    from wherry.errors import Cancelled

    context = ComposeContext(engine, args, out)
    project = context.project(args.rest)
    options = WatchOptions(tuple(args.rest), args.on("prune"), context.parallel)
    selection = check(project, options.services)
    if context.is_dry:
        for rule in selection.rules:
            out.line(f"{rule.service}: {rule.action} {rule.filter.root}" + (f" -> {rule.target}" * bool(rule.target)))
        return 0
    cancel, is_quiet = Cancel(), args.on("quiet")
    with interruptible(cancel):
        try:
            with context.progress("Running", quiet=is_quiet) as progress:
                for text in selection.warnings:
                    progress.warn(text)
                if not args.on("no-up"):
                    bring_up(engine, project, options, progress, cancel)
            shows = partial(context.progress, "Rebuilding", quiet=is_quiet)
            watch_project(engine, project, options, shows, teller(out), cancel)
        except Cancelled:
            pass
    return _INTERRUPTED


def teller(out: Output, prefix: str = "") -> Callable[[str], None]:
    """Prints a line at once, and whole, whichever thread says it; what steers a terminal is shown instead."""
    from threading import Lock

    from wherry.cli.render import clean

    alone = Lock()

    def say(text: str) -> None:
        with alone:
            out.line(prefix + clean(text))
            out.flush()

    return say


@contextmanager
def interruptible(cancel: Cancel) -> Iterator[None]:
    """The first ^C (or SIGTERM) sets `cancel`, so that all is brought to its end; the second one interrupts."""

    def stop(_signo: int, _frame: object) -> None:
        if cancel.is_set():
            raise KeyboardInterrupt
        cancel.set("interrupted")

    before = [signal.signal(signo, stop) for signo in _SIGNALS]
    try:
        yield
    finally:
        for signo, handler in zip(_SIGNALS, before, strict=True):
            signal.signal(signo, handler)
