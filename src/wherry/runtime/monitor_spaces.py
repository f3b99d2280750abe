"""The namespaces that a monitor, and so its container, lives in; and the way back to the host's."""

from __future__ import annotations

import os

from wherry.runtime import monitor_kernel as kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def enter(plan: dict[str, Any], root_fds: list[int]) -> None:
    """The namespaces that the container will live in, with its root at BUNDLE/rootfs."""
    root = root_fds[0] if root_fds else -1
    if plan["adopt"]:
        spaces = f"/proc/{plan['adopt']['pid']}/ns"
        mine = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        kernel.setns(f"{spaces}/mnt", kernel.CLONE_NEWNS)
        root = kernel.clone_root()
        kernel.setns(mine, kernel.CLONE_NEWNS)
        os.close(mine)
        if plan["netns"] == "new":
            kernel.setns(f"{spaces}/net", kernel.CLONE_NEWNET)
    kernel.private_mounts()
    if plan["netns"] == "new" and not plan["adopt"]:
        kernel.unshare(kernel.CLONE_NEWNET)
        kernel.loopback_up()
        for name, value in plan["sysctls"].items():
            with open("/proc/sys/" + name.replace(".", "/"), "w", encoding="utf-8") as file:
                file.write(value)
    kernel.attach(root, f"{plan['bundle']}/rootfs")
    os.close(root)


def hold(path: str) -> int:
    """An fd with a shared lock on the file: a training run's, which lives as long as its container. -1 without one."""
    if not path:
        return -1
    import fcntl
    import stat

    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return -1  # what the container made of it when it ran before
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return -1  # removed: the container runs all the same
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return -1  # a file system without locks, or somebody else's
    return fd


def become_cleaner(plan: dict[str, Any], host_spaces: tuple[int, int]) -> None:
    """Go back to the host's namespaces and run what removes the container's traces; no attached client does it."""
    if plan["held"] >= 0:
        os.set_inheritable(plan["held"], True)
    for fd, kind in zip(host_spaces, (kernel.CLONE_NEWNET, kernel.CLONE_NEWNS), strict=True):
        kernel.setns(fd, kind)
    os.execve(plan["cleaner"][0], plan["cleaner"], plan["env"])  # noqa: S606
