"""Capabilities: docker's default set, and what --cap-add, --cap-drop and --privileged make of it.

Spec: capabilities(7); the order of KNOWN is the kernel's numbering.
"""

from __future__ import annotations

from wherry.errors import InputError, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DEFAULT", "KNOWN", "granted", "normalise"]

KNOWN = tuple(
    f"CAP_{name}"
    for name in (
        "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
        "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT "
        "SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL "
        "SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
    ).split()  # noqa: SIM905
)

DEFAULT = tuple(
    f"CAP_{name}"
    for name in (
        "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT "
        "KILL AUDIT_WRITE"
    ).split()  # noqa: SIM905
)


def normalise(name: str) -> str:
    """ "net_admin" and "CAP_NET_ADMIN" are CAP_NET_ADMIN; "all" is ALL. Raises: InputError for an unknown one."""
    upper = name.strip().upper()
    if upper == "ALL":
        return upper
    if not upper.startswith("CAP_"):
        upper = f"CAP_{upper}"
    if upper not in KNOWN:
        close = nearest(upper, KNOWN)
        raise InputError(
            f'invalid capability: unknown capability: "{name}"', hint=f"did you mean {close}?" if close else None
        )
    return upper


def granted(add: Sequence[str], drop: Sequence[str], *, privileged: bool, available: Sequence[str]) -> tuple[str, ...]:
    """What the container may have at most, in the kernel's order. `available` is the bounding set of this machine.

    As docker: ALL in `add` starts from everything and `drop` is taken off; ALL in `drop` starts from nothing and
    `add` is put on; one named in both is dropped... unless ALL is dropped. Privileged is everything that is available.
    A default capability that the machine lacks is left out; one that the user asked for by name is not, and the
    runtime says why it can't be had.
    """
    here = set(available)
    if privileged:
        return tuple(name for name in KNOWN if name in here)
    named = {name for name in map(normalise, add) if name != "ALL"}
    gone = {normalise(name) for name in drop}
    base = here if "ALL" in map(normalise, add) else here.intersection(DEFAULT)
    if "ALL" in gone:
        base = set(named)
    else:
        base = (base | named) - gone
    return tuple(name for name in KNOWN if name in base)
