"""Capabilities: docker's default set, and what --cap-add, --cap-drop and --privileged make of it.

Spec: capabilities(7); the order of KNOWN is the kernel's numbering.
"""

from __future__ import annotations

from wherry.errors import InputError, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DEFAULT", "KNOWN", "granted", "normalise"]

KNOWN = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",
    "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
)  # fmt: skip

DEFAULT = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",
    "CAP_AUDIT_WRITE",
)  # fmt: skip


def normalise(name: str) -> str:
    """ "net_admin" and "CAP_NET_ADMIN" are CAP_NET_ADMIN; "all" is ALL. Raises: InputError for an unknown one."""
    upper = name.strip().upper()
    if upper in {"ALL", "CAP_ALL"}:
        return "ALL"
    if not upper.startswith("CAP_"):
        upper = f"CAP_{upper}"
    if upper not in KNOWN:
        close = nearest(upper, KNOWN)
        raise InputError(f'unknown capability: "{upper}"', hint=f"did you mean {close}?" if close else None)
    return upper


def granted(add: Sequence[str], drop: Sequence[str], *, privileged: bool, available: Sequence[str]) -> tuple[str, ...]:
    """What the container may have at most, in the kernel's order. `available` is the bounding set of this machine.

    As docker: privileged is everything; ALL in `add` is everything but what `drop` names; else ALL in `drop` is what
    `add` names and nothing else; else the default set without `drop`, with `add` (which wins over `drop`). A default
    that the machine lacks is left out; one that the user named is kept, so that the runtime says why it can't be had.
    """
    if privileged:
        return tuple(name for name in KNOWN if name in available)
    more, less = {normalise(name) for name in add}, {normalise(name) for name in drop}
    if "ALL" in more:
        chosen = (set(available) - less) | (more - {"ALL"})
    elif "ALL" in less:
        chosen = more
    else:
        chosen = (set(DEFAULT).intersection(available) - less) | more
    return tuple(name for name in KNOWN if name in chosen)
