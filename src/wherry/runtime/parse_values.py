"""Single values of flags: sizes, durations, CPUs, ulimits, restart policies, devices and more, with docker's messages.

Every function is pure and raises InputError with the text that docker prints for the value.
"""

from __future__ import annotations

from wherry.errors import InputError
from wherry.runtime.options import DeviceRequest, RestartPolicy, Ulimit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "cpus_nano", "device", "device_cgroup_rule", "duration_ns", "hostname_mode", "key_values",
    "memory_swap_bytes", "namespace_mode", "restart", "signal_name", "signal_number", "size_bytes", "sysctl", "ulimit",
]  # fmt: skip

_SIZE_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_DURATION_UNITS_NS = {
    "ns": 1, "us": 1_000, "µs": 1_000, "μs": 1_000, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9,
}  # fmt: skip
_ULIMITS = frozenset(
    {
        "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
        "rttime", "sigpending", "stack",
    }
)  # fmt: skip
_SYSCTLS = frozenset(
    {
        "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax",
        "kernel.shmmni", "kernel.shm_rmid_forced",
    }
)  # fmt: skip


def _is_number(text: str) -> bool:
    whole, _, part = text.partition(".")
    return text.isascii() and whole.isdigit() and (part.isdigit() or "." not in text)


# Python reads no number of thousands of digits, and the kernel's end at 63 bits
_MOST_DIGITS = 40


def size_bytes(text: str, *, step: int = 1024) -> int:
    """ "64m", "1.5g", "1KiB", "512"; each unit is `step` of the one before: 1000 for what docker counts in decimals
    (--log-opt max-size, --keep-storage). Raises: InputError."""
    rest = text.lower()
    if rest.endswith("b"):
        rest = rest[:-1]
    if rest.endswith("i"):
        rest = rest[:-1]
    unit = rest[-1:] if rest[-1:] in _SIZE_UNITS else ""
    number = rest[: len(rest) - len(unit)]
    number = number[:-1] if number.endswith(" ") else number
    # "1ib" has no unit that the i could belong to
    if not _is_number(number) or (not unit and "i" in text.lower()):
        raise InputError(f"invalid size: '{text}'")
    whole, _, part = number.partition(".")
    factor: int = step ** _SIZE_UNITS[unit]
    found = (
        -1
        if len(number) > _MOST_DIGITS
        else int(whole) * factor + (int(part) * factor // 10 ** len(part) if part else 0)
    )
    if not 0 <= found < 1 << 63:
        raise InputError(f"invalid size: '{text:.60}'")
    return found


def memory_swap_bytes(text: str) -> int:
    """A size, or -1 for swap without end. Raises: InputError."""
    return -1 if text == "-1" else size_bytes(text)


def duration_ns(text: str) -> int:
    """Go's durations: "1m30s", "1.5h", "-2ms", "0". Spec: https://pkg.go.dev/time@go1.24#ParseDuration."""
    rest = text[1:] if text[:1] in {"-", "+"} else text
    sign = -1 if text.startswith("-") else 1
    if rest == "0":
        return 0
    if not rest:
        raise InputError(f'time: invalid duration "{text}"')
    total = 0
    while rest:
        number = _leading(rest, "0123456789.")
        rest = rest[len(number) :]
        if not number.strip(".") or number.count(".") > 1 or len(number) > _MOST_DIGITS:
            raise InputError(f'time: invalid duration "{text}"')
        unit = "".join(_leading(rest, rest.translate(_NO_DIGITS)))
        if not unit:
            raise InputError(f'time: missing unit in duration "{text}"')
        if unit not in _DURATION_UNITS_NS:
            raise InputError(f'time: unknown unit "{unit}" in duration "{text}"')
        rest = rest[len(unit) :]
        whole, _, part = number.partition(".")
        scale = _DURATION_UNITS_NS[unit]
        total += int(whole or "0") * scale + int(part or "0") * scale // 10 ** len(part)
    if total >= 1 << 63:
        raise InputError(f'time: invalid duration "{text}"')
    return sign * total


_NO_DIGITS = {ord(one): None for one in "0123456789."}


def _leading(text: str, alphabet: str) -> str:
    return text[: len(text) - len(text.lstrip(alphabet))]


def cpus_nano(text: str) -> int:
    """ "1.5" is 1_500_000_000. Raises: InputError."""
    number = text.removeprefix("+").removeprefix("-")
    if not _is_number("0" + number if number.startswith(".") else number):
        raise InputError(f"failed to parse {text} as a rational number")
    whole, _, part = number.partition(".")
    if len(part.rstrip("0")) > 9:
        raise InputError("value is too precise")
    if len(whole) > _MOST_DIGITS:
        raise InputError(f"failed to parse {text:.60} as a rational number")
    nano = int(whole or "0") * 10**9 + int(part[:9].ljust(9, "0"))
    return -nano if text.startswith("-") else nano


def ulimit(text: str) -> Ulimit:
    """TYPE=SOFT[:HARD]; -1 is unlimited. Raises: InputError."""
    name, equals, values = text.partition("=")
    if not equals:
        raise InputError(f"invalid ulimit argument: {text}")
    if name not in _ULIMITS:
        from wherry.errors import nearest

        close = nearest(name, sorted(_ULIMITS))
        raise InputError(f"invalid ulimit type: {name}", hint=f"did you mean {close}?" if close else None)
    limits = values.split(":")
    if len(limits) > 2:
        raise InputError(f"too many limit value arguments - {values}, can only have up to two, `soft[:hard]`")
    for one in limits:
        if not one.removeprefix("-").isdecimal():
            raise InputError(f'strconv.ParseInt: parsing "{one}": invalid syntax')
        if len(one) > _MOST_DIGITS or int(one) >= 1 << 63:
            raise InputError(f'strconv.ParseInt: parsing "{one:.60}": value out of range')
    soft, hard = int(limits[0]), int(limits[-1])
    if hard >= 0 and not 0 <= soft <= hard:
        raise InputError(f"ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}")
    return Ulimit(name, max(soft, -1), max(hard, -1))


def restart(text: str) -> RestartPolicy:
    """no, always, unless-stopped, on-failure[:MAX]. Raises: InputError."""
    if not text:
        return RestartPolicy()
    name, colon, count = text.partition(":")
    if ":" in count:
        raise InputError("invalid restart policy format")
    if colon and (not count.removeprefix("-").isdecimal() or len(count) > 18):
        raise InputError("invalid restart policy format: maximum retry count must be an integer")
    if name not in {"no", "always", "on-failure", "unless-stopped"}:
        raise InputError(
            f"invalid restart policy: unknown policy '{name}'; use one of 'no', 'always', 'on-failure', or "
            "'unless-stopped'"
        )
    if colon and int(count) and name != "on-failure":
        raise InputError("invalid restart policy: maximum retry count can only be used with 'on-failure'")
    if count.startswith("-"):
        raise InputError("invalid restart policy: maximum retry count cannot be negative")
    return RestartPolicy(name, int(count or "0"))


def device(text: str) -> DeviceRequest:
    """HOST[:CONTAINER][:rwm]. Raises: InputError."""
    parts = text.split(":")
    if not text or len(parts) > 3:
        raise InputError(f"bad format for path: {text}")
    host, container, mode = parts[0], parts[0], "rwm"
    if len(parts) == 2:
        if _is_device_mode(parts[1]):
            mode = parts[1]
        else:
            container = parts[1]
    elif len(parts) == 3:
        container, mode = parts[1] or host, parts[2]
        if not _is_device_mode(mode):
            raise InputError(f"bad mode specified: {mode}")
    for path in (host, container):
        if not path.startswith("/"):
            raise InputError(f"{path} is not an absolute path")
    return DeviceRequest(host, container, mode)


def _is_device_mode(text: str) -> bool:
    return bool(text) and set(text) <= set("rwm") and len(set(text)) == len(text)


def device_cgroup_rule(text: str) -> str:
    """ "c 189:* rwm". Raises: InputError."""
    words = text.split(" ")
    numbers = words[1].split(":") if len(words) == 3 else []
    sound = (
        len(numbers) == 2
        and words[0] in {"a", "b", "c"}
        and all(number == "*" or number.isdecimal() for number in numbers)
        and 0 < len(words[2]) <= 3
        and set(words[2]) <= set("rwm")
    )
    if not sound:
        raise InputError(f"invalid device cgroup format '{text}'", hint="for example: c 189:* rwm")
    return text


def sysctl(text: str) -> tuple[str, str]:
    """NAME=VALUE, of the settings that belong to a container. Raises: InputError."""
    name, equals, value = text.partition("=")
    if not equals or not (name in _SYSCTLS or name.startswith(("net.", "fs.mqueue."))):
        raise InputError(f"sysctl '{text}' is not allowed")
    return name, value


def namespace_mode(text: str, kind: str) -> str:
    """The value of --ipc, --pid, --uts, --cgroupns or --userns (`kind`). Raises: InputError."""
    known = {
        "ipc": ("", "none", "private", "shareable", "host"),
        "pid": ("", "host"),
        "uts": ("", "host"),
        "cgroupns": ("", "private", "host"),
        "userns": ("", "host"),
    }[kind]
    peer = text.removeprefix("container:")
    if text in known or (kind in {"ipc", "pid"} and peer != text and peer):
        return text
    if kind == "ipc":
        raise InputError(f"invalid IPC mode: {text}")
    raise InputError(f"--{kind}: invalid {'CGROUP' if kind == 'cgroupns' else kind.removesuffix('ns').upper()} mode")


def hostname_mode(text: str) -> str:
    """--hostname. Differs from docker: one that Linux refuses (64 bytes) is refused at once. Raises: InputError."""
    if len(text.encode()) > 64 or any(not one.isprintable() or one.isspace() or one == "/" for one in text):
        raise InputError(f"invalid hostname: {text!r}")
    return text


def key_values(entries: Sequence[str]) -> dict[str, str]:
    """KEY=VALUE each; no "=" means the value "". The last of equal keys wins."""
    return {key: value for key, _, value in (entry.partition("=") for entry in entries)}


def signal_number(text: str) -> int:
    """Of "TERM", "SIGTERM", "15", "RTMIN+3" or "RTMAX-1". Raises: InputError in docker's words."""
    from wherry.lean import signal

    word = text.upper().removeprefix("SIG")
    first, last = int(signal.SIGRTMIN), int(signal.SIGRTMAX)
    number = 0
    if text.isascii() and text.isdecimal() and len(text) < 4:
        number = int(text)
    elif word[:1] != "_" and hasattr(signal, f"SIG{word}"):  # SIG_IGN and the like are none
        number = int(getattr(signal, f"SIG{word}"))
    elif word[6:].isascii() and word[6:].isdecimal() and len(word) < 9:
        number = {"RTMIN+": first + int(word[6:]), "RTMAX-": last - int(word[6:])}.get(word[:6], 0)
        number = number if first <= number else 0
    if not 0 < number <= last:
        raise InputError(f"invalid signal: {text}", hint="a signal is a name as SIGTERM, or a number")
    return number


def signal_name(text: str) -> str:
    """A signal as it was written, once it is known to be one: `signal_number` reads it. Raises: InputError."""
    signal_number(text)
    return text
