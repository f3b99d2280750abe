"""--mount: one record of KEY=VALUE, checked as strictly as docker does. Pure; docker's messages."""

from __future__ import annotations

import posixpath

from wherry.errors import InputError
from wherry.runtime.csv_record import record
from wherry.runtime.options import MountRequest
from wherry.runtime.parse_mounts import PROPAGATIONS, MountRefused, clean_target, volume_name
from wherry.runtime.parse_values import size_bytes

__all__ = ["mount"]

_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})
_RECURSIVE = frozenset({"enabled", "disabled", "writable", "readonly"})
_SWITCHES = {
    "readonly": "readonly", "ro": "readonly", "volume-nocopy": "volume-nocopy",
    "bind-nonrecursive": "bind-nonrecursive", "bind-create-src": "bind-create-src",
}  # fmt: skip
_TEXTS = {
    "type": "type", "source": "source", "src": "source", "target": "target", "dst": "target", "destination": "target",
    "consistency": "consistency", "bind-propagation": "bind-propagation", "bind-recursive": "bind-recursive",
    "volume-subpath": "volume-subpath", "volume-driver": "volume-driver", "image-subpath": "image-subpath",
    "tmpfs-size": "tmpfs-size", "tmpfs-mode": "tmpfs-mode",
}  # fmt: skip
_PAIRS = frozenset({"volume-label", "volume-opt"})
_KINDS = ("volume", "bind", "tmpfs", "image")
_MAX_MODE = (1 << 32) - 1


class _Found:
    """The fields of one --mount, checked one by one."""

    def __init__(self) -> None:
        self.text: dict[str, str] = {"type": "volume"}
        self.on: dict[str, bool] = {}
        self.pairs: dict[str, dict[str, str]] = {}

    def take(self, field: str) -> None:
        key, equals, value = field.partition("=")
        key = key.lower()
        if key in _SWITCHES and (equals or key != "bind-create-src"):
            self.on[_SWITCHES[key]] = _flag(key, value, equals)
            return
        if not equals:
            raise InputError(f"invalid field '{field}' must be a key=value pair")
        if key in _PAIRS:
            name, _, content = value.partition("=")
            self.pairs.setdefault(key, {})[name] = content
            return
        if key not in _TEXTS:
            raise InputError(f"unexpected key '{key}' in '{field}'")
        self.text[_TEXTS[key]] = _checked(key, value)

    def given(self, kind: str) -> bool:
        """Whether anything asks for `kind`'s own options. "bind-recursive=enabled" says nothing, to docker too."""
        names = {*self.text, *self.on, *self.pairs}
        if self.text.get("bind-recursive") == "enabled":
            names.discard("bind-recursive")
        return any(name.startswith(f"{kind}-") for name in names)


def _flag(key: str, value: str, equals: str) -> bool:
    if not equals or value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise InputError(f"invalid value for {key}: {value}")


def _checked(key: str, value: str) -> str:
    if key in {"type", "bind-propagation", "consistency"}:
        return value.lower()
    if key == "bind-recursive" and value not in _RECURSIVE:
        raise InputError(
            f'invalid value for bind-recursive: {value} (must be "enabled", "disabled", "writable", or "readonly")'
        )
    if key == "tmpfs-size":
        try:
            return str(size_bytes(value))
        except InputError:
            raise InputError(f"invalid value for tmpfs-size: {value}") from None
    if key == "tmpfs-mode" and not (value and set(value) <= set("01234567") and int(value, 8) <= _MAX_MODE):
        raise InputError(f"invalid value for tmpfs-mode: {value}")
    return value


def mount(text: str, cwd: str) -> MountRequest:
    """One record of KEY=VALUE; `cwd` is what a source like "./x" is relative to. Raises: InputError."""
    found = _Found()
    for field in record(text):
        found.take(field)
    kind = found.text["type"]
    if not kind:
        raise InputError("type is required")
    if not found.text.get("target"):
        raise InputError("target is required")
    for other in _KINDS:
        if other != kind and found.given(other):
            raise InputError(f"cannot mix '{other}-*' options with mount type '{kind}'")
    _check_recursive(found)
    # Differs from docker 26: "image" is known, as it is since docker 28
    if kind not in _KINDS:
        raise MountRefused(
            f'invalid mount config for type "{kind}": mount type unknown', hint="use bind, volume, tmpfs or image"
        )
    try:
        target = clean_target(found.text["target"])
        build = {"tmpfs": _tmpfs, "volume": _volume, "image": _image, "bind": _bind}[kind]
        return build(found, MountRequest(kind, "", target, found.on.get("readonly", False), is_mount=True), cwd)
    except MountRefused as fault:
        if fault.message.startswith("create "):
            raise
        raise MountRefused(f'invalid mount config for type "{kind}": {fault.message}', hint=fault.hint) from None


def _check_recursive(found: _Found) -> None:
    chosen = found.text.get("bind-recursive", "")
    if chosen not in {"writable", "readonly"}:
        return
    if not found.on.get("readonly"):
        raise InputError(f"option 'bind-recursive={chosen}' requires 'readonly' to be specified in conjunction")
    if chosen == "readonly" and found.text.get("bind-propagation") != "rprivate":
        raise InputError(
            "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction"
        )


def _tmpfs(found: _Found, request: MountRequest, _: str) -> MountRequest:
    if found.text.get("source"):
        raise MountRefused("field Source must not be specified")
    options = []
    if int(found.text.get("tmpfs-size", "0")):
        options.append(f"size={found.text['tmpfs-size']}")
    if "tmpfs-mode" in found.text:
        options.append(f"mode={found.text['tmpfs-mode']}")
    return request._replace(options=tuple(options))


def _subpath(path: str) -> str:
    clean = posixpath.normpath(path) if path else ""
    if path.startswith("/") or clean == ".." or clean.startswith("../"):
        raise MountRefused("subpath must be a relative path within the volume")
    return "" if clean == "." else clean


def _volume(found: _Found, request: MountRequest, _: str) -> MountRequest:
    source, subpath = found.text.get("source", ""), found.text.get("volume-subpath", "")
    if subpath and not source:
        raise MountRefused("must not set Subpath when using anonymous volumes")
    return request._replace(
        source=volume_name(source) if source else "",
        copy=not found.on.get("volume-nocopy"),
        subpath=_subpath(subpath),
        driver=found.text.get("volume-driver", ""),
        labels=found.pairs.get("volume-label", {}),
        options=tuple(f"{name}={value}" for name, value in found.pairs.get("volume-opt", {}).items()),
    )


def _image(found: _Found, request: MountRequest, _: str) -> MountRequest:
    if not found.text.get("source"):
        raise MountRefused("field Source must not be empty")
    subpath = _subpath(found.text.get("image-subpath", ""))
    # An image is not to be written to, whatever was said
    return request._replace(source=found.text["source"], read_only=True, subpath=subpath, copy=False)


def _bind(found: _Found, request: MountRequest, cwd: str) -> MountRequest:
    source = found.text.get("source", "")
    if not source:
        raise MountRefused("field Source must not be empty")
    propagation = found.text.get("bind-propagation", "")
    if propagation and propagation not in PROPAGATIONS:
        raise MountRefused(f"invalid propagation mode: {propagation}")
    # Differs from docker 26: "../x" is a path too
    if source in {".", ".."} or source.startswith(("./", "../")):
        source = posixpath.normpath(posixpath.join(cwd, source))
    if not source.startswith("/"):
        raise MountRefused(f"invalid mount path: '{source}' mount path must be absolute")
    chosen = found.text.get("bind-recursive", "")
    return request._replace(
        source=posixpath.normpath(source).replace("//", "/", 1),
        create_source=found.on.get("bind-create-src", False),
        propagation=propagation,
        recursive=chosen != "disabled" and not found.on.get("bind-nonrecursive", False),
        submounts=chosen if chosen in {"writable", "readonly"} else "",
    )
