"""ROOT/tmp: work in progress. Each entry's name says which process owns it; those of dead ones are swept."""

from __future__ import annotations

import os

from wherry.fs.private import private_folder
from wherry.lean import contextmanager, suppress
from wherry.store.owner import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from wherry.host import Host
    from wherry.settings import Paths

__all__ = ["Scratch"]


class Scratch:
    """Names are KIND.PID-START-BOOT.RANDOM, on the file system of the store, so that results are renamed into place."""

    def __init__(self, paths: Paths, host: Host) -> None:
        self._tmp = paths.tmp
        self._host = host

    def path(self, kind: str) -> str:
        """A fresh name that nothing has yet; ROOT/tmp exists afterwards."""
        private_folder(self._tmp)
        return f"{self._tmp}/{kind}.{Owner.current(self._host).tag}.{os.urandom(8).hex()}"

    @contextmanager
    def folder(self, kind: str) -> Iterator[str]:
        """A fresh folder (0700) that is removed, with all in it, when the block ends."""
        from wherry.fs.remove import remove_tree

        path = self.path(kind)
        os.mkdir(path, 0o700)
        try:
            yield path
        finally:
            remove_tree(path)

    def sweep(self) -> int:
        """Remove what dead processes left; how many entries. Cheap when there are none; safe beside other sweepers."""
        from wherry.fs.remove import remove_tree

        try:
            names = os.listdir(self._tmp)
        except FileNotFoundError:
            return 0
        count = 0
        boot = self._host.boot_id()[:8] if names else ""
        for name in names:
            if not self._is_alive(name, boot):
                with suppress(FileNotFoundError):
                    remove_tree(f"{self._tmp}/{name}")
                    count += 1
        return count

    def _is_alive(self, name: str, boot: str) -> bool:
        parts = name.split(".")
        owner = parts[1].split("-") if len(parts) == 3 else []
        if len(owner) != 3 or not owner[0].isdecimal() or not owner[1].isdecimal():
            return False  # nothing of ours has such a name
        if owner[2] != boot:
            return False
        if int(owner[0]) == os.getpid():
            return True
        return self._host.start_time(int(owner[0])) == int(owner[1])
