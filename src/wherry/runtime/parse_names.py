"""Environment, labels, hosts, DNS and security options. Pure; docker's messages."""

from __future__ import annotations

from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

__all__ = ["attach", "dns", "dns_search", "env", "extra_host", "key_value_file", "label", "security"]


def env(text: str, caller: Mapping[str, str]) -> str:
    """NAME=VALUE as it is; NAME alone takes the caller's value, and stays bare (out of the image's) when it has none.

    Raises: InputError.
    """
    name, equals, _ = text.partition("=")
    if not name:
        raise InputError(f"invalid environment variable: {text}")
    if equals or name not in caller:
        return text
    return f"{name}={caller[name]}"


def key_value_file(data: bytes, path: str, caller: Mapping[str, str] | None, what: str = "env file") -> list[str]:
    """The entries of --env-file or --label-file: one a line, "#" starts a comment, no quotes, no expansion.

    NAME alone takes the caller's value and is left out when there is none (`caller` None keeps it bare, for labels).
    Raises: InputError.
    """
    found = []
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        try:
            line = raw.removesuffix(b"\r").decode("utf-8").lstrip()
        except UnicodeDecodeError:
            shown = " ".join(str(byte) for byte in raw[:40])
            raise InputError(f"{what} {path} contains invalid utf8 bytes at line {number}: [{shown}]") from None
        if not line or line.startswith("#"):
            continue
        name, equals, _ = line.partition("=")
        if "\0" in line:
            raise InputError(f"{what} {path} contains a NUL byte at line {number}")
        if not name:
            raise InputError(f"poorly formatted environment: no variable name on line '{line}'")
        if any(one.isspace() for one in name):
            raise InputError(f"poorly formatted environment: variable '{name}' contains whitespaces")
        if equals or caller is None:
            found.append(line)
        elif name in caller:
            found.append(f"{name}={caller[name]}")
    return found


def label(text: str) -> tuple[str, str]:
    """KEY[=VALUE]. Raises: InputError."""
    key, _, value = text.partition("=")
    if not key:
        raise InputError(f"invalid label '{text}': empty name")
    return key, value


def _address(text: str) -> str | None:
    import socket

    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_ntop(family, socket.inet_pton(family, text.partition("%")[0]))
        except (OSError, ValueError):
            continue
    return None


def extra_host(text: str) -> str:
    """NAME:ADDRESS or NAME=ADDRESS (IPv6 with or without brackets, or host-gateway) → NAME:ADDRESS.

    Raises: InputError.
    """
    at = min((text.find(mark) for mark in "=:" if mark in text), default=-1)
    name, value = (text[:at], text[at + 1 :]) if at >= 0 else ("", "")
    if not name:
        raise InputError(f'bad format for add-host: "{text}"')
    if value == "host-gateway":
        return f"{name}:{value}"
    inner = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    if _address(inner) is None:
        raise InputError(f'invalid IP address in add-host: "{value}"')
    return f"{name}:{inner}"


def dns(text: str) -> str:
    """Raises: InputError."""
    found = _address(text.strip())
    if found is None:
        raise InputError(f"IP address is not correctly formatted: {text}")
    return found


def dns_search(text: str) -> str:
    """Raises: InputError."""
    name = text.strip()
    if name.strip(". ") == "":
        return name
    parts = name.removesuffix(".").split(".")
    if len(name) > 255 or not all(
        part and all(one.isalnum() or one in "-_" for one in part) and part[0] != "-" for part in parts
    ):
        raise InputError(f"{text} is not a valid domain")
    return name


def attach(text: str) -> str:
    """Raises: InputError."""
    name = text.lower()
    if name not in {"stdin", "stdout", "stderr"}:
        raise InputError("valid streams are STDIN, STDOUT and STDERR")
    return name


_BOOLEANS = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}


def security(entries: Sequence[str], read: Callable[[str], str]) -> dict[str, Any]:
    """All --security-opt → fields of RunOptions. `read(path)` gives a seccomp profile's text. Raises: InputError."""
    found: dict[str, Any] = {}
    labels: list[str] = []
    shown: list[str] = []
    for entry in entries:
        key, mark, value = _security_pair(entry)
        if key != "systempaths":
            shown.append(entry)
        if key == "no-new-privileges":
            if mark and value.lower() not in _BOOLEANS:
                raise InputError(f'invalid --security-opt: "{entry}"')
            found["no_new_privileges"] = _BOOLEANS[value.lower()] if mark else True
        elif not mark:
            raise InputError(f'invalid --security-opt: "{entry}"')
        elif key == "seccomp":
            found["seccomp"] = _seccomp(value, read)
            shown[-1] = f"seccomp={found['seccomp'] or value}"
        elif key == "apparmor":
            found["apparmor"] = value
        elif key == "label":
            labels.append(value)
        elif key == "systempaths" and value == "unconfined":
            found["system_paths_unconfined"] = True
        else:
            raise InputError(
                f'invalid --security-opt: "{entry}"',
                hint="known: no-new-privileges, seccomp=, apparmor=, label=, systempaths=unconfined",
            )
    if labels:
        found["label_options"] = tuple(labels)
    return {**found, "security_opt": tuple(shown)} if shown else found


def _security_pair(entry: str) -> tuple[str, str, str]:
    key, mark, value = entry.partition("=")
    # The old form, "label:disable"
    return (key, mark, value) if mark or ":" not in entry else entry.partition(":")


def _seccomp(value: str, read: Callable[[str], str]) -> str:
    from wherry.runtime import seccomp

    if value == "builtin":
        return ""
    if value == seccomp.UNCONFINED:
        return value
    text = read(value)
    seccomp.parse(text, source=value)
    return text
