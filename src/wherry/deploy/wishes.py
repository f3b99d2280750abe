"""What the user asked of a deployment, in one place: flags, wherry.toml, a compose file. What is None was not said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from wherry.deploy.application import Gpu, Secret, Weights
from wherry.errors import InputError

__all__ = ["Wishes", "cpu_m", "gpu", "grace_s", "memory_bytes", "over", "port_number", "weights"]


@dataclass(frozen=True, slots=True)
class Wishes:
    """`env` values are final; `secrets` by variable. `ports` are candidates, of which only one can be meant."""

    image: str | None = None
    name: str | None = None
    port: int | None = None
    ports: tuple[int, ...] | None = None
    ready: str | None = None
    live: str | None = None
    env: Mapping[str, str] | None = None
    secrets: Mapping[str, Secret] | None = None
    cpu_m: int | None = None
    memory_bytes: int | None = None
    gpu: Gpu | None = None
    min_instances: int | None = None
    max_instances: int | None = None
    concurrency: int | None = None
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    weights: tuple[Weights, ...] | None = None
    labels: Mapping[str, str] | None = None
    grace_s: int | None = None


_ADDED = ("env", "secrets", "labels")


def over(upper: Wishes, lower: Wishes) -> Wishes:
    """What both say. `upper` wins; variables, secrets and labels of both are kept.

    A variable that `upper` makes a secret is none in `env` any more, and the other way round.
    """
    said = {one.name: value for one in fields(upper) if (value := getattr(upper, one.name)) is not None}
    for name in _ADDED:
        if name in said:
            said[name] = {**(getattr(lower, name) or {}), **said[name]}
    if upper.port is not None:
        said["ports"] = None
    found = replace(lower, **said)
    env, secrets = dict(found.env or {}), dict(found.secrets or {})
    for name in upper.env or {}:
        secrets.pop(name, None)
    for name in upper.secrets or {}:
        env.pop(name, None)
    return replace(found, env=env if found.env is not None else None, secrets=secrets or None)


def cpu_m(text: str) -> int:
    """ "0.5", "2", "500m": thousandths of a CPU. Raises: InputError."""
    found = re.fullmatch(r"(\d{1,6})m|(\d{1,4})(?:\.(\d{1,3}))?", text.strip())
    value = 0
    if found:
        milli, whole, part = found.groups()
        value = int(milli) if milli else int(whole) * 1000 + int((part or "0").ljust(3, "0"))
    if value <= 0:
        raise InputError(f"cpu: {text[:40]!r} is no number of CPUs", hint="as --cpu 0.5, --cpu 2 or --cpu 500m")
    return value


def memory_bytes(text: str) -> int:
    """docker's sizes: "512m", "2g", "4GiB"; 1024-based. Raises: InputError."""
    from wherry.runtime.parse_values import size_bytes

    try:
        value = size_bytes(text.strip())
    except InputError:
        value = 0
    if value < 4 << 20:
        raise InputError(f"memory: {text[:40]!r} is no size that a program runs in",
                         hint="as --memory 512m, --memory 2g or --memory 4GiB")  # fmt: skip
    return value


def gpu(text: str) -> Gpu | None:
    """ "1", "2:nvidia-l4", "nvidia-t4"; "0" and "none" are none. Raises: InputError."""
    count, _, kind = text.strip().partition(":")
    if count[:1].isalpha() and not kind:
        count, kind = "1", count
    if kind == "none" or count == "0":
        return None
    if not re.fullmatch(r"[1-9]\d?", count) or not re.fullmatch(r"[A-Za-z0-9./_-]*", kind):
        raise InputError(f"gpu: {text[:40]!r} is neither a number nor NUMBER:KIND",
                         hint="as --gpu 1 or --gpu 1:nvidia-l4")  # fmt: skip
    return Gpu(int(count), kind)


def port_number(text: str) -> int:
    """Raises: InputError."""
    value = text.strip().removesuffix("/tcp")
    if not re.fullmatch(r"\d{1,5}", value) or not 0 < int(value) < 65536:
        hint = (
            "the port in the container alone: where it answers from outside is the platform's" if ":" in text else None
        )
        raise InputError(f"port: {text[:40]!r} is no TCP port", hint=hint)
    return int(value)


def grace_s(text: str) -> int:
    """ "30", "30s", "1m30s": whole seconds, rounded up. Raises: InputError."""
    from wherry.runtime.parse_values import duration_ns

    try:
        ns = int(text) * 10**9 if text.isdecimal() and len(text) < 6 else duration_ns(text)
    except InputError:
        ns = -1
    if not 0 <= ns <= 3600 * 10**9:
        raise InputError(f"grace: {text[:40]!r} is no time between 0 and 1h", hint="as --grace 30s")
    return -(-ns // 10**9)


def path(field: str, text: str) -> str:
    """A health path; "none" is none. Raises: InputError."""
    if text == "none":
        return ""
    if not re.fullmatch(r"/[!-~]{0,1023}", text):
        raise InputError(f"{field}: {text[:80]!r} is no path of a URL", hint=f"as --{field} /healthz")
    return text


def weights(text: str) -> Weights:
    """REFERENCE:/FOLDER. Raises: InputError."""
    reference, slash, folder = text.rpartition(":/")
    if not slash or not reference or not folder.strip("/"):
        raise InputError(f"weights: {text[:80]!r} is not REFERENCE:/FOLDER",
                         hint="as --weights registry.example.com/iris:3:/models/iris")  # fmt: skip
    from wherry.oci.reference import Reference

    Reference.parse(reference)
    return Weights(reference, f"/{folder.strip('/')}")
