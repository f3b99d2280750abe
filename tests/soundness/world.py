"""A world: a Dockerfile and its context, and the row of states that they go through, made of a seed alone."""

from __future__ import annotations

import random
from typing import NamedTuple

from tests.soundness.context import Context
from tests.soundness.dockerfile import Doc, edit_doc, make_doc
from tests.soundness.edits import edit_context, make_context

__all__ = ["EDITS", "State", "World", "make_world"]

EDITS = 7
WORDS = ("one", "two", "th ree", "")
TOOLS = frozenset({"python", "make", "git"})


class State(NamedTuple):
    """What one round builds. `edit` says what was done since the state before; `in_place` and `keep_times` how it gets
    to the disk; `together` that all targets are built at the same time, in one root; `pruned` that the cache loses a
    third of its steps before (1 to 3 says which, 0 none).
    """

    context: Context
    doc: Doc
    arguments: tuple[tuple[str, str], ...] = ()
    edit: str = "first build"
    in_place: bool = False
    keep_times: bool = False
    together: bool = False
    pruned: int = 0


class World(NamedTuple):
    """`travels`: each state is built in a new root, which has the cache from an export of the root before."""

    seed: int
    states: tuple[State, ...]
    travels: bool = False

    @property
    def image(self) -> str:
        return self.states[0].doc.image

    def planned(self) -> int:
        """How many cases it has when every step succeeds: RUN steps after an edit, each once a round."""
        return sum(
            len({step.key for target in s.doc.targets() for step in s.doc.steps(target)}) for s in self.states[1:]
        )


def make_world(seed: int, tools: frozenset[str] = frozenset(), edits: int = EDITS) -> World:
    """`tools` are those that an image with more than busybox has here; a fifth of the worlds uses it."""
    rng = random.Random(f"wherry soundness {seed}")
    has_tools = rng.random() < 0.2 and bool(tools)
    image = "tools" if has_tools else "busybox"
    doc = make_doc(rng, image, str(seed), tools if has_tools else frozenset())
    states = [State(make_context(rng), doc)]
    for _ in range(edits):
        states.append(_next(rng, states))
    return World(seed, tuple(states), travels=not has_tools and rng.random() < 0.15)


def _next(rng: random.Random, states: list[State]) -> State:
    now = states[-1]._replace(in_place=rng.random() < 0.4, keep_times=rng.random() < 0.3, together=rng.random() < 0.15)
    now = now._replace(pruned=rng.choice((1, 2, 3)) if rng.random() < 0.1 else 0)
    draw = rng.random()
    if draw < 0.10:
        back = rng.choice(states)
        return now._replace(
            context=back.context, doc=back.doc, arguments=back.arguments, edit="back to an earlier state"
        )
    if draw < 0.13:
        return now._replace(context=make_context(rng), edit="another context")
    if draw < 0.20:
        name, value = rng.choice(("FOO", "BAR", "BAZ")), rng.choice(WORDS)
        arguments = tuple(sorted({**dict(now.arguments), name: value}.items()))
        return now._replace(arguments=arguments, edit=f"argument {name}={value}")
    if draw < 0.32:
        edit, doc = edit_doc(rng, now.doc)
        return now._replace(doc=doc, edit=edit)
    edits = []
    context = now.context
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        edit, context = edit_context(rng, context)
        edits.append(edit)
    return now._replace(context=context, edit=", ".join(edits))
