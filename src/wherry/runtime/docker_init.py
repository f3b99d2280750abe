"""--init: the small init program of the host that is bound into the container as /sbin/docker-init."""

from __future__ import annotations

import os

from wherry.errors import HostError

__all__ = ["find_init"]

_NAMES = ("docker-init", "tini-static", "catatonit", "tini")
_FOLDERS = "/usr/local/libexec/docker:/usr/libexec/docker:/usr/libexec/podman:/usr/local/bin:/usr/bin:/bin:/usr/sbin"
_PT_INTERP = 3


def find_init(path: str) -> str:
    """A statically linked init (`path` is a PATH to look in first): only that runs whatever the image's libraries are.

    Raises: HostError that names the package.
    """
    import shutil

    for name in _NAMES:
        found = shutil.which(name, path=f"{path}:{_FOLDERS}")
        if found and _is_static(found):
            return os.path.realpath(found)
    raise HostError(
        "--init needs a statically linked init on this machine, and there is none",
        hint="apt-get install --no-install-recommends tini",
    )


def _is_static(path: str) -> bool:
    """An ELF file without an interpreter. Spec: elf(5)."""
    with open(path, "rb") as file:
        head = file.read(64)
        if head[:4] != b"\x7fELF" or len(head) < 64:
            return False
        wide, order = head[4] == 2, "little" if head[5] == 1 else "big"
        fields = ((32, 8), (54, 2), (56, 2)) if wide else ((28, 4), (42, 2), (44, 2))
        offset, size, count = (int.from_bytes(head[at : at + n], order) for at, n in fields)  # type: ignore[arg-type]
        file.seek(offset)
        table = file.read(size * count)
    kinds = (int.from_bytes(table[at : at + 4], order) for at in range(0, len(table), size))  # type: ignore[arg-type]
    return _PT_INTERP not in kinds
