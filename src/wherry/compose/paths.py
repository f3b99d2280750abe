"""Paths of a project's files: what `~` and relative paths mean, and which names are no paths at all."""

from __future__ import annotations

import posixpath

from wherry.compose.source import fault_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from wherry.compose.tree import Tree

    Resolve = Callable[[Tree], Tree]

__all__ = ["absolute", "is_remote_file", "resolve_paths"]

_REMOTE_CONTEXTS = ("https://", "http://", "git://", "ssh://", "github.com/", "git@")
_REMOTE_FILES = ("oci://", *_REMOTE_CONTEXTS)
_WINDOWS = r"[a-zA-Z]:[\\/]|\\\\[^\\/.][^\\/]*[\\/][^\\/.][^\\/]*[\\/]"


def is_remote_file(path: str) -> bool:
    """Whether `include` or `extends` means a repository or an artifact with it."""
    # Differs from docker: neither is fetched: paths within a foreign artifact led out of it (CVE-2025-62725)
    return path.startswith(_REMOTE_FILES)


def absolute(base: str, path: str) -> str:
    """`path` below `base`, as text: nothing is looked up."""
    return posixpath.normpath(posixpath.join(base, path)) if path else path


def resolve_paths(tree: Tree, base: str, home: str | None) -> Tree:
    """
    The tree, changed: each relative path of a file on this machine is below `base`, `~` is `home`.

    The tree is in long form. `base` itself may be relative: that of an included file is, to the file that includes it.

    Raises:
        ComposeError: a bind mount without a source.
    """
    _Resolver(tree, base, home).walk()
    return tree


class _Resolver:
    def __init__(self, tree: Tree, base: str, home: str | None) -> None:
        self._tree, self._base, self._home = tree, base, home

    def walk(self) -> None:
        tree = self._tree
        for name, service in _items(tree, "services"):
            if isinstance(service, dict):
                self._service(name, service)
        for kind in ("configs", "secrets"):
            for _, one in _items(tree, kind):
                _apply(one, "file", self._unix)
        for _, volume in _items(tree, "volumes"):
            self._volume(volume)

    def _service(self, name: str, service: dict[str, Tree]) -> None:
        if isinstance(build := service.get("build"), dict):
            _apply(build, "context", self._context)
            contexts = build.get("additional_contexts")
            if isinstance(contexts, dict):
                for key in contexts:
                    _apply(contexts, key, self._context)
            if isinstance(keys := build.get("ssh"), dict):
                for key in keys:
                    _apply(keys, key, self._unix)
        for entry in _list(service.get("env_file")):
            _apply(entry, "path", self._path)
        if isinstance(files := service.get("label_file"), list):
            files[:] = map(self._path, files)
        if isinstance(extends := service.get("extends"), dict):
            _apply(extends, "file", lambda file: file if is_remote_file(str(file)) else self._path(file))
        if isinstance(develop := service.get("develop"), dict):
            for rule in _list(develop.get("watch")):
                _apply(rule, "path", self._watched)
        for number, mount in enumerate(_list(service.get("volumes"))):
            if isinstance(mount, dict) and mount.get("type") == "bind":
                if "source" not in mount:
                    message = 'invalid mount config for type "bind": field Source must not be empty'
                    raise fault_in(self._tree, ("services", name, "volumes", number), message)
                _apply(mount, "source", self._unix)

    def _volume(self, volume: Tree) -> None:
        """A volume of the local driver that is a folder of the host."""
        if isinstance(volume, dict) and volume.get("driver") == "local":
            options = volume.get("driver_opts")
            if isinstance(options, dict) and options.get("o") == "bind":
                _apply(options, "device", self._unix)

    def _user(self, path: str) -> str:
        if path.startswith("~") and self._home is not None:
            return posixpath.normpath(f"{self._home}/{path[1:]}")
        return path

    def _path(self, value: Tree) -> Tree:
        if not isinstance(value, str):
            return value
        path = self._user(value)
        return path if path.startswith("/") else absolute(self._base, path)

    def _unix(self, value: Tree) -> Tree:
        """As `_path`; a path of Windows counts as absolute, too, and nothing at all as the folder itself."""
        if not isinstance(value, str):
            return value
        path = self._user(value)
        if path.startswith("/") or _is_windows(path):
            return path
        return posixpath.normpath(posixpath.join(self._base, path))

    def _context(self, value: Tree) -> Tree:
        if not isinstance(value, str) or "://" in value or value.startswith(("service:", *_REMOTE_CONTEXTS)):
            return value
        return self._path(value)

    def _watched(self, value: Tree) -> Tree:
        """Where a watched path really is: what the kernel tells of changes is told of that."""
        path = self._path(value)
        return posixpath.realpath(path) if isinstance(path, str) and path.startswith("/") else path


def _items(tree: Tree, key: str) -> list[tuple[str, Any]]:
    found = tree.get(key) if isinstance(tree, dict) else None
    return list(found.items()) if isinstance(found, dict) else []


def _list(value: Tree) -> list[Any]:
    return value if isinstance(value, list) else []


def _apply(holder: Tree, key: str, resolve: Resolve) -> None:
    if isinstance(holder, dict) and key in holder:
        holder[key] = resolve(holder[key])


def _is_windows(path: str) -> bool:
    """`C:\\folder` and `\\\\server\\share\\folder`."""
    if path[1:2] not in {":", "\\"}:
        return False
    import re

    return re.match(_WINDOWS, path) is not None
