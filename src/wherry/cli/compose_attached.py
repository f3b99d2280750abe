"""`wherry compose up` in the foreground: the project's logs until it ends, or ^C."""

from __future__ import annotations

from contextlib import contextmanager

from wherry.cli.compose_work import interrupts
from wherry.errors import NotFound, WherryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from wherry.cli.compose import ComposeContext
    from wherry.cli.flags import Args
    from wherry.compose.attached import AttachOptions
    from wherry.compose.model import Project
    from wherry.compose.up import Up, UpOptions

__all__ = ["attached"]


def attached(context: ComposeContext, args: Args, project: Project, options: UpOptions) -> int:
    """The exit code. Raises: what `compose.up.up` raises; Cancelled after ^C."""
    from wherry.cli.compose_printer import LogPrinter
    from wherry.compose.attached import Attached
    from wherry.compose.up import Up, is_start

    wanted = _wanted(args, project)
    if args.on("watch"):
        from wherry.compose.watch_session import check

        check(project, args.rest)
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
            context.out,
            _names(project, wanted.services),
            has_colour=has_colour,
            has_prefix=not args.on("no-log-prefix"),
            is_split=True,
        )
        sight = Attached(work, wanted, printer, _sayer(context), context.progress, found.again)
        try:
            with _watching(context, args, work):
                return sight.run(plan)
        finally:
            work.lock.release()
            printer.close()


@contextmanager
def _watching(context: ComposeContext, args: Args, work: Up) -> Iterator[None]:
    """--watch: beside the logs, until they end."""
    if not args.on("watch"):
        yield
        return
    from wherry.cancel import Cancel
    from wherry.cli.compose_progress import renderer
    from wherry.cli.compose_watch import teller
    from wherry.compose.watch_session import WatchOptions, watch_project
    from wherry.lean import in_thread

    say, over = teller(context.out, " \u29bf "), Cancel()

    def watch() -> None:
        try:
            watch_project(
                context.engine, work.project, WatchOptions(tuple(args.rest), is_prepared=True),
                lambda: renderer(context.out, "plain", "never", context.env), say, over,
            )  # fmt: skip
        except (WherryError, OSError) as fault:
            say(f"Watch ended: {fault}")

    join = in_thread(watch)
    try:
        yield
    finally:
        over.set()
        join()


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
    return AttachOptions(
        shown, abort_on, source, tuple(args.rest), args.number("timeout"), args.on("timestamps"), args.on("watch")
    )  # fmt: skip


def _sayer(context: ComposeContext) -> Callable[[str], None]:
    """Each line as it comes: the printer writes beside it."""

    def say(text: str) -> None:
        context.out.line(text)
        context.out.flush()

    return say


def _names(project: Project, services: Collection[str]) -> list[str]:
    """What stands before the lines of these services: known beforehand, each has its place and its colour."""
    found = []
    for service in (project.services[name] for name in services):
        numbers = range(1, service.replicas + 1)
        found += [service.container_name] if service.container_name else [f"{service.name}-{n}" for n in numbers]
    return found
