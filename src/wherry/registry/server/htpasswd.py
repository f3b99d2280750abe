"""Users and their passwords, as `htpasswd -B` writes them: bcrypt and nothing weaker.

A check costs a bcrypt (50 ms and more), which is its purpose, and a way to keep a server busy. So: what was right is
remembered for some minutes, as a keyed hash and never as text; few are computed at once; and who fails often waits.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from wherry.errors import InputError
from wherry.registry.server.watched import Watched

__all__ = ["Htpasswd", "TooMany", "parse"]

_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_HIGHEST_COST = 15
"""2 s of a CPU for each first check: what is dearer is a mistake, or meant to stop the server."""
_REMEMBER_S = 300.0
_REMEMBERED = 4096
_AT_ONCE = 2
_WAIT_S = 5.0
_PASSWORD_BYTES = 72
"""bcrypt reads no further, and htpasswd cuts there too."""


class TooMany(NamedTuple):
    """No answer now: too many passwords are being checked. Ask again after `after_s` seconds."""

    after_s: int


class Users(NamedTuple):
    hashes: Mapping[str, bytes]
    nobody: bytes
    """A hash that nothing matches, as dear as the dearest of the file: the cost of a user that is not there."""


def parse(text: str, path: str) -> Users:
    """Lines of `user:hash`; empty lines and comments are left out. Raises: InputError naming the line."""
    hashes: dict[str, bytes] = {}
    highest = 4
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        user, colon, hashed = line.partition(":")
        where = f"{path}:{number}"
        if not colon or not user or not user.isprintable():
            raise InputError("expected user:hash", where=where, hint=f"htpasswd -B {path} USER")
        found = _BCRYPT.fullmatch(hashed)
        if not found:
            raise InputError(
                f"the password of {user!r} is not hashed by bcrypt, the only scheme that is taken",
                where=where,
                hint=f"htpasswd -B {path} {user}",
            )
        cost = int(found[1])
        if not 4 <= cost <= _HIGHEST_COST:
            raise InputError(
                f"the bcrypt cost of {user!r} is {cost}: at most {_HIGHEST_COST} is taken",
                where=where,
                hint=f"htpasswd -B -C 10 {path} {user}",
            )
        highest = max(highest, cost)
        # The same algorithm by another name: what fixed old bugs, which this library never had
        hashes[user] = b"$2b" + hashed[3:].encode()
    return Users(hashes, b"$2b$%02d$" % highest + b"." * 53)


class Htpasswd:
    """Checks passwords against a file, which is read again when it changes. Thread-safe."""

    def __init__(self, path: str, warn: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises: InputError."""
        self._users = Watched(path, parse, warn)
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._right: dict[bytes, float] = {}
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(_AT_ONCE)
        # Load the library now: it must not be missed, or first take time, when somebody logs in
        import bcrypt

        self._matches = bcrypt.checkpw

    def has(self, user: str) -> bool:
        """Whether the user is in the file now: a token of one that was removed is worth nothing."""
        return user in self._users.get().hashes

    def remembers(self, user: str, password: str) -> bool:
        """Whether this very password was right for this very line of the file, some minutes ago at most."""
        users = self._users.get()
        hashed = users.hashes.get(user)
        if hashed is None:
            return False
        return self._right.get(self._mark(user, password, hashed), 0.0) > self._clock()

    def check(self, user: str, password: str) -> bool | TooMany:
        """One bcrypt, whether there is such a user or not. Blocks for its turn; TooMany when that takes too long."""
        users = self._users.get()
        hashed = users.hashes.get(user, users.nobody)
        given = password.encode("utf-8", "surrogateescape")[:_PASSWORD_BYTES]
        if not self._turns.acquire(timeout=_WAIT_S):
            return TooMany(int(_WAIT_S))
        try:
            if self.remembers(user, password):
                # The same client's other connection was first: a push opens several at once
                return True
            is_right = b"\0" not in given and self._matches(given, hashed)
        finally:
            self._turns.release()
        if not is_right or user not in users.hashes:
            return False
        self._remember(self._mark(user, password, hashed))
        return True

    def _remember(self, mark: bytes) -> None:
        now = self._clock()
        with self._lock:
            if len(self._right) >= _REMEMBERED:
                self._right = {key: until for key, until in self._right.items() if until > now}
            if len(self._right) < _REMEMBERED:
                self._right[mark] = now + _REMEMBER_S

    def _mark(self, user: str, password: str, hashed: bytes) -> bytes:
        given = b"\0".join((user.encode(), hashed, password.encode("utf-8", "surrogateescape")))
        return hmac.new(self._key, given, hashlib.sha256).digest()
