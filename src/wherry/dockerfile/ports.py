"""What EXPOSE and STOPSIGNAL hold, checked after expansion."""

from __future__ import annotations

import re
from collections.abc import Iterable

from wherry.dockerfile.span import Span

__all__ = ["check_signal", "expose"]

_PORT = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/([^/]*))?")
_PROTOCOLS = ("tcp", "udp", "sctp")


def expose(words: Iterable[str], span: Span) -> tuple[str, ...]:
    """ "8000-8001" and "53/udp" to one "port/protocol" each, ordered by number. Raises: DockerfileError."""
    found: set[tuple[int, str]] = set()
    for word in words:
        # The part before a colon is a host's port, which EXPOSE takes and forgets
        container = word.rpartition(":")[2]
        match = _PORT.fullmatch(container)
        if not match:
            raise span.at(word).error(
                f"EXPOSE: invalid port {word!r}", hint="write a port or a range, as 8000, 8000-8005 or 53/udp"
            )
        first, last, protocol = match.groups()
        protocol = (protocol or "tcp").lower()
        if protocol not in _PROTOCOLS:
            raise span.at(word).error(f"EXPOSE: invalid protocol {protocol!r} in {word!r}", hint="tcp, udp or sctp")
        low, high = int(first), int(last or first)
        if high > 65535 or low > high:
            raise span.at(word).error(f"EXPOSE: invalid port range {word!r}", hint="ports go from 0 to 65535")
        found.update((port, protocol) for port in range(low, high + 1))
    return tuple(f"{port}/{protocol}" for port, protocol in sorted(found))


def check_signal(text: str, span: Span) -> str:
    """The text itself when it names a signal of Linux or is a number. Raises: DockerfileError."""
    import signal

    from wherry.errors import nearest

    if text.isascii() and text.isdecimal() and 0 < int(text[:4]) <= signal.NSIG and len(text) < 4:
        return text
    names = {name.removeprefix("SIG"): name for name in signal.Signals.__members__}
    short = text.upper().removeprefix("SIG")
    if short in names or re.fullmatch(r"RTM(IN(\+([1-9]|1[0-5]))?|AX(-([1-9]|1[0-4]))?)", short):
        return text
    close = nearest(short, sorted(names))
    raise span.at(text).error(f"invalid signal: {text}", hint=f"did you mean {names[close]}?" if close else None)
