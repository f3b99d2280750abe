"""One world from its first state to its last: each target is built twice; what the cache got wrong or did in vain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from tests.soundness.compare import Difference, differences, snapshot
from tests.soundness.context import Context, sync
from tests.soundness.dockerfile import Step
from tests.soundness.lab import Built, Layer, Why
from tests.soundness.oracle import Oracle, Seen, observe
from tests.soundness.world import State, World

__all__ = ["Builder", "Case", "Fault", "Judge", "Verdict", "layers_of_steps"]

# A whole comparison although the layers are equal: an image's layers are what their names say, or not
_SAMPLE = 12
# Two processes that race often come in the same order
_TIMES_MORE = 6
_WATCHED = 3
_UNSAID = Why("", "")
_NOT_IN_A_STEP = ("LABEL", "EXPOSE", "CMD", "STOPSIGNAL", "VOLUME")


class Builder(Protocol):
    """A root that builds (lab.Root)."""

    def build(self, context: Path, state: State, target: str, *, cache: bool, traced: bool = True) -> Built: ...

    def tree(self, layers: tuple[Layer, ...]) -> AbstractContextManager[str]: ...

    def prune(self, third: int) -> None: ...


Move = Callable[[], Builder]


class Fault(NamedTuple):
    """`kind`: "wrong hit" (another tree than the build without cache), "other failure" (one failed, the other did not),
    "other configuration", "other layers" (the same tree in other layers), "unsteady" (two builds without cache differ),
    "other when traced" (the cache gives what a build that is traced gives anew: being watched shows).
    """

    kind: str
    state: int
    target: str
    made_by: str
    path: str
    what: str


class Case(NamedTuple):
    """A RUN step after an edit whose result with the cache was compared with the one without. `ideal`: what an ideal
    cache would do, None when the step does not say what it reads; `kind` and `reason` are what --explain says.
    """

    name: str
    is_hit: bool
    ideal: bool | None
    text: str
    kind: str = ""
    reason: str = ""


class Verdict(NamedTuple):
    cases: tuple[Case, ...]
    faults: tuple[Fault, ...]


class Judge:
    """`cached` keeps its cache from state to state; `anew` makes all of it anew. They share the context only.

    `move` gives another builder in the place of `cached`, for worlds that travel.
    """

    def __init__(
        self, cached: Builder, anew: Builder, folder: Path, *, traced: bool = True, move: Move | None = None
    ) -> None:
        self._move = move
        self._cached = cached
        self._anew = anew
        self._folder = folder
        self._traced = traced
        self._oracle = Oracle()
        self._cases: list[Case] = []
        self._faults: list[Fault] = []
        self._compared = 0

    def world(self, world: World) -> Verdict:
        before: Context = {}
        for number, state in enumerate(world.states):
            sync(self._folder, before, state.context, in_place=state.in_place, keep_times=state.keep_times)
            before = state.context
            done: set[str] = set()
            learnt: list[Seen] = []
            if world.travels and number and self._move:
                self._cached = self._move()
            if state.pruned:
                self._cached.prune(state.pruned)
            built = self._together(state) if state.together else {}
            for target in state.doc.targets():
                ours = built.get(target) or self._with_cache(state, target)
                learnt += self._target(number, state, target, ours, done)
            for step in learnt:
                self._oracle.learn(step)
        return Verdict(tuple(self._cases), tuple(self._faults))

    def _with_cache(self, state: State, target: str) -> Built:
        return self._cached.build(self._folder, state, target, cache=True, traced=self._traced)

    def _together(self, state: State) -> dict[str, Built]:
        """All targets at the same time: builds that bring the same steps, and share what they find."""
        targets = state.doc.targets()
        with ThreadPoolExecutor(4) as pool:
            return dict(zip(targets, pool.map(partial(self._with_cache, state), targets), strict=True))

    def _target(self, number: int, state: State, target: str, ours: Built, done: set[str]) -> list[Seen]:
        """The steps that were made anew. `done` are the steps that another target of this state has had."""
        theirs = self._anew.build(self._folder, state, target, cache=False, traced=False)
        if ours.error or theirs.error:
            if bool(ours.error) != bool(theirs.error) and self._is_steady(state, target, theirs):
                what = f"with the cache: {ours.error or 'no failure'}; anew: {theirs.error or 'no failure'}"
                self._faults.append(Fault("other failure", number, target, "", "", what))
            return []
        good = self._compare(number, state, target, (ours, theirs))
        steps = state.doc.steps(target)
        parts = layers_of_steps(theirs.layers, len(steps))
        if parts is None:
            return []
        learnt = []
        for step, (start, end) in zip(steps, parts, strict=True):
            if step.key in done or (good is not None and end > good):
                continue
            done.add(step.key)
            seen = self._seen(state, step, theirs.layers[:start], theirs.layers[start:end])
            ideal = None if seen is None else self._oracle.would_hit(seen)
            if number:
                place = (step.stage, step.number)
                why = ours.why.get(place, _UNSAID)
                is_hit = place in ours.hits
                self._cases.append(Case(step.line.name, is_hit, ideal, step.line.text, why.kind, why.reason))
            learnt += [seen] if seen else []
        return learnt

    def _compare(self, number: int, state: State, target: str, built: tuple[Built, Built]) -> int | None:
        """How many layers are good; None when all are. What is wrong is written down."""
        ours, theirs = built
        self._compared += 1
        is_same = [one.diff_id for one in ours.layers] == [one.diff_id for one in theirs.layers]
        if is_same and self._compared % _SAMPLE:
            self._compare_config(number, target, ours, theirs)
            return None
        found = self._first_difference(ours.layers, theirs.layers)
        if found is None:
            if not is_same and self._is_steady(state, target, theirs):
                self._faults.append(Fault("other layers", number, target, _first_other(ours, theirs), "", "same tree"))
            return None
        at, difference = found
        kind = self._kind(state, target, (ours, theirs), at)
        self._faults.append(Fault(kind, number, target, theirs.layers[at].made_by, difference.path, difference.what))
        return None if kind == "other when traced" else at

    def _kind(self, state: State, target: str, built: tuple[Built, Built], at: int) -> str:
        """`at` is the layer that differs."""
        ours, theirs = built
        for _ in range(_WATCHED):
            watched = self._anew.build(self._folder, state, target, cache=False, traced=True)
            if watched.layers == ours.layers:
                return "other when traced"
        if not self._is_steady(state, target, theirs):
            return "unsteady"
        steps = state.doc.steps(target)
        parts = layers_of_steps(theirs.layers, len(steps)) or ()
        made = [one for one, (start, end) in zip(steps, parts, strict=False) if start <= at < end]
        # What ran just now is no hit, whatever it gave: it differs each time when it is traced
        return "unsteady" if made and (made[0].stage, made[0].number) in ours.made else "wrong hit"

    def _compare_config(self, number: int, target: str, ours: Built, theirs: Built) -> None:
        if ours.config != theirs.config:
            what = f"with the cache: {ours.config}; anew: {theirs.config}"
            self._faults.append(Fault("other configuration", number, target, "", "", what))

    def _first_difference(self, ours: Sequence[Layer], theirs: Sequence[Layer]) -> tuple[int, Difference] | None:
        """The first layer after which the trees differ, and where. Layers are compared one by one when they pair."""
        if not self._differ(ours, theirs):
            return None
        if len(ours) == len(theirs):
            for end in range(1, len(theirs)):
                if ours[end - 1] != theirs[end - 1] and (found := self._differ(ours[:end], theirs[:end])):
                    return end - 1, found[0]
        return len(theirs) - 1, self._differ(ours, theirs)[0]

    def _differ(self, ours: Sequence[Layer], theirs: Sequence[Layer]) -> list[Difference]:
        if not (ours and theirs):
            return []
        with self._cached.tree(tuple(ours)) as one, self._anew.tree(tuple(theirs)) as two:
            return differences(snapshot(one), snapshot(two))

    def _is_steady(self, state: State, target: str, theirs: Built) -> bool:
        """Whether the build without cache gives the same again: when it does not, a difference says nothing."""
        for _ in range(_TIMES_MORE):
            again = self._anew.build(self._folder, state, target, cache=False, traced=False)
            if bool(again.error) != bool(theirs.error) or again.layers != theirs.layers:
                return False
        return True

    def _seen(self, state: State, step: Step, below: Sequence[Layer], result: Sequence[Layer]) -> Seen | None:
        if step.line.reads is None:
            return None
        settings = [
            line.text for line in step.before if line.kind == "set" and not line.text.startswith(_NOT_IN_A_STEP)
        ]
        opaque = tuple(one.diff_id for one in below if not one.made_by.startswith(("COPY", "ADD")))
        with self._anew.tree(tuple(below)) as root:
            observed = observe(root, step.line.reads, is_root=not step.user)
        fixed = (step.line.text, tuple(settings), state.arguments, state.doc.head, opaque)
        return Seen(fixed, observed, tuple(one.diff_id for one in result))


def _first_other(ours: Built, theirs: Built) -> str:
    for one, two in zip(ours.layers, theirs.layers, strict=False):
        if one.diff_id != two.diff_id:
            return two.made_by
    return f"{len(ours.layers)} layers with the cache, {len(theirs.layers)} anew"


def layers_of_steps(layers: Sequence[Layer], steps: int) -> tuple[tuple[int, int], ...] | None:
    """For each RUN, in order, where its layers start and end; None when they can't be told apart."""
    found: list[tuple[int, int]] = []
    for at, layer in enumerate(layers):
        if not layer.made_by.startswith("RUN "):
            continue
        if found and found[-1][1] == at and layers[at - 1].made_by == layer.made_by:
            found[-1] = (found[-1][0], at + 1)
        else:
            found.append((at, at + 1))
    return tuple(found) if len(found) == steps else None
