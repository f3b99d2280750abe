"""-v, --tmpfs and --volumes-from; `--mount` is in parse_mount_flag. Pure; docker's messages.

Spec: docs.docker.com/engine/storage/bind-mounts/ and /volumes/ ("Syntax").
"""

from __future__ import annotations

import posixpath

from wherry.errors import InputError
from wherry.runtime.options import MountRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "PROPAGATIONS", "MountRefused", "check_requests", "check_targets", "clean_target", "tmpfs", "volume", "volume_name",
    "volumes_from",
]  # fmt: skip

PROPAGATIONS = frozenset({"shared", "rshared", "slave", "rslave", "private", "rprivate"})
_ACCESS = frozenset({"ro", "rw"})
_LABELS = frozenset({"z", "Z"})
_CONSISTENCY = frozenset({"consistent", "cached", "delegated", "default"})
_COPY = frozenset({"nocopy"})
_MODES = (_ACCESS, _LABELS, PROPAGATIONS, _CONSISTENCY, _COPY)
_TMPFS_FLAGS = frozenset({
    "ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "sync", "async", "dirsync", "mand", "nomand",
    "atime", "noatime", "diratime", "nodiratime", "bind", "rbind", "private", "rprivate", "shared", "rshared", "slave",
    "rslave", "unbindable", "runbindable", "relatime", "norelatime", "strictatime", "nostrictatime", "remount",
    "defaults",
})  # fmt: skip
_TMPFS_VALUES = frozenset({"size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"})


class MountRefused(InputError):
    """What docker's command line takes and its daemon refuses: `create` exits 1 for it, and names no flag."""


def clean_target(path: str) -> str:
    """Raises: MountRefused."""
    if not path.startswith("/"):
        raise MountRefused(f"invalid mount path: '{path}' mount path must be absolute")
    clean = "/" + posixpath.normpath(path).lstrip("/")
    if clean == "/":
        raise MountRefused("invalid specification: destination can't be '/'")
    return clean


def volume_name(name: str) -> str:
    """Raises: MountRefused."""
    if len(name) < 2:
        raise MountRefused(
            f"create {name}: volume name is too short, names should be at least two alphanumeric characters"
        )
    allowed = all(one.isascii() and (one.isalnum() or one in "_.-") for one in name)
    if not (allowed and name[:1].isalnum()):
        raise MountRefused(
            f'create {name}: "{name}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path'
        )
    return name


def volume(text: str, cwd: str) -> MountRequest:
    """[SOURCE:]TARGET[:MODES]; `cwd` is what "./x" and "../x" are relative to. Raises: InputError."""
    parts = _parts(text)
    if len(parts) == 1:
        # Differs from docker: a relative path is refused; docker makes an anonymous volume below /
        return MountRequest("volume", "", clean_target(text))
    source, mode = parts[0], parts[2] if len(parts) == 3 else ""
    # Differs from docker 26: "../x" is a path too
    is_path = source.startswith(("/", "./", "../")) or source in {".", ".."}
    kind = "bind" if is_path else "volume"
    if is_path:
        source = "/" + posixpath.normpath(posixpath.join(cwd, source)).lstrip("/")
        if parts[0].startswith("."):
            # What is said of it names the folder that it is
            text = ":".join((source, *parts[1:]))
    modes = _modes(mode)
    _check_kind(kind, modes, text)
    try:
        target = clean_target(parts[1])
    except MountRefused as fault:
        raise MountRefused(
            f"invalid volume specification: '{text}': invalid mount config for type \"{kind}\": {fault.message}"
        ) from None
    if is_path:
        found = MountRequest("bind", source, target, create_source=True)
    else:
        found = MountRequest("volume", volume_name(source), target)
    return found._replace(
        read_only="ro" in modes,
        copy="nocopy" not in modes,
        propagation=next((one for one in modes if one in PROPAGATIONS), ""),
        mode=mode,
    )


def _parts(text: str) -> list[str]:
    """One, two or three. Raises: InputError."""
    if not text:
        raise InputError("invalid empty volume spec")
    parts = text.split(":")
    if "" in parts:
        raise InputError(f"invalid spec: {text}: empty section between colons")
    # Four parts may be a Windows path to docker's command line: it leaves them to the daemon
    if len(parts) == 4 and len(parts[0]) > 1:
        raise InputError(f"invalid spec: {text}: too many colons")
    if len(parts) > 3 or (len(parts) == 2 and not parts[1].startswith("/") and _are_modes(parts[1])):
        raise MountRefused(f"invalid volume specification: '{text}'")
    return parts


def _are_modes(text: str) -> bool:
    try:
        return bool(_modes(text))
    except MountRefused:
        return False


def _modes(mode: str) -> list[str]:
    """Raises: MountRefused."""
    modes = mode.split(",") if mode else []
    known = all(any(one in kind for kind in _MODES) for one in modes)
    if not known or any(sum(one in kind for one in modes) > 1 for kind in _MODES):
        raise MountRefused(f"invalid mode: {mode}")
    return modes


def _check_kind(kind: str, modes: Sequence[str], text: str) -> None:
    wrong = ""
    if kind == "bind" and "nocopy" in modes:
        wrong = "VolumeOptions"
    if kind == "volume" and any(one in PROPAGATIONS for one in modes):
        wrong = "BindOptions"
    if wrong:
        raise MountRefused(
            f"invalid volume specification: '{text}': invalid mount config for type \"{kind}\": "
            f"field {wrong} must not be specified"
        )


def tmpfs(text: str) -> MountRequest:
    """TARGET[:OPTIONS]. Raises: InputError."""
    target, _, rest = text.partition(":")
    options = tuple(filter(None, rest.split(",")))
    for one in options:
        name, equals, _ = one.partition("=")
        if one not in _TMPFS_FLAGS and not (equals and name in _TMPFS_VALUES):
            raise MountRefused(f'invalid tmpfs option "{one}"' if not equals else f'invalid tmpfs option "{name}"')
    return MountRequest("tmpfs", "", clean_target(target), options=options)


def volumes_from(text: str) -> tuple[str, bool | None]:
    """NAME_OR_ID[:MODES]: the name, and whether all of it is read-only (None: as there). Raises: MountRefused."""
    if not text:
        raise MountRefused("volumes-from specification cannot be an empty string")
    name, _, mode = text.partition(":")
    if not name:
        raise MountRefused('invalid name or ID supplied: ""')
    modes = mode.split(",") if mode else []
    if any(one not in _ACCESS | _LABELS for one in modes) or len({*modes} & _ACCESS) > 1 or len({*modes} & _LABELS) > 1:
        raise MountRefused(f"invalid mode: {mode}")
    return name, True if "ro" in modes else None


def check_targets(mounts: Sequence[MountRequest]) -> None:
    """Raises: MountRefused when two mounts want the same place."""
    seen: set[str] = set()
    for one in mounts:
        if one.target in seen:
            raise MountRefused(f"Duplicate mount point: {one.target}")
        seen.add(one.target)


def check_requests(mounts: Sequence[MountRequest]) -> None:
    """What those who write MountRequests themselves may get wrong. Raises: MountRefused."""
    for one in mounts:
        if clean_target(one.target) != one.target:
            raise MountRefused(f"invalid mount path: '{one.target}' is not clean: {clean_target(one.target)} is")
        if one.type == "bind" and not one.source.startswith("/"):
            raise MountRefused(f"invalid mount path: '{one.source}' mount path must be absolute")
    check_targets(mounts)
