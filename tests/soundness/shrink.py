"""A wrong hit made small: states, stages, lines and files are left out for as long as the hit stays wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from tests.soundness.context import drop
from tests.soundness.dockerfile import Doc
from tests.soundness.judge import Fault
from tests.soundness.world import World

__all__ = ["picture", "shrink"]

_IsWrong = Callable[[World], bool]


def shrink(world: World, fault: Fault, is_wrong: _IsWrong, seconds: float = 120) -> World:
    """The smallest world found in that time which is still wrong; at most the world up to the fault."""
    until = time.monotonic() + seconds
    best = world._replace(states=world.states[: fault.state + 1])
    for attempts in (_stages, _states, _lines, _paths, _lines):
        best = _reduce(best, lambda found, pick=attempts: pick(found, fault.target), is_wrong, until)  # type: ignore[misc]
    return best


def _reduce(world: World, attempts: Callable[[World], Iterator[World]], is_wrong: _IsWrong, until: float) -> World:
    """Take the first smaller one that is still wrong, and begin again."""
    shrunk = True
    while shrunk and time.monotonic() < until:
        shrunk = False
        for smaller in attempts(world):
            if time.monotonic() > until:
                break
            if is_wrong(smaller):
                world, shrunk = smaller, True
                break
    return world


def _stages(world: World, target: str) -> Iterator[World]:
    """Only what the target is made of."""
    if any(len(state.doc.targets()) > 1 for state in world.states):
        states = tuple(state._replace(doc=_only(state.doc, target)) for state in world.states)
        yield world._replace(states=states)


def _only(doc: Doc, target: str) -> Doc:
    kept = {stage.name for stage in doc.chain(target)}
    text = "\n".join(line.text for stage in doc.chain(target) for line in stage.lines)
    kept |= {stage.name for stage in doc.stages if f"from={stage.name}" in text}
    return doc._replace(stages=tuple(stage for stage in doc.stages if stage.name in kept))


def _states(world: World, target: str) -> Iterator[World]:
    """Two states, else one fewer."""
    del target
    last = len(world.states) - 1
    if last > 1:
        for at in reversed(range(last)):
            yield world._replace(states=(world.states[at], world.states[last]))
        for at in range(last):
            yield world._replace(states=world.states[:at] + world.states[at + 1 :])


def _lines(world: World, target: str) -> Iterator[World]:
    """Without one line, in all states that have it."""
    del target
    texts = {line.text for state in world.states for stage in state.doc.stages for line in stage.lines}
    for text in sorted(texts, key=len, reverse=True):
        yield world._replace(states=tuple(state._replace(doc=_without(state.doc, text)) for state in world.states))


def _without(doc: Doc, text: str) -> Doc:
    stages = [one._replace(lines=tuple(line for line in one.lines if line.text != text)) for one in doc.stages]
    return doc._replace(stages=tuple(stages))


def _paths(world: World, target: str) -> Iterator[World]:
    """Without one path, in all states."""
    del target
    paths = {path for state in world.states for path in state.context}
    for path in sorted(paths):
        yield world._replace(states=tuple(one._replace(context=drop(one.context, path)) for one in world.states))


def picture(world: World) -> Iterator[str]:
    """The world as text: its Dockerfiles, its contexts, and what each edit was."""
    last_text = ""
    for number, state in enumerate(world.states):
        how = f"in place: {state.in_place}, times kept: {state.keep_times}"
        how += f", a third of the cache pruned before ({state.pruned})" if state.pruned else ""
        how += ", targets built at once" if state.together else ""
        how += ", in a new root with an exported cache" if world.travels and number else ""
        yield f"-- state {number}: {state.edit} ({how}) {dict(state.arguments)}"
        if state.doc.text() != last_text:
            last_text = state.doc.text()
            yield last_text.rstrip()
        for path, node in sorted(state.context.items()):
            shown = node.data if len(node.data) < 80 else f"{len(node.data)} bytes"
            detail = node.target or (shown if node.kind == "file" else "")
            more = " with a capability" if node.is_capable else ""
            yield f"   {node.kind:4} {node.mode:04o} {path!r} {detail!r}{more}"
