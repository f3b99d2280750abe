"""Which files a project is made of, where it is, and what its variables are: before anything of them is parsed."""

from __future__ import annotations

import os
import posixpath

from wherry.compose.paths import absolute, is_remote_file
from wherry.compose.source import Source
from wherry.errors import ComposeError, ComposeFileMissing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NamedTuple

    from wherry.compose.interpolate import Variables
    from wherry.compose.load import LoadRequest
else:
    from wherry.lean import NamedTuple

__all__ = ["Found", "find", "read_env_files", "read_file"]

_FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_OVERRIDES = (
    "compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml",
)  # fmt: skip
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


class Found(NamedTuple):
    """`files`: absolute, "-" is standard input; none when there is no project here."""

    files: tuple[str, ...]
    working_dir: str
    env_files: tuple[str, ...]
    """Those that were asked for; the default `.env` isn't one of them."""
    environment: dict[str, str]


def find(request: LoadRequest, variables: Variables) -> Found:
    """
    The files of `-f`, of COMPOSE_FILE, or of the nearest folder that has one, and the variables that they may use.

    The shell's variables win over `--env-file` (of several the last one wins), else `.env` of the project's folder,
    which may itself say COMPOSE_FILE.

    Raises:
        ComposeError: a file is not there, or an env file is wrong.
    """
    shell = request.environment
    asked = tuple(request.env_files) or tuple(filter(None, shell.get("COMPOSE_ENV_FILES", "").split(",")))
    env_files = tuple(absolute(request.current_dir, path) for path in asked)
    search = _Search(request, dict(shell), variables, env_files, _wants_env(shell))
    search.find_files()
    search.take_env()
    search.find_files()
    search.take_env()
    return Found(tuple(search.files), search.working_dir, env_files, search.environment)


def _wants_env(shell: Mapping[str, str]) -> bool:
    said = shell.get("COMPOSE_DISABLE_ENV_FILE")
    if said is None:
        return True
    if said not in _TRUE | _FALSE:
        raise ComposeError(
            f'strconv.ParseBool: parsing "{said}": invalid syntax', hint="COMPOSE_DISABLE_ENV_FILE is true or false"
        )
    return said in _FALSE


class _Search:
    def __init__(
        self,
        request: LoadRequest,
        environment: dict[str, str],
        variables: Variables,
        env_files: Sequence[str],
        wants_env: bool,
    ) -> None:
        self._request, self._variables = request, variables
        self._env_files, self._wants_env = env_files, wants_env
        self._seen: set[tuple[str, ...]] = set()
        self.environment = environment
        self.files: list[str] = []

    def _absolute(self, path: str) -> str:
        if path == "-":
            return path
        found = absolute(self._request.current_dir, path)
        if is_remote_file(path) and not os.path.exists(found):
            raise ComposeError(
                f"{path}: compose files from a repository or a registry are not supported",
                hint="clone it, and name the file",
            )
        return found

    @property
    def working_dir(self) -> str:
        if self._request.project_directory:
            return absolute(self._request.current_dir, self._request.project_directory)
        first = next((file for file in self.files if file != "-"), None)
        return self._request.current_dir if first is None else posixpath.dirname(first)

    def take_env(self) -> None:
        """Take the variables of env files where there are none yet."""
        paths = tuple(self._env_files)
        if not paths and self._wants_env:
            default = posixpath.join(self.working_dir, ".env")
            paths = (default,) if os.path.exists(default) and not os.path.isdir(default) else ()
        if not paths or paths in self._seen:
            return
        self._seen.add(paths)
        found = read_env_files(paths, self._variables.over(self.environment), allow_nameless=False)
        self.environment = {**found, **self.environment}

    def find_files(self) -> None:
        """Twice, with `take_env` after each: `.env` of the folder that was found may say COMPOSE_FILE."""
        self.files = [self._absolute(file) for file in self._request.files]
        if self.files:
            return
        said = self.environment.get("COMPOSE_FILE")
        if said is not None:
            self.files = [
                self._there(path) for path in said.split(self.environment.get("COMPOSE_PATH_SEPARATOR") or ":")
            ]
            return
        folder = self.working_dir
        while not (winners := self._of_folder(folder, _FILES, "config")):
            if folder == posixpath.dirname(folder):
                return
            folder = posixpath.dirname(folder)
        self.files = [*winners, *self._of_folder(folder, _OVERRIDES, "override")]

    def _there(self, path: str) -> str:
        path = self._absolute(path)
        if path != "-" and not os.path.exists(path):
            raise ComposeError(f"stat {path}: no such file or directory", hint="COMPOSE_FILE names it")
        return path

    def _of_folder(self, folder: str, names: Sequence[str], kind: str) -> list[str]:
        found = [path for name in names if os.path.exists(path := posixpath.join(folder, name))]
        if len(found) > 1:
            self._variables.warn(f"Found multiple {kind} files with supported names: {', '.join(found)}")
            self._variables.warn(f"Using {found[0]}")
        return found[:1]


def read_env_files(paths: Sequence[str], variables: Variables, *, allow_nameless: bool = True) -> dict[str, str]:
    """
    The variables of several env files, the last one winning; names in them mean what `variables` say, else what stands
    above.

    Raises:
        ComposeError: a file that is not there, is a folder, or is wrong.
    """
    from wherry.compose.dotenv import parse

    found: dict[str, str] = {}

    def lookup(name: str) -> str | None:
        value = variables.values.get(name)
        return found.get(name) if value is None else value

    for path in paths:
        if os.path.isdir(path):
            raise ComposeError(f"{path} is a directory", hint="an env file is a file of NAME=value lines")
        if not os.path.exists(path):
            raise ComposeError(f"Couldn't find env file: {path}")
        source = Source(path, read_file(path))
        found.update(parse(source, lookup, variables.unset, allow_nameless=allow_nameless))
    return found


_MOST_BYTES = 64 << 20


def read_file(path: str) -> bytes:
    """
    A whole file of a user.

    Raises:
        ComposeError: it can't be read, or is too large to be what it should be.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as fault:
        reason = (fault.strerror or str(fault)).lower()
        verb = "read" if isinstance(fault, IsADirectoryError) else "open"
        raise ComposeFileMissing(f"{verb} {path}: {reason}") from None
    if len(data) > _MOST_BYTES:
        raise ComposeError(f"{path}: more than {_MOST_BYTES >> 20} MB, which no such file has")
    return data
