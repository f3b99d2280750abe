"""Waiting until something changes in trees: what became of which path, one batch for all that happens together.

inotify says only where to look; what counts is how a path looks then, compared with how it looked before. So what an
editor writes and takes away again is nothing, a lost event is found by looking everywhere, and where the user has no
watches left the same looks are merely made often.
"""

from __future__ import annotations

import os
import stat
import time
from typing import NamedTuple

from wherry.fs import inotify
from wherry.fs.kernel import RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, open_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wherry.cancel import Cancel

__all__ = ["Changes", "Pace", "TreeWatch"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class Changes(NamedTuple):
    """Absolute paths, sorted: of files, folders and links that were made or altered, and of those that are gone."""

    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changed or self.removed)


class Pace(NamedTuple):
    """A batch ends when nothing has happened for `quiet_s`, or after `longest_s` when it never ends.

    One of `many` paths or more is no edit but a program at work, which may pause: it ends after `many_quiet_s`. While
    `is_busy` says so (git writes a working tree), it goes on for up to `busy_s`. `poll_s` is how often to look where
    nobody tells, `turn_s` how often to look whether the wait was cancelled.
    """

    quiet_s: float = 0.05
    many: int = 5
    many_quiet_s: float = 0.25
    longest_s: float = 2.0
    busy_s: float = 30.0
    poll_s: float = 0.5
    turn_s: float = 0.2
    is_busy: Callable[[], bool] = lambda: False


class Stamp(NamedTuple):
    """How an entry looks. Of a folder, what is in it does not count."""

    mode: int
    inode: int
    size: int = 0
    mtime_ns: int = 0

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        if stat.S_ISDIR(status.st_mode):
            return cls(status.st_mode, status.st_ino)
        return cls(status.st_mode, status.st_ino, status.st_size, status.st_mtime_ns)

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)


class TreeWatch:
    """Watches `roots` (absolute, links resolved; folders or files, there or not yet) from now on. Close it.

    `skips(path, is_folder)` says what is not looked at, a folder with all that is in it. Links are entries like files
    and never followed. `tell` gets one line when there are no watches left and the trees are looked at instead.
    """

    def __init__(
        self,
        roots: Sequence[str],
        skips: Callable[[str, bool], bool] = lambda _path, _is_folder: False,
        tell: Callable[[str], None] = lambda _line: None,
        pace: Pace = Pace(),  # noqa: B008 - frozen
    ) -> None:
        self._roots = _outermost(roots)
        self._skips, self._tell, self._pace = skips, tell, pace
        # What was last seen: folders watched whole, and, in folders above a root, the next name on the way to it
        self._folders: dict[str, dict[str, Stamp]] = {}
        self._pins: dict[str, set[str]] = {}
        self._paths: dict[int, str] = {}
        self._watches: dict[str, int] = {}
        # How what changed looked before the batch began; None: it was not there
        self._before: dict[str, Stamp | None] = {}
        self._written: set[str] = set()
        self._inotify: inotify.Inotify | None = None
        try:
            self._inotify = inotify.Inotify()
        except inotify.Exhausted as fault:
            self._give_up(fault)
        for root in self._roots:
            self._pin(root)
        self._before.clear()

    @property
    def is_polling(self) -> bool:
        """Whether the kernel does not tell, and the trees are looked at from time to time."""
        return self._inotify is None

    def wait(self, cancel: Cancel) -> Changes:
        """The next batch, never an empty one. Raises: Cancelled, OSError."""
        began = 0.0
        while True:
            cancel.check()
            waiting = self._quiet_s() if self._before else self._pace.turn_s
            happened = self._turn(waiting, cancel)
            now = time.monotonic()
            if not self._before:
                continue
            began = began or now
            if self._is_over(happened, now - began):
                changes = self._settle()
                if changes:
                    return changes
                began = 0.0

    def close(self) -> None:
        """Idempotent."""
        if self._inotify is not None:
            self._inotify.close()

    def __enter__(self) -> TreeWatch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _quiet_s(self) -> float:
        return self._pace.quiet_s if len(self._before) < self._pace.many else self._pace.many_quiet_s

    def _is_over(self, happened: bool, age_s: float) -> bool:
        if self._pace.is_busy():
            return age_s > self._pace.busy_s
        return not happened or age_s > self._pace.longest_s

    def _turn(self, timeout_s: float, cancel: Cancel) -> bool:
        """Wait for news and look there; whether there were any that matter."""
        if self._inotify is None:
            cancel.wait(self._pace.poll_s)
            cancel.check()
            known = dict(self._before)
            self._look_everywhere()
            return known != self._before
        told = [self._take(event) for event in self._inotify.read(timeout_s) if self._inotify]
        return True in told

    def _take(self, event: inotify.Event) -> bool:
        if event.mask & inotify.OVERFLOW:
            self._look_everywhere()
            return True
        folder = self._paths.get(event.watch)
        if folder is None:
            return False
        if event.mask & (inotify.IGNORED | inotify.DELETE_SELF | inotify.MOVE_SELF):
            self._lost(folder, event)
            return False
        # Two writes within one tick of the clock leave the same time: a write counts however the file looks
        return bool(event.name) and self._look(folder, event.name, written=bool(event.mask & inotify.MODIFY))

    def _lost(self, folder: str, event: inotify.Event) -> None:
        """A watched folder went away or elsewhere: its parent's watch tells, but for the folder that holds a root."""
        if event.mask & inotify.IGNORED:
            self._paths.pop(event.watch, None)
            if self._watches.get(folder) == event.watch:
                del self._watches[folder]
        if folder in self._pins:
            self._leave(folder)
            self._repin()

    def _settle(self) -> Changes:
        changed, removed = [], []
        for path, before in self._before.items():
            now = self._seen(path)
            if now is None:
                if before is not None:
                    removed.append(path)
            elif now != before or path in self._written:
                changed.append(path)
        self._before.clear()
        self._written.clear()
        return Changes(tuple(sorted(changed)), tuple(sorted(removed)))

    def _seen(self, path: str) -> Stamp | None:
        folder, name = _split(path)
        return self._folders.get(folder, {}).get(name)

    # -- looking

    def _look_everywhere(self) -> None:
        for root in self._roots:
            self._pin(root)
        for folder in list(self._folders):
            names = self._names(folder)
            for name in names | set(self._folders.get(folder, ())):
                self._look(folder, name)

    def _names(self, folder: str) -> set[str]:
        if folder in self._pins and not self._is_whole(folder):
            return set(self._pins[folder])
        try:
            return set(os.listdir(folder))
        except OSError:
            return set()

    def _is_whole(self, folder: str) -> bool:
        return any(folder == root or folder.startswith(_join(root, "")) for root in self._roots)

    def _look(self, folder: str, name: str, *, written: bool = False) -> bool:
        """How the entry is now, and all below when it came or went; whether it is a part of the batch."""
        known = self._folders.get(folder)
        if known is None or (name not in self._pins.get(folder, ()) and not self._is_whole(folder)):
            return False
        path, old = _join(folder, name), known.get(name)
        try:
            new: Stamp | None = Stamp.of(os.lstat(path))
        except OSError:
            new = None
        kind = new or old
        if kind is None or self._is_skipped(path, kind):
            return False
        if old == new and not written:
            return path in self._before  # somebody is still at work there
        if self._is_whole(path):
            self._before.setdefault(path, old)
            if written:
                self._written.add(path)
        if old and old.is_folder and (new is None or new.inode != old.inode or not new.is_folder):
            self._leave(path)
        if new is None:
            del known[name]
        else:
            known[name] = new
            if new.is_folder and path not in self._folders:
                self._enter(path)
        return True

    def _is_skipped(self, path: str, stamp: Stamp) -> bool:
        return path not in self._roots and self._is_whole(path) and self._skips(path, stamp.is_folder)

    def _enter(self, path: str) -> None:
        """A folder that was not there: watch it first, then see what is in it, and so on below."""
        pending = [path]
        while pending:
            here = pending.pop()
            if not self._watch(here):
                continue
            self._folders.setdefault(here, {})
            if not self._is_whole(here):
                self._repin()
                continue
            known = self._folders[here]
            for entry in self._entries(here):
                below = _join(here, entry.name)
                try:
                    stamp = Stamp.of(entry.stat(follow_symlinks=False))
                except OSError:
                    continue
                if self._is_skipped(below, stamp):
                    continue
                self._before.setdefault(below, known.get(entry.name))
                known[entry.name] = stamp
                if stamp.is_folder:
                    pending.append(below)

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                return list(entries)
        except OSError:  # gone again, or not ours to read
            return []

    def _leave(self, path: str) -> None:
        """A folder that is gone, with all that was in it."""
        pending = [path]
        while pending:
            here = pending.pop()
            for name, stamp in self._folders.pop(here, {}).items():
                below = _join(here, name)
                if self._is_whole(below):
                    self._before.setdefault(below, stamp)
                if stamp.is_folder:
                    pending.append(below)
            watch = self._watches.pop(here, None)
            if watch is not None and self._inotify is not None:
                self._inotify.remove(watch)
                self._paths.pop(watch, None)
            self._pins.pop(here, None)

    # -- watches

    def _watch(self, folder: str) -> bool:
        """Whether the folder is there (and told about, when the kernel tells)."""
        try:
            fd = open_at(-100, folder, _FOLDER, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)
        except OSError:
            return False
        try:
            if self._inotify is not None:
                watch = self._inotify.add(fd)
                # A folder that was moved keeps its number: the old path must not take the watch away with it
                old = self._paths.get(watch)
                if old is not None and old != folder:
                    self._watches.pop(old, None)
                self._paths[watch], self._watches[folder] = folder, watch
        except inotify.Exhausted as fault:
            self._give_up(fault)
        except OSError:
            return False
        finally:
            os.close(fd)
        return True

    def _give_up(self, fault: OSError) -> None:
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None
        self._paths.clear()
        self._watches.clear()
        self._tell(
            f"no inotify watches left ({fault.strerror}): looking for changes every {self._pace.poll_s:g} s; "
            "raise fs.inotify.max_user_watches and max_user_instances"
        )

    def _pin(self, root: str) -> None:
        """Watch the nearest folder above the root that is there, for the next name on the way down to it."""
        folder, name = _split(root)
        while folder != "/" and not (os.path.isdir(folder) and self._watch(folder)):
            folder, name = _split(folder)
        if folder == "/":
            self._watch(folder)
        self._pins.setdefault(folder, set()).add(name)
        self._folders.setdefault(folder, {})
        self._look(folder, name)

    def _repin(self) -> None:
        for root in self._roots:
            self._pin(root)


def _outermost(roots: Sequence[str]) -> list[str]:
    """Without those that lie in another."""
    found: list[str] = []
    for root in sorted(set(roots)):
        if not any(root == other or root.startswith(_join(other, "")) for other in found):
            found.append(root)
    return found


def _join(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"


def _split(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder or "/", name
