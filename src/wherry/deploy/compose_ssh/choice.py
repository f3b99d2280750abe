"""The target's own options, parsed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from wherry.deploy.target import Chosen

__all__ = ["Address", "Choice", "Publish"]

_USER = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_HOST = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9]+)?\]"
_ADDRESS = re.compile(rf"(?:ssh://)?(?:({_USER})@)?({_HOST})(?::(\d{{1,5}}))?/?")


class Address(NamedTuple):
    """`host` is a name, an address, or an alias of ~/.ssh/config. `port` 0: ssh's own choice. Nothing begins with -."""

    host: str
    user: str = ""
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> Address | None:
        """USER@HOST:PORT, ssh://USER@HOST:PORT; None for anything else."""
        found = _ADDRESS.fullmatch(text.strip())
        if found is None or not 0 <= int(found.group(3) or 0) < 65536:
            return None
        return cls(found.group(2).strip("[]"), found.group(1) or "", int(found.group(3) or 0))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{f'{self.user}@' if self.user else ''}{host}{f':{self.port}' if self.port else ''}"


class Publish(NamedTuple):
    """Where the machine answers: `ip` "" means on all of its addresses; `port` 0 the application's."""

    ip: str = ""
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> Publish | None:
        found = re.fullmatch(r"(?:(\d{1,3}(?:\.\d{1,3}){3}):)?(\d{1,5})", text.strip())
        if found is None or not 0 < int(found.group(2)) < 65536:
            return None
        if found.group(1) and any(int(part) > 255 for part in found.group(1).split(".")):
            return None
        return cls(found.group(1) or "", int(found.group(2)))


@dataclass(frozen=True, slots=True)
class Choice:
    """As written; `address` and `where_published` are None where that is nothing. `engine` "": what is there."""

    host: str = ""
    key: str = ""
    engine: str = ""
    registry: str = ""
    publish: str = ""
    has_sudo: bool = False
    is_writable: bool = False

    @classmethod
    def parse(cls, options: Chosen) -> Choice:
        return cls(options.text("host"), options.text("ssh-key"), options.text("engine"), options.text("registry"),
                   options.text("publish"), options.on("sudo"), options.on("writable"))  # fmt: skip

    @property
    def address(self) -> Address | None:
        return Address.parse(self.host)

    @property
    def where_published(self) -> Publish | None:
        return Publish.parse(self.publish) if self.publish else Publish()
