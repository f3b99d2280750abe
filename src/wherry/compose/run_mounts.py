"""What a service's containers mount: volumes, tmpfs, secrets and configs, and what they take over. Pure."""

from __future__ import annotations

import posixpath

from wherry.errors import InputError, Unsupported
from wherry.runtime import parse_mounts
from wherry.runtime.options import MountRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import NamedTuple

    from wherry.compose.model import Project, Service
    from wherry.compose.model_parts import FileReference, Mount
    from wherry.engine.containers_files import PlacedFile
else:
    from wherry.lean import NamedTuple

__all__ = ["Mounts", "mounts"]

_SECRETS, _CONFIGS = "/run/secrets/", "/"


class Mounts(NamedTuple):
    """`files` are made in the container's own folder and mounted from there."""

    requests: tuple[MountRequest, ...]
    files: tuple[PlacedFile, ...] = ()


def mounts(
    project: Project,
    service: Service,
    image_volumes: Iterable[str],
    inherited: Mapping[str, str],
    warnings: list[str],
) -> Mounts:
    """`inherited` are anonymous volumes of the container before, by target. Raises: InputError, Unsupported."""
    found: dict[str, MountRequest] = {}
    for text in service.tmpfs:
        one = parse_mounts.tmpfs(text)
        found[one.target] = one
    for mount in service.volumes:
        one = _mount(project, mount)
        if one.type == "volume" and not one.source and one.target in inherited:
            one = one._replace(source=inherited[one.target], is_inherited=True)
        found[one.target] = one
    files: list[PlacedFile] = []
    for kind, references in (("secret", service.secrets), ("config", service.configs)):
        for reference in references:
            made = _reference(project, kind, reference, warnings)
            if isinstance(made, MountRequest):
                found[made.target] = made
            else:
                found.pop(made.target, None)
                files.append(made)
    taken = {*found, *(file.target for file in files)}
    for path in image_volumes:
        target = posixpath.normpath("/" + path.lstrip("/"))
        if target in inherited and target not in taken:
            found[target] = MountRequest("volume", inherited[target], target, is_inherited=True)
    return Mounts(tuple(found.values()), tuple(files))


def _mount(project: Project, mount: Mount) -> MountRequest:
    if mount.type in ("cluster", "npipe"):
        why = {"cluster": "cluster volumes need a swarm, which there is not", "npipe": "npipe is Windows's"}
        raise Unsupported(f"volume at {mount.target}: {why[mount.type]}")
    build = {"bind": _bind, "volume": _volume, "tmpfs": _tmpfs, "image": _image}.get(mount.type)
    if build is None:
        raise InputError(f'invalid mount config for type "{mount.type}": mount type unknown')
    if not mount.target:
        raise InputError(f'invalid mount config for type "{mount.type}": field Target must not be empty')
    return build(project, mount, parse_mounts.clean_target(mount.target))


def _bind(project: Project, mount: Mount, target: str) -> MountRequest:
    given = mount.bind
    if not mount.source.startswith("/"):
        raise InputError(f"invalid mount path: '{mount.source}' mount path must be absolute")
    request = MountRequest("bind", posixpath.normpath(mount.source), target, mount.read_only, is_mount=True)
    if given is None:
        return request
    if given.propagation and given.propagation not in parse_mounts.PROPAGATIONS:
        raise InputError(f"invalid propagation mode: {given.propagation}")
    words = ["ro" if mount.read_only else "rw", given.selinux, given.propagation]
    return request._replace(
        create_source=given.create_host_path,
        propagation=given.propagation,
        recursive=given.recursive != "disabled",
        submounts=given.recursive if given.recursive in ("writable", "readonly") else "",
        mode=",".join(filter(None, words)) if given.create_host_path else "",
        # As docker-compose: what makes a missing folder stands among the Binds of `inspect`
        is_mount=not given.create_host_path,
    )


def _volume(project: Project, mount: Mount, target: str) -> MountRequest:
    name = mount.source
    if name in project.volumes:
        name = project.volumes[name].name
    given = mount.volume
    request = MountRequest("volume", name, target, mount.read_only, is_mount=True)
    if given is None:
        return request
    if given.subpath and not name:
        raise InputError("must not set Subpath when using anonymous volumes")
    return request._replace(
        copy=not given.nocopy, subpath=_subpath(given.subpath), labels=dict(given.labels) if not name else {}
    )  # fmt: skip


def _tmpfs(project: Project, mount: Mount, target: str) -> MountRequest:
    if mount.source:
        raise InputError('invalid mount config for type "tmpfs": field Source must not be specified')
    given, options = mount.tmpfs, []
    if given is not None and given.size:
        options.append(f"size={given.size}")
    if given is not None and given.mode:
        options.append(f"mode={given.mode:o}")
    return MountRequest("tmpfs", "", target, mount.read_only, options=tuple(options), is_mount=True)


def _image(project: Project, mount: Mount, target: str) -> MountRequest:
    if not mount.source:
        raise InputError('invalid mount config for type "image": field Source must not be empty')
    subpath = _subpath(mount.image.subpath) if mount.image is not None else ""
    return MountRequest("image", mount.source, target, read_only=True, copy=False, subpath=subpath, is_mount=True)


def _subpath(path: str) -> str:
    clean = posixpath.normpath(path) if path else ""
    if path.startswith("/") or clean == ".." or clean.startswith("../"):
        raise InputError("subpath must be a relative path within the volume")
    return "" if clean == "." else clean


def _reference(
    project: Project, kind: str, reference: FileReference, warnings: list[str]
) -> MountRequest | PlacedFile:  # fmt: skip
    """A secret or a config: its file of the host as it is, or a file with its content."""
    defined = (project.secrets if kind == "secret" else project.configs).get(reference.source)
    if defined is None:
        raise InputError(f"undefined {kind} {reference.source}")
    if defined.external:
        raise Unsupported(
            f"unsupported external {kind} {reference.source}",
            hint=f"a {kind} can be a file, or come of the environment",
        )
    for key in ("driver", "template_driver"):
        if getattr(defined, key):
            raise Unsupported(f"{kind} {reference.source}: {key} is not supported, it needs a swarm")
    base = _SECRETS if kind == "secret" else _CONFIGS
    target = _target(kind, reference, base)
    if defined.file:
        if reference.uid or reference.gid or reference.mode is not None:
            warnings.append(f"{kind}s `uid`, `gid` and `mode` are not supported, they will be ignored")
        return MountRequest("bind", posixpath.normpath(defined.file), target, read_only=True, is_mount=True)
    if defined.content is None:
        raise InputError(f'environment variable "{defined.environment}" required by {kind} "{defined.name}" is not set')
    from wherry.engine.containers_files import PlacedFile

    # Differs from docker: docker-compose copies the value into the container, which can't be done to a read-only one
    uid, gid = (_number(kind, reference, name) for name in ("uid", "gid"))
    mode = 0o444 if reference.mode is None else reference.mode & 0o7777
    return PlacedFile(target, defined.content.encode("utf-8", "surrogateescape"), uid, gid, mode)


def _target(kind: str, reference: FileReference, base: str) -> str:
    path = reference.target or reference.source
    if not path.startswith("/") and ".." in path.split("/"):
        raise InputError(f"{kind} {reference.source}: target {path} leads out of {base}", hint="write an absolute path")
    return parse_mounts.clean_target(posixpath.join(base, path))


def _number(kind: str, reference: FileReference, field: str) -> int:
    text = str(getattr(reference, field) or "0")
    if not (text.isascii() and text.isdecimal() and int(text) < 1 << 32):
        raise InputError(f"{kind} {reference.source}: {field} {text} is not a number")
    return int(text)
