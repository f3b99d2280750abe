"""The few messages of the FUSE protocol that a read-only file system needs. Spec: include/uapi/linux/fuse.h, 7.31 on.

All numbers are the machine's own byte order without padding; arm64 and x86-64 are both little-endian.
"""

from __future__ import annotations

from struct import Struct

__all__ = ["ATTR", "ATTR_OUT", "ENTRY", "HEADER", "INIT_IN", "READ_IN", "REPLY", "SIZE_OUT", "attributes", "init_out"]

LOOKUP, FORGET, GETATTR, READLINK, OPEN, READ, STATFS, RELEASE = 1, 2, 3, 5, 14, 15, 17, 18
GETXATTR, LISTXATTR, INIT, OPENDIR, READDIR, RELEASEDIR = 22, 23, 26, 27, 28, 29
INTERRUPT, DESTROY, BATCH_FORGET = 36, 38, 42

HEADER = Struct("<IIQQIIIHH")  # length, opcode, unique, node, uid, gid, pid, 0, 0
HEADER_BYTES = 40
REPLY = Struct("<IiQ")  # length, -errno, unique
ENTRY = Struct("<QQQQII")  # node, generation, seconds the name is good, seconds the attributes are, their ns
ATTR = Struct("<QQQQQQIIIIIIIIII")
ATTR_OUT = Struct("<QII")  # seconds the attributes are good, ns, 0
INIT_IN = Struct("<IIII")  # major, minor, max_readahead, flags
OPEN_OUT = Struct("<QII")  # handle, flags, backing file
READ_IN = Struct("<QQI")  # handle, offset, size
HANDLE_IN = Struct("<Q")
SIZE_IN = SIZE_OUT = Struct("<II")
FORGET_ONE = Struct("<QQ")  # node, how many of its look-ups are forgotten
DIRENT = Struct("<QQII")  # inode, offset of the next, length of the name, type
STATFS_OUT = Struct("<QQQQQIIII24x")

KEEP_CACHE, CACHE_DIR = 1 << 1, 1 << 3
FOR_EVER_S = 1 << 30
BLOCK_BYTES = 4096
MAX_READ_BYTES = 1 << 20
MAX_REQUEST_BYTES = 1 << 17
_MAX_WRITE_BYTES = 1 << 16
_MAJOR, _MINOR = 7, 38
_ASYNC_READ, _PARALLEL_DIROPS, _POSIX_ACL, _MAX_PAGES, _CACHE_SYMLINKS = 1, 1 << 18, 1 << 20, 1 << 22, 1 << 23
_INIT_OUT = Struct("<IIIIHHIIHHII24x")


def init_out(minor: int, readahead_bytes: int, offered: int) -> bytes:
    """Our side of the handshake: what we want of what this kernel offers."""
    wanted = offered & (_ASYNC_READ | _PARALLEL_DIROPS | _POSIX_ACL | _MAX_PAGES | _CACHE_SYMLINKS)
    return _INIT_OUT.pack(
        _MAJOR, min(minor, _MINOR), readahead_bytes, wanted, 64, 48, _MAX_WRITE_BYTES, 1,
        MAX_READ_BYTES // BLOCK_BYTES, 0, 0, 0,
    )  # fmt: skip


def attributes(inode: int, mode: int, size: int, mtime_ns: int, owner: tuple[int, int, int, int]) -> bytes:
    """struct fuse_attr. `owner` is links, uid, gid and st_rdev. Every time is the mtime."""
    seconds, nanoseconds = divmod(mtime_ns, 10**9)
    seconds &= (1 << 64) - 1
    links, uid, gid, device = owner
    return ATTR.pack(
        inode, size, (size + BLOCK_BYTES - 1) // BLOCK_BYTES * (BLOCK_BYTES // 512), seconds, seconds, seconds,
        nanoseconds, nanoseconds, nanoseconds, mode, links, uid, gid, device, BLOCK_BYTES, 0,
    )  # fmt: skip
