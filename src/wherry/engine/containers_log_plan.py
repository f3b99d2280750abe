"""What a container's monitor is told about its log, and where that is."""

from __future__ import annotations

import os

from wherry.runtime import log_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wherry.engine.containers_bundle import Start
    from wherry.runtime.options import LogConfig

__all__ = ["log_config", "log_dropped", "log_file", "log_plan"]

_JOURNAL = "/run/systemd/journal/socket"
_WAITING_BYTES = 1 << 20


def log_file(bundle: str, driver: str) -> str:
    """The newest file of it; "" when there is none. `local` and the copies of what is sent have one form."""
    if driver == "none":
        return ""
    return f"{bundle}/container.log" if driver == "json-file" else f"{bundle}/local.log"


def log_dropped(bundle: str, driver: str) -> int:
    """How many lines could not be written (or sent), since the container was created."""
    try:
        return int(os.readlink(f"{log_file(bundle, driver)}-dropped"))
    except (OSError, ValueError):
        return 0


def log_config(log: LogConfig) -> dict[str, Any]:
    """docker's HostConfig.LogConfig, with the limits that json-file has when nobody said any."""
    config = dict(log.options)
    if not config and log.driver == "json-file":
        limits = log_options.file_limits(log.driver, {})
        config = {"max-size": f"{limits.max_bytes // 1_000_000}m", "max-file": str(limits.max_files)}
    return {"Type": log.driver, "Config": config}


def log_plan(start: Start) -> dict[str, Any] | None:
    """As runtime/monitor_log.py describes it; None for the driver none. Raises: InputError."""
    log = start.options.log
    if log.driver == "none":
        return None
    limits = log_options.file_limits(log.driver, log.options)
    ring = log_options.buffer_bytes(log.options)
    return {
        "driver": log.driver,
        "path": log_file(start.bundle, log.driver),
        "max_bytes": limits.max_bytes,
        "max_files": limits.max_files,
        "attrs": _attributes(start) if log.driver == "json-file" else {},
        "squeezer": _squeezer() if limits.compress and limits.max_bytes else [],
        "ring_bytes": ring,
        "cache": log_options.is_cached(log.options),
        "remote": _remote(start, ring) if log.driver in ("syslog", "journald") else None,
    }


def _squeezer() -> list[str]:
    from wherry.runtime.launch import python_argv

    return python_argv("from wherry.runtime.monitor_log_squeeze import main; main()", site=False)


def _attributes(start: Start) -> dict[str, str]:
    options = start.options.log.options
    if not options:
        return {}
    found = _labels_and_env(start)
    if "tag" in options:
        found["tag"] = _tag(start)
    return {key: _text(value) for key, value in sorted(found.items())}


def _text(value: str) -> str:
    """What came from a command line may be no UTF-8; records are."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _labels_and_env(start: Start) -> dict[str, str]:
    config = start.config.config
    labels = {**dict(config.labels), **start.options.labels}
    env = dict(entry.partition("=")[::2] for entry in (*config.env, *start.options.env) if "=" in entry)
    return log_options.attributes(start.options.log.options, labels, env)


def _tag(start: Start) -> str:
    """docker's default is the short id."""
    row, config = start.row, start.config.config
    argv = [*(start.options.entrypoint or config.entrypoint or ()), *(start.options.command or config.cmd or ())]
    return log_options.tag(start.options.log.options.get("tag") or "{{.ID}}", {
        "ID": row.id[:12], "FullID": row.id, "ContainerID": row.id, "Name": row.name, "ContainerName": f"/{row.name}",
        "ImageFullID": row.image_id, "ImageID": row.image_id[:12], "ContainerImageID": row.image_id,
        "ImageName": row.image_name, "ContainerImageName": row.image_name, "Hostname": os.uname().nodename,
        "DaemonName": "docker", "Command": " ".join(argv), "ContainerEntrypoint": argv[0] if argv else "",
    })  # fmt: skip


def _remote(start: Start, ring: int) -> dict[str, Any]:
    options, tag = start.options.log.options, _tag(start)
    common = {
        "driver": start.options.log.driver,
        "tag": _text(tag),
        "waits": not ring,
        "ring_bytes": ring or _WAITING_BYTES,
    }
    if start.options.log.driver == "syslog":
        where = log_options.syslog_address(options.get("syslog-address", ""))
        return common | {
            "network": where.network,
            "address": where.address,
            "host": os.uname().nodename,
            "format": options.get("syslog-format", ""),
            "facility": log_options.syslog_facility(options.get("syslog-facility", "")),
            "tls": {
                "ca": options.get("syslog-tls-ca-cert", ""),
                "cert": options.get("syslog-tls-cert", ""),
                "key": options.get("syslog-tls-key", ""),
                "skip": bool(options.get("syslog-tls-skip-verify")),
            },
        }
    row = start.row
    fields = [
        ["CONTAINER_ID", row.id[:12]], ["CONTAINER_ID_FULL", row.id], ["CONTAINER_NAME", row.name],
        ["CONTAINER_TAG", _text(tag)], ["IMAGE_NAME", row.image_name], ["SYSLOG_IDENTIFIER", _text(tag)],
        *([_journal_name(key), _text(value)] for key, value in _labels_and_env(start).items()),
    ]  # fmt: skip
    return common | {"socket": _JOURNAL, "fields": fields, "epoch": row.id}


def _journal_name(key: str) -> str:
    """docker's way to the letters that a journal's field may have."""
    name = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in key.upper())
    return name.lstrip("_")
