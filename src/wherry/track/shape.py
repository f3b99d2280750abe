"""A run document as its readers may rely on it, whatever a program wrote into the folder: what is of another kind is
left out. Python 3.8: this package is mounted into containers.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["is_digest", "is_id", "is_start", "shaped"]

_LATEST_MS = 253_402_300_799_999  # the end of the year 9999: what a calendar has
_DEEPEST = 8

_TEXTS = ("boot_id", "error", "folder", "parent")
_NUMBERS = ("ended_ms", "exit_code", "pid", "schema")
# Of each mapping, what its members are
_MAPPINGS: dict[str, dict[str, Any]] = {
    "git": {"commit": str, "branch": str, "remote": str, "folder": str, "diff": str, "dirty": bool, "untracked": list,
            "untracked_count": int, "diff_truncated": bool},
    "image": {"name": str, "id": str, "digest": str, "revision": str, "source": str},
    "container": {"id": str, "name": str},
    "environment": {"python": str, "implementation": str, "executable": str, "os": str, "kernel": str, "arch": str,
                    "host": str, "cpu": str, "cpu_count": int, "memory_bytes": int, "gpus": list, "packages": dict,
                    "variables": dict, "gpu_driver": str, "cuda": str},
}  # fmt: skip
_HEX = "0123456789abcdef"
_METRIC_INTEGERS = ("count", "last_step", "min_step", "max_step", "nan")
_METRIC_NUMBERS = ("last", "min", "max")
_WORDS = ("NaN", "Infinity", "-Infinity")


def is_digest(value: Any) -> bool:
    """sha256:HEX, of which the name of a file is made."""
    return isinstance(value, str) and value[:7] == "sha256:" and len(value) == 71 and not value[7:].strip(_HEX)


def is_id(value: Any) -> bool:
    """What runs and their folders are called."""
    return isinstance(value, str) and len(value) == 32 and not value.strip(_HEX)


def is_start(start: dict[str, Any]) -> bool:
    """Whether it says what each run has said since it began."""
    is_named = is_id(start.get("id")) and _is(start.get("name"), str) and _is(start.get("experiment"), str)
    return is_named and _is_moment(start.get("started_ms"))


def shaped(document: dict[str, Any], called: str) -> dict[str, Any]:
    """`called` is the folder's name: when it is an id the run has that one, whatever it says."""
    found = {name: one for name, one in document.items() if _is_shallow(one, _DEEPEST)}
    id = called if is_id(called) else str(found.get("id", ""))
    found["id"] = id
    found["name"] = found["name"] if _is(found.get("name"), str) and found["name"] else id[:12]
    experiment = found.get("experiment")
    found["experiment"] = experiment if isinstance(experiment, str) and experiment else "default"
    found["started_ms"] = found["started_ms"] if _is_moment(found.get("started_ms")) else 0
    if not _is_moment(found.get("ended_ms", 0)):
        del found["ended_ms"]
    for name in (*_TEXTS, *_NUMBERS):
        if name in found and not _is(found[name], str if name in _TEXTS else int):
            del found[name]
    if "command" in found:
        found["command"] = [str(one) for one in found["command"]] if isinstance(found["command"], list) else []
    for name, members in _MAPPINGS.items():
        if name in found:
            found[name] = _mapping(found[name], members)
    found["params"] = {name: one for name, one in _texted(document.get("params")).items() if _is_shallow(one, _DEEPEST)}
    found["tags"] = {name: str(value) for name, value in _texted(found.get("tags")).items()}
    found["metrics"] = {name: _metric(one) for name, one in _texted(found.get("metrics")).items() if _is(one, dict)}
    for name, is_good in (("artifacts", _is_file), ("data", _is_file), ("promoted", _is_promotion)):
        if name in found:
            some = found[name]
            found[name] = [one for one in some if is_good(one)] if isinstance(some, list) else []
    return found


def _is(value: Any, kind: Any) -> bool:
    """Integers of 64 bits: others have no place in a table, nor in most programs that read JSON."""
    if kind is int and isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        return False
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _is_moment(value: Any) -> bool:
    return _is(value, int) and 0 <= value <= _LATEST_MS


def _is_shallow(value: Any, levels: int) -> bool:
    """Whether whoever walks through it comes back."""
    if isinstance(value, dict):
        value = list(value.values())
    return not isinstance(value, list) or (levels > 0 and all(_is_shallow(one, levels - 1) for one in value))


def _texted(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _mapping(value: Any, members: dict[str, Any]) -> dict[str, Any]:
    """Members that are not known stay when they are texts: another version may have written them."""
    found = {name: one for name, one in _texted(value).items() if _is(one, members.get(name, str))}
    for name in ("packages", "variables"):
        if name in found:
            found[name] = {key: str(one) for key, one in found[name].items()}
    for name in ("gpus", "untracked"):
        if name in found:
            found[name] = [str(one) for one in found[name]]
    return found


def _metric(value: dict[str, Any]) -> dict[str, Any]:
    found = {name: value[name] for name in _METRIC_INTEGERS if _is(value.get(name), int)}
    found.update({name: value[name] for name in _METRIC_NUMBERS
                  if _is(value.get(name), (int, float)) or value.get(name) in _WORDS})  # fmt: skip
    return {name: found[name] for name in value if name in found}


def _is_file(value: Any) -> bool:
    one = _texted(value)
    return _is(one.get("name"), str) and is_digest(one.get("digest")) and _is(one.get("size"), int)


def _is_promotion(value: Any) -> bool:
    one = _texted(value)
    image = _texted(one.get("image"))
    return _is(image.get("name"), str) and _is(image.get("id"), str) and _is_moment(one.get("at_ms"))
