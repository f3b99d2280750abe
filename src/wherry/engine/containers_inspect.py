"""`inspect` of a container: docker's JSON (API 1.45), so that what reads docker's reads ours.

Here are the frame, State and GraphDriver; each section has a module: containers_inspect_config (Config),
containers_inspect_host (HostConfig), containers_inspect_mounts (Mounts, and HostConfig's Binds, Mounts and Tmpfs), and
networks_show (NetworkSettings). docs/inspect.md lists what differs from docker's, and tests/compat compares.
"""

from __future__ import annotations

import os

from wherry.engine.containers_bundle import Start, network_request
from wherry.engine.containers_repair import repair
from wherry.errors import NotFound
from wherry.oci.config import ImageConfig
from wherry.oci.digest import Digest
from wherry.oci.platform import Platform
from wherry.store.images import rfc3339

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.runtime.state import ContainerState

__all__ = ["inspect"]

_NEVER = "0001-01-01T00:00:00Z"


def inspect(engine: Engine, row: ContainerRow, *, size: bool = False) -> dict[str, Any]:
    """See Containers.inspect."""
    from wherry.engine.containers_inspect_config import config
    from wherry.engine.containers_inspect_mounts import mounts
    from wherry.engine.containers_mounts import settle

    state, options = repair(engine, row), row.options()
    try:
        image = engine.images.config(Digest(row.image_id))
    except NotFound:
        image = ImageConfig(Platform("linux", ""))
    start = Start(row, options, image, engine.containers.bundle(row.id), -1)
    doc = _frame(engine, start, state)
    if size:
        doc |= _sizes(engine, start)
    doc["Mounts"] = mounts(engine, options, settle(engine, row))
    doc["Config"] = config(start)
    exposed = tuple(doc["Config"].get("ExposedPorts", {}))
    described = engine.networks.describe(row.id, network_request(start), exposed)
    doc["NetworkSettings"] = _network_settings(engine, start, state, described)
    return doc


def _frame(engine: Engine, start: Start, state: ContainerState) -> dict[str, Any]:
    """Down to GraphDriver."""
    from wherry.engine.containers_inspect_host import host_config

    row = start.row
    return {
        "Id": row.id,
        "Created": rfc3339(row.created_ns),
        "Path": row.command[0],
        "Args": list(row.command[1:]),
        "State": _state(start, state),
        "Image": row.image_id,
        **_paths(start),
        "Name": f"/{row.name}",
        "RestartCount": state.restarts,
        # Differs from docker: "overlay" is no storage driver of docker's
        "Driver": "overlay",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": start.options.apparmor,
        # Differs from docker: what `exec` runs is in no list
        "ExecIDs": None,
        "HostConfig": host_config(engine, start),
        "GraphDriver": {"Data": _folders(engine, start, state), "Name": "overlay"},
    }


def _network_settings(
    engine: Engine, start: Start, state: ContainerState, described: Mapping[str, Any]
) -> dict[str, Any]:  # fmt: skip
    """With what docker keeps of the last run."""
    doc = dict(described)
    if default := doc["Networks"].get("bridge"):
        default["Links"] = None  # as docker: they are in HostConfig.Links
    if not _was_started(start) or start.options.network.startswith("container:"):
        return doc
    # A network namespace that nsenter takes, as docker's is
    doc |= {"SandboxID": start.row.id, "SandboxKey": f"/proc/{state.pid}/ns/net" if state.pid else ""}
    doc["Networks"] = {name: _member(engine, name, one, state) for name, one in doc["Networks"].items()}
    return doc


def _member(engine: Engine, name: str, one: dict[str, Any], state: ContainerState) -> dict[str, Any]:
    if not one["NetworkID"]:
        try:
            one["NetworkID"] = engine.networks.inspect(name)["Id"]
        except NotFound:
            return one
    if state.pid and not one["EndpointID"] and name in ("none", "host"):
        one["EndpointID"] = one["NetworkID"]
    return one


def _sizes(engine: Engine, start: Start) -> dict[str, int]:
    from wherry.engine.containers_list import image_size
    from wherry.fs.tree import disk_usage

    own = disk_usage(f"{start.bundle}/upper")
    return {"SizeRw": own, "SizeRootFs": own + image_size(engine, start.row)}


def _paths(start: Start) -> dict[str, str]:
    """As docker: of a container that never ran they are empty, as these files are made when it starts."""
    log = f"{start.bundle}/container.log" if start.options.log.driver == "json-file" else ""
    was_started = _was_started(start)
    files = {"ResolvConfPath": "resolv.conf", "HostnamePath": "hostname", "HostsPath": "hosts"}
    # Who joined another's network has that one's files
    kind, _, other = start.options.network.partition(":")
    folder = f"{os.path.dirname(start.bundle)}/{other}" if kind == "container" else start.bundle
    found = {name: f"{folder}/{file}" if was_started else "" for name, file in files.items()}
    return found | {"LogPath": log if was_started else ""}


def _was_started(start: Start) -> bool:
    return os.path.lexists(f"{start.bundle}/config.json")


def _state(start: Start, state: ContainerState) -> dict[str, Any]:
    from wherry.engine.containers_log_plan import log_dropped

    doc = {
        "Status": state.status,
        # As docker: what waits for its next start counts as running
        "Running": state.is_running,
        "Paused": state.status == "paused",
        "Restarting": state.status == "restarting",
        "OOMKilled": state.oom_killed,
        "Dead": state.status == "dead",
        "Pid": state.pid,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": rfc3339(state.started_ns) if state.started_ns else _NEVER,
        "FinishedAt": rfc3339(state.finished_ns) if state.finished_ns else _NEVER,
    }
    if state.health is not None:
        doc["Health"] = state.health
    if dropped := log_dropped(start.bundle, start.options.log.driver):
        # Differs from docker: it does not say what its log lost
        doc["LogLinesDropped"] = dropped
    return doc


def _folders(engine: Engine, start: Start, state: ContainerState) -> dict[str, str]:
    try:
        layers = engine.image_store.get(Digest(start.row.image_id)).layers
    except NotFound:
        layers = ()
    lowers = ":".join(engine.layers.path(diff_id) for diff_id in reversed(layers))
    # Differs from docker: the merged view is in no mount table, but a running container's can be entered here
    merged = f"/proc/{state.pid}/root" if state.pid else f"{start.bundle}/rootfs"
    return {
        "LowerDir": lowers,
        "MergedDir": merged,
        "UpperDir": f"{start.bundle}/upper",
        "WorkDir": f"{start.bundle}/work",
    }
