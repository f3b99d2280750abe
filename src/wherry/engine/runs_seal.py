"""What a container leaves in its run's folder is data: links and devices, which could lead out, are taken away."""

from __future__ import annotations

import os
import stat

from wherry.errors import HostError

__all__ = ["seal"]


def seal(folder: str) -> None:
    """After its container is over, before anything in it is named to others. Idempotent. Raises: HostError."""
    try:
        top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            for _, folders, files, fd in os.fwalk(".", dir_fd=top):
                for name in (*folders, *files):
                    mode = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
                    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                        os.unlink(name, dir_fd=fd)
        finally:
            os.close(top)
    except OSError as fault:
        raise HostError(f"{folder} can't be looked through: {fault.strerror}") from None
