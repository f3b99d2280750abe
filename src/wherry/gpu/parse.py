"""JSON values → cdi.Spec, checked as the CDI spec says. A fault names its place: "devices[1].containerEdits.env[0]".

Strict, as docker's reader: a field that the spec does not know is a fault, since it would be a setting that is ignored.
"""

from __future__ import annotations

from wherry.errors import InvalidSpec, nearest
from wherry.gpu.cdi import HOOK_NAMES, VERSIONS, Device, DeviceNode, Edits, Hook, IntelRdt, Mount, Spec
from wherry.oci import _decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

__all__ = ["LIMIT_BYTES", "parse_spec"]

LIMIT_BYTES = 8 << 20
_ANNOTATION_BYTES = 256 << 10
_FIELDS = {
    "spec": ("cdiVersion", "kind", "annotations", "devices", "containerEdits"),
    "device": ("name", "annotations", "containerEdits"),
    "edits": ("env", "deviceNodes", "mounts", "hooks", "additionalGids", "intelRdt"),
    "node": ("path", "hostPath", "type", "major", "minor", "fileMode", "permissions", "uid", "gid"),
    "mount": ("hostPath", "containerPath", "type", "options"),
    "hook": ("hookName", "path", "args", "env", "timeout"),
    "rdt": ("closID", "l3CacheSchema", "memBwSchema", "enableCMT", "enableMBM"),
}


def parse_spec(doc: Mapping[str, Any], path: str = "") -> Spec:
    """`path` is the file it came from, kept in the value. Raises: InvalidSpec with the place inside the document."""
    _known(doc, "spec", "")
    version = _decode.get_required(doc, "cdiVersion", str, "")
    if version.removeprefix("v") not in VERSIONS:
        raise InvalidSpec(
            f"cdiVersion: {version} is not supported", hint=f"wherry reads {VERSIONS[0]} to {VERSIONS[-1]}"
        )
    kind = _decode.get_required(doc, "kind", str, "")
    _check_kind(kind)
    devices = _decode.get_sequence(doc, "devices", "", _device) or ()
    if not devices:
        raise InvalidSpec("devices: a spec has at least one device")
    names = [one.name for one in devices]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise InvalidSpec(f"devices[{place}].name: another device is named {name!r} already")
    spec = Spec(
        version=version.removeprefix("v"),
        kind=kind,
        devices=devices,
        edits=_edits(_decode.get_mapping(doc, "containerEdits", ""), "containerEdits"),
        annotations=_annotations(doc, ""),
        path=path,
    )
    _check_version(spec)
    return spec


def _known(doc: object, what: str, at: str) -> None:
    """Raises: InvalidSpec for a field that the spec does not have."""
    if not isinstance(doc, dict):
        raise InvalidSpec(f"{at or 'spec'}: expected an object, got {type(doc).__name__}")
    for key in doc:
        if key not in _FIELDS[what]:
            close = nearest(str(key), _FIELDS[what])
            place = f"{at}.{key}" if at else str(key)
            raise InvalidSpec(f"{place}: the spec has no such field", hint=f"did you mean {close}?" if close else None)


def _check_kind(kind: str) -> None:
    vendor, slash, class_ = kind.partition("/")
    if not slash or not _is_label(vendor, "-_.") or len(vendor) > 253:
        raise InvalidSpec(f"kind: {kind!r} is not of the form vendor.com/class")
    if not _is_label(class_, "-_.") or len(class_) > 63:
        raise InvalidSpec(f"kind: {class_!r} is no name of a class")


def _is_label(text: str, between: str) -> bool:
    """A letter first, a letter or a digit last."""
    return text[:1].isalpha() and _is_name(text, between)


def _is_name(text: str, between: str) -> bool:
    ends = text[:1].isalnum() and text[-1:].isalnum()
    return text.isascii() and ends and all(one.isalnum() or one in between for one in text)


def _annotations(doc: Mapping[str, Any], at: str) -> dict[str, str]:
    found = _decode.string_map(doc, "annotations", at)
    place = f"{at}.annotations" if at else "annotations"
    for key in found:
        name = key.rpartition("/")[2]
        if key.count("/") > 1 or not _is_name(name, "-_.") or len(name) > 63:
            raise InvalidSpec(f"{place}: {key!r} is no key of an annotation")
    if sum(len(key.encode()) + len(value.encode()) for key, value in found.items()) > _ANNOTATION_BYTES:
        raise InvalidSpec(f"{place}: more than {_ANNOTATION_BYTES} bytes")
    return found


def _device(value: Any, at: str) -> Device:
    _known(value, "device", at)
    name = _decode.get_required(value, "name", str, at)
    if not _is_name(name, "-_.:"):
        raise InvalidSpec(f"{at}.name: {name!r} is no name of a device")
    edits = _edits(_decode.get_mapping(value, "containerEdits", at), f"{at}.containerEdits")
    if edits == Edits():
        raise InvalidSpec(f"{at}.containerEdits: a device changes something in its container")
    return Device(name, edits, _annotations(value, at))


def _edits(doc: Mapping[str, Any], at: str) -> Edits:
    _known(doc, "edits", at)
    rdt = _decode.get_mapping(doc, "intelRdt", at)
    return Edits(
        env=_decode.get_sequence(doc, "env", at, _variable) or (),
        device_nodes=_decode.get_sequence(doc, "deviceNodes", at, _node) or (),
        mounts=_decode.get_sequence(doc, "mounts", at, _mount) or (),
        hooks=_decode.get_sequence(doc, "hooks", at, _hook) or (),
        additional_gids=_decode.get_sequence(doc, "additionalGids", at, _id) or (),
        intel_rdt=_rdt(rdt, f"{at}.intelRdt") if rdt else None,
    )


def _variable(value: Any, at: str) -> str:
    text = _decode.string(value, at)
    if text.find("=") < 1 or "\0" in text:
        raise InvalidSpec(f"{at}: {text!r} is not of the form NAME=VALUE")
    return text


def _id(value: Any, at: str) -> int:
    found = _decode.get_required({"": value}, "", int, at)
    if not 0 <= found < 1 << 32:
        raise InvalidSpec(f"{at}: {found} is no id of a group or user")
    return found


def _absolute(doc: Mapping[str, Any], key: str, at: str, *, required: bool = True) -> str:
    path = _decode.get_required(doc, key, str, at) if required else _decode.get(doc, key, str, at, "")
    if (path or required) and not path.startswith("/"):
        raise InvalidSpec(f"{at}.{key}: {path!r} is not an absolute path")
    if "\0" in path:
        raise InvalidSpec(f"{at}.{key}: a path has no zero byte")
    return path


def _node(value: Any, at: str) -> DeviceNode:
    _known(value, "node", at)
    kind = _decode.get(value, "type", str, at, "")
    if kind not in {"", "b", "c", "u", "p"}:
        raise InvalidSpec(f"{at}.type: {kind!r} is not one of b, c, u, p")
    permissions = _decode.get(value, "permissions", str, at, "")
    if not set(permissions) <= set("rwm"):
        raise InvalidSpec(f"{at}.permissions: {permissions!r} has other letters than r, w and m")
    mode = value.get("fileMode")
    return DeviceNode(
        path=_absolute(value, "path", at),
        host_path=_absolute(value, "hostPath", at, required=False),
        type=kind,
        major=_decode.get(value, "major", int, at, 0),
        minor=_decode.get(value, "minor", int, at, 0),
        file_mode=None if mode is None else _decode.get_required(value, "fileMode", int, at),
        permissions=permissions,
        uid=None if value.get("uid") is None else _id(value["uid"], f"{at}.uid"),
        gid=None if value.get("gid") is None else _id(value["gid"], f"{at}.gid"),
    )


def _mount(value: Any, at: str) -> Mount:
    _known(value, "mount", at)
    source = _decode.get_required(value, "hostPath", str, at)
    if not source:
        raise InvalidSpec(f"{at}.hostPath: missing")
    return Mount(
        source,
        _absolute(value, "containerPath", at),
        _decode.get(value, "type", str, at, ""),
        _decode.get_sequence(value, "options", at, _decode.string) or (),
    )


def _hook(value: Any, at: str) -> Hook:
    _known(value, "hook", at)
    name = _decode.get_required(value, "hookName", str, at)
    if name not in HOOK_NAMES:
        raise InvalidSpec(f"{at}.hookName: {name!r} is not one of {', '.join(HOOK_NAMES)}")
    timeout = value.get("timeout")
    if timeout is not None and _decode.get_required(value, "timeout", int, at) <= 0:
        raise InvalidSpec(f"{at}.timeout: a timeout is more than 0 seconds")
    return Hook(
        name,
        _absolute(value, "path", at),
        _decode.get_sequence(value, "args", at, _decode.string) or (),
        _decode.get_sequence(value, "env", at, _variable) or (),
        timeout or 0,
    )


def _rdt(doc: Mapping[str, Any], at: str) -> IntelRdt:
    _known(doc, "rdt", at)
    clos = _decode.get(doc, "closID", str, at, "")
    # It becomes the name of a folder in resctrl
    if clos in {".", ".."} or "/" in clos or "\n" in clos or len(clos) >= 4096:
        raise InvalidSpec(f"{at}.closID: {clos!r} is no name of a class of service")
    return IntelRdt(
        clos,
        _decode.get(doc, "l3CacheSchema", str, at, ""),
        _decode.get(doc, "memBwSchema", str, at, ""),
        _decode.get(doc, "enableCMT", bool, at, False),
        _decode.get(doc, "enableMBM", bool, at, False),
    )


def _check_version(spec: Spec) -> None:
    """Raises: InvalidSpec for a field that is younger than the version the spec claims to be of."""
    every = [("containerEdits", spec.edits)]
    every += [(f"devices[{place}].containerEdits", one.edits) for place, one in enumerate(spec.devices)]
    needs: list[tuple[str, str]] = []
    for at, edits in every:
        needs += [("0.7.0", f"{at}.additionalGids")] if edits.additional_gids else []
        needs += [("0.7.0", f"{at}.intelRdt")] if edits.intel_rdt else []
        needs += _younger(edits, at)
    for place, one in enumerate(spec.devices):
        needs += [("0.6.0", f"devices[{place}].annotations")] if one.annotations else []
        needs += [("0.5.0", f"devices[{place}].name")] if one.name[:1].isdigit() else []
    needs += [("0.6.0", "annotations")] if spec.annotations else []
    needs += [("0.6.0", "kind")] if "." in spec.kind.partition("/")[2] else []
    for version, at in needs:
        if VERSIONS.index(version) > VERSIONS.index(spec.version):
            raise InvalidSpec(f"{at}: needs cdiVersion {version} or newer, and this spec says {spec.version}")


def _younger(edits: Edits, at: str) -> Sequence[tuple[str, str]]:
    mounts = [("0.4.0", f"{at}.mounts[{place}].type") for place, one in enumerate(edits.mounts) if one.type]
    nodes = [("0.5.0", f"{at}.deviceNodes[{n}].hostPath") for n, one in enumerate(edits.device_nodes) if one.host_path]
    return mounts + nodes
