"""Why each step of a build was found in the cache or not, in words. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from wherry.build.cache import MADE, TRACED
from wherry.build.explain_advice import advice
from wherry.build.explain_changes import Parts, changes, joined
from wherry.build.explain_facts import ORDER, facts_of, files_of, place
from wherry.build.explain_memory import Facts, Remembered
from wherry.build.explain_names import Names
from wherry.build.graph import Copy, Source
from wherry.build.job import Job, Outcome, Trace
from wherry.trace.observe import CONTENT, LIST, TREE

__all__ = ["Before", "Explained", "explain"]

_SHOWN = 3
_PRUNED = "its result was removed since"


class Explained(NamedTuple):
    """One step, in the order of the Dockerfile. `kind` is "ordinary", "traced" or "none". `reads` are the files that it
    read, by their names in the context where they have one; `advice` "" when there is none. `source` is the cache of
    another machine that a hit came from, "" when it was made here.
    """

    name: str
    hit: bool
    kind: str
    reason: str
    reads: tuple[str, ...] = ()
    advice: str = ""
    source: str = ""

    def line(self) -> str:
        """For people."""
        if not self.hit:
            return f"{self.name}: miss: {self.reason}"
        return f"{self.name}: hit ({self.reason}{f'; from cache {self.source}' if self.source else ''})"


class Before(NamedTuple):
    """The build before: its steps, and by a COPY's slot its files. `no_cache` is the flag that forbade the cache.

    `source` says of a step's key which cache of another machine its result came from.
    """

    steps: Remembered
    files: Callable[[str], Mapping[str, str]]
    no_cache: str = "--no-cache"
    source: Callable[[str], str] = lambda key: ""


def explain(outcomes: Mapping[int, Outcome], shape: tuple[object, ...], before: Before) -> list[Explained]:
    """Each step of which the outcome is known. Roots of images are none."""
    steps = [one for one in outcomes.values() if not isinstance(one.job.vertex.op, Source)]
    return [_explained(one, outcomes, shape, before) for one in sorted(steps, key=_line)]


def _line(one: Outcome) -> tuple[int, int]:
    number = one.job.vertex.where.rpartition(":")[2]
    return int(number) if number.isdecimal() else 0, one.job.vertex.number


def _explained(one: Outcome, outcomes: Mapping[int, Outcome], shape: tuple[object, ...], before: Before) -> Explained:
    names = Names.of(one.job, outcomes)
    stage, _, text = place(one.job.vertex.name)
    name = f"[{stage}] {text}" if stage else text
    reads = _reads(one.trace, names)
    said = advice(one.job, one.trace, names)
    if one.kind == TRACED:
        return Explained(name, True, one.kind, _told(one.trace, names), reads, said, before.source(one.job.key))
    if one.kind != MADE:
        return Explained(name, True, one.kind, "nothing changed", reads, said, before.source(one.job.key))
    reason = _missed(one, outcomes, shape, before, names)
    if one.trace.untraced:
        reason += f" (it could not be traced: {one.trace.untraced})"
    if one.trace.damaged:
        reason += f" ({one.trace.damaged} damaged records of it were dropped)"
    return Explained(name, False, one.kind, reason, reads, said)


def _read_looks(trace: Trace) -> list[tuple[int, bytes]]:
    if trace.paths is None:
        return []
    pairs = zip(trace.paths.looks, trace.values, strict=False)
    return [(one.layer, one.path) for one, value in pairs if one.kinds & CONTENT and Parts.of(one, value).is_file]


def _reads(trace: Trace, names: Names) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names.name(layer, path) for layer, path in _read_looks(trace)))


def _told(trace: Trace, names: Names) -> str:
    """ "read 1 file of yours: a; listed /app"."""
    looks = _read_looks(trace)
    yours = list(dict.fromkeys(names.name(layer, path) for layer, path in looks if names.is_yours(layer)))
    others = len(dict.fromkeys(path for layer, path in looks if not names.is_yours(layer)))
    words = [_files(yours)]
    if others:
        words.append(f"{others} copied from other stages or images")
    if folders := _folders(trace, TREE):
        words.append("read in all of " + ", ".join(folders[:_SHOWN]) + _more(folders))
    if folders := _folders(trace, LIST):
        words.append("listed " + ", ".join(folders[:_SHOWN]) + _more(folders))
    return "; ".join(words)


def _files(yours: list[str]) -> str:
    if not yours:
        return "read none of your files"
    more = f" and {len(yours) - _SHOWN} more" if len(yours) > _SHOWN else ""
    return f"read {len(yours)} file{'s'[: len(yours) > 1]} of yours: {', '.join(yours[:_SHOWN])}{more}"


def _folders(trace: Trace, kind: int) -> list[str]:
    """Those that were there and were looked at in that way. That a layer's root is listed says nothing."""
    looks = trace.paths.looks if trace.paths else ()
    found = [
        look for look, value in zip(looks, trace.values, strict=False)
        if look.kinds & kind and look.path and not Parts.of(look, value).is_absent
    ]  # fmt: skip
    return list(dict.fromkeys("/" + look.path.decode("utf-8", "backslashreplace") for look in found))


def _more(folders: list[str]) -> str:
    return f" and {len(folders) - _SHOWN} more folders" if len(folders) > _SHOWN else ""


def _missed(
    one: Outcome, outcomes: Mapping[int, Outcome], shape: tuple[object, ...], before: Before, names: Names
) -> str:
    if one.job.vertex.no_cache:
        return before.no_cache
    now = facts_of(one.job, shape, outcomes)
    then = before.steps.step(now)
    if then is None:
        return "never built here"
    if one.trace.earlier:
        earlier = one.trace.earlier
        if not earlier.values or not one.trace.now:
            return "files that it reads changed"
        found = changes(earlier.paths.looks, earlier.values, one.trace.now, names)
        return joined(found) if found else _PRUNED
    return _difference(one.job, then, now, before) or _PRUNED


def _difference(job: Job, then: Facts, now: Facts, before: Before) -> str:
    """What of the step's own changed, then what lies below it."""
    changed = [name for name in {**then.parts, **now.parts} if then.parts.get(name) != now.parts.get(name)]
    # A variable more or less changes the order too, and is the better reason
    changed.sort(key=ORDER.__eq__)
    for name in changed:
        if name not in ("inputs", "contents", "platform"):
            return _part(name, then, now)
    if "platform" in changed:
        return f"built for {now.parts['platform']} this time"
    if "contents" in changed:
        if not isinstance(job.vertex.op, Copy):
            return "what it mounts of the context changed"
        return joined(_files_changed(before.files(then.slot), files_of(job))) or "what it copies changed"
    if "inputs" in changed:
        what = "what it copies from" if isinstance(job.vertex.op, Copy) else "what it mounts from"
        return f"{what} another stage or image changed"
    if then.layers[: then.base] != now.layers[: now.base]:
        return "the base image changed"
    return "the step before gave other files" if then.layers != now.layers else ""


def _part(name: str, then: Facts, now: Facts) -> str:
    what = name.removeprefix("env ")
    if what == name:
        return f"{name} changed"
    # ARG or ENV: a step sees both in the same way
    kind = "appeared" if name not in then.parts else "went away" if name not in now.parts else "changed"
    return f"ENV {what} {kind}"


def _files_changed(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    if not then:
        return []
    changed = [f"{name} changed" for name in now if name in then and then[name] != now[name]]
    return [
        *changed, *(f"{name} appeared" for name in now if name not in then),
        *(f"{name} vanished" for name in then if name not in now),
    ]  # fmt: skip
