"""`develop.watch`: what changed on this machine to what is to be done with which service. Pure.

Spec: https://github.com/compose-spec/compose-spec/blob/main/develop.md
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from wherry.compose.model_parts import Hook
from wherry.dockerfile.ignore import Matcher
from wherry.fs.tree_watch import Changes

__all__ = ["EPHEMERAL", "Filter", "Put", "Rule", "Work", "below", "merge", "plan", "replay", "skips"]

REBUILD, RESTART, SYNC, SYNC_RESTART, SYNC_EXEC = "rebuild", "restart", "sync", "sync+restart", "sync+exec"

EPHEMERAL = (
    "**/*___jb_old___", "**/*___jb_tmp___", "**/.idea/**", "**/.#*", "**/#*#", "**/4913", "**/*~", "**/.*.swp",
    "**/.*.swx", "**/.*.swo", "**/.*.swn", "**/.*.kate-swp", "**/*-go-tmp-umask",
)  # fmt: skip
"""What editors and compilers leave for a moment, as docker-compose has it; `.git` is left out besides."""

_EPHEMERAL = Matcher(EPHEMERAL)


class Put(NamedTuple):
    """`source` on this machine to `target` in the containers, whatever it is by then: a file, a folder, a link."""

    source: str
    target: str


class Filter(NamedTuple):
    """Which paths below `root` count. `context` is where .dockerignore (`hidden`) counts from, "" for no context.

    `always` are paths that .dockerignore can't hide: the builder reads the Dockerfile and .dockerignore itself.
    """

    root: str
    ignore: Matcher
    include: Matcher | None = None
    context: str = ""
    hidden: Matcher | None = None
    always: frozenset[str] = frozenset()

    def takes(self, path: str) -> bool:
        """Whether a change of the path counts."""
        inside = below(self.root, path)
        if inside is None or self._is_hidden(path, Matcher.excludes):
            return False
        if self.include and inside and not self.include.excludes(inside):
            return False
        return not self.ignore.excludes(inside)

    def prunes(self, folder: str) -> bool:
        """Whether nothing at or below the folder counts. May say no when in doubt."""
        inside = below(self.root, folder)
        if inside is None:
            return below(folder, self.root) is None
        return self._is_hidden(folder, Matcher.prunes) or self.ignore.prunes(inside)

    def _is_hidden(self, path: str, asks: Callable[[Matcher, str], bool]) -> bool:
        if path in self.always:
            return False
        # From the root on: it may itself lie in a folder called .git, or .idea
        inside = below(self.root, path) or ""
        if ".git" in inside.split("/") or asks(_EPHEMERAL, inside):
            return True
        in_context = below(self.context, path) if self.context and self.hidden else None
        return bool(in_context and self.hidden and asks(self.hidden, in_context))


class Rule(NamedTuple):
    """One element of a service's `develop.watch`, ready to be asked. `target` is absolute, "" where none is needed."""

    service: str
    action: str
    filter: Filter
    target: str = ""
    exec: Hook | None = None
    initial_sync: bool = False

    @property
    def syncs(self) -> bool:
        return self.action in (SYNC, SYNC_RESTART, SYNC_EXEC)

    def target_of(self, path: str) -> str:
        """Where the path is in the containers."""
        inside = below(self.filter.root, path)
        return posixpath.join(self.target, inside) if inside else self.target


class Work(NamedTuple):
    """What one batch asks of a service. Done in this order: rebuild, removes, puts, restart, execs.

    `removes` come before `puts`: what is put below a folder that goes away is newer. `changes` is how many paths count.
    """

    rebuild: bool = False
    removes: tuple[str, ...] = ()
    puts: tuple[Put, ...] = ()
    restart: bool = False
    execs: tuple[Hook, ...] = ()
    changes: int = 0

    @property
    def syncs(self) -> bool:
        return bool(self.puts or self.removes)


def plan(rules: Iterable[Rule], changes: Changes) -> dict[str, Work]:
    """The work for each service that has some: every rule that takes a path counts, as in docker-compose."""
    found: dict[str, Work] = {}
    for rule in rules:
        changed = [path for path in changes.changed if rule.filter.takes(path)]
        removed = [path for path in changes.removed if rule.filter.takes(path)]
        if changed or removed:
            asked = _asked(rule, changed, removed)
            before = found.get(rule.service)
            found[rule.service] = merge(before, asked) if before else asked
    return found


def _asked(rule: Rule, changed: Sequence[str], removed: Sequence[str]) -> Work:
    puts: tuple[Put, ...] = ()
    removes: tuple[str, ...] = ()
    if rule.syncs:
        puts = tuple(Put(path, rule.target_of(path)) for path in changed)
        # Differs from docker: a watched folder that goes away (a branch without it is checked out) takes with it what
        # was in it, not the folder of the container: it may be where its program runs, or hold what the image made
        folders = [path for path in removed if path != rule.filter.root or len(removed) == 1]
        removes = _topmost(rule.target_of(path) for path in folders)
    return Work(
        rule.action == REBUILD,
        removes,
        puts,
        rule.action in (RESTART, SYNC_RESTART),
        (rule.exec,) if rule.action == SYNC_EXEC and rule.exec else (),
        len(changed) + len(removed),
    )


def merge(earlier: Work, later: Work) -> Work:
    """Both as one, for a service that was busy meanwhile: the same in the end as one after the other."""
    gone = frozenset(later.removes)
    puts = {one.target: one for one in earlier.puts if not _is_within(gone, one.target)}
    for one in later.puts:
        puts.pop(one.target, None)
        puts[one.target] = one
    execs = [*earlier.execs, *(hook for hook in later.execs if hook not in earlier.execs)]
    return Work(
        earlier.rebuild or later.rebuild,
        # A folder that went and came again is empty, so its removal counts also where it is put
        _topmost((*earlier.removes, *later.removes)),
        tuple(sorted(puts.values(), key=lambda one: one.target)),
        earlier.restart or later.restart,
        tuple(execs),
        earlier.changes + later.changes,
    )


def skips(rules: Sequence[Rule], also: Collection[str] = ()) -> Callable[[str, bool], bool]:
    """What need not be watched: what no rule takes, and folders below which none takes anything. `also` is never
    skipped."""

    def is_skipped(path: str, is_folder: bool) -> bool:
        if path in also:
            return False
        if is_folder:
            return all(rule.filter.prunes(path) for rule in rules)
        return not any(rule.filter.takes(path) for rule in rules)

    return is_skipped


def below(folder: str, path: str) -> str | None:
    """The path from the folder, "" for itself, None when it is elsewhere."""
    if path == folder:
        return ""
    start = folder.rstrip("/") + "/"
    return path[len(start) :] if path.startswith(start) else None


def _is_within(folders: frozenset[str], path: str) -> bool:
    """Whether the path is one of these, or in one."""
    while path not in folders:
        if path in ("", "/"):
            return False
        path = posixpath.dirname(path)
    return True


def _topmost(paths: Iterable[str]) -> tuple[str, ...]:
    found: list[str] = []
    for path in sorted(set(paths), key=lambda one: one.split("/")):
        if not (found and below(found[-1], path) is not None):
            found.append(path)
    return tuple(found)


def replay(rules: Sequence[Rule], known: Mapping[str, str]) -> tuple[Put, ...]:
    """What a container made meanwhile may lack. `known` is target to source of all that was synced to those before."""
    mine = [rule for rule in rules if rule.syncs]
    return tuple(
        Put(source, target)
        for target, source in sorted(known.items())
        if any(rule.filter.takes(source) for rule in mine)
    )
