"""`inspect` of a container: the section Config, which is what was asked for over what the image says."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wherry.engine.containers_bundle import Start

__all__ = ["config"]


def config(start: Start) -> dict[str, Any]:
    """Keys in docker's order."""
    options, image = start.options, start.config.config
    attached = _attached(start)
    doc: dict[str, Any] = {
        "Hostname": options.hostname or start.row.short_id,
        "Domainname": options.domainname,
        "User": options.user or image.user,
        **{f"Attach{name}": name.lower() in attached for name in ("Stdin", "Stdout", "Stderr")},
    }
    exposed = [*image.exposed_ports, *options.expose, *start.row.ports]
    if exposed:
        doc["ExposedPorts"] = {one if "/" in one else f"{one}/tcp": {} for one in exposed}
    doc |= {
        "Tty": options.tty,
        "OpenStdin": options.stdin,
        "StdinOnce": options.stdin and "stdin" in attached,
        "Env": _env(image.env, options.env),
        "Cmd": _words(options.command or (image.cmd if options.entrypoint is None else None)),
    }
    if health := _health(start):
        doc["Healthcheck"] = health
    anonymous = [one.target for one in options.mounts if one.type == "volume" and not (one.source or one.is_mount)]
    doc |= {
        "Image": start.row.image_name,
        "Volumes": {path: {} for path in (*image.volumes, *anonymous)} or None,
        "WorkingDir": options.workdir or image.working_dir,
        "Entrypoint": _words(options.entrypoint if options.entrypoint is not None else image.entrypoint),
    }
    if options.mac_address:
        doc["MacAddress"] = options.mac_address
    doc |= {"OnBuild": None, "Labels": dict(start.row.labels)}
    if options.stop_signal or image.stop_signal:
        doc["StopSignal"] = options.stop_signal or image.stop_signal
    if options.stop_timeout_s is not None:
        doc["StopTimeout"] = options.stop_timeout_s
    if image.shell is not None:
        doc["Shell"] = list(image.shell)
    return doc


def _attached(start: Start) -> tuple[str, ...]:
    options = start.options
    if options.detach:
        return ()
    return options.attach or ("stdout", "stderr", *(("stdin",) if options.stdin else ()))


def _health(start: Start) -> dict[str, Any] | None:
    """What is in force; a check that was switched off is there, too, and says so."""
    from wherry.engine.containers_bundle import effective_health

    if found := effective_health(start):
        return found.to_json()
    own, image = start.options.health, start.config.config.healthcheck
    off = own or image
    return off.to_json() if off and off.test[:1] == ("NONE",) else None


def _env(image: tuple[str, ...], own: tuple[str, ...]) -> list[str]:
    """As docker lists it: what was asked for first, then the image's that it does not replace."""
    names = {one.partition("=")[0] for one in own}
    return [*(one for one in own if "=" in one), *(one for one in image if one.partition("=")[0] not in names)]


def _words(words: tuple[str, ...] | None) -> list[str] | None:
    return list(words) if words else None
