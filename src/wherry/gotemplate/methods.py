"""The methods of Go's own types that a template may call: of a time, and of a port."""

from __future__ import annotations

from wherry.gotemplate.functions import Function
from wherry.gotemplate.values import STRING, Port, Time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

__all__ = ["method"]

# Go's reference time, Mon Jan 2 15:04:05 MST 2006, longest part first
_PARTS = (
    ("January", "%B"), ("Monday", "%A"), ("2006", "%Y"), ("Jan", "%b"), ("Mon", "%a"), ("MST", "UTC"),
    ("-07:00", "+00:00"), ("-0700", "+0000"), ("Z07:00", "Z"), ("01", "%m"), ("02", "%d"), ("03", "%I"), ("04", "%M"),
    ("05", "%S"), ("06", "%y"), ("15", "%H"), ("PM", "%p"), ("2", "{day}"), ("1", "{month}"), ("3", "{hour}"),
    ("4", "{minute}"), ("5", "{second}"),
)  # fmt: skip


def _datetime(value: Time) -> datetime:
    from datetime import UTC, datetime

    text = str.__str__(value)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return datetime(1, 1, 1, tzinfo=UTC)


def _format(moment: datetime, layout: str) -> str:
    out, at = [], 0
    while at < len(layout):
        for part, code in _PARTS:
            if layout.startswith(part, at):
                text = moment.strftime(code) if code[0] == "%" else code
                out.append(text.format(day=moment.day, month=moment.month, hour=moment.hour % 12 or 12,
                                       minute=moment.minute, second=moment.second))  # fmt: skip
                at += len(part)
                break
        else:
            out.append(layout[at])
            at += 1
    return "".join(out)


# Differs from docker: of Go's own types a template can call these methods of a time and a port; a time is in UTC
_TIME: Mapping[str, Callable[[Time], Function]] = {
    "Format": lambda value: Function(lambda layout: _format(_datetime(value), layout), (STRING,)),
    "String": lambda value: Function(value.__str__),
    "Unix": lambda value: Function(lambda: int(_datetime(value).timestamp())),
    "Year": lambda value: Function(lambda: _datetime(value).year),
    "Day": lambda value: Function(lambda: _datetime(value).day),
    "Hour": lambda value: Function(lambda: _datetime(value).hour),
    "Minute": lambda value: Function(lambda: _datetime(value).minute),
    "Second": lambda value: Function(lambda: _datetime(value).second),
    "IsZero": lambda value: Function(lambda: _datetime(value).year == 1),
}
_PORT: Mapping[str, Callable[[Port], Function]] = {
    "Port": lambda value: Function(lambda: value.partition("/")[0]),
    "Proto": lambda value: Function(lambda: value.partition("/")[2] or "tcp"),
    "Int": lambda value: Function(lambda: int(number) if (number := value.partition("/")[0]).isdecimal() else 0),
}


def method(value: object, name: str) -> Function | None:
    """None where it has none of that name."""
    if isinstance(value, Time):
        made = _TIME.get(name)
        return made(value) if made else None
    if isinstance(value, Port):
        of_port = _PORT.get(name)
        return of_port(value) if of_port else None
    return None
