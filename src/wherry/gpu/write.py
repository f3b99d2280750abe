"""cdi.Spec → the JSON of its file. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wherry.gpu.cdi import DeviceNode, Edits, Hook, Spec

__all__ = ["document"]


def document(spec: Spec) -> dict[str, Any]:
    """Only what is set; `parse_spec` gives an equal value back."""
    devices = [
        {"name": one.name, **_annotated(one.annotations), "containerEdits": _edits(one.edits)} for one in spec.devices
    ]
    found: dict[str, Any] = {"cdiVersion": spec.version, "kind": spec.kind, **_annotated(spec.annotations)}
    return {**found, "devices": devices, "containerEdits": _edits(spec.edits)}


def _annotated(annotations: Any) -> dict[str, Any]:
    return {"annotations": dict(annotations)} if annotations else {}


def _edits(edits: Edits) -> dict[str, Any]:
    mounts = [
        _set({"hostPath": one.host_path, "containerPath": one.container_path, "type": one.type,
              "options": list(one.options)})
        for one in edits.mounts
    ]  # fmt: skip
    found: dict[str, Any] = {
        "env": list(edits.env),
        "deviceNodes": [_node(one) for one in edits.device_nodes],
        "mounts": mounts,
        "hooks": [_hook(one) for one in edits.hooks],
        "additionalGids": list(edits.additional_gids),
    }
    if rdt := edits.intel_rdt:
        names = ("closID", "l3CacheSchema", "memBwSchema", "enableCMT", "enableMBM")
        found["intelRdt"] = _set(dict(zip(names, rdt, strict=True)))
    return _set(found)


def _set(doc: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in doc.items() if value}


def _node(node: DeviceNode) -> dict[str, Any]:
    names = ("path", "hostPath", "type", "major", "minor", "fileMode", "permissions", "uid", "gid")
    found = dict(zip(names, node, strict=True))
    numbered = bool(node.type and (node.major or node.minor))
    return {
        key: value
        for key, value in found.items()
        if value not in ("", None) and (key not in {"major", "minor"} or numbered)
    }


def _hook(hook: Hook) -> dict[str, Any]:
    return _set({
        "hookName": hook.name, "path": hook.path, "args": list(hook.args), "env": list(hook.env),
        "timeout": hook.timeout_s,
    })  # fmt: skip
