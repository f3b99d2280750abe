"""Programs that keep secrets: docker-credential-NAME get|store|erase|list.

Spec: https://github.com/docker/docker-credential-helpers/blob/v0.8.2/README.md
"""

from __future__ import annotations

import json

from wherry.errors import HostError, NotFound
from wherry.host import Command
from wherry.registry.credentials_file import Credential

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.host import Completed, Host

__all__ = ["Helper"]

_TOKEN_USER = "<token>"  # noqa: S105
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
_ABSENT = ("credentials not found in native keychain", "no credentials server URL", "no credentials username")
LIMIT_BYTES = 1 << 20
TIMEOUT_S = 30.0


class Helper:
    """One program, with the environment of `host`: a keychain is found by it."""

    def __init__(self, name: str, host: Host) -> None:
        """Raises: HostError for a name that would lead out of the PATH."""
        if not name or not _NAME.issuperset(name):
            raise HostError(
                f"credential helper {name[:100]!r}: not the name of one",
                hint="credsStore and credHelpers in config.json hold what follows docker-credential- in its name",
            )
        self.program = f"docker-credential-{name}"
        self._host = host

    def get(self, key: str) -> Credential | None:
        """What is kept under that very key; None when there is nothing. Raises: HostError."""
        done = self._run("get", key.encode())
        if done.status:
            if any(text in _said(done) for text in _ABSENT):
                return None
            raise self._failed("get", done)
        try:
            document = json.loads(done.stdout)
            user, secret = document.get("Username") or "", document.get("Secret") or ""
        except (ValueError, RecursionError, AttributeError):
            raise HostError(f"{self.program} get: its answer is no JSON object") from None
        if not isinstance(user, str) or not isinstance(secret, str):
            raise HostError(f"{self.program} get: its answer has no Username and Secret")
        if not secret:
            return None
        return Credential(identity_token=secret) if user == _TOKEN_USER else Credential(user, secret)

    def store(self, key: str, credential: Credential) -> None:
        """Raises: HostError."""
        user, secret = credential.username, credential.password
        if credential.identity_token:
            user, secret = _TOKEN_USER, credential.identity_token
        document = {"ServerURL": key, "Username": user, "Secret": secret}
        done = self._run("store", json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode())
        if done.status:
            raise self._failed("store", done)

    def erase(self, key: str) -> None:
        """Raises: NotFound when there was nothing, HostError."""
        done = self._run("erase", key.encode())
        if done.status:
            if any(text in _said(done) for text in _ABSENT):
                raise NotFound(f"{self.program} keeps nothing for {key}")
            raise self._failed("erase", done)

    def listed(self) -> tuple[str, ...]:
        """What it keeps something for. Raises: HostError."""
        done = self._run("list", b"")
        if done.status:
            raise self._failed("list", done)
        try:
            document = json.loads(done.stdout)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise HostError(f"{self.program} list: its answer is no JSON object")
        return tuple(document)

    def _run(self, verb: str, stdin: bytes) -> Completed:
        return self._host.run(Command((self.program, verb), stdin, timeout_s=TIMEOUT_S, limit_bytes=LIMIT_BYTES))

    def _failed(self, verb: str, done: Completed) -> HostError:
        """Its own words, bounded: helpers write messages, not secrets, on failure."""
        said = "".join(c if c.isprintable() else " " for c in _said(done)).strip()[:300]
        return HostError(f"{self.program} {verb} failed (exit code {done.status}){': ' if said else ''}{said}")


def _said(done: Completed) -> str:
    return (done.stdout + b" " + done.stderr)[:4096].decode("utf-8", "replace")
