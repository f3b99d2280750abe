"""The files that say something of registries: which ones, and how they are read."""

from __future__ import annotations

import os

from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from wherry.registry.hosts_conf import Conf
    from wherry.registry.hosts_daemon import Daemon

__all__ = ["certificate_folders", "entries", "read_conf", "read_daemon"]

LIMIT_BYTES = 1 << 20
# A list that podman's package brings, not the administrator: by it `hello-world` would come from quay.io
_PACKAGED = frozenset({"shortnames.conf", "000-shortnames.conf"})


def read_conf(env: Mapping[str, str], etc: str = "/etc") -> Conf:
    """registries.conf: CONTAINERS_REGISTRIES_CONF, else the user's, else the system's; then the system's and the user's
    registries.conf.d in the order of their names, without the list of short names that a package put there.
    Raises: InputError.
    """
    from wherry.registry.hosts_conf import merge, parse

    user = _config(env)
    named = env.get("CONTAINERS_REGISTRIES_CONF")
    texts: list[tuple[str, str]] = []
    for path in [named] if named else [f"{user}/containers/registries.conf", f"{etc}/containers/registries.conf"]:
        text = _text(path)
        if text is not None:
            texts.append((path, text))
            break
    else:
        if named:
            raise InputError("CONTAINERS_REGISTRIES_CONF names a file that is not there", where=named)
    for folder in (f"{etc}/containers/registries.conf.d", f"{user}/containers/registries.conf.d"):
        for name in sorted(set(entries(folder) or ()) - _PACKAGED):
            text = _text(f"{folder}/{name}") if name.endswith(".conf") else None
            if text is not None:
                texts.append((f"{folder}/{name}", text))
    return merge(parse(text, path) for path, text in texts)


def read_daemon(env: Mapping[str, str], uid: int, etc: str = "/etc") -> Daemon:
    """The daemon.json of this machine's dockerd, and of a user's own. Raises: InputError."""
    from wherry.registry.hosts_daemon import Daemon, parse

    paths = [f"{etc}/docker/daemon.json"]
    if uid != 0:
        paths.insert(0, f"{_config(env)}/docker/daemon.json")
    for path in paths:
        try:
            data = _bytes(path)
        except PermissionError:
            continue  # a courtesy: it is another program's, and not for this user's eyes
        if data is not None:
            return parse(data, path)
    return Daemon()


def certificate_folders(env: Mapping[str, str], etc: str = "/etc") -> tuple[str, ...]:
    """In the order in which they count."""
    user = _config(env)
    home = env.get("HOME", "")
    return (
        f"{user}/containers/certs.d", f"{user}/docker/certs.d", f"{home}/.docker/certs.d",
        f"{etc}/containers/certs.d", f"{etc}/docker/certs.d",
    )  # fmt: skip


def entries(folder: str) -> list[str] | None:
    """None when it is not there, or not for this user's eyes."""
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None


def _config(env: Mapping[str, str]) -> str:
    return env.get("XDG_CONFIG_HOME") or f"{env.get('HOME', '')}/.config"


def _bytes(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            data = file.read(LIMIT_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if len(data) > LIMIT_BYTES:
        raise InputError(f"over the limit of {LIMIT_BYTES} bytes", where=path)
    return data


def _text(path: str) -> str | None:
    try:
        data = _bytes(path)
        return None if data is None else data.decode()
    except UnicodeDecodeError:
        raise InputError("not UTF-8 text", where=path) from None
    except OSError as fault:
        raise InputError(f"cannot be read: {fault.strerror}", where=path) from None
