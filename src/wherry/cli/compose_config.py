"""wherry compose config: the project as it is understood, or a part of it."""

from __future__ import annotations

from wherry.cli.compose import ComposeContext, compose_verb
from wherry.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.compose.load import LoadRequest
    from wherry.compose.model import Project
    from wherry.compose.tree import Tree
    from wherry.engine import Engine

VERB = compose_verb(
    "[OPTIONS] [SERVICE...]",
    "Parse, resolve and render compose file in canonical format",
    [
        Flag("environment", "Print environment used for interpolation"),
        Flag("format", "Format the output. Values: [yaml | json]", kind="string", default="yaml"),
        Flag("hash", "Print the service config hash, one per line", kind="string"),
        Flag("images", "Print the image names, one per line"),
        Flag("models", "Print the model names, one per line"),
        Flag("networks", "Print the network names, one per line"),
        Flag("no-consistency", "Don't check model consistency - warning: may produce invalid Compose output"),
        Flag("no-env-resolution", "Don't resolve service env files"),
        Flag("no-interpolate", "Don't interpolate environment variables"),
        Flag("no-normalize", "Don't normalize compose model"),
        Flag("no-path-resolution", "Don't resolve file paths"),
        Flag("output", "Save to file (default to stdout)", short="o", kind="string"),
        Flag("profiles", "Print the profile names, one per line"),
        Flag("quiet", "Only validate the configuration, don't print anything", short="q"),
        Flag("resolve-image-digests", "Pin image tags to digests"),
        Flag("services", "Print the service names, one per line"),
        Flag("variables", "Print model variables and default values"),
        Flag("volumes", "Print the volume names, one per line"),
    ],
    most=None,
    examples=(
        "wherry compose config",
        "wherry compose config --format json",
        "wherry compose config --services",
        "wherry compose -f compose.yaml -f production.yaml config -o merged.yaml",
    ),
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """Write one list that was asked for, else the whole project."""
    from wherry.compose.config_text import check_format, project_text, tree_text

    context = ComposeContext(engine, args, out)
    request = _request(context, args)
    if args.text("hash"):
        return _hashes(context, request, args.text("hash"))
    if args.on("variables"):
        return _variables(context, request)
    for name, lines in _LISTS.items():
        if args.on(name):
            for line in lines(_load(context, request)):
                out.line(line)
            return 0
    check_format(args.text("format"))
    if args.on("no-interpolate"):
        text = tree_text(_load_tree(context, request), args.text("format"))
    else:
        project = _load(context, request)
        if args.on("resolve-image-digests"):
            project = _pinned(context, project)
        text = "" if args.on("quiet") else project_text(project, args.text("format"))
    _write(args, out, text)
    return 0


def _write(args: Args, out: Output, text: str) -> None:
    if args.on("quiet"):
        return
    if args.text("output"):
        from wherry.cli.to_file import write_file

        write_file(args.text("output"), text.encode())
    else:
        out.write(text)


def _request(context: ComposeContext, args: Args) -> LoadRequest:
    request = context.request(args.rest)
    return request.replace(
        interpolate=not args.on("no-interpolate"),
        # As docker's: `--compatibility` leaves the model as it is
        normalize=not args.on("no-normalize") and not request.compatibility,
        resolve_paths=not args.on("no-path-resolution"),
        consistency=not args.on("no-consistency"),
        resolve_environment=not args.on("no-env-resolution"),
    )


def _load(context: ComposeContext, request: LoadRequest) -> Project:
    from wherry.compose.load import load

    return load(request, stdin=context.stdin, warn=context.warn)


def _load_tree(context: ComposeContext, request: LoadRequest) -> Tree:
    """The merged tree; its faults exit with 1 here, as docker's."""
    from wherry.compose.load import load_tree
    from wherry.errors import ComposeError

    try:
        return load_tree(request, stdin=context.stdin, warn=context.warn).tree
    except ComposeError as fault:
        fault.exit_code = 1
        raise


def _images(project: Project) -> list[str]:
    return sorted(service.image_name(project.name) for service in project.services.values())


def _profiles(project: Project) -> list[str]:
    return sorted({profile for service in project.all_services().values() for profile in service.profiles})


def _environment(project: Project) -> list[str]:
    return [f"{name}={value}" for name, value in sorted(project.environment.items())]


_LISTS: dict[str, Callable[[Project], Iterable[str]]] = {
    "services": lambda project: project.services,
    "volumes": lambda project: project.volumes,
    "networks": lambda project: project.networks,
    "models": lambda project: project.models,
    "profiles": _profiles,
    "images": _images,
    "environment": _environment,
}


def _hashes(context: ComposeContext, request: LoadRequest, names: str) -> int:
    """The hash of named services, or of all for `*`."""
    from wherry.compose.config_hash import shown_hash
    from wherry.errors import NotFound

    project = _load(context, request.replace(services=(), resolve_environment=False))
    for name in project.services if names == "*" else sorted(names.split(",")):
        if name not in project.services:
            what = "disabled" if name in project.disabled_services else "not found"
            raise NotFound(f"no such service: {name}: {what}")
        context.out.line(f"{name} {shown_hash(project.services[name])}")
    return 0


def _variables(context: ComposeContext, request: LoadRequest) -> int:
    from wherry.cli.compose_lists import print_list
    from wherry.compose.variables import variables

    tree = _load_tree(context, request.replace(interpolate=False))
    rows = [(each.name, str(each.required).lower(), each.default, each.alternate) for each in variables(tree)]
    headings = ("NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE")
    print_list(context.out, headings, headings, rows, "table")
    return 0


def _pinned(context: ComposeContext, project: Project) -> Project:
    """The project with each tag replaced by what it is at its registry now; what can't be asked stays, and is told."""
    from wherry.compose.pin import pinned
    from wherry.engine.trust_remote import Registries, find

    remote = Registries(context.engine)
    return pinned(project, lambda image: str(find(remote, image).subject.digest), context.warn)
