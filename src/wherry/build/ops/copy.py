"""COPY and ADD."""

from __future__ import annotations

import os
from collections.abc import Sequence

from wherry.build import mode, owner
from wherry.build.gather import Gathered
from wherry.build.graph import Copy, InlineFile
from wherry.build.ops.layer import Bench, Work, make_layer, open_tree
from wherry.build.ops.place import Placer
from wherry.build.resolve import lstat, make_folders, resolve
from wherry.build.tree import Tree
from wherry.errors import BuildError, InvalidSpec
from wherry.oci.digest import DiffID

__all__ = ["copy", "is_tar"]


def copy(
    bench: Bench, op: Copy, below: Sequence[DiffID], tree: Tree, gathered: Sequence[Gathered]
) -> tuple[DiffID, ...]:
    """The layers that it makes, base first. `below` are the layers that it is laid upon.

    Raises: BuildError, InputError (an owner that the image does not know), OSError, Cancelled.
    """
    if op.link:
        ids = _linked_owner(bench, op, below)
        return make_layer(bench, (), lambda work: _fill(bench, op, work, tree, gathered, ids))
    return make_layer(bench, below, lambda work: _fill(bench, op, work, tree, gathered, _owner(op, work.root_fd)))


def _owner(op: Copy, root_fd: int) -> tuple[int, int] | None:
    return owner.lookup(root_fd, op.chown) if op.chown else None


def _linked_owner(bench: Bench, op: Copy, below: Sequence[DiffID]) -> tuple[int, int] | None:
    """--link works on an empty tree, but names of --chown are those of the image."""
    if not op.chown or owner.is_numeric(op.chown):
        return _owner(op, -1)
    root_fd = open_tree(bench, below)
    try:
        return _owner(op, root_fd)
    finally:
        os.close(root_fd)


def _fill(
    bench: Bench, op: Copy, work: Work, tree: Tree, gathered: Sequence[Gathered], ids: tuple[int, int] | None
) -> None:
    # Several matches may bring the same path, and each has to see what the one before left
    is_once = len(gathered) == 1 and not (op.files or op.unpack or gathered[0].partial)
    bits = mode.parse(op.chmod) if op.chmod else None
    placer = Placer(tree, work.root_fd, ids, bits, bench.cancel, work.upper if is_once else None)
    try:
        for one in gathered:
            if op.unpack and _unpack(bench, op, placer, one):
                continue
            _place(placer, op, one)
        for file in op.files:
            _inline(placer, op, file)
    except NotADirectoryError as fault:
        raise BuildError(
            f"cannot copy to {op.dest}: {fault.filename or op.dest} is not a directory",
            hint="remove it before, or choose another destination",
        ) from None
    finally:
        placer.close()


def _destination(placer: Placer, op: Copy) -> str:
    """Where it goes, links followed inside the root, and the folders above it made."""
    folder = op.dest if op.dest.endswith("/") else op.dest.rpartition("/")[0]
    make_folders(placer.root_fd, resolve(placer.root_fd, folder), placer.owner or (0, 0))
    return resolve(placer.root_fd, op.dest)


def _is_folder(root_fd: int, path: str) -> bool:
    import stat

    found = lstat(root_fd, path)
    return found is not None and stat.S_ISDIR(found.st_mode)


def _place(placer: Placer, op: Copy, one: Gathered) -> None:
    top = _destination(placer, op)
    if not one.match.is_folder:
        if _is_folder(placer.root_fd, top):
            top = f"{top}/{one.match.name}".lstrip("/")
        make_folders(placer.root_fd, top.rpartition("/")[0], placer.owner or (0, 0))
    placer.begin()
    for entry in one.entries:
        placer.put(entry, f"{top}/{entry.path}".strip("/"), top, partial=one.partial)


def _inline(placer: Placer, op: Copy, file: InlineFile) -> None:
    top = _destination(placer, op)
    if _is_folder(placer.root_fd, top):
        top = f"{top}/{file.name}".lstrip("/")
    make_folders(placer.root_fd, top.rpartition("/")[0], placer.owner or (0, 0))
    try:
        os.unlink(top, dir_fd=placer.root_fd)
    except FileNotFoundError:
        pass
    except IsADirectoryError:
        raise BuildError(f"cannot replace to directory /{top} with file") from None
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(top, flags, 0o600, dir_fd=placer.root_fd), "wb") as out:
        out.write(file.data)
        out.flush()
        os.fchown(out.fileno(), *(placer.owner or (0, 0)))
        os.fchmod(out.fileno(), placer.mode(0o100644) if placer.mode else 0o644)


def _unpack(bench: Bench, op: Copy, placer: Placer, one: Gathered) -> bool:
    """ADD of a local archive, known by its content, not its name: its members go into the destination folder."""
    from wherry.fs.kernel import open_in_root
    from wherry.image.tar import compress, unpack

    if one.match.is_folder or not one.entries or not one.entries[0].is_file:
        return False
    fd = open_in_root(placer.tree.root_fd, one.match.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(fd, "rb") as file:
        placer.check(one.entries[0], fd)
        if not is_tar(compress.reader(file)):
            return False
        file.seek(0)
        top = resolve(placer.root_fd, op.dest)
        make_folders(placer.root_fd, top, placer.owner or (0, 0))
        # Differs from the rest of ADD: --chown and --chmod do not reach what is in an archive, as in docker
        unpack.extract(compress.reader(file), placer.root_fd, top, cancel=bench.cancel)
        placer.check(one.entries[0], fd)
    return True


def is_tar(stream: _Reader) -> bool:
    """Whether the first block is a tar header: its checksum says so."""
    block = b""
    try:
        while len(block) < 512 and (piece := stream.read(512 - len(block))):
            block += piece
    except (InvalidSpec, OSError):
        return False
    if len(block) < 512 or not any(block):
        return False
    field = block[148:156].strip(b" \0")
    try:
        said = int(field, 8)
    except ValueError:
        return False
    return said == sum(block) - sum(block[148:156]) + 8 * 32


TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.image.tar.stream import Reader as _Reader
