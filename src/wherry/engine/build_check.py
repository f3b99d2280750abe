"""`wherry build --check-reproducible`: the same build twice, and what of the second is not as in the first.

The second build uses no cache, keeps none, starts two seconds later (the coarsest clock that files hold, zip's, has
steps of two), one step at a time, in work folders of its own. Its image is removed again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from itertools import zip_longest
from typing import NamedTuple

from wherry.image.compare_inside import Inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.build.progress import Progress
    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.engine.builds import BuildRequest
    from wherry.image.compare import Difference
    from wherry.oci.config import ImageConfig
    from wherry.oci.digest import DiffID, Digest
    from wherry.store.images import ImageRecord

__all__ = ["Checked", "FileFound", "StepFound", "check"]

_LATER_S = 2.1
_EXPLAINED = 300
"""Of so many files of a step it is looked up why they differ; the others are only named."""


class FileFound(NamedTuple):
    difference: Difference
    inside: Inside


class StepFound(NamedTuple):
    """A step whose files differ. `number` counts the steps that made layers, the base image's too; `of` is how many.

    `step` is the image history's text; `files` counts what the step holds in the first build.
    """

    number: int
    of: int
    step: str
    files: int
    found: tuple[FileFound, ...]


class Checked(NamedTuple):
    """`image` is the first build's; `config` are (what, first, second) of the image's configuration that differ."""

    image: ImageRecord
    second: Digest
    steps: tuple[StepFound, ...]
    config: tuple[tuple[str, str, str], ...]

    @property
    def is_equal(self) -> bool:
        return self.image.id == self.second


def check(
    engine: Engine, request: BuildRequest, watch: Callable[[str], AbstractContextManager[Progress]], cancel: Cancel
) -> Checked:
    """Build as asked, build again, compare. `watch` gives the progress of each build, by a title.

    Raises: what a build raises.
    """
    with ExitStack() as stack:
        request = request._replace(stdin=None) if request.stdin is None else _spooled(engine, request, stack)
        with watch("first build") as progress:
            image = engine.builds.build(_rewound(request), progress, cancel)
        cancel.wait(_LATER_S)
        cancel.check()
        options = request.options._replace(no_cache=True, pull=False)
        again = request._replace(
            options=options, tags=(), jobs=1, remember=False, sbom=(), provenance="", cache_to=(), explain=None
        )
        began_ns = time.time_ns()
        with watch("second build, without the cache") as progress:
            second = engine.builds.build(_rewound(again), progress, cancel)
        try:
            return _compare(engine, image, second, cancel)
        finally:
            if second.id != image.id and second.added_ns >= began_ns and not second.references:
                engine.images.remove(str(second.id))


def _spooled(engine: Engine, request: BuildRequest, stack: ExitStack) -> BuildRequest:
    """Standard input can be read once: what it gives is kept in a file of ours."""
    if request.context != "-" and request.dockerfile != "-":
        return request
    assert request.stdin is not None
    folder = stack.enter_context(engine.scratch.folder("stdin"))
    file = stack.enter_context(open(f"{folder}/stdin", "w+b"))  # noqa: SIM115
    while chunk := request.stdin.read(1 << 20):
        file.write(chunk)
    return request._replace(stdin=file)


def _rewound(request: BuildRequest) -> BuildRequest:
    if request.stdin is not None and hasattr(request.stdin, "seek"):
        request.stdin.seek(0)
    return request


def _compare(engine: Engine, first: ImageRecord, second: ImageRecord, cancel: Cancel) -> Checked:
    if first.id == second.id:
        return Checked(first, second.id, (), ())
    ours, theirs = (engine.images.config(image.id) for image in (first, second))
    steps = list(zip_longest(_steps(ours), _steps(theirs), fillvalue=("", ())))
    found = []
    for number, ((text, layers), (other, their_layers)) in enumerate(steps, 1):
        if layers != their_layers:
            files, differ = _explained(engine, layers, their_layers, cancel)
            found.append(StepFound(number, len(steps), text or other, files, tuple(differ)))
    return Checked(first, second.id, tuple(found), tuple(_config(ours, theirs)))


def _steps(config: ImageConfig) -> list[tuple[str, tuple[DiffID, ...]]]:
    """Each step that made layers, with them: those of one step stand together, with one text in the history."""
    from wherry.build.history import matching

    texts = [one.created_by for one in matching(config.history, len(config.diff_ids)) if not one.empty_layer]
    steps: list[tuple[str, tuple[DiffID, ...]]] = []
    for text, layer in zip(texts, config.diff_ids, strict=True):
        if steps and text and steps[-1][0] == text:
            steps[-1] = (text, (*steps[-1][1], layer))
        else:
            steps.append((text, (layer,)))
    return steps


def _explained(
    engine: Engine, first: tuple[DiffID, ...], second: tuple[DiffID, ...], cancel: Cancel
) -> tuple[int, list[FileFound]]:
    from wherry.image.compare import differences, items
    from wherry.image.compare_cause import UNKNOWN, of_path
    from wherry.image.compare_inside import RENAMED, inside, renamed

    ours, theirs = ([engine.layers.path(layer) for layer in side] for side in (first, second))
    differ = list(differences(ours, theirs, cancel))
    names = renamed(differ)
    found = []
    for number, one in enumerate(differ):
        cancel.check()
        what = inside(one) if number < _EXPLAINED else Inside("", (), of_path(one.path))
        if what.cause == UNKNOWN and one.path in names:
            what = what._replace(cause=RENAMED)
        found.append(FileFound(one, what))
    return len(items(ours)), found


def _config(first: ImageConfig, second: ImageConfig) -> Iterator[tuple[str, str, str]]:
    """What of the configuration differs but for the layers."""
    for name, here, there in (
        ("created", first.created, second.created),
        ("config", str(first.config), str(second.config)),
        ("history", os.linesep.join(map(str, first.history)), os.linesep.join(map(str, second.history))),
    ):
        if here != there:
            yield name, here, there
