"""The process that shows the traced layers of one step to the kernel, and remembers what it asked.

Run by `trace.session` as `server.main(CONTROL_FD)`, in a process of its own that loads next to nothing: it starts with
every traced step. CONTROL_FD is a SOCK_SEQPACKET socket. One order comes in; the overlay's fd goes out. Then PING is
answered by PONG, FINISH by the path set, and the other end's closing ends this process: however wherry dies, this dies,
and the kernel then answers the step with ENOTCONN.
"""

from __future__ import annotations

import errno
import marshal
import os
import select

from wherry.errors import WherryError
from wherry.trace import wire
from wherry.trace.served import Layers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable
    from typing import Any

__all__ = ["main"]

PING, PONG, FINISH = b"ping", b"pong", b"finish"
_CLONE_FILES, _CLONE_NEWNS = 0x00000400, 0x00020000
_MS_RDONLY, _MS_REC, _MS_SLAVE = 0x1, 0x4000, 0x80000
_SOL_SOCKET, _SCM_RIGHTS = 1, 1
_HANGUP = select.POLLHUP | select.POLLERR
_NEGATIVE = wire.ENTRY.pack(0, 0, wire.FOR_EVER_S, 0, 0, 0) + bytes(wire.ATTR.size)
_SILENT = (wire.FORGET, wire.BATCH_FORGET, wire.INTERRUPT)


class Server:
    """Answers on `fuse`, the fd of /dev/fuse, from `layers`."""

    def __init__(self, fuse: int, layers: Layers) -> None:
        self._fuse, self._layers = fuse, layers
        self._request = bytearray(wire.MAX_REQUEST_BYTES)
        self._block = memoryview(bytearray(wire.MAX_READ_BYTES))
        self._folders: dict[int, list[bytes]] = {}
        self._next_folder = 1
        self.fault = ""
        self._answers: dict[int, Callable[[int, bytes], bytes | memoryview]] = {
            wire.LOOKUP: self._lookup, wire.GETATTR: self._getattr, wire.READLINK: self._readlink,
            wire.OPEN: self._open, wire.READ: self._read, wire.RELEASE: self._release, wire.OPENDIR: self._opendir,
            wire.READDIR: self._readdir, wire.RELEASEDIR: self._releasedir, wire.GETXATTR: self._getxattr,
            wire.LISTXATTR: self._listxattr, wire.STATFS: self._statfs, wire.INIT: self._init,
            wire.FORGET: self._forget, wire.BATCH_FORGET: self._batch_forget, wire.INTERRUPT: self._nothing,
            wire.DESTROY: self._nothing,
        }  # fmt: skip

    def turn(self) -> bool:
        """Answer one question. False when the file system is gone."""
        try:
            size = os.readv(self._fuse, [self._request])
        except OSError as fault:
            # ENOENT: the asker was killed between its question and our reading it
            return fault.errno in (errno.ENOENT, errno.EINTR, errno.EAGAIN)
        _, opcode, unique, node, *_ = wire.HEADER.unpack_from(self._request)
        body = bytes(self._request[wire.HEADER_BYTES : size])
        answer = self._answers.get(opcode)
        if answer is None:
            self._reply(unique, errno.ENOSYS)
            return True
        try:
            data = answer(node, body)
        except OSError as fault:
            data = None
            self._reply(unique, fault.errno or errno.EIO)
            if fault.errno not in (errno.ENODATA, errno.ERANGE, errno.ENXIO):
                # The step would not have seen this without us: what it gives can't be kept
                self.fault = self.fault or f"a layer could not be read: {fault.strerror}"
        if data is not None and opcode not in _SILENT:
            self._reply(unique, 0, data)
        return True

    def _reply(self, unique: int, code: int, data: bytes | memoryview = b"") -> None:
        try:
            os.writev(self._fuse, [wire.REPLY.pack(wire.REPLY.size + len(data), -code, unique), data])
        except OSError as fault:
            if fault.errno not in (errno.ENOENT, errno.ENODEV):  # the asker was killed; the file system is gone
                self.fault = self.fault or f"the kernel took no answer: {fault.strerror}"

    def _init(self, node: int, body: bytes) -> bytes:
        _, minor, readahead, flags = wire.INIT_IN.unpack_from(body)
        return wire.init_out(minor, readahead, flags)

    def _lookup(self, node: int, body: bytes) -> bytes:
        found = self._layers.lookup(node, body[:-1])
        if found is None:
            return _NEGATIVE
        return wire.ENTRY.pack(found[0], 0, wire.FOR_EVER_S, wire.FOR_EVER_S, 0, 0) + found[1]

    def _getattr(self, node: int, body: bytes) -> bytes:
        return wire.ATTR_OUT.pack(wire.FOR_EVER_S, 0, 0) + self._layers.attributes(node)

    def _readlink(self, node: int, body: bytes) -> bytes:
        return self._layers.target(node)

    def _open(self, node: int, body: bytes) -> bytes:
        return wire.OPEN_OUT.pack(self._layers.open(node), wire.KEEP_CACHE, 0)

    def _read(self, node: int, body: bytes) -> memoryview:
        handle, offset, size = wire.READ_IN.unpack_from(body)
        self._layers.is_read(node)
        block = self._block[: min(size, wire.MAX_READ_BYTES)]
        return block[: os.preadv(handle, [block], offset)]

    def _release(self, node: int, body: bytes) -> bytes:
        os.close(wire.HANDLE_IN.unpack_from(body)[0])
        return b""

    def _opendir(self, node: int, body: bytes) -> bytes:
        # Nothing is told yet: a folder may be opened to be synced, or to be somewhere
        handle, self._next_folder = self._next_folder, self._next_folder + 1
        return wire.OPEN_OUT.pack(handle, wire.KEEP_CACHE | wire.CACHE_DIR, 0)

    def _readdir(self, node: int, body: bytes) -> bytes:
        handle, offset, size = wire.READ_IN.unpack_from(body)
        if handle not in self._folders:
            self._folders[handle] = self._layers.listing(node)
        out = bytearray()
        for record in self._folders[handle][offset:]:
            if len(out) + len(record) > size:
                break
            out += record
        return bytes(out)

    def _releasedir(self, node: int, body: bytes) -> bytes:
        self._folders.pop(wire.HANDLE_IN.unpack_from(body)[0], None)
        return b""

    def _getxattr(self, node: int, body: bytes) -> bytes:
        value = self._layers.xattr(node, body[wire.SIZE_IN.size : -1])
        if value is None:
            raise OSError(errno.ENODATA, "no such attribute")
        return _sized(value, body)

    def _listxattr(self, node: int, body: bytes) -> bytes:
        return _sized(b"".join(name + b"\0" for name in self._layers.xattr_names(node)), body)

    def _statfs(self, node: int, body: bytes) -> bytes:
        return wire.STATFS_OUT.pack(0, 0, 0, 0, 0, wire.BLOCK_BYTES, 255, wire.BLOCK_BYTES, 0)

    def _forget(self, node: int, body: bytes) -> bytes:
        self._layers.forget(node, wire.HANDLE_IN.unpack_from(body)[0])
        return b""

    def _batch_forget(self, node: int, body: bytes) -> bytes:
        count, _ = wire.SIZE_IN.unpack_from(body)
        for at in range(count):
            self._layers.forget(*wire.FORGET_ONE.unpack_from(body, wire.SIZE_IN.size + at * wire.FORGET_ONE.size))
        return b""

    def _nothing(self, node: int, body: bytes) -> bytes:
        return b""


def _sized(data: bytes, body: bytes) -> bytes:
    """The two halves of every xattr call: how long is it, and give it to me."""
    size, _ = wire.SIZE_IN.unpack_from(body)
    if size == 0:
        return wire.SIZE_OUT.pack(len(data), 0)
    if len(data) > size:
        raise OSError(errno.ERANGE, "too long")
    return data


def main(control_fd: int) -> None:
    """Serve one step, to its end."""
    import _socket

    control = _socket.socket(fileno=control_fd)
    order = marshal.loads(control.recv(1 << 20))  # noqa: S302  (comes from our other half)
    try:
        _raise_fd_limit()
        _enter_namespace()
        layers = Layers(order["layers"])
        fuse = _mount_fuse(order["mount"])
    except OSError as fault:
        what = f"{fault.filename}: " if isinstance(fault.filename, str) else ""
        control.send(marshal.dumps({"unavailable": f"{what}{fault.strerror}"}))
        return
    import _thread

    # The kernel asks us while it mounts the overlay: somebody else must mount it
    _thread.start_new_thread(_mount_overlay, (control, order, fuse))
    _serve(control, Server(fuse, layers), layers, fuse)


def _serve(control: socket, server: Server, layers: Layers, fuse: int) -> None:
    poll = select.poll()
    poll.register(control.fileno(), select.POLLIN)
    poll.register(fuse, select.POLLIN)
    control_fd = control.fileno()
    while True:
        for fd, what in poll.poll():
            if fd == control_fd:
                if not _obey(control, server, layers):
                    return
            elif what & _HANGUP or not server.turn():
                poll.unregister(fuse)


def _obey(control: socket, server: Server, layers: Layers) -> bool:
    try:
        order = control.recv(64)
    except ConnectionResetError:
        return False
    if order == PING:
        control.send(PONG)
    elif order == FINISH:
        with open(os.memfd_create("path-set"), "wb", buffering=0) as file:
            rest = memoryview(layers.path_set().pack())
            while rest:
                rest = rest[file.write(rest) :]
            _send_fd(control, {"fault": server.fault}, file.fileno())
    return bool(order)


def _send_fd(control: socket, said: dict[str, Any], fd: int) -> None:
    control.sendmsg([marshal.dumps(said)], [(_SOL_SOCKET, _SCM_RIGHTS, fd.to_bytes(4, "little"))])


def _raise_fd_limit() -> None:
    """Each file that the step holds open is one of ours."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _unshare(flag: int, what: str) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flag):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), what)


def _enter_namespace() -> None:
    """Nothing that is mounted here is ever seen elsewhere, and it ends with this process."""
    from wherry.host import Mount
    from wherry.host.overlayfs import classic_mount

    _unshare(_CLONE_NEWNS, "a mount namespace")
    classic_mount(Mount("", "/", "", _MS_REC | _MS_SLAVE))


def _mount_fuse(target: str) -> int:
    """The fd of /dev/fuse, behind a mount at `target`. Raises: OSError."""
    from wherry.host import Mount
    from wherry.host.overlayfs import classic_mount

    fuse = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0,allow_other"
    classic_mount(Mount("wherry-trace", target, "fuse", _MS_RDONLY, options))
    return fuse


def _mount_overlay(control: socket, order: dict[str, Any], fuse: int) -> None:
    from wherry.host import Overlay
    from wherry.host.overlayfs import detached

    lowers = list(order["lowers"])
    for number, index in enumerate(order["traced"]):
        lowers[index] = f"{order['mount']}/{number}"
    try:
        # This thread waits for the other one, beyond any signal. Were the process killed now, the kernel would fail
        # what waits as soon as the last fd of /dev/fuse is closed: it must not be this thread's
        _unshare(_CLONE_FILES, "a table of files")
        os.close(fuse)
        fd = detached(Overlay(tuple(lowers), order["upper"], order["work"], order["volatile"]))
    except (OSError, WherryError) as fault:
        control.send(marshal.dumps({"unavailable": f"overlayfs over FUSE: {fault}"}))
        return
    _send_fd(control, {}, fd)
    os.close(fd)
