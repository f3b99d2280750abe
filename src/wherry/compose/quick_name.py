"""The name of the project in this folder, where a look tells it: for `ps` and its like, in 0.2 ms instead of 25.

Everything that is not as plain as in almost every project is left to `read.read_name`, whose answer this always is.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wherry.compose.load import LoadRequest

__all__ = ["name_in", "name_of_files", "quick_name"]

# The order in which discover looks for them
_FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_OVERRIDES = ("compose.override.yml", "compose.override.yaml", "docker-compose.override.yml",
              "docker-compose.override.yaml")  # fmt: skip
_DECISIVE = ("COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "COMPOSE_ENV_FILES", "COMPOSE_DISABLE_ENV_FILE")
_MOST = 1 << 20
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")
# What begins a key: a letter; anything else in the first column may change what follows
_KEY = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_NONE = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


def quick_name(current_dir: str, environment: Mapping[str, str], files: Sequence[str] = ()) -> str:
    """The name, or "" when only reading tells. `current_dir` is absolute; `files` are those of -f, and nothing else was
    said on the command line."""
    if any(key in environment for key in _DECISIVE):
        return ""
    if files:
        paths = [os.path.normpath(os.path.join(current_dir, path)) for path in files]
        folder = os.path.dirname(paths[0])
        return "" if "-" in files or _may_decide(folder) else _name(paths, folder)
    return _found(current_dir)


def _found(current_dir: str) -> str:
    """Of the nearest folder with a file."""
    folder = current_dir
    while not (files := [path for one in _FILES if os.path.exists(path := os.path.join(folder, one))]):
        parent = os.path.dirname(folder)
        if parent == folder:
            return ""
        folder = parent
    overrides = [path for one in _OVERRIDES if os.path.exists(path := os.path.join(folder, one))]
    if len(files) > 1 or len(overrides) > 1 or any(map(_may_decide, {current_dir, folder})):
        return ""
    return _name([*files, *overrides], folder)


def _name(paths: Sequence[str], folder: str) -> str:
    found = ""
    for path in paths:
        name = _name_of(path)
        if name is None:
            return ""
        found = name or found
    if found:
        return found
    base = os.path.basename(folder)
    return base if base and _is_plain(base) else ""


def name_of_files(request: LoadRequest, *, stdin: Callable[[], bytes], warn: Callable[[str], None]) -> str:
    """As `read.read_name`, but where there are no files there is no project. Raises: ComposeError."""
    from wherry.compose.discover import find
    from wherry.compose.interpolate import Variables
    from wherry.compose.read import read_name
    from wherry.errors import ComposeFileMissing

    found = find(request, Variables(request.environment, lambda _text: None))
    if not found.files and not found.environment.get("COMPOSE_PROJECT_NAME"):
        raise ComposeFileMissing("no configuration file provided: not found", hint="`-f FILE` says which one to take")
    return read_name(request, stdin=stdin, warn=warn)


def _may_decide(folder: str) -> bool:
    """Whether the folder's .env may say something of files or names."""
    try:
        with open(os.path.join(folder, ".env"), "rb") as file:
            return b"COMPOSE_" in file.read()
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _name_of(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            data = file.read(_MOST)
        return name_in(data.decode()) if len(data) < _MOST else None
    except (OSError, UnicodeDecodeError):
        return None


def name_in(text: str) -> str | None:
    """The `name` of a file, "" without one; None when that takes a parser.

    In a block mapping, what stands in the first column is a key of the document, unless it is a comment, a marker, a
    bracket, or the rest of a quoted text: in doubt a parser is asked.
    """
    found, depth, last = "", 0, ""
    for line in text.splitlines():
        if not line.strip() or line[0] == "#":
            continue
        is_inside = line[0] == " "
        # Of a text or a bracket that goes on in the next line, of a name, or of a mapping that is indented as a whole
        if (
            line.count('"') % 2
            or line.count("'") % 2
            or (is_inside and last in {"", "name"})
            or (depth and not is_inside)
        ):
            return None
        depth += line.count("[") + line.count("{") - line.count("]") - line.count("}")
        if is_inside:
            continue
        if line[0] not in _KEY:
            return None
        key, colon, value = line.partition(":")
        if not colon or not key.replace("-", "").replace("_", "").replace(".", "").isalnum():
            return None
        last = key
        if key != "name":
            continue
        value = value.partition(" #")[0].strip()
        if found or not _is_plain(value) or value in _NONE:
            return None
        found = value
    return found


def _is_plain(name: str) -> bool:
    """Whether it is taken as it stands: lower case, and no number."""
    return bool(name) and not set(name) - _PLAIN and name[0].isalpha()
