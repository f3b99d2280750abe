"""Single values of a canonical tree to those of the model, as compose-go decodes them. All raise ValueError."""

from __future__ import annotations

from wherry.compose.go_values import float32, shortest32
from wherry.compose.model_build import SshKey
from wherry.compose.scalars import go_text
from wherry.compose.short_forms import bytes_of, split_command
from wherry.durations import parse_duration_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_TRUE = frozenset({"true", "y", "yes", "on"})
_FALSE = frozenset({"false", "n", "no", "off"})


def kind(value: Any) -> str:
    """Name a value's kind as Go does in its messages."""
    if isinstance(value, bool):
        return "bool"
    names = {dict: "map", list: "slice", str: "string", int: "int", float: "float64"}
    return next((name for each, name in names.items() if isinstance(value, each)), "<nil>")


def _wrong(wanted: str, value: Any) -> ValueError:
    return ValueError(f"expected type '{wanted}', got unconvertible type '{kind(value)}', value: '{go_text(value)}'")


def text(value: Any) -> str:
    """A text; a whole number is written out."""
    if isinstance(value, str):
        return str(value)
    if type(value) is int:
        return str(value)
    raise _wrong("string", value)


def any_text(value: Any) -> str:
    """A text of any scalar."""
    return value if type(value) is str else go_text(value)


def flag(value: Any) -> bool:
    """A boolean, also written as one of YAML 1.1's words."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    if isinstance(value, str):
        raise ValueError(f"invalid boolean: {value}")
    raise _wrong("bool", value)


def integer(value: Any) -> int:
    """A whole number; floats are cut, as docker does."""
    if isinstance(value, str):
        try:
            return int(value) if value.strip() == value and "_" not in value else int("x")
        except ValueError:
            raise ValueError(f'strconv.Atoi: parsing "{value}": invalid syntax') from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong("int", value)
    return int(value)


def natural(value: Any) -> int:
    """A whole number that is not negative."""
    if (number := integer(value)) < 0:
        raise ValueError(f"{number} overflows uint")
    return number


def unsigned(value: Any) -> int:
    """A whole number that is not negative, and not written as text."""
    if isinstance(value, str):
        raise _wrong("uint32", value)
    return natural(value)


def single(value: Any) -> float:
    """A number of single precision, with its shortest digits."""
    if isinstance(value, str):
        try:
            value = float(value if value.strip() == value and "_" not in value else "x")
        except ValueError:
            raise ValueError(f'strconv.ParseFloat: parsing "{value}": invalid syntax') from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong("float32", value)
    return shortest32(float32(value))


cpus = single


def size(value: Any) -> int:
    """Bytes of a number or a text with a unit."""
    if isinstance(value, str):
        return bytes_of(value)
    return value if type(value) is int else 0


def duration(value: Any) -> int:
    """Nanoseconds."""
    return parse_duration_ns(any_text(value))


def texts(value: Any) -> Sequence[str]:
    """A list of texts."""
    if not isinstance(value, list):
        if isinstance(value, str):
            return (value,)
        raise _wrong("[]string", value)
    return tuple(text(each) for each in value)


def string_list(value: Any) -> Sequence[str]:
    """A text, or a list of them."""
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError("invalid type []interface {} for string list")
    return tuple(value)


def numbers(value: Any) -> Sequence[str]:
    """A list of texts and numbers."""
    return (value,) if isinstance(value, str) else tuple(any_text(each) for each in value)


def command(value: Any) -> Sequence[str] | None:
    """Words, or a text that is cut into words."""
    if isinstance(value, str):
        return tuple(split_command(value))
    return tuple(any_text(each) for each in value)


def health_test(value: Any) -> Sequence[str]:
    """A list, or a text for the shell."""
    return ("CMD-SHELL", value) if isinstance(value, str) else tuple(any_text(each) for each in value)


def _pairs(value: Any, what: str) -> list[tuple[str, Any]]:
    """Entries of a mapping, or of a list of `KEY=VALUE` (None without `=`), the last of equals; sorted by name."""
    if isinstance(value, dict):
        return sorted(value.items())
    if not isinstance(value, list):
        raise ValueError(f"unexpected value type {kind(value)} for {what}")
    found: dict[str, str | None] = {}
    for each in value:
        name, has_value, rest = any_text(each).partition("=")
        found[name] = rest if has_value else None
    return sorted(found.items())


def equals(value: Any) -> dict[str, str | None]:
    """Names with or without a value."""
    if value is None:
        raise ValueError("unexpected value type <nil> for mapping")
    return {name: None if each is None else any_text(each) for name, each in _pairs(value, "mapping")}


def mapping(value: Any) -> dict[str, str]:
    """Names with a value; none is an empty one."""
    return {name: "" if each is None else any_text(each) for name, each in _pairs(value, "mapping")}


def labels(value: Any) -> dict[str, str]:
    """Labels, from a mapping or a list."""
    return {name: "" if each is None else any_text(each) for name, each in _pairs(value, "labels")}


def options(value: Any) -> dict[str, str]:
    """Options for a driver."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"invalid type {kind(value)} for options")
    return {name: "" if value[name] is None else any_text(value[name]) for name in sorted(value)}


def string_map(value: Any) -> dict[str, str]:
    """Texts by name."""
    if not isinstance(value, dict):
        raise ValueError(f"expected a map, got '{kind(value)}'")
    return {name: "" if value[name] is None else text(value[name]) for name in sorted(value)}


def multi_options(value: Any) -> dict[str, Sequence[str]]:
    """A provider's options: each one or more values."""
    made: dict[str, Sequence[str]] = {}
    for name in sorted(value):
        each = value[name]
        made[name] = tuple(map(any_text, each)) if isinstance(each, list) else (any_text(each),)
    return made


def hosts(value: Any) -> dict[str, Sequence[str]]:
    """Host names and addresses, of a mapping or of `name=address` or `name:address`."""
    found: dict[str, list[str]] = {}
    if isinstance(value, dict):
        for name, each in value.items():
            found[name] = list(map(any_text, each)) if isinstance(each, list) else [any_text(each or "")]
    else:
        for each in value:
            separator = next((one for one in "=:" if one in any_text(each)), "")
            if not separator:
                raise ValueError(f"invalid additional host, missing IP: {any_text(each)}")
            name, _, addresses = any_text(each).partition(separator)
            found.setdefault(name, []).extend(addresses.split(","))
    for name in found:
        if not name or ":" in name or "=" in name:
            raise ValueError(f"bad host name '{name}'")
    return {name: tuple(map(_bare, found[name])) for name in sorted(found)}


def _bare(address: str) -> str:
    return address[1:-1] if len(address) > 2 and address[0] == "[" and address[-1] == "]" else address


def device_count(value: Any) -> int:
    """A number of devices; `all` is -1."""
    if isinstance(value, str):
        if value.lower() == "all":
            return -1
        if not value.removeprefix("-").removeprefix("+").isdecimal():
            raise ValueError(f"invalid value \"{value}\", the only value allowed is 'all' or a number")
        return int(value)
    if type(value) is not int:
        raise ValueError(f"invalid type {kind(value)} for device count")
    return value


def ssh(value: Any) -> Sequence[SshKey]:
    """Keys of a build, by id."""
    if not isinstance(value, dict):
        raise ValueError(f"invalid ssh config type {kind(value)}")
    return tuple(SshKey(id=name, path="" if value[name] is None else any_text(value[name])) for name in sorted(value))
