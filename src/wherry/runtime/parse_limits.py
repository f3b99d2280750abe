"""Values of the flags that limit a container's devices and CPUs, with docker's messages. Pure; raises InputError."""

from __future__ import annotations

from wherry.errors import InputError
from wherry.runtime.options import DeviceRate
from wherry.runtime.parse_values import size_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["bytes_rate", "cpu_list", "device_weight", "io_rate", "isolation", "uint16"]

_MOST_CPUS = 8192


def uint16(text: str) -> int:
    """0 to 65535, as pflag reads it."""
    if not (text.isascii() and text.isdecimal()):
        raise InputError(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    if len(text) > 9 or int(text) > 0xFFFF:
        raise InputError(f'strconv.ParseUint: parsing "{text}": value out of range')
    return int(text)


def _device(text: str) -> tuple[str, str]:
    path, colon, value = text.partition(":")
    if not colon:
        raise InputError(f"bad format: {text}")
    if not path.startswith("/dev/"):
        raise InputError(f"bad format for device path: {text}")
    return path, value


def device_weight(text: str) -> DeviceRate:
    """--blkio-weight-device PATH:WEIGHT; a weight is 10 to 1000, or 0 for none."""
    path, value = _device(text)
    weight = int(value) if value.isascii() and value.isdecimal() and len(value) < 6 else -1
    if weight != 0 and not 10 <= weight <= 1000:
        raise InputError(f"invalid weight for device: {text}")
    return DeviceRate(path, weight)


def _rate(text: str, read: Callable[[str], int], form: str) -> DeviceRate:
    path, value = _device(text)
    try:
        return DeviceRate(path, read(value))
    except InputError:
        raise InputError(f"invalid rate for device: {text}. The correct format is {form}") from None


def bytes_rate(text: str) -> DeviceRate:
    """--device-read-bps and --device-write-bps: PATH:SIZE, bytes per second; 0 is no limit."""
    return _rate(
        text,
        size_bytes,
        "<device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb",
    )


def io_rate(text: str) -> DeviceRate:
    """--device-read-iops and --device-write-iops: PATH:NUMBER, operations per second; 0 is no limit."""
    return _rate(text, _natural, "<device-path>:<number>. Number must be a positive integer")


def _natural(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise InputError(text)
    return int(text)


def isolation(text: str) -> str:
    """--isolation, as docker on Linux takes it: "default" or nothing."""
    if text.lower() not in {"", "default"}:
        raise InputError(f"Invalid isolation: \"{text}\" - linux only supports 'default'")
    return text


def cpu_list(text: str) -> frozenset[int]:
    """The kernel's lists of CPUs and of memory nodes: "0-3,7". Raises: InputError("invalid format: ...")."""
    found: set[int] = set()
    for part in text.split(",") if text else ():
        first, dash, last = part.partition("-")
        last = last if dash else first
        if not all(one.isascii() and one.isdecimal() and len(one) < 6 for one in (first, last)):
            raise InputError(f"invalid format: {text}")
        if not int(first) <= int(last) < _MOST_CPUS:
            raise InputError(f"invalid format: {text}")
        found.update(range(int(first), int(last) + 1))
    return frozenset(found)
