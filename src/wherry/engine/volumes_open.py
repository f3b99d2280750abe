"""At a start: what is no plain folder of the host becomes a detached mount, which the container's monitor attaches.

A volume's subpath, an image, what a volume's options mount, and binds that share their mounts with the host. Each is
opened once, by fds: nothing that a container does to a path meanwhile changes what is mounted (as CVE-2023-27561 did),
and nothing is ever mounted where this machine's mount table shows it, or where a killed process leaves it.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from wherry.errors import HostError, InputError
from wherry.fs.kernel import RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS, open_at
from wherry.host import FileSystem, Overlay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.engine import Engine
    from wherry.volume.driver import MountPlan
    from wherry.volume.model import BindMount

__all__ = ["of_plan", "open_mounts", "subpath_fd"]


def open_mounts(engine: Engine, bundle: str, binds: Sequence[BindMount], fds: list[int]) -> tuple[BindMount, ...]:
    """`binds` with what needs it opened: their sources are BUNDLE/mounts/N, where the monitor attaches `fds`[N].

    The caller closes what was added to `fds`, also after a failure. Raises: InputError, HostError, NotFound, OSError.
    """
    return tuple(_opened(engine, bundle, one, fds) if one.needs_opening else one for one in binds)


def _opened(engine: Engine, bundle: str, one: BindMount, fds: list[int]) -> BindMount:
    fd = _base(engine, bundle, one)
    below = ""
    try:
        if one.subpath:
            fd, below = _narrowed(engine, one, fd)
    except BaseException:
        os.close(fd)
        raise
    number = len(fds)
    fds.append(fd)
    place = _place(bundle, number, is_folder=os.path.isdir(f"/proc/self/fd/{fd}/"))
    return one._replace(source=place + below, type="bind", plan=None, subpath="", image="")


def _base(engine: Engine, bundle: str, one: BindMount) -> int:
    """A mount fd, the subpath not applied yet; of a plain volume its folder's fd is enough. The caller closes it."""
    if one.image:
        return _image(engine, bundle, one.image)
    if one.plan is not None and not (one.plan.is_bind and one.subpath):
        return of_plan(engine, one, one.plan)
    try:
        fd = os.open(one.source, os.O_PATH | os.O_CLOEXEC)
    except OSError as fault:
        raise InputError(f"cannot access path {one.source}: {(fault.strerror or '').lower()}") from fault
    if one.subpath:
        return fd
    try:
        # Not private: the clone stays in the peer group of its original, so that mounts travel both ways
        return engine.host.clone(fd, recursive=one.recursive)
    finally:
        os.close(fd)


def _image(engine: Engine, bundle: str, image: str) -> int:
    from wherry.oci.digest import Digest

    # An empty layer below all others: so even an image of one layer becomes an overlay without an upper folder, which
    # no remount makes writable. The layer folder itself, bound, would be
    empty = f"{bundle}/empty"
    os.makedirs(empty, mode=0o755, exist_ok=True)
    if (model := engine.models.by_id(Digest(image))) is not None:
        from wherry.engine.models_tree import tree

        return engine.host.overlay(Overlay((empty, tree(engine, model))))
    layers = engine.image_store.get(Digest(image)).layers
    return engine.host.overlay(Overlay((empty, *(engine.layers.path(one) for one in layers), _second(bundle, layers))))


def _second(bundle: str, layers: Sequence[object]) -> str:
    """On top of an image without layers, another empty folder: overlayfs wants two."""
    folder = f"{bundle}/empty" if layers else f"{bundle}/rootfs"
    os.makedirs(folder, mode=0o755, exist_ok=True)
    return folder


def of_plan(engine: Engine, one: BindMount, plan: MountPlan) -> int:
    """What the options of `one`'s volume mount: a mount fd, the caller's to close. Raises: HostError."""
    said = f"error while mounting volume '{one.folder}': "
    options = _resolved(plan, said)
    try:
        if plan.is_bind:
            fd = os.open(plan.source, os.O_PATH | os.O_CLOEXEC)
            try:
                return engine.host.clone(fd, recursive=plan.recursive, attributes=("private", *plan.attributes))
            finally:
                os.close(fd)
        # Differs from docker: a tmpfs volume is each container's own; docker mounts it once for all that use it
        return engine.host.file_system(FileSystem(plan.fstype, plan.source, options, plan.attributes))
    except HostError as fault:
        raise HostError(f"{said}failed to mount local volume: {fault.message}", hint=fault.hint) from fault
    except OSError as fault:
        data = f", data: {','.join(plan.options)}" if plan.options else ", flags: 0x1000" if plan.is_bind else ""
        why = (fault.strerror or "").lower()
        raise HostError(
            f"{said}failed to mount local volume: mount {plan.source}:{one.folder}{data}: {why}",
            hint=f"the kernel does not take {fault.filename}" if fault.errno == errno.EINVAL else None,
        ) from fault


def _resolved(plan: MountPlan, said: str) -> tuple[str, ...]:
    """NFS and CIFS in the kernel take addresses only. Raises: HostError."""
    if plan.fstype not in ("nfs", "nfs4", "cifs"):
        return plan.options
    import socket

    found = []
    for option in plan.options:
        name, _, value = option.partition("=")
        if name == "addr":
            try:
                value = str(socket.getaddrinfo(value, None, proto=socket.IPPROTO_TCP)[0][4][0])
            except OSError as fault:
                raise HostError(
                    f"{said}error resolving passed in network volume address: lookup {value}: {fault.strerror}"
                ) from fault
            option = f"addr={value}"
        found.append(option)
    return tuple(found)


def _narrowed(engine: Engine, one: BindMount, fd: int) -> tuple[int, str]:
    """(a mount fd of the subpath, "") or, where the kernel clones no detached mount, (`fd`, the path below it)."""
    inner = subpath_fd(fd, one)
    is_bind = one.plan is not None and one.plan.is_bind
    attributes = one.plan.attributes if one.plan and is_bind else ()
    try:
        made = engine.host.clone(inner, recursive=False, attributes=("private", *attributes))
    except OSError as fault:
        # Before Linux 6.15; of an image, which nobody changes, a path is as good
        if fault.errno != errno.EINVAL or not (one.image or (one.plan and not is_bind)):
            raise
        return fd, os.readlink(f"/proc/self/fd/{inner}")
    finally:
        os.close(inner)
    os.close(fd)
    return made, ""


def subpath_fd(fd: int, one: BindMount) -> int:
    """What `one`'s subpath leads to below `fd`, by links too, but never out: an O_PATH fd, the caller's to close.

    Raises: InputError in docker's words.
    """
    base = one.folder or one.source
    try:
        return open_at(fd, one.subpath, os.O_PATH, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)
    except OSError as fault:
        if fault.errno == errno.EXDEV:
            raise InputError(
                f"path concatenation escapes the base directory, base: {base}, subpath: {one.subpath}"
            ) from fault
        path, why = f"{base}/{one.subpath}", (fault.strerror or "").lower()
        raise InputError(
            f"cannot access path {path}: lstat {path}: {why}", hint="make it first: nothing is copied to a subpath"
        ) from fault


def _place(bundle: str, number: int, *, is_folder: bool) -> str:
    """Where the monitor attaches it: an empty folder or file."""
    os.makedirs(f"{bundle}/mounts", mode=0o700, exist_ok=True)
    path = f"{bundle}/mounts/{number}"
    if os.path.isdir(path) != is_folder:
        with suppress(FileNotFoundError):
            (os.unlink if is_folder else os.rmdir)(path)
    if is_folder:
        os.makedirs(path, mode=0o755, exist_ok=True)
    else:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    return path
