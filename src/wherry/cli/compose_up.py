"""wherry compose up, create and scale."""

from __future__ import annotations

from wherry.cli.compose import ComposeContext, compose_verb
from wherry.cli.compose_work import CREATE_FLAGS, image_options, interrupts, recreation, scales
from wherry.cli.flags import Flag
from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.compose.model import Project
    from wherry.compose.up import UpOptions
    from wherry.engine import Engine

_NO_DEPS = Flag("no-deps", "Don't start linked services")

VERB = {
    "compose up": compose_verb(
        "[OPTIONS] [SERVICE...]",
        "Create and start containers",
        [
            *CREATE_FLAGS,
            _NO_DEPS,
            Flag("abort-on-container-exit", "Stops all containers if any container was stopped. Incompatible with -d"),
            Flag("abort-on-container-failure", "Stops all containers if any container exited with failure. "
                 "Incompatible with -d"),
            Flag("always-recreate-deps", "Recreate dependent containers. Incompatible with --no-recreate."),
            Flag("attach", "Restrict attaching to the specified services. Incompatible with --attach-dependencies.",
                 kind="list", type_name="stringArray"),
            Flag("attach-dependencies", "Automatically attach to log output of dependent services"),
            Flag("detach", "Detached mode: Run containers in the background", short="d"),
            Flag("exit-code-from", "Return the exit code of the selected service container. "
                 "Implies --abort-on-container-exit", kind="string"),
            Flag("menu", "Accepted for docker's sake: there are no shortcuts to show", kind="optional"),
            Flag("no-attach", "Do not attach (stream logs) to the specified services", kind="list",
                 type_name="stringArray"),
            Flag("no-color", "Produce monochrome output"),
            Flag("no-log-prefix", "Don't print prefix in logs"),
            Flag("no-start", "Don't start the services after creating them"),
            Flag("quiet-build", "Suppress the build output"),
            Flag("renew-anon-volumes", "Recreate anonymous volumes instead of retrieving data from the previous "
                 "containers", short="V"),
            Flag("timeout", "Use this timeout in seconds for container shutdown when attached or when containers are "
                 "already running", short="t", kind="int"),
            Flag("timestamps", "Show timestamps"),
            Flag("wait", "Wait for services to be running|healthy. Implies detached mode."),
            Flag("wait-timeout", "Maximum duration in seconds to wait for the project to be running|healthy",
                 kind="int"),
            Flag("watch", "Watch source code and rebuild/refresh containers when files are updated.", short="w"),
        ],
        most=None,
        examples=("wherry compose up", "wherry compose up -d --wait", "wherry compose up --build web"),
    ),
    "compose create": compose_verb(
        "[OPTIONS] [SERVICE...]",
        "Creates containers for a service",
        CREATE_FLAGS,
        most=None,
        examples=("wherry compose create", "wherry compose create --force-recreate web"),
    ),
    "compose scale": compose_verb(
        "[SERVICE=REPLICAS...]",
        "Scale services",
        [_NO_DEPS],
        most=None,
        examples=("wherry compose scale web=3",),
    ),
}  # fmt: skip


def run(name: str, engine: Engine, args: Args, out: Output) -> int:
    context = ComposeContext(engine, args, out)
    if name == "compose scale":
        return _scale(context, args)
    if name == "compose create":
        return _create(context, args, _options(context, args, verb="create", start=False))
    _check(args)
    options = _options(context, args, verb="up", start=not args.on("no-start"))
    if args.on("no-start"):
        return _create(context, args, options)
    project = _project(context, args)
    if args.on("detach") or args.on("wait") or context.is_dry:
        return _up(context, project, options)
    from wherry.cli.compose_attached import attached

    return attached(context, args, project, options)


def _check(args: Args) -> None:
    """Raises: InputError in docker-compose's words."""
    attaches = bool(args.all("attach")) or args.on("attach-dependencies")
    ends = args.on("abort-on-container-exit") or args.on("abort-on-container-failure") or args.given("exit-code-from")
    flags = "--abort-on-container-exit, --attach or --attach-dependencies"
    if args.on("abort-on-container-exit") and args.on("abort-on-container-failure"):
        raise InputError("--abort-on-container-failure cannot be combined with --abort-on-container-exit")
    if args.on("wait") and (attaches or ends):
        raise InputError(f"--wait cannot be combined with {flags}")
    if args.on("detach") and (attaches or ends):
        raise InputError(f"--detach cannot be combined with {flags}")
    if args.on("detach") and args.on("watch"):
        raise InputError("--detach cannot be combined with --watch", hint="wherry compose watch goes on by itself")
    if args.all("attach") and args.on("attach-dependencies"):
        raise InputError("cannot combine --attach and --attach-dependencies")


def _project(context: ComposeContext, args: Args) -> Project:
    """With the services asked for, and what they depend on. Raises: InputError when there are none."""
    project = context.project(args.rest, with_dependencies=not (args.has("no-deps") and args.on("no-deps")))
    if not project.services:
        raise InputError("no service selected")
    return project


def _options(context: ComposeContext, args: Args, *, verb: str, start: bool) -> UpOptions:
    """Raises: InputError."""
    from wherry.compose.decide import ReconcileOptions
    from wherry.compose.up import UpOptions

    own, others = recreation(args)
    is_up = args.has("detach")
    return UpOptions(
        reconcile=ReconcileOptions(
            services=tuple(args.rest),
            recreate=own,
            recreate_dependencies=others,
            inherit_volumes=not (is_up and args.on("renew-anon-volumes")),
            start=start,
            remove_orphans=args.on("remove-orphans") or _is_set(context, "COMPOSE_REMOVE_ORPHANS"),
            ignore_orphans=_is_set(context, "COMPOSE_IGNORE_ORPHANS"),
            scale=scales(args.all("scale")),
            timeout_s=args.number("timeout") if is_up else None,
        ),
        images=image_options(args),
        parallel=context.parallel,
        quiet_pull=args.on("quiet-pull"),
        quiet_build=is_up and args.on("quiet-build"),
        wait=is_up and args.on("wait"),
        wait_timeout_s=args.number("wait-timeout") if is_up else None,
        verb=verb,
        agree=_asker(context, agrees=args.on("yes")),
    )


def _is_set(context: ComposeContext, name: str) -> bool:
    return context.env.get(name, "").lower() in {"1", "t", "true"}


def _asker(context: ComposeContext, *, agrees: bool) -> Callable[[str], bool]:
    """Who is asked before data is lost. Where nobody can answer, the answer is no."""

    def ask(question: str) -> bool:
        return agrees or context.confirm(question)

    return ask


def _up(context: ComposeContext, project: Project, options: UpOptions) -> int:
    if context.is_dry:
        from wherry.compose.up import dry_run

        plan = dry_run(context.engine, project, options)
        for text in plan.warnings:
            context.warn(text)
        context.out.write(plan.text())
        return 0
    from wherry.compose.up import up

    with interrupts() as found, context.progress() as progress:
        up(context.engine, project, options, progress, found.cancel)
    return 0


def _create(context: ComposeContext, args: Args, options: UpOptions) -> int:
    return _up(context, _project(context, args), options)


def _scale(context: ComposeContext, args: Args) -> int:
    from wherry.compose.decide import ReconcileOptions
    from wherry.compose.up import UpOptions

    wanted = scales(args.rest)
    project = context.project(_known(wanted), with_dependencies=not args.on("no-deps"))
    reconcile = ReconcileOptions(services=tuple(wanted), scale=wanted, ignore_orphans=True)
    return _up(context, project, UpOptions(reconcile=reconcile, parallel=context.parallel, verb="scale"))


def _known(wanted: dict[str, int]) -> Sequence[str]:
    if not wanted:
        raise InputError("no services to scale were given", hint="as wherry compose scale web=3")
    return tuple(wanted)
