"""`inspect` of an image: docker's JSON, so that what reads docker's reads ours."""

from __future__ import annotations

from wherry.store.images import rfc3339

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wherry.engine import Engine
    from wherry.oci.config import ImageConfig
    from wherry.store.images import ImageRecord

__all__ = ["inspect"]


def inspect(engine: Engine, record: ImageRecord) -> dict[str, Any]:
    """Keys in the order of docker's API 1.45."""
    config = engine.images.config(record.id)
    doc: dict[str, Any] = {
        "Id": record.id,
        "RepoTags": list(record.tags),
        "RepoDigests": list(record.digests),
        "Parent": "",
        "Comment": config.history[-1].comment if config.history else "",
        "Created": config.created,
        "DockerVersion": "",
        "Author": config.author,
        "Config": container_config(config),
        "Architecture": config.platform.architecture,
    }
    if config.platform.variant:
        doc["Variant"] = config.platform.variant
    doc["Os"] = config.platform.os
    doc["Size"] = record.size
    paths = [engine.layers.path(diff_id) for diff_id in reversed(record.layers)]
    data = {}
    if paths[1:]:
        data["LowerDir"] = ":".join(paths[1:])
    if paths:
        data["UpperDir"] = paths[0]
    # Differs from docker: "overlay" is no storage driver of docker's; a layer has no MergedDir and WorkDir of its own
    doc["GraphDriver"] = {"Data": data, "Name": "overlay"}
    doc["RootFS"] = {"Type": "layers", "Layers": list(record.layers)}
    doc["Metadata"] = {"LastTagTime": rfc3339(record.added_ns)}
    return doc


def container_config(image: ImageConfig) -> dict[str, Any]:
    """The `Config` object with the fields that docker always writes."""
    config = image.config
    doc: dict[str, Any] = {"Hostname": "", "Domainname": "", "User": config.user}
    doc |= {"AttachStdin": False, "AttachStdout": False, "AttachStderr": False}
    if config.exposed_ports:
        doc["ExposedPorts"] = {port: {} for port in config.exposed_ports}
    doc |= {"Tty": False, "OpenStdin": False, "StdinOnce": False, "Env": list(config.env) or None}
    doc["Cmd"] = None if config.cmd is None else list(config.cmd)
    if config.healthcheck:
        doc["Healthcheck"] = config.healthcheck.to_json()
    if config.args_escaped:
        doc["ArgsEscaped"] = True
    doc["Image"] = ""
    doc["Volumes"] = {path: {} for path in config.volumes} or None
    doc["WorkingDir"] = config.working_dir
    doc["Entrypoint"] = None if config.entrypoint is None else list(config.entrypoint)
    doc["OnBuild"] = list(config.on_build) or None
    doc["Labels"] = dict(config.labels) or None
    if config.stop_signal:
        doc["StopSignal"] = config.stop_signal
    if config.shell is not None:
        doc["Shell"] = list(config.shell)
    return doc
