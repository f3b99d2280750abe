"""Who one is at a registry: found where docker and podman keep it, and written where `docker login` would."""

from __future__ import annotations

import base64
import binascii
import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NamedTuple, Self

    from wherry.host import Host
else:
    from wherry.lean import NamedTuple

__all__ = ["HUB_KEY", "Credential", "Credentials"]

HUB_KEY = "https://index.docker.io/v1/"
_HUB_NAMES = ("docker.io", "index.docker.io", "registry-1.docker.io")


class Credential(NamedTuple):
    """What to log in with. At most one of `password`, `identity_token` and `registry_token` counts, the last one first:
    a registry token is sent as Bearer as it is, an identity token buys tokens at the realm, else it is Basic.
    """

    username: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""

    def __repr__(self) -> str:
        """Without the secrets: it may get into a log or a traceback."""
        kinds = ("password", "identity_token", "registry_token")
        return f"Credential({self.username!r}, {', '.join(kind for kind in kinds if getattr(self, kind)) or 'nothing'})"


class Credentials:
    """The credentials of one user of this machine."""

    def __init__(self, auths: Mapping[str, Credential]) -> None:
        self._auths = auths

    @classmethod
    def load(cls, env: Mapping[str, str], home: str, *, host: Host) -> Self:
        """`host` runs the credential helpers. Raises: InputError for a file that can't be read as one."""
        del host
        path = f"{env.get('DOCKER_CONFIG') or f'{home}/.docker'}/config.json"
        try:
            with open(path, "rb") as file:
                document = json.loads(file.read(1 << 20))
        except (FileNotFoundError, NotADirectoryError):
            document = {}
        return cls({key: _credential(value) for key, value in document.get("auths", {}).items()})

    def find(self, host: str, repository: str = "") -> Credential | None:
        """For `host` ("registry-1.docker.io", "localhost:5000") and the repository there; None is anonymous."""
        del repository
        for key in (HUB_KEY, *_HUB_NAMES) if host in _HUB_NAMES else (host,):
            if found := self._auths.get(key):
                return found
        return None


def _credential(entry: Any) -> Credential:
    try:
        user, _, password = base64.b64decode(entry.get("auth", "")).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        user = password = ""
    return Credential(user, password, entry.get("identitytoken", ""), entry.get("registrytoken", ""))
