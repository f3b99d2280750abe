"""-v, --mount and --tmpfs. Pure; docker's messages.

Spec: docs.docker.com/engine/storage/bind-mounts/ and /volumes/ ("Syntax").
"""

from __future__ import annotations

import posixpath

from wherry.errors import InputError, Unsupported
from wherry.runtime.options import MountRequest
from wherry.runtime.parse_values import size_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["check_targets", "mount", "tmpfs", "volume"]

_PROPAGATIONS = frozenset({"shared", "rshared", "slave", "rslave", "private", "rprivate"})
_ACCESS = frozenset({"ro", "rw"})
_LABELS = frozenset({"z", "Z"})
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})


def _target(path: str) -> str:
    if not path.startswith("/"):
        raise InputError(f"invalid mount path: '{path}' mount path must be absolute")
    clean = "/" + posixpath.normpath(path).lstrip("/")
    if clean == "/":
        raise InputError("invalid specification: destination can't be '/'")
    return clean


def _volume_name(name: str) -> str:
    allowed = all(one.isascii() and (one.isalnum() or one in "_.-") for one in name)
    if not (allowed and name[:1].isalnum()):
        raise InputError(
            f'create {name}: "{name}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path'
        )
    if len(name) < 2:
        raise InputError(
            f"create {name}: volume name is too short, names should be at least two alphanumeric characters"
        )
    return name


def volume(text: str, cwd: str) -> MountRequest:
    """[SOURCE:]TARGET[:MODES]; `cwd` is what "./x" and "../x" are relative to. Raises: InputError."""
    if not text:
        raise InputError("invalid empty volume spec")
    parts = text.split(":")
    if "" in parts:
        raise InputError(f"invalid spec: {text}: empty section between colons")
    if len(parts) > 3:
        raise InputError(f"invalid volume specification: '{text}'")
    if len(parts) == 1:
        return MountRequest("volume", "", _target(text))
    source, modes = parts[0], parts[2].split(",") if len(parts) == 3 else []
    target = _target(parts[1])
    # Differs from docker 26: "../x" is a path too
    is_path = source.startswith(("/", "./", "../")) or source in {".", ".."}
    _check_modes(modes, parts[-1], text, is_path=is_path)
    common = {
        "read_only": "ro" in modes,
        "copy": "nocopy" not in modes,
        "propagation": next((one for one in modes if one in _PROPAGATIONS), ""),
        "options": tuple(one for one in modes if one in _LABELS),
    }
    if is_path:
        path = posixpath.normpath(posixpath.join(cwd, source))
        return MountRequest("bind", "/" + path.lstrip("/"), target, create_source=True, **common)  # type: ignore[arg-type]
    return MountRequest("volume", _volume_name(source), target, **common)  # type: ignore[arg-type]


def _check_modes(modes: Sequence[str], shown: str, text: str, *, is_path: bool) -> None:
    for known in (_ACCESS, _LABELS, _PROPAGATIONS):
        if sum(one in known for one in modes) > 1:
            raise InputError(f"invalid mode: {shown}")
    for one in modes:
        if one not in _ACCESS | _LABELS | _PROPAGATIONS | {"nocopy", "consistent", "cached", "delegated"}:
            raise InputError(f"invalid mode: {shown}")
    wrong = "VolumeOptions" if is_path and "nocopy" in modes else ""
    if not is_path and any(one in _PROPAGATIONS for one in modes):
        wrong = "BindOptions"
    if wrong:
        kind = "bind" if is_path else "volume"
        raise InputError(
            f"invalid volume specification: '{text}': invalid mount config for type \"{kind}\": "
            f"field {wrong} must not be specified"
        )


def tmpfs(text: str) -> MountRequest:
    """TARGET[:OPTIONS]. Raises: InputError."""
    target, _, options = text.partition(":")
    return MountRequest("tmpfs", "", _target(target), options=tuple(filter(None, options.split(","))))


def _fields(text: str) -> list[str]:
    """One CSV record. Raises: InputError."""
    import csv

    if not text:
        raise InputError("EOF")
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error as fault:
        raise InputError(f"parse error: {fault}") from None
    return rows[0] if rows else []


def _flag(key: str, value: str, equals: str) -> bool:
    if not equals or value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise InputError(f"invalid value for {key}: {value}")


_SWITCHES = frozenset({"readonly", "ro", "volume-nocopy", "bind-nonrecursive", "bind-create-src"})
_KEYS = {
    "type": "type", "source": "source", "src": "source", "target": "target", "dst": "target", "destination": "target",
    "readonly": "read_only", "ro": "read_only", "consistency": "consistency",
    "bind-propagation": "bind-propagation", "bind-nonrecursive": "bind-nonrecursive",
    "bind-recursive": "bind-recursive", "bind-create-src": "bind-create-src",
    "volume-nocopy": "volume-nocopy", "volume-subpath": "volume-subpath", "volume-driver": "volume-driver",
    "tmpfs-size": "tmpfs-size", "tmpfs-mode": "tmpfs-mode",
}  # fmt: skip


class _Found:
    """The fields of one --mount, checked one by one."""

    def __init__(self) -> None:
        self.text: dict[str, str] = {}
        self.on: dict[str, bool] = {}
        self.labels: dict[str, str] = {}
        self.driver_options: list[str] = []

    def take(self, field: str) -> None:
        key, equals, value = field.partition("=")
        key = key.lower()
        if key in {"volume-label", "volume-opt"}:
            name, _, content = value.partition("=")
            if key == "volume-label":
                self.labels[name] = content
            else:
                self.driver_options.append(value)
            return
        if key in _SWITCHES:
            self.on[_KEYS[key]] = _flag(key, value, equals)
            return
        if key not in _KEYS:
            raise InputError(f"unexpected key '{key}' in '{field}'")
        if not equals:
            raise InputError(f"invalid field '{field}' must be a key=value pair")
        if key == "tmpfs-size":
            value = _tmpfs_size(value)
        if key == "tmpfs-mode" and not (value and set(value) <= set("01234567")):
            raise InputError(f"invalid value for tmpfs-mode: {value}")
        self.text[_KEYS[key]] = value


def _tmpfs_size(value: str) -> str:
    try:
        return str(size_bytes(value))
    except InputError:
        raise InputError(f"invalid value for tmpfs-size: {value}") from None


def mount(text: str, cwd: str) -> MountRequest:
    """One CSV record of KEY=VALUE. Raises: InputError, Unsupported."""
    found = _Found()
    for field in _fields(text):
        found.take(field)
    kind = found.text.get("type", "volume").lower()
    if kind not in {"bind", "volume", "tmpfs"}:
        raise InputError(
            f'invalid mount config for type "{kind}": mount type unknown', hint="use bind, volume or tmpfs"
        )
    if not found.text.get("target"):
        raise InputError("target is required")
    _check_mixed(kind, found)
    try:
        return _build(kind, found, cwd)
    except InputError as fault:
        if fault.message.startswith("create "):
            raise
        raise InputError(f'invalid mount config for type "{kind}": {fault.message}', hint=fault.hint) from None


def _check_mixed(kind: str, found: _Found) -> None:
    given = [*found.text, *found.on, *(["volume-label"] if found.labels else [])]
    given += ["volume-opt"] if found.driver_options else []
    for prefix in ("bind", "volume", "tmpfs"):
        if prefix != kind and any(key.startswith(f"{prefix}-") for key in given):
            raise InputError(f"cannot mix '{prefix}-*' options with mount type '{kind}'")
    recursive = found.text.get("bind-recursive", "enabled")
    if recursive not in {"enabled", "disabled", "writable", "readonly"}:
        raise InputError(
            f'invalid value for bind-recursive: {recursive} (must be "enabled", "disabled", "writable", or "readonly")'
        )
    if recursive in {"writable", "readonly"} and not found.on.get("read_only"):
        raise InputError(f"option 'bind-recursive={recursive}' requires 'readonly' to be specified in conjunction")


def _build(kind: str, found: _Found, cwd: str) -> MountRequest:
    source, target = found.text.get("source", ""), _target(found.text["target"])
    read_only = found.on.get("read_only", False)
    if kind == "tmpfs":
        if source:
            raise InputError("field Source must not be specified")
        names = {"tmpfs-size": "size", "tmpfs-mode": "mode"}
        options = tuple(f"{names[key]}={value}" for key, value in found.text.items() if key in names)
        return MountRequest("tmpfs", "", target, read_only, options=options)
    if kind == "volume":
        subpath = found.text.get("volume-subpath", "")
        if subpath and not source:
            raise InputError("must not set Subpath when using anonymous volumes")
        if found.driver_options:
            raise Unsupported("volume-opt is not supported yet", hint="wherry's volumes are plain folders")
        return MountRequest(
            "volume", _volume_name(source) if source else "", target, read_only,
            copy=not found.on.get("volume-nocopy"), subpath=subpath,
            driver=found.text.get("volume-driver", ""), labels=found.labels,
        )  # fmt: skip
    if not source:
        raise InputError("field Source must not be empty")
    propagation = found.text.get("bind-propagation", "")
    if propagation and propagation not in _PROPAGATIONS:
        raise InputError(f"invalid propagation mode: {propagation}")
    if source in {".", ".."} or source.startswith(("./", "../")):
        source = posixpath.normpath(posixpath.join(cwd, source))
    if not source.startswith("/"):
        raise InputError(f"invalid mount path: '{source}' mount path must be absolute")
    flat = found.on.get("bind-nonrecursive", False) or found.text.get("bind-recursive") == "disabled"
    return MountRequest(
        "bind", source, target, read_only, create_source=found.on.get("bind-create-src", False),
        propagation=propagation, recursive=not flat,
    )  # fmt: skip


def check_targets(mounts: Sequence[MountRequest]) -> None:
    """Raises: InputError when two mounts want the same place."""
    seen: set[str] = set()
    for one in mounts:
        if one.target in seen:
            raise InputError(f"Duplicate mount point: {one.target}")
        seen.add(one.target)
