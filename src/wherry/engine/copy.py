"""`cp`: between a container and this machine, as a tar that one thread packs and another unpacks.

Nothing of the container is ever loaded or run for it (CVE-2019-14271), and no path of a container is resolved but by
openat2 within its root: a link that is swapped in while the copy runs leads at worst elsewhere in the container
(CVE-2018-15664).
"""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack

from wherry.engine.copy_paths import Side, arrange, find_dest, find_source, pack
from wherry.engine.tar_pipe import pump
from wherry.errors import Conflict, WherryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.image.tar.pack import Write
    from wherry.image.tar.stream import Reader

__all__ = ["configured_user", "copy_in", "copy_out", "stream_in", "stream_out"]


def copy_out(
    engine: Engine, container: str, path: str, dest: str, *, follow: bool = False, cancel: Cancel | None = None
) -> int:
    """A container's file or folder to `dest` here; everything belongs to the caller. Returns the tar's bytes.

    `follow` copies what a link points at, under the link's name. Raises: NotFound, Conflict, OSError.
    """
    with ExitStack() as stack:
        here = _here(engine, dest, stack)
        source = find_source(_there(engine, container, path, stack), follow=follow)
        stack.callback(os.close, source.parent_fd)
        into, name = arrange(source.name, source.is_folder, find_dest(here))
        # The folder itself is the root of all that is written: nothing above it can be reached
        into_fd = _open_root(into, stack)
        owner = (os.geteuid(), os.getegid())
        size = pump(
            lambda write: pack(source, name, write, cancel),
            # Differs from docker: a set-id program of the container's would be one of this machine's, and a device that
            # the container may make but not open would be open to all
            lambda stream: _extract(stream, into_fd, "", owner, cancel, harmless=True),
        )
    _tell(engine, container, "archive-path")
    return size


def stream_out(
    engine: Engine, container: str, path: str, write: Write, *, follow: bool = False, cancel: Cancel | None = None
) -> int:
    """The same as a tar to `write`. Raises: NotFound, OSError."""
    with ExitStack() as stack:
        source = find_source(_there(engine, container, path, stack), follow=follow)
        stack.callback(os.close, source.parent_fd)
        size = pack(source, source.name, write, cancel)
    _tell(engine, container, "archive-path")
    return size


def copy_in(
    engine: Engine,
    path: str,
    container: str,
    dest: str,
    *,
    follow: bool = False,
    archive: bool = False,
    cancel: Cancel | None = None,
) -> int:
    """A file or folder of this machine into a container; numeric owners stay. Returns the tar's bytes.

    `archive` gives all to the container's user when it has one, as docker's -a does.
    Raises: NotFound, Conflict (read-only, a folder over a file), OSError.
    """
    with ExitStack() as stack:
        source = find_source(_here(engine, path, stack), follow=follow)
        stack.callback(os.close, source.parent_fd)
        # Before the root is opened for good: the lock of a stopped container can't be taken twice
        owner = configured_user(engine, container) if archive else None
        there = _there(engine, container, dest, stack, write=True)
        into, name = arrange(source.name, source.is_folder, find_dest(there))
        size = pump(
            lambda write: pack(source, name, write, cancel),
            lambda stream: _extract(stream, there.root_fd, into, owner, cancel),
        )
    _tell(engine, container, "extract-to-dir")
    return size


def stream_in(
    engine: Engine,
    stream: Reader,
    container: str,
    dest: str,
    *,
    archive: bool = False,
    cancel: Cancel | None = None,
) -> None:
    """A tar (compressed or not) from `stream` into a container's folder.

    Raises: Conflict (no folder), HostileArchive, InvalidSpec, OSError.
    """
    from wherry.image.tar.compress import reader

    with ExitStack() as stack:
        owner = configured_user(engine, container) if archive else None
        there = _there(engine, container, dest, stack, write=True)
        try:
            found = find_dest(there)
        except WherryError:
            found = None
        if found is None or not found.is_folder:
            raise Conflict(f'destination "{container}:{dest}" must be a directory')
        _extract(reader(stream), there.root_fd, found.whole, owner, cancel)
    _tell(engine, container, "extract-to-dir")


def _tell(engine: Engine, container: str, action: str) -> None:
    engine.events.container(engine.containers.find(container), action)


def _open_root(path: str, stack: ExitStack) -> int:
    fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    stack.callback(os.close, fd)
    return fd


def _here(engine: Engine, path: str, stack: ExitStack) -> Side:
    return Side.of(_open_root("/", stack), path, base=engine.settings.cwd)


def _there(engine: Engine, container: str, path: str, stack: ExitStack, *, write: bool = False) -> Side:
    """The container's root, or the volume of a stopped one that `path` lies in. Raises: Conflict when read-only."""
    row = engine.containers.find(container)
    root_fd = _root(engine, row.id, stack)
    side = Side.of(root_fd, path, container=container)
    if engine.containers.state(row.id).pid:
        return side
    if write and row.options().read_only:
        raise Conflict("container rootfs is marked read-only")
    # Differs from docker: of a stopped container's mounts, only the one that holds `path` is seen, none below it
    for source, target, read_only in sorted(_mounts(engine, row, stack), key=lambda one: len(one[1]), reverse=True):
        if not (side.plain + "/").startswith(target.rstrip("/") + "/") or not os.path.isdir(source):
            continue
        if write and read_only:
            raise Conflict("mounted volume is marked read-only")
        below = side.path[len(target.rstrip("/")) :] or "/"
        return Side(_open_root(source, stack), below, container)
    return side


def _root(engine: Engine, id: str, stack: ExitStack) -> int:
    """The container's root. Its lock is held on only while it does not run: a start must not mount the root twice."""
    with ExitStack() as inner:
        root_fd = inner.enter_context(engine.containers.root_fd(id))
        if not engine.containers.state(id).pid:
            stack.enter_context(inner.pop_all())
            return root_fd
        kept = os.dup(root_fd)
        stack.callback(os.close, kept)
        return kept


def _mounts(engine: Engine, row: ContainerRow, stack: ExitStack) -> list[tuple[str, str, bool]]:
    """(folder here, path in the container, whether it is read-only): what can be reached without being mounted."""
    from wherry.engine import containers_mounts

    found = []
    for one in containers_mounts.settle(engine, row):
        source = one.source
        if one.image or (one.plan and not one.plan.is_bind):
            continue
        if one.subpath:
            from wherry.engine.volumes_open import subpath_fd

            base = _open_root(source, stack)
            fd = subpath_fd(base, one)
            stack.callback(os.close, fd)
            source = f"/proc/self/fd/{fd}"
        found.append((source, one.target, one.read_only))
    return found


def configured_user(engine: Engine, container: str) -> tuple[int, int] | None:
    """The container's configured user as ids; None when it has none. Raises: InputError when it has no such user."""
    from wherry.runtime.users import resolve

    row = engine.containers.find(container)
    name = row.options().user
    if not name:
        return None
    with ExitStack() as stack:
        user = resolve(_root(engine, row.id, stack), name)
    return user.uid, user.gid


def _extract(
    stream: Reader,
    root_fd: int,
    dest: str,
    owner: tuple[int, int] | None,
    cancel: Cancel | None,
    *,
    harmless: bool = False,
) -> None:
    from wherry.image.tar.unpack import extract

    try:
        extract(stream, root_fd, dest, owner=owner, keep_folders=True, harmless=harmless, cancel=cancel)
    except OSError as fault:
        if fault.errno == errno.EROFS:
            raise Conflict("container rootfs is marked read-only") from None
        raise
