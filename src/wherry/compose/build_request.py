"""A service's `build` as a request to the engine's builder.

Spec: https://github.com/compose-spec/compose-spec/blob/v2.1.0/build.md
"""

from __future__ import annotations

import io
import os

from wherry.errors import InputError, NotFound, Unsupported
from wherry.lean import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack
    from typing import NamedTuple

    from wherry.build.named_context import NamedContext
    from wherry.build.options import BuildOptions
    from wherry.build.progress import Progress as BuildProgress
    from wherry.build.secrets import SecretSource
    from wherry.cancel import Cancel
    from wherry.compose.model import Project, Service
    from wherry.compose.model_build import Build
    from wherry.engine import Engine
    from wherry.engine.builds import BuildRequest
    from wherry.oci.platform import Platform
    from wherry.store.images import ImageRecord
else:
    from wherry.lean import NamedTuple

__all__ = ["BuildWishes", "build_service", "built_from", "prepared"]

_SERVICE = "service:"
_PRIVILEGED = "security.insecure"


class BuildWishes(NamedTuple):
    """What a command line says beside the file: `compose build --no-cache --pull --build-arg A=b --with-...`."""

    no_cache: bool = False
    pull: bool = False
    args: tuple[tuple[str, str], ...] = ()


_NO_WISHES = BuildWishes()


def built_from(project: Project, service: Service) -> tuple[str, ...]:
    """The services whose images its build uses (`additional_contexts: {x: service:NAME}`): they are built first."""
    contexts = service.build.additional_contexts.values() if service.build else ()
    names = (value.removeprefix(_SERVICE) for value in contexts if value.startswith(_SERVICE))
    return tuple(sorted(name for name in names if name in project.all_services()))


def build_service(
    engine: Engine, project: Project, service: Service, progress: BuildProgress, cancel: Cancel,
    wishes: BuildWishes = _NO_WISHES,
) -> ImageRecord:  # fmt: skip
    """Build the image and give it its names. Raises: what engine.builds.build raises, and Unsupported."""
    with prepared(engine, project, service, cancel, wishes) as request:
        return engine.builds.build(request, progress, cancel)


@contextmanager
def prepared(
    engine: Engine, project: Project, service: Service, cancel: Cancel, wishes: BuildWishes = _NO_WISHES
) -> Iterator[BuildRequest]:
    """The request; what it needs on the disk (a secret's content, a fetched context) is there as long as the context.

    Raises: InputError, NotFound (a secret that is not declared), Unsupported.
    """
    from contextlib import ExitStack

    build = service.build
    if build is None:
        raise InputError(f"service {service.name} has no build section")
    _refuse(service, build)
    with ExitStack() as stack:
        yield _request(engine, project, service, build, wishes, _Fetched(engine, stack, cancel))


def _refuse(service: Service, build: Build) -> None:
    if build.privileged or _PRIVILEGED in build.entitlements:
        raise Unsupported(
            f"service {service.name}: privileged builds are not supported", hint="build steps have no privileges here"
        )
    if build.isolation:
        raise Unsupported(f"service {service.name}: build.isolation is for Windows")


class _Fetched(NamedTuple):
    engine: Engine
    stack: ExitStack
    cancel: Cancel

    def folder(self, kind: str) -> str:
        found: str = self.stack.enter_context(self.engine.scratch.folder(kind))
        return found

    def context(self, where: str) -> str:
        """A folder as it is; a repository, or a tar behind a URL, as a folder."""
        from wherry.build.named_context import git_source, main_context

        source = main_context(where)
        if source.kind == "folder":
            return where
        from wherry.engine.build_fetch import fetch_git, fetch_tar

        folder = self.folder("context")
        if source.kind == "git":
            return fetch_git(self.engine.host, git_source(source.value), folder, self.engine.settings.env)
        fetch_tar(self.engine, source.value, folder, self.cancel)
        return folder


def _request(
    engine: Engine, project: Project, service: Service, build: Build, wishes: BuildWishes, fetched: _Fetched
) -> BuildRequest:  # fmt: skip
    from wherry.build import project as local
    from wherry.build.secrets import SshSource
    from wherry.build.travel_spec import parse_from, parse_to
    from wherry.engine.builds import BuildRequest
    from wherry.engine.trust_build import sbom_formats
    from wherry.oci.reference import Reference

    context = fetched.context(build.context)
    wants = local.read(context)
    sbom = "" if build.sbom in _OFF else "spdx" if build.sbom == "true" else build.sbom
    return BuildRequest(
        context=context,
        options=_options(project, service, build, wishes)._replace(
            traced_cache=wants.traced_cache is not False, split_packages=wants.split_packages is not False
        ),
        dockerfile="-" if build.dockerfile_inline else os.path.join(context, build.dockerfile or "Dockerfile"),
        tags=tuple(Reference.parse(name) for name in (service.image_name(project.name), *build.tags)),
        stdin=io.BytesIO(build.dockerfile_inline.encode()) if build.dockerfile_inline else None,
        host_ca=wants.host_ca is not False,
        ambient_cache=wants.ambient_cache is not False,
        sbom=sbom_formats(sbom) if sbom else (),
        provenance=_provenance(build.provenance),
        secrets=tuple(_secret(project, service, one.source, one.target, fetched) for one in build.secrets),
        ssh=tuple(SshSource(one.id, (one.path,) if one.path else ()) for one in build.ssh),
        cache_from=tuple(map(parse_from, build.cache_from)),
        cache_to=tuple(map(parse_to, build.cache_to)),
    )


# Differs from docker: provenance is attached only when asked for (docs/adr/0133-attest-on-request.md)
_OFF = frozenset({"", "false", "0"})


def _provenance(text: str) -> str:
    if text in _OFF:
        return ""
    mode = "min" if text in {"true", "1"} else text.removeprefix("mode=")
    if mode not in {"min", "max"}:
        raise InputError(f"build.provenance {text!r} is none of true, false, mode=min, mode=max")
    return mode


def _options(project: Project, service: Service, build: Build, wishes: BuildWishes) -> BuildOptions:
    from wherry.build.options import BuildOptions
    from wherry.oci.platform import Platform

    args = {name: value for name, value in build.args.items() if value is not None}
    return BuildOptions(
        target=build.target,
        build_args={**args, **dict(wishes.args)},
        labels={**build.labels, **_labels(project, service)},
        contexts=dict(_contexts(project, build)),
        no_cache=build.no_cache or wishes.no_cache,
        no_cache_filter=tuple(build.no_cache_filter),
        pull=build.pull or wishes.pull,
        network=_network(build.network),
        hosts=tuple((name, address) for name, addresses in build.extra_hosts.items() for address in addresses),
        shm_size=build.shm_size,
        ulimits=tuple(
            (name, one.single or one.soft, one.single or one.hard) for name, one in build.ulimits.items()
        ),
        platform=_platform(service, build),
        host_platform=Platform.of("linux", os.uname().machine),
    )  # fmt: skip


def _labels(project: Project, service: Service) -> dict[str, str]:
    from wherry.compose import labels

    return {labels.PROJECT: project.name, labels.SERVICE: service.name}


def _contexts(project: Project, build: Build) -> Iterator[tuple[str, NamedContext]]:
    from wherry.build.named_context import NamedContext, parse_context

    for name, value in build.additional_contexts.items():
        other = project.all_services().get(value.removeprefix(_SERVICE)) if value.startswith(_SERVICE) else None
        found_name, found = parse_context(f"{name}={value}")
        yield found_name, NamedContext("image", other.image_name(project.name)) if other else found


def _network(name: str) -> str:
    if name not in ("", "default", "bridge", "none", "host"):
        raise Unsupported(f"build steps on the network {name!r} are not supported yet", hint="default, none or host")
    return "default" if name in ("", "bridge") else name


def _platform(service: Service, build: Build) -> Platform | None:
    """The service's, which must be one of those that it is built for; else this machine's, if it is one of them."""
    from wherry.oci.platform import Platform

    wanted = [Platform.parse(text) for text in build.platforms]
    if service.platform:
        found = Platform.parse(service.platform)
        if wanted and found not in wanted:
            raise InputError(
                f'service.build.platforms MUST include service.platform "{service.platform}"',
                hint=f"service {service.name}",
            )
        return found
    own = Platform.of("linux", os.uname().machine)
    return None if not wanted or own in wanted else wanted[0]


def _secret(project: Project, service: Service, source: str, target: str, fetched: _Fetched) -> SecretSource:
    from wherry.build.secrets import SecretSource

    secret = project.secrets.get(source)
    if secret is None:
        raise NotFound(f'service "{service.name}" refers to undefined build secret {source}')
    id = target or source
    if secret.file:
        return SecretSource(id, "file", secret.file)
    if secret.content is None:
        raise Unsupported(f"build secret {source} of service {service.name} is external: only file and environment are")
    from wherry.fs.atomic import replace_file

    path = f"{fetched.folder('secret')}/value"
    replace_file(path, secret.content.encode(), durable=False)
    return SecretSource(id, "file", path)
