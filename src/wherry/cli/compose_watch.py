"""wherry compose watch."""

from __future__ import annotations

from functools import partial

from wherry.cli.compose import ComposeContext, compose_verb
from wherry.cli.compose_work import interrupts
from wherry.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

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


def run(engine: Engine, args: Args, out: Output) -> int:
    """Ends with ^C: the services go on, as with docker-compose."""
    from wherry.cli.compose_progress import renderer
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
    is_quiet = args.on("quiet")
    with interrupts() as found:
        try:
            with context.progress("Running", quiet=is_quiet) as progress:
                for text in selection.warnings:
                    progress.warn(text)
                if not args.on("no-up"):
                    project = bring_up(engine, project, options, progress, found.cancel)
                    options = options._replace(is_prepared=True)
            # In plain lines: others are synced, and say so, while one is built
            mode = "quiet" if is_quiet else "plain"
            shows = partial(renderer, out, mode, "never", context.env)
            watch_project(engine, project, options, shows, teller(out), found.cancel)
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
