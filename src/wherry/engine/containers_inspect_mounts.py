"""`inspect` of a container: what is mounted where. -v stands in HostConfig.Binds, --mount in HostConfig.Mounts, --tmpfs
in HostConfig.Tmpfs, and what came of them all but --tmpfs in Mounts.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from wherry.engine import Engine
    from wherry.runtime.options import MountRequest, RunOptions
    from wherry.volume.model import BindMount

__all__ = ["asked", "mounts"]


def mounts(engine: Engine, options: RunOptions, binds: Sequence[BindMount]) -> list[dict[str, Any]]:
    """Mounts, parents before children."""
    requests = {one.target: one for one in options.mounts}
    found = [_mount(engine, one, requests.get(one.target)) for one in binds]
    found += [
        {"Type": "tmpfs", "Source": "", "Destination": one.target, "Mode": "", "RW": not one.read_only,
         "Propagation": ""}
        for one in options.mounts
        if one.type == "tmpfs" and one.is_mount
    ]  # fmt: skip
    return sorted(found, key=lambda one: (one["Destination"].count("/"), one["Destination"]))


def _mount(engine: Engine, one: BindMount, asked_for: MountRequest | None) -> dict[str, Any]:
    doc: dict[str, Any] = {"Type": one.type, "Source": one.source, "Destination": one.target}
    if one.volume:
        # Not what is mounted, where the volume's options say that: as docker
        folder = engine.volumes.store.get(one.volume).folder
        doc = {"Type": "volume", "Name": one.volume, "Source": folder, "Destination": one.target, "Driver": "local"}
    doc |= {"Mode": _mode(one, asked_for), "RW": not one.read_only}
    doc["Propagation"] = "" if one.volume or one.image else one.propagation or "rprivate"
    return doc


def _mode(one: BindMount, asked_for: MountRequest | None) -> str:
    """-v's word. "z" is docker's relabelling by default, of volumes that were asked for; only SELinux knows it."""
    if asked_for is None or asked_for.is_inherited:
        return ""
    is_named = bool(asked_for.source or asked_for.is_mount)
    return asked_for.mode or ("z" if one.volume and is_named else "")


def asked(options: RunOptions) -> dict[str, Any]:
    """HostConfig's Binds, Mounts and Tmpfs; the last two are there only when there are any."""
    binds = [
        one for one in options.mounts if not (one.is_mount or one.is_inherited) and one.type != "tmpfs" and one.source
    ]
    doc: dict[str, Any] = {"Binds": [_bind_text(one) for one in binds] or None}
    if requests := [_request(one) for one in options.mounts if one.is_mount]:
        doc["Mounts"] = requests
    if tmpfs := {
        one.target: ",".join(one.options) for one in options.mounts if one.type == "tmpfs" and not one.is_mount
    }:
        doc["Tmpfs"] = tmpfs
    return doc


def _bind_text(one: MountRequest) -> str:
    mode = one.mode or ("ro" if one.read_only else "")
    return f"{one.source}:{one.target}" + (f":{mode}" if mode else "")


def _request(one: MountRequest) -> dict[str, Any]:
    doc: dict[str, Any] = {"Type": one.type}
    if one.source:
        doc["Source"] = one.source
    doc["Target"] = one.target
    if one.read_only:
        doc["ReadOnly"] = True
    name, more = {"bind": ("Bind", _bind_options), "tmpfs": ("Tmpfs", _tmpfs_options)}.get(
        one.type, ("Volume" if one.type == "volume" else "Image", _volume_options)
    )
    if found := more(one):
        doc[f"{name}Options"] = found
    return doc


def _bind_options(one: MountRequest) -> dict[str, Any]:
    doc: dict[str, Any] = {}
    if one.propagation:
        doc["Propagation"] = one.propagation
    if not one.recursive:
        doc["NonRecursive"] = True
    if one.submounts == "writable":
        doc["ReadOnlyNonRecursive"] = True
    if one.submounts == "readonly":
        doc["ReadOnlyForceRecursive"] = True
    return doc


def _volume_options(one: MountRequest) -> dict[str, Any]:
    doc: dict[str, Any] = {}
    if not one.copy:
        doc["NoCopy"] = True
    if one.labels:
        doc["Labels"] = dict(one.labels)
    if one.subpath:
        doc["Subpath"] = one.subpath
    driver: dict[str, Any] = {"Name": one.driver} if one.driver else {}
    if one.options:
        driver["Options"] = dict(text.partition("=")[::2] for text in one.options)
    if one.type == "volume" and (doc or driver):
        doc["DriverConfig"] = driver
    return doc


def _tmpfs_options(one: MountRequest) -> dict[str, Any]:
    from wherry.runtime.parse_values import size_bytes

    given = dict(text.partition("=")[::2] for text in one.options)
    doc: dict[str, Any] = {}
    if given.get("size"):
        doc["SizeBytes"] = size_bytes(given["size"])
    if given.get("mode"):
        doc["Mode"] = int(given["mode"], 8)
    return doc
