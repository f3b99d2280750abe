"""What contradicts itself in a project, in docker-compose's words."""

from __future__ import annotations

from wherry.compose.source import fault_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn

    from wherry.compose.model import Project, Service
    from wherry.compose.tree import Tree

__all__ = ["check_consistency"]

_INVALID = "invalid compose project"


def check_consistency(project: Project, tree: Tree) -> None:
    """
    Check a bound project; `tree` says where its parts were written.

    Raises:
        ComposeError: it refers to what is not there, says one thing twice, or depends on itself.
    """
    for name in sorted(project.services):
        _Check(project, tree, project.services[name]).all()
    for name, secret in project.secrets.items():
        if not secret.external and not secret.file and not secret.environment:
            message = f'secret "{name}" must declare either `file` or `environment`: {_INVALID}'
            raise fault_in(tree, ("secrets", name), message, key=True)
    _check_cycles(project, tree)


class _Check:
    def __init__(self, project: Project, tree: Tree, service: Service) -> None:
        self.project, self.tree, self.service = project, tree, service

    def fail(self, message: str, *path: str | int, key: bool = False, hint: str | None = None) -> NoReturn:
        where = ("services", self.service.name, *path)
        raise fault_in(self.tree, where, message, key=key or not path, hint=hint)

    def all(self) -> None:
        self.source()
        self.name()
        self.networks()
        self.health()
        self.dependencies()
        self.references()
        self.numbers()
        self.develop()

    def source(self) -> None:
        service, build = self.service, self.service.build
        if build is None:
            if not service.image and service.provider is None:
                self.fail(f'service "{service.name}" has neither an image nor a build context specified: {_INVALID}')
            return
        if build.dockerfile_inline and build.dockerfile:
            message = (
                f'service "{service.name}" declares mutualy exclusive dockerfile and dockerfile_inline: {_INVALID}'
            )
            self.fail(message, "build", "dockerfile_inline", key=True)
        for key, context in build.additional_contexts.items():
            target = context.removeprefix("service:")
            if target != context:
                self.context(key, target)
        if build.platforms and service.platform and service.platform not in build.platforms:
            message = f'service.build.platforms MUST include service.platform "{service.platform}": {_INVALID}'
            self.fail(message, "platform")

    def name(self) -> None:
        name = self.service.container_name
        if name and (len(name) < 2 or not _is_container_name(name)):
            # Differs from docker: 2.26 goes on until it creates the container; later ones say it here, of "" as well
            message = f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
            self.fail(f"services.{self.service.name}: {message}: {_INVALID}", "container_name")

    def context(self, key: str, target: str) -> None:
        path = ("build", "additional_contexts", key)
        start = f'service "{self.service.name}" declares'
        if target not in self.project.services:
            self.fail(f'{start} unknown service "{target}" as additional contexts {key}', *path)
        if self.project.services[target].build is None:
            self.fail(f'{start} non-buildable service "{target}" as additional contexts {key}', *path)

    def networks(self) -> None:
        service = self.service
        if service.network_mode and service.networks:
            message = f"service {service.name} declares mutually exclusive `network_mode` and `networks`: {_INVALID}"
            self.fail(message, "network_mode", key=True)
        self.known("network", service.networks, self.project.networks, "networks")

    def known(self, what: str, wanted: Iterable[str], there: Iterable[str], *path: str) -> None:
        for at, name in enumerate(wanted):
            if name not in there:
                message = f'service "{self.service.name}" refers to undefined {what} {name}: {_INVALID}'
                self.fail(message, *path, name if what == "network" else at)

    def health(self) -> None:
        check = self.service.healthcheck
        if check and check.test and check.test[0] not in {"CMD", "CMD-SHELL", "NONE"}:
            self.fail('healthcheck.test must start either by "CMD", "CMD-SHELL" or "NONE"', "healthcheck", "test")

    def dependencies(self) -> None:
        service, project = self.service, self.project
        for name, dependency in service.depends_on.items():
            if name in project.services or (name in project.disabled_services and not dependency.required):
                continue
            message = f'service "{service.name}" depends on undefined service "{name}": {_INVALID}'
            self.fail(message, "depends_on", name, hint=self.of_profile(name))
        shared = service.network_mode.removeprefix("service:")
        if shared != service.network_mode and shared not in project.services:
            self.fail(f"service \"{shared}\" not found for network_mode 'service:{shared}'", "network_mode")
        for name in service.models:
            if name not in project.models:
                self.fail(f'service "{service.name}" refers to undefined model {name}: {_INVALID}', "models", name)

    def of_profile(self, name: str) -> str | None:
        """A service that there is, but not now."""
        found = self.project.disabled_services.get(name)
        if found is None or not found.profiles:
            return None
        return f"it takes part with --profile {found.profiles[0]}; `required: false` goes on without it"

    def references(self) -> None:
        service, project = self.service, self.project
        for at, mount in enumerate(service.volumes):
            if mount.type == "volume" and mount.source and mount.source not in project.volumes:
                message = f'service "{service.name}" refers to undefined volume {mount.source}: {_INVALID}'
                self.fail(message, "volumes", at)
        if service.build:
            secrets = [each.source for each in service.build.secrets]
            self.known("build secret", secrets, project.secrets, "build", "secrets")
        self.known("config", [each.source for each in service.configs], project.configs, "configs")
        self.known("secret", [each.source for each in service.secrets], project.secrets, "secrets")

    def numbers(self) -> None:
        service, deploy = self.service, self.service.deploy
        if deploy is not None:
            if None not in {service.scale, deploy.replicas} and service.scale != deploy.replicas:
                self.distinct("scale", "deploy.replicas")
            limits, reserved = deploy.resources.limits, deploy.resources.reservations
            for field, there in (("cpus", "cpus"), ("mem_limit", "memory"), ("pids_limit", "pids")):
                own = getattr(service, field)
                if own and limits is not None and getattr(limits, there) != own:
                    self.distinct(field, f"deploy.resources.limits.{there}")
            if service.mem_reservation and reserved is not None and reserved.memory != service.mem_reservation:
                self.distinct("mem_reservation", "deploy.resources.reservations.memory")
        if service.replicas > 1 and service.container_name:
            said = "deploy.replicas" if service.scale is None else "scale"
            # Differs from docker: it swaps the two words ("services.scale: ... container_name and web ...")
            message = f"services.{service.name}: can't set container_name and {said} as container name must be unique"
            self.fail(f"{message}: {_INVALID}", "container_name")

    def distinct(self, field: str, other: str) -> NoReturn:
        message = f"services.{self.service.name}: can't set distinct values on '{field}' and '{other}': {_INVALID}"
        self.fail(message, field)

    def develop(self) -> None:
        for at, rule in enumerate(self.service.develop.watch if self.service.develop else ()):
            if not rule.target and rule.action not in {"rebuild", "restart"}:
                where = f"services.{self.service.name}.develop.watch"
                message = f"{where}: target is required for non-rebuild actions: {_INVALID}"
                self.fail(message, "develop", "watch", at)


def _is_container_name(name: str) -> bool:
    return name.isascii() and name[0].isalnum() and all(char.isalnum() or char in "_.-" for char in name)


def _check_cycles(project: Project, tree: Tree) -> None:
    """Walk the dependencies depth first, without recursion: a chain may be as long as a file."""
    done: set[str] = set()
    for start in sorted(project.services):
        chain = {start: None}  # ordered, and quick to look in
        pending = [(start, iter(sorted(project.services[start].depends_on)))]
        while pending:
            name, rest = pending[-1]
            following = next((each for each in rest if each not in done and each in project.services), None)
            if following is None:
                done.add(name)
                pending.pop()
                del chain[name]
            elif following in chain:
                names = list(chain)
                circle = " -> ".join([*names[names.index(following) :], following])
                path = ("services", name, "depends_on", following)
                raise fault_in(tree, path, f"dependency cycle detected: {circle}")
            else:
                chain[following] = None
                pending.append((following, iter(sorted(project.services[following].depends_on))))
