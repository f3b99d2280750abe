"""The build context: a folder, and what its .dockerignore lets through."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from wherry.build.tree import Tree
from wherry.errors import InputError, nearest

if TYPE_CHECKING:
    from wherry.dockerfile.ignore import Matcher

__all__ = ["Located", "locate", "open_context", "read_dockerfile", "read_ignore"]

_WRITE_ONE = "`wherry init` writes one; `wherry build --auto` builds without; -f gives another path"
_LARGEST_BYTES = 1 << 20  # more is a binary given by mistake


class Located(NamedTuple):
    """`path` is where the Dockerfile is, `name` what errors call it."""

    path: str
    name: str


def locate(context: str, dockerfile: str, cwd: str) -> Located:
    """Find the Dockerfile: `dockerfile` is relative to `cwd`; "" is Dockerfile (or dockerfile) in the context.

    Raises: InputError.
    """
    if dockerfile:
        path = os.path.join(cwd, dockerfile)
        if not os.path.exists(path):
            # docker takes it from the context too when the caller's folder has none
            inside = os.path.join(context, dockerfile)
            if not os.path.exists(inside):
                raise _no_dockerfile(path, os.path.dirname(path), os.path.basename(path))
            path = inside
        return Located(path, os.path.basename(path))
    for name in ("Dockerfile", "dockerfile"):
        if os.path.lexists(path := os.path.join(context, name)):
            return Located(path, name)
    raise _no_dockerfile(os.path.join(context, "Dockerfile"), context, "Dockerfile", _WRITE_ONE)


def _no_dockerfile(path: str, folder: str, name: str, otherwise: str = "give its path with -f") -> InputError:
    try:
        close = nearest(name, os.listdir(folder))
    except OSError:
        close = None
    hint = f"did you mean {os.path.join(folder, close)}?" if close else otherwise
    return InputError(f"failed to read dockerfile: open {path}: no such file or directory", hint=hint)


def read_dockerfile(path: str, context: str = "") -> bytes:
    """`context` is the build's: a Dockerfile in it may be no link that leads out, since an error shows its lines.

    Raises: InputError for a folder, a file that may not be read, one too large, or such a link.
    """
    with open(_open_inside(path, context), "rb") as file:
        data = file.read(_LARGEST_BYTES + 1)
    if len(data) > _LARGEST_BYTES:
        raise InputError(f"failed to read dockerfile: {path} is larger than 1 MB", hint="is it really a Dockerfile?")
    return data


def _open_inside(path: str, context: str) -> int:
    """The fd of a regular file. What a path within `context` leads to must lie in there too: somebody else may have
    written it, and a link to one of this machine's files would show it. Raises: InputError.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as fault:
        raise InputError(f"failed to read {path}: {fault.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise InputError(f"failed to read {path}: it is not a file", hint="give the Dockerfile's path with -f")
        # Of the open file, so that no link can be changed behind the check
        real = os.readlink(f"/proc/self/fd/{fd}")
        is_inside = context and _is_below(os.path.abspath(path), os.path.abspath(context))
        if is_inside and not _is_below(real, os.path.realpath(context)):
            raise InputError(
                f"failed to read {path}: it is a link that leads out of the build context",
                hint=f"if that is what you want, name the file itself: -f {real}",
            )
    except BaseException:
        os.close(fd)
        raise
    return fd


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")


def open_context(context: str, dockerfile: str) -> Tree:
    """DOCKERFILE.dockerignore wins over the context's own. The caller closes `root_fd`.

    `dockerfile` is the path of the Dockerfile, "" when it came from elsewhere. Raises: InputError.
    """
    try:
        root_fd = os.open(context, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as fault:
        raise _no_context(context, fault) from None
    try:
        matcher = read_ignore(context, dockerfile)
    except BaseException:
        os.close(root_fd)
        raise
    if matcher:
        return Tree(root_fd, "the build context", True, matcher.excludes, matcher.prunes)
    return Tree(root_fd, "the build context", True)


def read_ignore(context: str, dockerfile: str) -> Matcher | None:
    """DOCKERFILE.dockerignore, or the context's own; None when there is neither. Raises: InputError."""
    from wherry.dockerfile.ignore import Matcher

    for path in ([f"{dockerfile}.dockerignore"] if dockerfile else []) + [f"{context}/.dockerignore"]:
        if os.path.lexists(path):
            with open(_open_inside(path, context), "rb") as file:
                return Matcher.of_file(file.read(_LARGEST_BYTES + 1), os.path.basename(path))
    return None


def _no_context(context: str, fault: OSError) -> InputError:
    if isinstance(fault, NotADirectoryError):
        return InputError(f"build context {context} is not a folder", hint="give the folder; the Dockerfile goes to -f")
    if isinstance(fault, FileNotFoundError):
        try:
            close = nearest(os.path.basename(context), os.listdir(os.path.dirname(context) or "."))
        except OSError:
            close = None
        hint = f"did you mean {os.path.join(os.path.dirname(context), close)}?" if close else None
        return InputError(f"build context: path {context!r} not found", hint=hint)
    return InputError(f"build context {context}: {fault.strerror}")
