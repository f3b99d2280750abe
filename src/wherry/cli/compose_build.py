"""wherry compose build."""

from __future__ import annotations

from wherry.cli.compose import ComposeContext, compose_verb
from wherry.cli.flags import Flag
from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.compose.model import Project, Service
    from wherry.engine import Engine

VERB = compose_verb(
    "[OPTIONS] [SERVICE...]",
    "Build or rebuild services",
    [
        Flag("build-arg", "Set build-time variables for services", kind="list", type_name="stringArray"),
        Flag("memory", "Accepted, and without effect, as with BuildKit", short="m", kind="string", type_name="bytes"),
        Flag("no-cache", "Do not use cache when building the image"),
        Flag("print", "Print equivalent bake file, and build nothing"),
        Flag("pull", "Always attempt to pull a newer version of the image"),
        Flag("push", "Push service images"),
        Flag("quiet", "Don't print anything", short="q"),
        Flag("ssh", "SSH authentications used when building: default, or ID=PATH", kind="list", type_name="string"),
        Flag("with-dependencies", "Also build dependencies (transitively)"),
    ],
    most=None,
    examples=("wherry compose build", "wherry compose build --no-cache web", "wherry compose build --build-arg V=2"),
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """Services side by side; one without a build section is left out. A failed build exits 17."""
    from wherry.cli.compose_work import interrupts
    from wherry.compose.build_request import BuildWishes
    from wherry.compose.image_work import PushWishes, build_images, chosen, push_images
    from wherry.compose.progress import DONE, Event

    context = ComposeContext(engine, args, out)
    _check_memory(args.text("memory"))
    project = context.project(args.rest)
    services = [
        _with_ssh(one, args.all("ssh"))
        for one in chosen(project, args.rest, with_dependencies=args.on("with-dependencies"))
        if one.build is not None
    ]
    project = project.replace(services={**project.services, **{one.name: one for one in services}})
    if args.on("print"):
        out.json(_bake(project, services), indent=2)
        return 0
    wishes = BuildWishes(args.on("no-cache"), args.on("pull"), _pairs(args.all("build-arg"), context.env))
    with interrupts() as found, context.progress("Building", quiet=args.on("quiet")) as progress:
        if args.text("memory"):
            progress.warn("--memory has no effect: steps have the limits of the machine")
        if context.is_dry:
            for service in services:
                progress.event(Event(service.name, DONE, "Built"))
            return 0
        build_images(engine, project, services, progress, found.cancel, wishes=wishes, limit=context.parallel)
        if args.on("push"):
            push_images(engine, project, services, progress, found.cancel, PushWishes(quiet=args.on("quiet")))
    return 0


def _check_memory(text: str) -> None:
    """Raises: FlagError."""
    from wherry.cli.flags import FlagError
    from wherry.runtime.parse_values import size_bytes

    try:
        size_bytes(text or "0")
    except InputError as wrong:
        fault = FlagError(f'invalid argument "{text}" for "-m, --memory" flag: {wrong.message}')
        fault.exit_code = VERB.flag_exit
        raise fault from None


def _pairs(texts: Sequence[str], env: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """NAME=VALUE, or NAME alone: of the environment, and nothing when it is not there."""
    split = [text.partition("=") for text in texts]
    return tuple((name, value if equals else env[name]) for name, equals, value in split if equals or name in env)


def _with_ssh(service: Service, texts: Sequence[str]) -> Service:
    from wherry.compose.model_build import SshKey

    if not texts or service.build is None:
        return service
    keys = [SshKey(id=id, path=path) for id, _, path in (text.partition("=") for text in texts)]
    return service.replace(build=service.build.replace(ssh=tuple(keys)))


def _bake(project: Project, services: Sequence[Service]) -> dict[str, Any]:
    """What `docker buildx bake -f -` takes."""
    targets = {}
    for service in services:
        build = service.build
        assert build is not None
        facts = {
            "context": build.context,
            "contexts": {key: value.replace("service:", "target:") for key, value in build.additional_contexts.items()},
            "dockerfile": "" if build.dockerfile_inline else build.dockerfile or "Dockerfile",
            "dockerfile-inline": build.dockerfile_inline,
            "args": {key: value for key, value in build.args.items() if value is not None},
            "labels": dict(build.labels),
            "tags": [service.image_name(project.name), *build.tags],
            "target": build.target,
            "platforms": list(build.platforms),
            "output": ["type=docker"],
        }
        targets[service.name] = {key: value for key, value in facts.items() if value}
    return {"group": {"default": {"targets": sorted(targets)}}, "target": targets}
