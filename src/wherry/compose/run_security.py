"""What a service's containers may do, and which namespaces they share. Pure but for reading seccomp profiles."""

from __future__ import annotations

import posixpath

from wherry.errors import InputError
from wherry.runtime import parse_names, parse_values
from wherry.runtime.caps import normalise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from wherry.compose.model import Service

__all__ = ["security"]


def security(service: Service, read: Callable[[str], bytes] | None, working_dir: str) -> dict[str, Any]:
    """Fields of RunOptions. `read` gives a seccomp profile, whose path is the project's. Raises: InputError."""

    def profile(path: str) -> str:
        if read is None:
            raise InputError(f"the seccomp profile {path} can't be read here")
        try:
            return read(posixpath.join(working_dir, path)).decode("utf-8", "replace")
        except InputError as fault:
            raise InputError(f"opening seccomp profile ({path}) failed: {fault.message}") from None

    modes = {
        "ipc": service.ipc, "pid": service.pid, "uts": service.uts, "cgroupns": service.cgroup,
        "userns": service.userns_mode,
    }  # fmt: skip
    return {
        **{kind: parse_values.namespace_mode(text, kind) for kind, text in modes.items()},
        **parse_names.security(service.security_opt, profile),
        "cap_add": _capabilities(service.cap_add, "CapAdd"),
        "cap_drop": _capabilities(service.cap_drop, "CapDrop"),
        "privileged": service.privileged,
        "read_only": service.read_only,
        "sysctls": dict(parse_values.sysctl(f"{name}={value}") for name, value in service.sysctls.items()),
    }


def _capabilities(names: Sequence[str], field: str) -> tuple[str, ...]:
    try:
        return tuple(normalise(name) for name in names)
    except InputError as fault:
        raise InputError(f"invalid {field}: {fault.message}", hint=fault.hint) from None
