"""RUN --mount and --device: comma-separated keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from wherry.dockerfile.span import Span
from wherry.errors import DockerfileError, nearest

__all__ = ["TYPES", "Device", "Mount", "boolean", "parse_device", "parse_mount"]

TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
_SHARING = ("shared", "private", "locked")
_KEYS = {
    "type": "type", "from": "from", "source": "source", "src": "source", "target": "target", "dst": "target",
    "destination": "target", "readonly": "ro", "ro": "ro", "readwrite": "rw", "rw": "rw", "id": "id",
    "sharing": "sharing", "required": "required", "size": "size", "mode": "mode", "uid": "uid", "gid": "gid",
    "env": "env",
}  # fmt: skip
_ALONE = {"ro", "rw", "required"}  # may stand without a value
_ONLY = {
    "required": ("secret", "ssh"), "size": ("tmpfs",), "env": ("secret",), "sharing": ("cache",),
    "mode": ("secret", "ssh", "cache"), "uid": ("secret", "ssh", "cache"), "gid": ("secret", "ssh", "cache"),
}  # fmt: skip
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ?([kmgtp]?)i?b?", re.IGNORECASE)


class Mount(NamedTuple):
    """One --mount. `type` is bind, cache, tmpfs, secret or ssh.

    `from_stage` is a stage, an image or "" (the context for bind, nothing for cache). `id` and `target` are "" when not
    given; `mode`, `uid`, `gid`, `env` None. `sharing` is shared, private, locked or "". `size_bytes` 0 is no limit.
    """

    type: str = "bind"
    from_stage: str = ""
    source: str = ""
    target: str = ""
    read_only: bool = True
    id: str = ""
    sharing: str = ""
    required: bool = False
    size_bytes: int = 0
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    env: str | None = None


class Device(NamedTuple):
    """One --device: a CDI name."""

    name: str
    required: bool = False


def parse_mount(text: str, span: Span, expand: Callable[[str], str] | None = None) -> Mount:
    """With `expand` None, values that need the build's variables are left at their default. Raises: DockerfileError."""
    values: dict[str, str] = {}
    deferred = False
    for field in _fields(text, span, "mount"):
        key, equals, value = field.partition("=")
        name = _KEYS.get(key.lower())
        if name is None:
            raise _unknown_key(key, field, tuple(_KEYS), span)
        if not equals:
            if name not in _ALONE:
                raise span.error(f"--mount: invalid field '{field}' must be a key=value pair")
            value = "true"
        elif name == "from":
            if re.search(r"\$.", value):
                raise span.error(
                    "--mount: 'from' doesn't support variable expansion, define alias stage instead",
                    hint="write FROM with the variable AS a name, and --mount=from=that name",
                )
        elif expand:
            value = expand(value)
        elif any(char in value for char in "$'\"\\`"):
            deferred = True
            continue
        values[name] = value
    mount = _mount(values, span)
    if not deferred:
        _check(mount, values, span)
    return mount


def _fields(text: str, span: Span, what: str) -> list[str]:
    import csv

    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error as fault:
        raise span.error(f"failed to parse csv {what}s: {fault}") from None
    if len(rows) != 1 or not rows[0]:
        raise span.error(f"--{what} is empty")
    return rows[0]


def _unknown_key(key: str, field: str, known: tuple[str, ...], span: Span) -> DockerfileError:
    close = nearest(key.lower(), known)
    did_you = f" (did you mean {close}?)" if close else ""
    return span.error(f"unexpected key '{key}' in '{field}'{did_you}", hint=f"the keys are {', '.join(known)}")


def _mount(values: dict[str, str], span: Span) -> Mount:
    kind = _one_of(values.get("type", "bind"), "mount type", TYPES, span)
    sharing = values.get("sharing", "")
    read_only = kind not in {"cache", "tmpfs"}
    for name, value in values.items():  # the last of ro and rw counts
        if name in {"ro", "rw"}:
            read_only = boolean(value, f"--mount: {name}", span) == (name == "ro")
    return Mount(
        type=kind,
        from_stage=values.get("from", ""),
        source=values.get("source", ""),
        target=values.get("target", ""),
        read_only=read_only,
        id=values.get("id", ""),
        sharing=_one_of(sharing, "sharing value", _SHARING, span) if sharing else "",
        required=boolean(values.get("required", "false"), "--mount: required", span),
        size_bytes=_size(values["size"], span) if "size" in values else 0,
        mode=_number(values, "mode", span, 8),
        uid=_number(values, "uid", span, 10),
        gid=_number(values, "gid", span, 10),
        env=values.get("env"),
    )


def _check(mount: Mount, values: dict[str, str], span: Span) -> None:
    for name, kinds in _ONLY.items():
        if name in values and mount.type not in kinds:
            raise span.error(f"--mount: {name} is not allowed for a {mount.type} mount (it is for {', '.join(kinds)})")
    if mount.type != "secret":
        return
    if mount.from_stage:
        raise span.error("--mount: a secret mount should not have a from")
    if not (mount.source or mount.target or mount.id):
        raise span.error("--mount: invalid secret mount: one of id, source, target is required")
    if mount.source and mount.id:
        raise span.error("--mount: a secret mount can't have both source and id")


def _one_of(value: str, what: str, known: tuple[str, ...], span: Span) -> str:
    if value.lower() in known:
        return value.lower()
    close = nearest(value.lower(), known)
    raise span.at(value).error(
        f"unsupported {what} {value!r}" + (f" (did you mean {close}?)" if close else ""),
        hint=f"one of {', '.join(known)}",
    )


def boolean(value: str, what: str, span: Span) -> bool:
    """As Go's ParseBool. Raises: DockerfileError."""
    if value in {"1", "t", "T", "TRUE", "true", "True"}:
        return True
    if value in {"0", "f", "F", "FALSE", "false", "False"}:
        return False
    raise span.at(value).error(f"{what}: expected true or false, not {value!r}")


def _number(values: dict[str, str], name: str, span: Span, base: int) -> int | None:
    value = values.get(name)
    if value is None:
        return None
    digits = "01234567" if base == 8 else "0123456789"
    if not value or len(value) > 12 or value.strip(digits) or (number := int(value, base)) >= 2**32:
        raise span.at(value).error(f"--mount: invalid value {value!r} for {name}")
    return number


def _size(value: str, span: Span) -> int:
    match = _SIZE.fullmatch(value)
    if not match:
        raise span.at(value).error(f"--mount: invalid value {value!r} for size", hint="write 64m or 1g")
    power = "kmgtp".find(match[2].lower()) + 1 if match[2] else 0
    return int(float(match[1]) * 1024**power)


def parse_device(text: str, span: Span) -> Device:
    """Raises: DockerfileError."""
    name, required = "", False
    for field in _fields(text, span, "device"):
        key, equals, value = field.partition("=")
        if key.lower() == "required":
            required = boolean(value, "--device: required", span) if equals else True
        elif key.lower() == "name" and equals:
            if name:
                raise span.error(f"--device: device name already set to {name}")
            name = value
        elif not name:
            name = field  # a CDI name may hold "=": vendor.com/class=one
        else:
            raise _unknown_key(key, field, ("name", "required"), span)
    return Device(name, required)
