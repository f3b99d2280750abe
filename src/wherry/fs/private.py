"""Folders that nobody else looks into."""

from __future__ import annotations

import os

from wherry.lean import suppress

__all__ = ["private_folder"]


def private_folder(path: str) -> None:
    """Make the folder for its owner alone, and so each missing one above it, whatever the umask. Idempotent.

    `os.makedirs` gives the mode to the last one only: below a root that others may enter they would find the set-id
    programs of every container (CVE-2021-41091), and with a umask of 0 could put their own there. Raises: OSError.
    """
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
    except FileNotFoundError:
        above = os.path.dirname(path)
        if above == path or not above:
            raise
        private_folder(above)
        with suppress(FileExistsError):
            os.mkdir(path, 0o700)
