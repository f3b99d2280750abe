"""URLs as values: parsed once, with nothing in them that could change the meaning of a request."""

from __future__ import annotations

from urllib.parse import quote, urljoin, urlsplit

from wherry.errors import InvalidSpec
from wherry.registry.hosts import is_loopback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["Url", "clean"]

_PORTS = {"http": 80, "https": 443}
_LONGEST = 16 << 10


class Url(NamedTuple):
    """`host` is in lower case and without brackets; `target` is path and query, ready for a request line."""

    scheme: str
    host: str
    port: int
    target: str = "/"

    @classmethod
    def parse(cls, text: str, base: Url | None = None) -> Url:
        """`text` may be relative when there is a `base`. Raises: InvalidSpec."""
        if len(text) > _LONGEST:
            raise InvalidSpec(f"a URL of {len(text)} bytes is over the limit of {_LONGEST}")
        try:
            parts = urlsplit(urljoin(str(base), text) if base else text)
            port = parts.port
        except ValueError as fault:
            raise InvalidSpec(f"invalid URL {clean(text, 160)!r}: {fault}") from None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise InvalidSpec(f"{clean(text.partition('?')[0], 160)!r} is no http or https URL")
        if parts.username is not None or parts.password is not None:
            raise InvalidSpec(f"a URL of {parts.hostname!r} names a user: wherry takes no credentials from URLs")
        if not parts.hostname.isascii() or not all(c.isalnum() or c in "-._:%" for c in parts.hostname):
            raise InvalidSpec(f"invalid host {clean(parts.hostname, 160)!r}")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        # Only what a request line can't hold is changed; what is quoted already stays
        target = quote(target, safe="/?#[]@!$&'()*+,;=:%-._~|")
        return cls(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], target)

    @classmethod
    def of(cls, scheme: str, authority: str, target: str) -> Url:
        """`authority` is host[:port]. Raises: InvalidSpec."""
        return cls.parse(f"{scheme}://{authority}{target}")

    @property
    def authority(self) -> str:
        """As a Host header has it: without the scheme's own port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, int]:
        """What credentials belong to."""
        return self.host, self.port

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.authority)

    @property
    def shown(self) -> str:
        """For messages: without the query, where signed URLs keep their secret."""
        return f"{self.scheme}://{self.authority}{self.target.partition('?')[0]}"

    def with_query(self, extra: str) -> Url:
        """`extra` is "a=b" and quoted; what is there stays."""
        return self._replace(target=f"{self.target}{'&' if '?' in self.target else '?'}{extra}")

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def clean(text: str, longest: int = 400) -> str:
    """A stranger's text for a terminal: one line, no control characters, no more than `longest` characters."""
    line = " ".join("".join(c if c.isprintable() or c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text).split())
    return line if len(line) <= longest else line[: longest - 3] + "..."
