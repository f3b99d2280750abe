"""wherry build --check-reproducible: what two builds of the same inputs do not have in common."""

from __future__ import annotations

import os
from contextlib import contextmanager

from wherry.cli.render import clean, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from wherry.build.progress import Progress
    from wherry.cancel import Cancel
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.build_check import Checked, FileFound, StepFound
    from wherry.engine.builds import BuildRequest
    from wherry.image.compare import Difference, Item
    from wherry.store.images import ImageRecord

__all__ = ["DIFFERS", "run"]

DIFFERS = 3
"""The exit code when the two images are not the same: 1 is a build that failed."""
_NAMED = 3


def run(engine: Engine, request: BuildRequest, args: Args, out: Output, cancel: Cancel) -> tuple[ImageRecord, int]:
    """The first build's image, and the exit code. The findings go to stdout, both builds' progress to stderr."""
    from wherry.build.progress import Quiet
    from wherry.cli.build_progress import choose
    from wherry.engine.build_check import check

    kind = args.text("progress")
    choose(kind, out, engine.settings.env)

    @contextmanager
    def watch(title: str) -> Iterator[Progress]:
        if args.on("quiet"):
            yield Quiet()
            return
        out.error(f"=> {title}")
        with choose(kind, out, engine.settings.env) as display:
            yield display

    checked = check(engine, request, watch, cancel)
    if args.text("format") == "json":
        out.json(_document(checked))
    else:
        for line in _lines(checked):
            out.line(line)
    return checked.image, 0 if checked.is_equal else DIFFERS


def _lines(checked: Checked) -> Iterator[str]:
    if checked.is_equal:
        yield f"Both builds gave the same image: {checked.image.id}"
        return
    files = sum(len(step.found) for step in checked.steps)
    yield f"The two builds gave different images: {files} files of {len(checked.steps)} steps differ"
    yield f"  first  {checked.image.id}"
    yield f"  second {checked.second}"
    for name, here, there in checked.config:
        yield f"\nThe image's {name}"
        yield f"  -{clean(here)}"
        yield f"  +{clean(there)}"
    for step in checked.steps:
        yield ""
        yield from _step(step)


def _step(step: StepFound) -> Iterator[str]:
    yield f"Layer {step.number} of {step.of}: {_shortened(step.step)}"
    groups: dict[tuple[object, ...], list[FileFound]] = {}
    for one in step.found:
        why, found = one.inside.cause.why, one.difference
        alike = (one.inside.what, found.first is None, found.second is None, *(fact[0] for fact in found.facts))
        key: tuple[object, ...] = (why,) if why else alike
        groups.setdefault(key, []).append(one)
    for group in groups.values():
        yield from _group(group)


def _group(group: Sequence[FileFound]) -> Iterator[str]:
    """The first file of those that differ for one reason in full, the next by name, the others counted."""
    first = group[0]
    what = f" ({first.inside.what})" if first.inside.what else ""
    yield f"  {_path(first.difference)}{what}: {_kind(first.difference)}"
    for line in first.inside.lines:
        yield f"      {clean(line)}"
    for one in group[1:_NAMED]:
        yield f"  {_path(one.difference)}: {_kind(one.difference)}"
    if len(group) > _NAMED:
        yield f"  ... and {len(group) - _NAMED} more like these"
    cause = first.inside.cause
    if cause.why:
        yield f"    why: {cause.why}"
    if cause.remedy:
        yield f"    try: {clean(cause.remedy)}"


def _kind(one: Difference) -> str:
    if one.first is None or one.second is None:
        lone, which = (one.first, "first") if one.first else (one.second, "second")
        below = f", with {one.below} in it" if one.below else ""
        return f"a {lone.kind if lone else ''} that only the {which} build has{below}"
    if one.first.kind != one.second.kind:
        return f"a {one.first.kind} in the first build, a {one.second.kind} in the second"
    facts = [f"{name} {clean(here) or 'none'} and {clean(there) or 'none'}" for name, here, there in one.facts]
    if one.is_content:
        sizes = [human_size(side.size) for side in (one.first, one.second)]
        same = one.first.size == one.second.size
        facts.insert(0, f"other content ({sizes[0]})" if same else f"other content ({sizes[0]} and {sizes[1]})")
    return ", ".join(facts)


def _path(one: Difference) -> str:
    return clean("/" + _printable(one.path))


def _printable(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "replace")


def _shortened(step: str) -> str:
    text = " ".join(step.removesuffix(" # buildkit").replace("RUN /bin/sh -c ", "RUN ").split())
    return clean(text if len(text) <= 100 else text[:100] + "...") or "(a layer without a history)"


def _document(checked: Checked) -> Mapping[str, Any]:
    return {
        "equal": checked.is_equal,
        "first": str(checked.image.id),
        "second": str(checked.second),
        "config": [{"name": name, "first": here, "second": there} for name, here, there in checked.config],
        "steps": [
            {"layer": step.number, "of": step.of, "step": step.step, "files": step.files,
             "differences": [_difference(one) for one in step.found]}
            for step in checked.steps
        ],
    }  # fmt: skip


def _difference(one: FileFound) -> Mapping[str, Any]:
    found, inside = one.difference, one.inside
    return {
        "path": "/" + _printable(found.path),
        "first": _side(found.first),
        "second": _side(found.second),
        "content": found.is_content,
        "facts": [{"name": name, "first": here, "second": there} for name, here, there in found.facts],
        "below": found.below,
        "format": inside.what,
        "lines": [_printable(line) for line in inside.lines],
        "why": inside.cause.why,
        "remedy": inside.cause.remedy,
    }


def _side(item: Item | None) -> Mapping[str, Any] | None:
    return None if item is None else {"kind": item.kind, "size": item.size}
