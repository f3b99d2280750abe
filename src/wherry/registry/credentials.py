"""Who one is at a registry: found where docker and podman keep it, and written where `docker login` would."""

from __future__ import annotations

import fcntl
import os
import threading
from contextlib import contextmanager

from wherry.errors import InputError, WherryError
from wherry.registry.credentials_file import (
    HUB_KEY,
    LIMIT_BYTES,
    AuthFile,
    Credential,
    encode,
    host_of,
    locations,
    parse,
    read_json,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import NamedTuple, Self

    from wherry.host import Host
    from wherry.registry.credential_helper import Helper
else:
    from wherry.lean import NamedTuple

__all__ = ["HUB_KEY", "Credential", "Credentials", "Kept"]

_FILES = "containers-auth.json"


class Kept(NamedTuple):
    """Where `login` put it: `helper` is the program's name, or "" when it stands unencrypted in the file at `path`."""

    path: str
    helper: str = ""
    was_open: bool = False
    """Others could read the file, and it held secrets, until now."""


class Credentials:
    """The credentials of one user of this machine. Thread-safe; a helper is asked once for each host.

    `notices` tell of files and helpers that could not be read: one is then anonymous, as with docker.
    """

    def __init__(
        self,
        files: Sequence[AuthFile],
        *,
        config: str,
        host: Host,
        search: str = "",
        helpers: Sequence[str] = (),
        notices: list[str] | None = None,
    ) -> None:
        """`config` is the path of docker's config.json, the only file that `login` writes. `search` is the PATH.

        `helpers` are asked for every host, in their order; "containers-auth.json" among them stands for the files,
        which come last when it is missing.
        """
        self._helpers = tuple(helpers) if _FILES in helpers else (*helpers, _FILES)
        self._files, self._config, self._host, self._search = tuple(files), config, host, search
        self.notices: list[str] = [] if notices is None else notices
        self._asked: dict[tuple[str, str], Credential | None] = {}
        self._lent: dict[str, Credential] = {}
        self._lock = threading.Lock()

    @classmethod
    def load(
        cls,
        env: Mapping[str, str],
        home: str,
        *,
        host: Host,
        uid: int | None = None,
        helpers: Sequence[str] = (),
        notices: list[str] | None = None,
    ) -> Self:
        """Read REGISTRY_AUTH_FILE, podman's auth.json of the session and of the user, docker's config.json, .dockercfg.

        A file that is not there is no fault; one that can't be read is a notice. `host` runs the credential helpers.
        """
        told = [] if notices is None else notices
        files = []
        paths = locations(env, home, os.geteuid() if uid is None else uid)
        for path in paths:
            try:
                data = _read(path)
                if data is not None:
                    files.append(parse(data, path))
                    told.extend(files[-1].faults)
            except InputError as fault:
                told.append(f"{fault.where}: {fault}: no credentials are taken from it")
        return cls(files, config=paths[-2], host=host, search=env.get("PATH", ""), helpers=helpers, notices=told)

    def find(self, host: str, repository: str = "") -> Credential | None:
        """For `host` ("registry-1.docker.io", "localhost:5000") and the repository there; None is anonymous.

        The first file that knows the host counts; in it helpers come before plain entries, and of those the one with
        the longest namespace.
        """
        host, _ = host_of(host)
        if host in self._lent:
            return self._lent[host]
        for name in self._helpers:
            if name == _FILES:
                found = self._of_files(host, repository)
            else:
                found = self._once(name, HUB_KEY if host == "docker.io" else host)
            if found is not None:
                return found
        return None

    def lend(self, host: str, credential: Credential) -> None:
        """For this process only, before all others: what a cloud gives for an hour is kept nowhere."""
        self._lent[host_of(host)[0]] = credential

    def _of_files(self, host: str, repository: str) -> Credential | None:
        for file in self._files:
            if name := file.helper_for(host):
                found = self._of_helper(file, name, host)
                if found is not None:
                    return found
            found = file.plain(host, repository)
            if found is not None:
                return found
        return None

    def _of_helper(self, file: AuthFile, name: str, host: str) -> Credential | None:
        return self._once(name, file.key_of(host) or (HUB_KEY if host == "docker.io" else host))

    def _once(self, name: str, key: str) -> Credential | None:
        with self._lock:
            if (name, key) not in self._asked:
                self._asked[name, key] = self._ask(name, key)
            return self._asked[name, key]

    def _ask(self, name: str, key: str) -> Credential | None:
        try:
            return self._helper(name).get(key)
        except WherryError as fault:
            self.notices.append(f"{fault}: going on without credentials for {key}")
            return None

    def _helper(self, name: str) -> Helper:
        from wherry.registry.credential_helper import Helper

        return Helper(name, self._host)

    def login(self, host: str, credential: Credential) -> Kept:
        """Keep it for the whole of `host` ("docker.io", "localhost:5000"), in the helper that config.json names for it
        or in config.json itself: mode 0600, all or nothing, every other byte as it was.

        Raises: InputError when config.json is not one, HostError of the helper, OSError.
        """
        from wherry.registry.credentials_edit import put

        host, _ = host_of(host)
        key = HUB_KEY if host == "docker.io" else host
        with _changing(self._config) as file:
            name = file.auths.helper_for(host)
            text = file.text
            if not name and (name := self._default_store(file.auths)):
                text = put(text, ("credsStore",), name)
            if name:
                self._helper(name).store(key, credential)
            file.save(put(text, ("auths", key), {} if name else encode(credential)))
            was_open = file.was_open and file.auths.is_plain
        self._forget()
        return Kept(self._config, name, was_open)

    def keeps_in(self, host: str) -> Kept:
        """Where `login` would put it; writes nothing. Raises: InputError, OSError."""
        file = parse(_read(self._config) or b"", self._config)
        return Kept(self._config, file.helper_for(host_of(host)[0]) or self._default_store(file))

    def _default_store(self, file: AuthFile) -> str:
        """What docker takes at the first login of all, when the machine has it; "" for the file."""
        if file.auths or file.helpers or file.store:
            return ""

        def has(program: str) -> bool:
            return any(folder and os.access(f"{folder}/{program}", os.X_OK) for folder in self._search.split(":"))

        name = "pass" if has("pass") else "secretservice"
        return name if has(f"docker-credential-{name}") else ""

    def logout(self, host: str) -> list[str]:
        """Forget it under every key that stands for `host`, in the helper and in config.json. Idempotent.

        Returns the other files that still know the host. Raises: InputError, HostError of the helper (what config.json
        holds is then gone all the same), OSError.
        """
        from wherry.errors import NotFound
        from wherry.registry.credentials_edit import remove

        host, _ = host_of(host)
        data = _read(self._config)
        if data is not None:
            failed: WherryError | None = None
            with _changing(self._config) as file:
                keys = [key for key in file.auths.auths if host_of(key) == (host, "")]
                if name := file.auths.helper_for(host):
                    for key in dict.fromkeys([*keys, *_spellings(host)]):
                        try:
                            self._helper(name).erase(key)
                        except NotFound:
                            pass
                        except WherryError as fault:
                            failed = failed or fault
                text = file.text
                for key in keys:
                    text = remove(text, ("auths", key))
                if text != file.text:
                    file.save(text)
            if failed:
                raise failed
        self._forget()
        return [file.path for file in self._files if file.path != self._config and file.plain(host, "")]

    def _forget(self) -> None:
        with self._lock:
            self._asked.clear()
            data = _read(self._config)
            fresh = [parse(data, self._config)] if data is not None else []
            others = [file for file in self._files if file.path != self._config]
            # ~/.dockercfg comes behind it
            at = next((i for i, file in enumerate(others) if file.path.endswith("/.dockercfg")), len(others))
            self._files = (*others[:at], *fresh, *others[at:])

    def all_hosts(self) -> list[str]:
        """Every host that some file or helper knows, sorted; Docker Hub is "docker.io". Helpers that fail are left out.

        Costs one run of each helper.
        """
        hosts = set()
        names: set[str] = set()
        for file in self._files:
            hosts |= {host_of(key)[0] for key, one in file.auths.items() if one != Credential()}
            names |= {*file.helpers.values(), file.store} - {""}
        for name in sorted(names):
            try:
                hosts |= {host_of(key)[0] for key in self._helper(name).listed()}
            except WherryError as fault:
                self.notices.append(str(fault))
        return sorted(hosts)


def _spellings(host: str) -> tuple[str, ...]:
    """Those that docker asks a helper to erase."""
    return (HUB_KEY,) if host == "docker.io" else (host, f"http://{host}", f"https://{host}")


def _read(path: str) -> bytes | None:
    """None when it is not there. Raises: InputError."""
    try:
        with open(path, "rb") as file:
            data = file.read(LIMIT_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as fault:
        raise InputError(f"cannot be read: {fault.strerror}", where=path) from None
    if len(data) > LIMIT_BYTES:
        raise InputError(f"over the limit of {LIMIT_BYTES} bytes", where=path)
    return data


class _Changing:
    """A file under its lock; `save` replaces it. `text` and `auths` are what it holds."""

    def __init__(self, path: str, data: bytes) -> None:
        self._path = path
        self.text, _ = read_json(data, path)
        self.auths = parse(data, path)
        try:
            found = os.stat(path)
        except FileNotFoundError:
            found = None
        self.was_open = found is not None and bool(found.st_mode & 0o077)
        self._owner = (found.st_uid, found.st_gid) if found else None

    def save(self, text: str) -> None:
        from wherry.fs.atomic import replace_file

        # Differs from docker: the mode becomes 0600 even where it was wider
        replace_file(self._path, text.encode(), 0o600)
        # With sudo in a user's home: the file stays the user's
        if self._owner and self._owner[0] != os.geteuid() and os.geteuid() == 0:
            os.chown(self._path, *self._owner)


@contextmanager
def _changing(path: str) -> Iterator[_Changing]:
    """Hold the folder's lock, so that two logins at once both last; a link to a file elsewhere stays one.

    Raises: InputError, OSError.
    """
    from wherry.fs.private import private_folder

    path = os.path.realpath(path)
    private_folder(os.path.dirname(path))
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield _Changing(path, _read(path) or b"")
    finally:
        os.close(folder)
