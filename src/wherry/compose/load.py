"""Compose files to a `Project`: the one door. Joins reading (YAML, interpolation, merge) and the model."""

from __future__ import annotations

from wherry.compose.record import EMPTY, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from wherry.compose.model import Project, Service
    from wherry.compose.read import Loaded
    from wherry.compose.tree import Tree

__all__ = ["LoadRequest", "load", "load_tree"]


class LoadRequest(Record):
    """What to load. All paths as the user wrote them, relative to `current_dir`."""

    current_dir: str
    """Absolute: the process's working directory."""
    environment: Mapping[str, str] = EMPTY
    """The shell's variables. COMPOSE_FILE, COMPOSE_PROFILES, ... count where the fields below say nothing."""
    files: Sequence[str] = ()
    """`-f`; empty: COMPOSE_FILE, else the nearest compose.yaml."""
    project_name: str = ""
    project_directory: str = ""
    env_files: Sequence[str] = ()
    profiles: Sequence[str] = ()
    services: Sequence[str] = ()
    """Those asked for; they enable their profiles. Empty: all that profiles enable."""
    with_dependencies: bool = True
    """False: `--no-deps`: only `services` stay active."""
    interpolate: bool = True
    normalize: bool = True
    resolve_paths: bool = True
    consistency: bool = True
    resolve_environment: bool = True
    """Read `env_file` into `environment`; its key goes away then, as with docker. `label_file` is read always."""
    all_resources: bool = False
    """Keep networks, volumes, ... that no active service uses."""
    compatibility: bool = False


def _no_stdin() -> bytes:
    return b""


class _Steps:
    """What reading asks of the model: each file settled, each project finished."""

    def __init__(self, request: LoadRequest, warn: Callable[[str], None]) -> None:
        self.request, self.warn = request, warn

    def settle(self, tree: Tree, where: str, validate: bool) -> Tree:
        from wherry.compose.canonical import canonical
        from wherry.compose.schema import check

        if validate:
            check(tree, where)
        return canonical(tree, self.warn, lenient=not self.request.interpolate)

    def finish(self, tree: Tree, base: str, environment: Mapping[str, str], *, resolve: bool) -> Tree:
        from wherry.compose.complete import check_objects, put_defaults, take_environment

        put_defaults(tree)
        check_objects(tree)
        if resolve:
            from wherry.compose.paths import resolve_paths

            resolve_paths(tree, base, self.request.environment.get("HOME"))
        if self.request.interpolate:
            take_environment(tree, environment)
        return tree


def load_tree(
    request: LoadRequest, *, stdin: Callable[[], bytes] = _no_stdin, warn: Callable[[str], None] = lambda _text: None
) -> Loaded:
    """
    Read and merge the files of `request` into a canonical tree, without binding it: what `--no-interpolate` shows.

    Raises:
        ComposeError: as `load`.
    """
    from wherry.compose.read import read

    loaded = read(request, _Steps(request, warn), stdin=stdin, warn=warn)
    if request.normalize:
        from wherry.compose.complete import normalize

        loaded.tree["name"] = loaded.name
        normalize(loaded.tree, loaded.name, loaded.environment if request.interpolate else {})
    return loaded


def load(
    request: LoadRequest, *, stdin: Callable[[], bytes] = _no_stdin, warn: Callable[[str], None] | None = None
) -> Project:
    """
    Read, merge, check and complete the project of `request`.

    Args:
        stdin: gives the file `-`.
        warn: told of each warning at once; they are in `.warnings` too.

    Raises:
        ComposeError: a file is missing, wrong or contradicts itself; the message has file, line and a caret.
        NotFound: a service that was asked for is not there.
    """
    from wherry.compose.consistency import check_consistency
    from wherry.compose.selection import enable, select, with_profiles, without_unused

    warnings: list[str] = []

    def told(text: str) -> None:
        warnings.append(text)
        if warn is not None:
            warn(text)

    loaded = load_tree(request, stdin=stdin, warn=told)
    project = with_profiles(_bound(loaded), _profiles(request, loaded))
    if request.consistency:
        check_consistency(project, loaded.tree)
        project = project.replace(services={name: _scaled(each) for name, each in project.services.items()})
    project = enable(project, request.services)
    project = _with_files_read(project, request, told)
    if not request.all_resources:
        project = without_unused(project)
    project = select(project, request.services, with_dependencies=request.with_dependencies)
    return project.replace(warnings=tuple(warnings))


def _profiles(request: LoadRequest, loaded: Loaded) -> Sequence[str]:
    if request.profiles:
        return request.profiles
    said = loaded.environment.get("COMPOSE_PROFILES", "")
    return tuple(name.strip() for name in said.split(",")) if said else ()


def _bound(loaded: Loaded) -> Project:
    """The records of a tree; all services are active."""
    from wherry.compose.bind import MODELS, bind_service
    from wherry.compose.model import Project

    tree = loaded.tree
    parts: dict[str, Any] = {kind: _each(tree, kind, bind) for kind, bind in MODELS.items()}
    extensions = {key: value for key, value in tree.items() if key.startswith("x-")}
    return Project(
        name=loaded.name,
        working_dir=loaded.working_dir,
        files=loaded.files,
        env_files=loaded.env_files,
        environment=loaded.environment,
        services={name: each.replace(name=name) for name, each in _each(tree, "services", bind_service).items()},
        extensions=extensions,
        **parts,
    )


def _each(tree: Tree, kind: str, bind: Callable[[Any], Any]) -> dict[str, Any]:
    """Bind the entries of a top-level mapping, in the order of their names."""
    from wherry.compose.bind import Unbound
    from wherry.compose.source import fault_in
    from wherry.compose.tree import dotted

    made = {}
    values = tree.get(kind) or {}
    for name in sorted(values):
        try:
            made[name] = bind({} if values[name] is None else values[name])
        except Unbound as fault:
            path = (kind, name, *fault.path)
            raise fault_in(tree, path, f"{dotted(path)}: {fault}") from None
    return made


def _scaled(service: Service) -> Service:
    """`scale` and `deploy.replicas` say the same once they were found not to differ."""
    return service if service.scale is None or service.deploy is None else service.scaled(service.scale)


def _with_files_read(project: Project, request: LoadRequest, warn: Callable[[str], None]) -> Project:
    """Read `env_file` (if to resolve the environment) and `label_file` of all active services; the keys go then, as
    with docker.

    Paths that were not resolved are below the current folder.
    """
    services = {}
    for name, service in project.services.items():
        has_env = request.resolve_environment and bool(service.env_file or None in service.environment.values())
        if has_env or service.label_file:
            service = _with_own_files_read(service, project, request.current_dir, warn, has_env=has_env)
        services[name] = service
    return project.replace(services=services)


def _with_own_files_read(
    service: Service, project: Project, folder: str, warn: Callable[[str], None], *, has_env: bool
) -> Service:
    from posixpath import join

    from wherry.compose.envfile import service_environment, service_labels

    changes: dict[str, Any] = {}
    if has_env:
        files = [file.replace(path=join(folder, file.path)) for file in service.env_file]
        changes["environment"] = service_environment(service.replace(env_file=files), project.environment, warn)
        changes["env_file"] = ()
    if service.label_file:
        label_files = [join(folder, path) for path in service.label_file]
        changes["labels"] = service_labels(service.replace(label_file=label_files), warn)
        changes["label_file"] = ()
    return service.replace(**changes)
