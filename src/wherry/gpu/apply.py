"""Edits → the container's config.json, with the facts of the host's device nodes. Pure but for `nodes`, which looks.

As the CDI library does it for docker: a variable, mount or node takes the place of one with the same name.
Spec: https://github.com/cncf-tags/container-device-interface/blob/v1.0.0/SPEC.md#oci-edits
"""

from __future__ import annotations

import os
import stat

from wherry.errors import RuntimeFailure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from wherry.gpu.cdi import DeviceNode, Edits, Hook, IntelRdt, Mount

__all__ = ["absent", "apply", "settled_nodes"]

_HOOK_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_KINDS = {"b": stat.S_ISBLK, "c": stat.S_ISCHR, "u": stat.S_ISCHR, "p": stat.S_ISFIFO}


def settled_nodes(nodes: Sequence[DeviceNode]) -> tuple[DeviceNode, ...]:
    """With type and numbers, read from the host where the spec does not say them. Raises: RuntimeFailure."""
    return tuple(_settled(one) for one in nodes)


def _settled(node: DeviceNode) -> DeviceNode:
    if node.type and (node.type == "p" or node.major or node.minor):
        return node
    path = node.host_path or node.path
    try:
        facts = os.stat(path)
    except OSError as fault:
        raise RuntimeFailure(
            f"CDI device injection failed: failed to stat CDI host device {path!r}: {(fault.strerror or '').lower()}"
        ) from None
    kind = next((kind for kind in ("b", "c", "p") if _KINDS[kind](facts.st_mode)), "")
    if not kind or (node.type and not _KINDS[node.type](facts.st_mode)):
        raise RuntimeFailure(
            f"CDI device injection failed: {path} is no device node of the type that the spec says"
            if kind
            else f"CDI device injection failed: {path} is not a device node"
        )
    return node._replace(type=node.type or kind, major=os.major(facts.st_rdev), minor=os.minor(facts.st_rdev))


def absent(edits: Edits) -> list[str]:
    """The host's files that the edits name and that are not there: after an upgrade of the driver, a spec is stale."""
    named = [one.host_path for one in edits.mounts if one.host_path.startswith("/") and _is_bind(one)]
    named += [one.path for one in edits.hooks if one.name != "startContainer"]
    named += [one.host_path or one.path for one in edits.device_nodes if not (one.type and (one.major or one.minor))]
    return [path for path in dict.fromkeys(named) if not os.path.exists(path)]


def apply(doc: dict[str, Any], edits: Edits, *, privileged: bool = False) -> None:
    """Change `doc`, a config.json, by `edits` whose nodes are settled."""
    process, linux = doc["process"], doc["linux"]
    process["env"] = _environment(process["env"], edits.env)
    for node in edits.device_nodes:
        _add_node(linux, node, privileged=privileged)
    if edits.mounts:
        doc["mounts"] = _mounted(doc["mounts"], edits.mounts)
    for hook in edits.hooks:
        doc.setdefault("hooks", {}).setdefault(hook.name, []).append(_hook(hook))
    # Differs from docker: additionalGids of a spec count; docker sets the container's groups after it has read the spec
    gids = [gid for gid in dict.fromkeys(edits.additional_gids) if gid]
    if gids:
        known = process["user"].setdefault("additionalGids", [])
        known += [gid for gid in gids if gid not in known]
    if edits.intel_rdt:
        linux["intelRdt"] = _rdt(edits.intel_rdt)


def _environment(env: Sequence[str], more: Sequence[str]) -> list[str]:
    found = {one.partition("=")[0]: one for one in env}
    found |= {one.partition("=")[0]: one for one in more}
    return list(found.values())


def _add_node(linux: dict[str, Any], node: DeviceNode, *, privileged: bool) -> None:
    found: dict[str, Any] = {"path": node.path, "type": node.type}
    if node.type != "p":
        found |= {"major": node.major, "minor": node.minor}
    if node.file_mode is not None:
        found["fileMode"] = node.file_mode
    for key in ("uid", "gid"):
        # Nobody named is root, as in docker; podman takes the container's user
        if (owner := getattr(node, key)) is not None:
            found[key] = owner
    linux["devices"] = [one for one in linux.get("devices", ()) if one["path"] != node.path] + [found]
    if node.type in {"b", "c"} and not privileged:
        rule = {"allow": True, "type": node.type, "major": node.major, "minor": node.minor,
                "access": node.permissions or "rwm"}  # fmt: skip
        linux["resources"].setdefault("devices", []).append(rule)


def _is_bind(mount: Mount) -> bool:
    return mount.type in {"", "bind", "none"} or not {"bind", "rbind"}.isdisjoint(mount.options)


def _mounted(mounts: Sequence[dict[str, Any]], more: Sequence[Mount]) -> list[dict[str, Any]]:
    """Parents before children; what is equally deep keeps its order."""
    found = {one["destination"]: one for one in mounts}
    for mount in more:
        target = os.path.normpath("/" + mount.container_path.lstrip("/"))
        options = list(mount.options)
        if not mount.type and {"bind", "rbind"}.isdisjoint(options):
            options.insert(0, "rbind")
        if _is_bind(mount) and not any(one.lstrip("r") in {"private", "shared", "slave"} for one in options):
            options.append("rprivate")
        found.pop(target, None)
        found[target] = {
            "destination": target, "type": mount.type or "bind", "source": mount.host_path, "options": options,
        }  # fmt: skip
    # Differs from docker: a mount of a spec below one of the user's is seen; docker mounts the user's over it
    return sorted(found.values(), key=lambda one: one["destination"].rstrip("/").count("/"))


def _hook(hook: Hook) -> dict[str, Any]:
    found: dict[str, Any] = {"path": hook.path}
    if hook.args:
        found["args"] = list(hook.args)
    # Differs from docker: a hook without variables has a PATH and no more. runc starts createContainer hooks, programs
    # of the host, with the image's ENV: with one LD_PRELOAD in it the image would own the host (CVE-2025-23266)
    if hook.env or hook.name != "startContainer":
        found["env"] = list(hook.env) or [_HOOK_PATH]
    if hook.timeout_s:
        found["timeout"] = hook.timeout_s
    return found


def _rdt(rdt: IntelRdt) -> dict[str, Any]:
    found: dict[str, Any] = {"closID": rdt.clos_id, "l3CacheSchema": rdt.l3_cache_schema}
    found |= {"memBwSchema": rdt.mem_bw_schema, "enableCMT": rdt.enable_cmt, "enableMBM": rdt.enable_mbm}
    return {key: value for key, value in found.items() if value}
