"""wherry compose start, stop, restart, kill, pause, unpause, rm and wait: what is there of a project."""

from __future__ import annotations

from wherry.cli.compose import ComposeContext, compose_verb
from wherry.cli.compose_work import interrupts
from wherry.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.compose.lifecycle import Lifecycle
    from wherry.compose.lifecycle_plan import Subject
    from wherry.compose.model import Project
    from wherry.compose.plan import Plan
    from wherry.engine import Engine

_TIMEOUT = Flag("timeout", "Specify a shutdown timeout in seconds", short="t", kind="int")
_SERVICES = "[OPTIONS] [SERVICE...]"

VERB = {
    "compose start": compose_verb(
        "[SERVICE...]", "Start services", most=None, examples=("wherry compose start", "wherry compose start db")
    ),
    "compose stop": compose_verb(
        _SERVICES, "Stop services", [_TIMEOUT], most=None, examples=("wherry compose stop -t 2 web",)
    ),
    "compose restart": compose_verb(
        _SERVICES, "Restart service containers",
        [Flag("no-deps", "Don't restart dependent services"), _TIMEOUT],
        most=None, examples=("wherry compose restart", "wherry compose restart --no-deps web"),
    ),
    "compose kill": compose_verb(
        _SERVICES, "Force stop service containers",
        [
            Flag("remove-orphans", "Kill the containers of services not defined in the Compose file, too"),
            Flag("signal", "SIGNAL to send to the container", short="s", kind="string", default="SIGKILL"),
        ],
        most=None, examples=("wherry compose kill", "wherry compose kill -s HUP web"),
    ),
    "compose pause": compose_verb("[SERVICE...]", "Pause services", most=None, examples=("wherry compose pause",)),
    "compose unpause": compose_verb(
        "[SERVICE...]", "Unpause services", most=None, examples=("wherry compose unpause",)
    ),
    "compose rm": compose_verb(
        _SERVICES, "Removes stopped service containers",
        [
            Flag("force", "Don't ask to confirm removal", short="f"),
            Flag("stop", "Stop the containers, if required, before removing", short="s"),
            Flag("volumes", "Remove any anonymous volumes attached to containers", short="v"),
        ],
        most=None, examples=("wherry compose rm -f", "wherry compose rm -fsv web"),
    ),
    "compose wait": compose_verb(
        "SERVICE [SERVICE...] [OPTIONS]", "Block until the first service container stops",
        [Flag("down-project", "Drops project when the first container stops")],
        least=1, most=None, examples=("wherry compose wait job", "wherry compose wait --down-project test"),
    ),
}  # fmt: skip


def run(name: str, engine: Engine, args: Args, out: Output) -> int:
    from wherry.compose import lifecycle

    context = ComposeContext(engine, args, out)
    verb = name.partition(" ")[2]
    match verb:
        case "start":
            return _do(context, verb, lifecycle.plan_start)
        case "stop":
            return _do(context, verb, lifecycle.plan_stop(args.number("timeout")))
        case "restart":
            dependents = not args.on("no-deps")
            return _do(context, verb, lifecycle.plan_restart(args.number("timeout"), dependents=dependents))
        case "kill":
            make = lifecycle.kill_plan(args.text("signal"), orphans=args.on("remove-orphans"))
            return _do(context, verb, make, nothing="no container to kill")
        case "pause":
            return _do(context, verb, lifecycle.pause_plan)
        case "unpause":
            return _do(context, verb, lifecycle.unpause_plan)
        case "rm":
            return _remove(context, args)
        case _:
            return _wait(context, args)


def _whole(context: ComposeContext) -> tuple[Project | None, str]:
    """With all services that are active, and those that are asked for: what depends on these may come along."""
    project, name = context.project_or_name()
    if project is not None:
        from wherry.compose.selection import enable

        project = enable(project, context.args.rest)
    return project, name


def _do(context: ComposeContext, verb: str, make: Callable[[Subject], Plan], *, nothing: str = "") -> int:
    project, name = _whole(context)
    from wherry.compose.lifecycle import Lifecycle

    with interrupts() as found, context.progress() as progress:
        services = tuple(context.args.rest)
        work = Lifecycle(context.engine, name, project, services, progress, found.cancel, verb, context.parallel)
        if context.is_dry:
            context.out.write(make(work.subject()).text())
            return 0
        done = work.run(make, keep_going=verb in {"stop", "kill"})
    if done.is_empty and nothing:
        context.out.error(nothing)
    return 0


def _remove(context: ComposeContext, args: Args) -> int:
    """As docker-compose: stops first, then asks about what is there to be removed."""
    from wherry.compose.lifecycle import Lifecycle, plan_remove, plan_stop, removable

    project, name = _whole(context)
    with interrupts() as found:
        with context.progress() as progress:
            work = Lifecycle(
                context.engine, name, project, tuple(args.rest), progress, found.cancel, "rm", context.parallel
            )
            make = plan_remove(stop=args.on("stop"), volumes=args.on("volumes"))
            if context.is_dry:
                context.out.write(make(work.subject()).text())
                return 0
            if args.on("stop"):
                work.run(plan_stop(None), keep_going=True)
        names = removable(work.subject(), stop=args.on("stop"))
        if not names:
            context.out.error("No stopped containers")
            return 0
        return _remove_those(context, args, work, names, make)


def _remove_those(
    context: ComposeContext, args: Args, work: Lifecycle, names: list[str], make: Callable[[Subject], Plan]
) -> int:  # fmt: skip
    question = f"Going to remove {', '.join(names)}"
    if args.on("force"):
        context.out.line(question)
    elif not context.confirm(question):
        return 0
    with context.progress() as progress:
        work._replace(progress=progress).run(make, keep_going=True)
    return 0


def _wait(context: ComposeContext, args: Args) -> int:
    """The exit code of the first one that stops is the command's."""
    from wherry.compose.lifecycle import Lifecycle, wait_first
    from wherry.compose.progress import Quiet

    project, name = _whole(context)
    from wherry.cancel import Cancel

    services = tuple(args.rest)
    work = Lifecycle(context.engine, name, project, services, Quiet(), Cancel(), "wait", context.parallel)
    id, code = wait_first(context.engine, work.subject())
    context.out.line(f'container "{id}" exited with status code {code}')
    if args.on("down-project"):
        from wherry.compose.down import DownRequest, down

        with interrupts() as found, context.progress() as progress:
            whole = context.project() if project else None
            down(context.engine, name, whole, DownRequest(verb="wait"), progress, found.cancel)
    return code
