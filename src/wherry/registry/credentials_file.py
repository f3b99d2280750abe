"""The files that hold credentials, as docker's config.json and podman's auth.json write them. Pure.

Spec: https://github.com/containers/image/blob/v5.34.0/docs/containers-auth.json.5.md
"""

from __future__ import annotations

import base64
import binascii

from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["HUB_KEY", "HUB_NAMES", "AuthFile", "Credential", "encode", "host_of", "locations", "parse", "read_json"]

HUB_KEY = "https://index.docker.io/v1/"
"""The key under which docker keeps Docker Hub's credentials."""
HUB_NAMES = ("docker.io", "index.docker.io", "registry-1.docker.io")
LIMIT_BYTES = 4 << 20


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


class AuthFile(NamedTuple):
    """One file. `auths` has its keys as they are written; an entry without any secret is there too (as an empty
    Credential): it tells the key under which a helper keeps the secret.
    """

    path: str
    auths: Mapping[str, Credential] = {}
    helpers: Mapping[str, str] = {}
    """credHelpers: host to the name of a helper."""
    store: str = ""
    """credsStore."""
    faults: tuple[str, ...] = ()
    """What of it could not be read, as text for the user, without secrets."""

    @property
    def is_plain(self) -> bool:
        """Whether a secret stands in it."""
        return any(one != Credential() for one in self.auths.values())

    def key_of(self, host: str) -> str | None:
        """The key that stands for the whole of `host` ("docker.io", "localhost:5000"); exact spellings first."""
        if host in self.auths:
            return host
        if host == "docker.io" and HUB_KEY in self.auths:
            return HUB_KEY
        return next((key for key in self.auths if host_of(key) == (host, "")), None)

    def helper_for(self, host: str) -> str:
        """credHelpers before credsStore; "" when there is neither."""
        for key, name in self.helpers.items():
            if key == host or host_of(key) == (host, ""):
                return name
        return self.store

    def plain(self, host: str, repository: str) -> Credential | None:
        """The entry with a secret whose key is the longest prefix of host/repository, by whole path components."""
        found: tuple[int, Credential] | None = None
        for key, credential in self.auths.items():
            there, space = host_of(key)
            if there != host or credential == Credential():
                continue
            if space and repository != space and not repository.startswith(space + "/"):
                continue
            # Of two spellings of the same thing the shorter one is the one that podman and docker write today
            rank = 2 * len(space) + (key in (host, HUB_KEY))
            if found is None or rank > found[0]:
                found = rank, credential
        return found[1] if found else None


def host_of(key: str) -> tuple[str, str]:
    """(host, namespace) of a key: "https://localhost:5000/v1/" is ("localhost:5000", ""), all names of Docker Hub are
    "docker.io". Only keys without a scheme have namespaces: what follows the host of a URL is the old API's path.
    """
    scheme, has_scheme, rest = key.partition("://")
    if not has_scheme:
        rest = scheme
    host, _, space = rest.partition("/")
    host, space = host.lower(), space.strip("/")
    if has_scheme or space in ("v1", "v2"):
        space = ""
    return ("docker.io" if host in HUB_NAMES else host), space


def locations(env: Mapping[str, str], home: str, uid: int) -> list[str]:
    """The files in the order in which they count. The last one, ~/.dockercfg, is of docker before 1.7."""
    runtime = env.get("XDG_RUNTIME_DIR") or f"/run/containers/{uid}"
    config = env.get("XDG_CONFIG_HOME") or f"{home}/.config"
    docker = env.get("DOCKER_CONFIG") or f"{home}/.docker"
    first = [env["REGISTRY_AUTH_FILE"]] if env.get("REGISTRY_AUTH_FILE") else []
    runtime_file = f"{runtime}/containers/auth.json" if env.get("XDG_RUNTIME_DIR") else f"{runtime}/auth.json"
    return [*first, runtime_file, f"{config}/containers/auth.json", f"{docker}/config.json", f"{home}/.dockercfg"]


def read_json(data: bytes, path: str) -> tuple[str, dict[str, Any]]:
    """(text, document). Raises: InputError with the file and the line."""
    import json

    try:
        text = data.decode()
        document = json.loads(text) if text.strip() else {}
    except UnicodeDecodeError:
        raise InputError("not UTF-8 text", where=path) from None
    except json.JSONDecodeError as fault:
        raise InputError(
            f"not JSON: {fault.msg} (column {fault.colno})",
            where=f"{path}:{fault.lineno}",
            hint="repair it, or move it",
        ) from None
    except RecursionError:
        raise InputError("not JSON that docker would write: nested too deeply", where=path) from None
    if not isinstance(document, dict):
        raise InputError("expected a JSON object", where=path)
    return text, document


def parse(data: bytes, path: str) -> AuthFile:
    """Entries that make no sense are told of in `faults` and left out. Raises: InputError when it is no JSON object."""
    _, document = read_json(data, path)
    if path.endswith("/.dockercfg") and "auths" not in document:
        document = {"auths": document}
    faults: list[str] = []
    auths: dict[str, Credential] = {}
    for key, entry in _mapping(document, "auths", path, faults).items():
        try:
            auths[key] = _credential(entry)
        except ValueError as fault:
            faults.append(f"{path}: the entry of {key[:200]}: {fault}")
    helpers = {
        key: name
        for key, name in _mapping(document, "credHelpers", path, faults).items()
        if isinstance(name, str) and name
    }
    store = document.get("credsStore")
    return AuthFile(path, auths, helpers, store if isinstance(store, str) else "", tuple(faults))


def _mapping(document: Mapping[str, Any], name: str, path: str, faults: list[str]) -> dict[str, Any]:
    value = document.get(name) or {}
    if isinstance(value, dict):
        return value
    faults.append(f"{path}: {name}: expected an object")
    return {}


def _credential(entry: object) -> Credential:
    """Raises: ValueError, with no secret in it."""
    if not isinstance(entry, dict):
        raise ValueError("expected an object")
    fields = {}
    for name in ("auth", "username", "password", "identitytoken", "registrytoken"):
        value = entry.get(name) or ""
        if not isinstance(value, str):
            raise ValueError(f"{name}: expected a string")
        fields[name] = value
    user, password = fields["username"], fields["password"]
    if fields["auth"]:
        try:
            text = base64.b64decode("".join(fields["auth"].split()), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise ValueError("auth is not base64 of user:password") from None
        user, colon, password = text.partition(":")
        if not colon:
            raise ValueError("auth is not base64 of user:password")
        password = password.rstrip("\0")
    if any(c < " " or c == "\x7f" for c in user + password):
        raise ValueError("a user name or a password with control characters")
    return Credential(user, password, fields["identitytoken"], fields["registrytoken"])


def encode(credential: Credential) -> dict[str, str]:
    """The entry as docker writes it."""
    entry = {}
    if credential.username or credential.password:
        pair = f"{credential.username}:{'' if credential.identity_token else credential.password}"
        entry["auth"] = base64.b64encode(pair.encode()).decode()
    if credential.identity_token:
        entry["identitytoken"] = credential.identity_token
    if credential.registry_token:
        entry["registrytoken"] = credential.registry_token
    return entry
