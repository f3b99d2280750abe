"""--gpus, --runtime, and which values of --device name CDI devices. Pure; docker's messages, its CSV reader's too."""

from __future__ import annotations

from wherry.errors import InputError
from wherry.runtime.csv_record import record
from wherry.runtime.options import GpuRequest

__all__ = ["RUNTIMES", "gpus", "is_cdi_name", "runtime_name"]

_KEYS = frozenset({"driver", "count", "device", "capabilities", "options"})
_INT64 = 1 << 63
RUNTIMES = ("runc", "crun", "io.containerd.runc.v2", "nvidia")


def gpus(text: str) -> GpuRequest:
    """ "all", "2", "device=GPU-1f2", '"device=0,1",capabilities=utility'. Raises: InputError.

    A value with commas stands in double quotes, as in a CSV file: the shell must hand them on.
    """
    values: dict[str, str] = {}
    seen: set[str] = set()
    for field in record(text.partition("\n")[0]):
        key, equals, value = field.partition("=")
        if key in seen:
            raise InputError(f"gpu request key '{key}' can be specified only once")
        if not equals:
            # A bare word is a count, and the word itself may not come again: docker's bookkeeping
            seen.add(key)
            key, value = "count", field
        elif key not in _KEYS:
            raise InputError(f"unexpected key '{key}' in '{field}'")
        seen.add(key)
        values[key] = str(_count(value)) if key == "count" else value
    ids = tuple(values["device"].split(",")) if "device" in values else ()
    capabilities = values["capabilities"].split(",") if "capabilities" in values else ()
    return GpuRequest(
        driver=values.get("driver", ""),
        number=int(values.get("count", 0 if ids else 1)),
        device_ids=ids,
        capabilities=(*capabilities, "gpu"),
        options=_options(values["options"]) if "options" in values else {},
    )


def _count(text: str) -> int:
    """Raises: InputError as Go's strconv.Atoi puts it."""
    if text == "all":
        return -1
    digits = text[1:] if text[:1] in {"+", "-"} else text
    wrong = "invalid syntax"
    if digits.isascii() and digits.isdigit():
        # Python makes no number of more than some thousand digits
        if len(digits.lstrip("0")) < 20 and -_INT64 <= int(text) < _INT64:
            return int(text)
        wrong = "value out of range"
    raise InputError(f'count must be an integer: strconv.Atoi: parsing "{text}": {wrong}')


def _options(text: str) -> dict[str, str]:
    try:
        fields = record(text.partition("\n")[0])
    except InputError as fault:
        raise InputError(f"failed to read gpu options: {fault.message}") from None
    return {key: value for key, _, value in (field.partition("=") for field in fields)}


def is_cdi_name(text: str) -> bool:
    """Whether a value of --device names a CDI device ("nvidia.com/gpu=all") rather than a path."""
    # Differs from docker: one letter names a class, too (docker 26.1 panics on --device a.com/b=c)
    kind, equals, name = text.partition("=")
    vendor, slash, class_ = kind.partition("/")
    return bool(equals and slash and name) and _is_name(vendor, "-_.") and _is_name(class_, "-_.")


def _is_name(text: str, between: str) -> bool:
    return (
        text.isascii()
        and text[:1].isalpha()
        and text[-1:].isalnum()
        and all(one.isalnum() or one in between for one in text)
    )


def runtime_name(text: str) -> str:
    """--runtime. Raises: InputError in docker's words, with what to do instead of a path."""
    if not text or text in RUNTIMES:
        return text
    hint = f"wherry has {', '.join(RUNTIMES)}"
    if "/" in text:
        # The monitor, exec and the clean-up would need the same program for as long as the container is there
        hint = "a path is not taken: --runtime runc or crun finds the program on the PATH"
    raise InputError(f"unknown or invalid runtime name: {text}", hint=hint)
