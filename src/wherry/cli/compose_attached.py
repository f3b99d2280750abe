"""`wherry compose up` in the foreground: the project's logs until it ends, or ^C."""

from __future__ import annotations

from wherry.cli.compose_work import interrupts
from wherry.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.compose import ComposeContext
    from wherry.cli.flags import Args
    from wherry.compose.attached import AttachOptions
    from wherry.compose.model import Project
    from wherry.compose.up import UpOptions

__all__ = ["attached"]


def attached(context: ComposeContext, args: Args, project: Project, options: UpOptions) -> int:
    """The exit code. Raises: what `compose.up.up` raises; Cancelled after ^C."""
    from wherry.cli.compose_printer import LogPrinter
    from wherry.compose.attached import Attached
    from wherry.compose.up import Up, is_start

    wanted = _wanted(args, project)
    with interrupts() as found:
        progress = context.progress()
        with progress:
            work = Up(context.engine, project, options, progress, found.cancel)
            work.fetch()
            work.lock.acquire()
            try:
                plan = work.plan()
                work.run(plan.only(lambda operation: not is_start(operation)))
            except BaseException:
                work.lock.release()
                raise
        has_colour = context.has_colour and not args.on("no-color")
        printer = LogPrinter(
            context.out, (), has_colour=has_colour, has_prefix=not args.on("no-log-prefix"), is_split=True
        )
        sight = Attached(work, wanted, printer, context.out.line, context.progress, found.again)
        try:
            return sight.run(plan)
        finally:
            work.lock.release()
            printer.close()


def _wanted(args: Args, project: Project) -> AttachOptions:
    """Raises: NotFound for a service that there is not."""
    from wherry.compose.attached import AttachOptions

    source = args.text("exit-code-from")
    if source and source not in project.services:
        raise NotFound(f"no such service: {source}: not found")
    named = () if args.on("attach-dependencies") else tuple(args.rest)
    asked = args.all("attach") or named or tuple(project.services)
    for name in args.all("attach"):
        if name not in project.services:
            raise NotFound(f"no such service: {name}")
    shown = frozenset(
        name for name in asked
        if name not in args.all("no-attach") and project.services[name].attach is not False
        and project.services[name].provider is None
    )  # fmt: skip
    abort_on = "failure" if args.on("abort-on-container-failure") else ""
    if args.on("abort-on-container-exit") or source:
        abort_on = "exit"
    return AttachOptions(shown, abort_on, source, tuple(args.rest), args.number("timeout"))
