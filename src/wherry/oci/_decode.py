"""From JSON values to typed ones; errors name the place by a dotted path ("config.Env[3]")."""

from __future__ import annotations

from wherry import lean_json as json
from wherry.errors import InvalidSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar

    T = TypeVar("T")

__all__ = ["get", "get_mapping", "get_required", "get_sequence", "load", "string_map"]

_NAMES = {str: "a string", int: "a number", bool: "true or false", list: "a list", dict: "an object"}


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


_JSON = json.Decoder(parse_constant=_no_number)


def load(data: bytes, what: str, *, limit_bytes: int = 16 << 20) -> dict[str, Any]:
    """The JSON object in `data`. Raises: InvalidSpec when it is too large, not JSON, or not an object."""
    if len(data) > limit_bytes:
        raise InvalidSpec(f"{what}: {len(data)} bytes is over the limit of {limit_bytes}")
    try:
        # UTF-8 alone, as RFC 8259 has it: json.loads would guess UTF-16 and UTF-32 too
        value = _JSON.decode(data.removeprefix(b"\xef\xbb\xbf").decode())
    except (ValueError, RecursionError) as fault:
        raise InvalidSpec(f"{what}: not JSON: {fault}") from None
    if not isinstance(value, dict):
        raise InvalidSpec(f"{what}: expected an object")
    return value


def _checked(value: object, kind: type[T], path: str) -> T:
    # bool is an int in Python, but not in JSON
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise InvalidSpec(f"{path}: expected {_NAMES.get(kind, kind.__name__)}, got {type(value).__name__}")
    return value


def get(doc: Mapping[str, Any], key: str, kind: type[T], at: str, default: T) -> T:
    """`doc[key]`, or `default` when it is absent or null."""
    value = _checked(doc, dict, at).get(key)
    return default if value is None else _checked(value, kind, f"{at}.{key}" if at else key)


def get_required(doc: Mapping[str, Any], key: str, kind: type[T], at: str) -> T:
    path = f"{at}.{key}" if at else key
    if _checked(doc, dict, at).get(key) is None:
        raise InvalidSpec(f"{path}: missing")
    return _checked(doc[key], kind, path)


def get_sequence(doc: Mapping[str, Any], key: str, at: str, item: Callable[[Any, str], T]) -> tuple[T, ...] | None:
    """The items of `doc[key]`, each decoded by `item(value, path)`; None when it is absent or null."""
    value = _checked(doc, dict, at).get(key)
    if value is None:
        return None
    path = f"{at}.{key}" if at else key
    return tuple(item(one, f"{path}[{i}]") for i, one in enumerate(_checked(value, list, path)))


def get_mapping(doc: Mapping[str, Any], key: str, at: str) -> dict[str, Any]:
    return get(doc, key, dict, at, {})


def string(value: Any, path: str) -> str:
    return _checked(value, str, path)


def string_map(doc: Mapping[str, Any], key: str, at: str) -> dict[str, str]:
    path = f"{at}.{key}" if at else key
    return {name: string(value, f"{path}.{name}") for name, value in get_mapping(doc, key, at).items()}
