"""`compose watch`: edits on this machine reach the running containers of a project.

One thread waits for changes (`fs.tree_watch`), and each service has one that does its work (`watch_plan.Work`): while
one is built anew the others are synced on, and what changes meanwhile is its next work, all in one. What fails is said,
and the watch goes on.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import partial
from threading import Condition, Thread
from typing import NamedTuple

from wherry.compose import watch_git
from wherry.compose.watch_plan import SYNC_RESTART, Work, below, merge, plan, replay, skips
from wherry.errors import Cancelled, WherryError
from wherry.fs.tree_watch import Pace, TreeWatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Protocol

    from wherry.cancel import Cancel
    from wherry.compose.model_parts import Hook
    from wherry.compose.watch_plan import Put, Rule
    from wherry.compose.watch_rules import Selection
else:
    from wherry.lean import Protocol

__all__ = ["Actor", "Replica", "watch"]

# How often to look for containers that somebody else made anew, or started
_LOOK_S = 1.0


class Replica(NamedTuple):
    """A running container of a service."""

    id: str
    name: str


class Actor(Protocol):
    """What is done to a project (`watch_acts.EngineActor`); called from one thread for each service."""

    def running(self, service: str) -> Sequence[Replica]:
        """The service's running containers, by number, without those of `run`."""

    def sync(self, replica: Replica, puts: Sequence[Put], removes: Sequence[str], *, only_different: bool) -> int:
        """How many paths were written or removed. Raises: WherryError, OSError."""

    def rebuild(self, service: str, cancel: Cancel) -> None:
        """Build its image, and put containers of the new one in the place of the old ones; no other service is touched.

        When it can't be built, the old ones go on. Raises: WherryError, OSError.
        """

    def restart(self, service: str, cancel: Cancel) -> None:
        """Raises: WherryError, OSError."""

    def exec(self, replica: Replica, hook: Hook) -> tuple[int, bytes]:
        """Run a command in it; its exit code and what it printed. Raises: WherryError, OSError."""


def watch(
    selection: Selection, actor: Actor, say: Callable[[str], None], cancel: Cancel, pace: Pace | None = None
) -> None:
    """Until `cancel` is set; then all is brought to its end. `say` gets one line at a time, from several threads.

    Raises: OSError when the trees can't be watched.
    """
    rules = selection.rules
    roots = [rule.filter.root for rule in rules]
    git = watch_git.git_folders(roots)
    pace = (pace or Pace())._replace(is_busy=lambda: watch_git.is_git_busy(git))
    with ExitStack() as stack:
        # Before what is to be synced first is read: no edit falls between the two
        skipped = skips(rules, selection.sources)
        trees = stack.enter_context(TreeWatch([*roots, *selection.sources], skipped, say, pace))
        desks = {name: _Desk(name, rules, actor, say, cancel) for name in selection.services}
        say("Watch enabled")
        for desk in desks.values():
            desk.start()
            stack.callback(desk.join)
        try:
            while True:
                changes = trees.wait(cancel)
                for path in sorted(selection.sources.intersection(changes.changed)):
                    say(f"{os.path.basename(path)} changed: start the watch again to use it")
                for service, work in plan(rules, changes).items():
                    desks[service].ask(work)
        except Cancelled:
            return
        finally:
            # Also after a fault of our own: no desk may go on behind the caller's back
            cancel.set()
            for desk in desks.values():
                desk.wake()


class _Desk(Thread):
    """One service: its work, one after the other, and what its containers were given so far."""

    def __init__(
        self, service: str, rules: Sequence[Rule], actor: Actor, say: Callable[[str], None], cancel: Cancel
    ) -> None:
        super().__init__(name=f"watch {service}", daemon=True)
        self._service, self._actor, self._say, self._cancel = service, actor, say, cancel
        self._rules = [rule for rule in rules if rule.service == service]
        self._bell = Condition()
        self._asked: Work | None = None
        self._given: dict[str, str] = {}
        self._taken: dict[str, None] = {}
        # None until the first look: the containers of the beginning are as up to date as the user wanted them
        self._known: set[str] | None = None
        if any(rule.initial_sync for rule in self._rules):
            self._known = set()
            self._given = {put.target: put.source for put in initial(self._rules)}

    def ask(self, work: Work) -> None:
        """Give it work; what it has not begun yet becomes one with it."""
        with self._bell:
            self._asked = merge(self._asked, work) if self._asked else work
            self._bell.notify()

    def wake(self) -> None:
        with self._bell:
            self._bell.notify()

    def run(self) -> None:
        self._try(self._look)
        while not self._cancel.is_set():
            with self._bell:
                if self._asked is None and not self._cancel.is_set():
                    self._bell.wait(_LOOK_S)
                work, self._asked = self._asked, None
            if self._cancel.is_set():
                return
            self._try(partial(self._do, work) if work else self._look)

    def _try(self, act: Callable[[], object]) -> bool:
        """Whether it went well; else what went wrong is said, and the watch goes on."""
        try:
            act()
        except Cancelled:
            return False
        except WherryError as fault:
            hint = f" ({fault.hint})" if fault.hint else ""
            self._say(f'service "{self._service}": {fault}{hint}')
            return False
        except OSError as fault:
            self._say(f'service "{self._service}": {fault}')
            return False
        return True

    def _do(self, work: Work) -> None:
        is_new = work.rebuild and self._rebuild()
        self._remember(work)
        fresh = self._look(work)
        replicas = self._actor.running(self._service)
        if not replicas:
            self._say(f'service "{self._service}" is not running: changes reach it once it is started')
            return
        older = [one for one in replicas if one.id not in fresh]
        if work.syncs and older:
            self._say(f'Syncing service "{self._service}" after {work.changes} changes were detected')
            for replica in older:
                self._try(partial(self._actor.sync, replica, work.puts, work.removes, only_different=False))
        self._finish(work.restart and not is_new, work.execs, replicas)

    def _finish(self, restart: bool, execs: Sequence[Hook], replicas: Sequence[Replica]) -> None:
        if restart:
            self._actor.restart(self._service, self._cancel)
            self._say(f'service "{self._service}" restarted')
        for hook in execs:
            for replica in replicas:
                self._try(partial(self._exec, replica, hook))

    def _exec(self, replica: Replica, hook: Hook) -> None:
        code, output = self._actor.exec(replica, hook)
        for line in output.decode("utf-8", "replace").splitlines():
            self._say(f"{replica.name}: {line}")
        if code:
            words = " ".join(hook.command or ())
            self._say(f'service "{self._service}": `{words}` in {replica.name} exited with status {code}')

    def _rebuild(self) -> bool:
        """Whether new containers run now."""
        self._say(f'Rebuilding service "{self._service}" after changes were detected...')
        try:
            self._actor.rebuild(self._service, self._cancel)
        except Cancelled:
            raise
        except (WherryError, OSError) as fault:
            self._say(f"Build failed. Error: {fault}")
            self._say(f'service "{self._service}" goes on as it was until the next change')
            return False
        self._say(f'service "{self._service}" successfully built')
        return True

    def _remember(self, work: Work) -> None:
        gone = [target for target in self._given if any(below(one, target) is not None for one in work.removes)]
        for target in gone:
            del self._given[target]
        self._taken |= dict.fromkeys(work.removes)
        for put in work.puts:
            self._given[put.target] = put.source
            self._taken.pop(put.target, None)

    def _look(self, work: Work | None = None) -> set[str]:
        """Containers that were made or started meanwhile, by whom ever, get what the others had; their ids.

        `work` is what is done next anyway.
        """
        replicas = self._actor.running(self._service)
        fresh = [one for one in replicas if self._known is not None and one.id not in self._known]
        # Without those that have stopped: when they run again they have missed what came meanwhile
        self._known = {one.id for one in replicas}
        puts, written = replay(self._rules, self._given), 0
        if puts or self._taken:
            for replica in fresh:
                written += self._actor.sync(replica, puts, tuple(self._taken), only_different=True)
        if written:
            self._say(f'Syncing service "{self._service}": {written} paths of a new container were out of date')
            restart = any(rule.action == SYNC_RESTART for rule in self._rules)
            execs = [rule.exec for rule in self._rules if rule.exec and not (work and rule.exec in work.execs)]
            self._finish(restart and not (work and work.restart and not work.rebuild), execs, fresh)
        return {one.id for one in fresh}


def initial(rules: Sequence[Rule]) -> Iterator[Put]:
    """All that rules with `initial_sync` take, parents before what is in them."""
    from wherry.compose.watch_plan import Put

    for rule in rules:
        if rule.initial_sync and rule.syncs:
            for path in _paths(rule):
                yield Put(path, rule.target_of(path))


def _paths(rule: Rule) -> Iterator[str]:
    pending = [rule.filter.root]
    while pending:
        path = pending.pop()
        is_folder = os.path.isdir(path) and not os.path.islink(path)
        if os.path.lexists(path) and rule.filter.takes(path):
            yield path
        if is_folder and not rule.filter.prunes(path):
            try:
                pending += sorted((os.path.join(path, name) for name in os.listdir(path)), reverse=True)
            except OSError:
                continue
