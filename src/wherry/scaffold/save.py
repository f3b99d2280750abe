"""Several files into one folder: all of them, or none."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from wherry.errors import Conflict, InputError
from wherry.fs.atomic import replace_file
from wherry.lean import suppress

__all__ = ["existing", "save"]

_LARGEST_BYTES = 4 << 20


def existing(folder: str, texts: Mapping[str, str]) -> dict[str, bytes]:
    """The files of those names that are there, with what is in them.

    Raises: InputError for one that is no file, or a link out of the folder: nobody meant what is there.
    """
    found = {}
    for name in texts:
        path = os.path.join(folder, name)
        try:
            found[name] = _read(folder, path)
        except FileNotFoundError:
            if os.path.islink(path):
                raise InputError(f"cannot write {path}: it is a link to nothing", hint="take the link away") from None
        except OSError as fault:
            raise InputError(f"cannot read {path}: {fault.strerror}") from None
    return found


def _read(folder: str, path: str) -> bytes:
    # Without waiting for who writes to a named pipe
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise InputError(f"cannot write {path}: it is no file", hint="take it away")
        real, root = os.path.realpath(path), os.path.realpath(folder)
        if os.path.commonpath((real, root)) != root:
            said = f"cannot write {path}: it is a link to {real}, out of the project"
            raise InputError(said, hint="take the link away")
        if os.fstat(fd).st_size > _LARGEST_BYTES:
            raise InputError(f"cannot write {path}: it is larger than {_LARGEST_BYTES >> 20} MiB, so it is not ours")
        return file.read(_LARGEST_BYTES)


def save(folder: str, texts: Mapping[str, str], *, force: bool = False) -> list[str]:
    """The names that were written; a file that has its text already is left alone.

    Without `force` nothing is replaced. When one can't be written, the others are as they were before.
    Raises: Conflict, InputError.
    """
    before = existing(folder, texts)
    wanted = {name: text.encode() for name, text in texts.items() if before.get(name) != text.encode()}
    taken = [name for name in wanted if name in before]
    if taken and not force:
        is_are = "is" if len(taken) == 1 else "are"
        raise Conflict(
            f"nothing was written: {', '.join(taken)} {is_are} there already",
            hint="--diff shows what would change, --force replaces",
        )
    done: list[str] = []
    try:
        for name, data in wanted.items():
            replace_file(os.path.realpath(os.path.join(folder, name)), data, 0o644, durable=False)
            done.append(name)
    except BaseException as fault:
        _undo(folder, done, before)
        if isinstance(fault, OSError):
            raise InputError(f"cannot write to {folder}: {fault.strerror}", hint="nothing was changed") from None
        raise
    return done


def _undo(folder: str, done: list[str], before: Mapping[str, bytes]) -> None:
    for name in done:
        path = os.path.realpath(os.path.join(folder, name))
        with suppress(OSError):
            if name in before:
                replace_file(path, before[name], 0o644, durable=False)
            else:
                os.unlink(path)
