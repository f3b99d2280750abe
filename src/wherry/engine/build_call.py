"""What `build --call` answers without building: what a target takes, and which targets there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from wherry.dockerfile.instructions import Arg, Copy, Run
from wherry.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wherry.dockerfile import Dockerfile, Stage

__all__ = ["BuildArg", "Outline", "Secret", "Target", "outline", "targets"]


class Target(NamedTuple):
    """A stage. `name` is "" for one that has none; `description` the comment `# NAME ...` above it."""

    name: str
    is_default: bool
    description: str
    base: str
    platform: str
    line: int


class BuildArg(NamedTuple):
    """`value` is --build-arg's, else the default with its variables as written."""

    name: str
    value: str
    description: str
    line: int


class Secret(NamedTuple):
    name: str
    is_required: bool
    line: int


class Outline(NamedTuple):
    """What a build of `target` takes. Each name once, in the order of the file."""

    target: str
    description: str
    args: tuple[BuildArg, ...]
    secrets: tuple[Secret, ...]
    ssh: tuple[Secret, ...]


def targets(dockerfile: Dockerfile) -> tuple[Target, ...]:
    """In the order of the file."""
    return tuple(
        Target(
            stage.name,
            stage is dockerfile.stages[-1],
            stage.origin.doc,
            stage.image,
            stage.platform,
            stage.span.first,
        )
        for stage in dockerfile.stages
    )


def outline(dockerfile: Dockerfile, target: str, build_args: Mapping[str, str]) -> Outline:
    """Raises: NotFound for a target that is not there, as a build of it does."""
    stage = dockerfile.stage(target) if target else dockerfile.stages[-1]
    if stage is None:
        near = dockerfile.nearest_stage(target)
        raise NotFound(f'target stage "{target}" could not be found', hint=f"did you mean {near}?" if near else None)
    needed = _needed(dockerfile, stage)
    args: dict[str, BuildArg] = {}
    for one in _args(dockerfile, needed):
        for pair in one.pairs:
            value = build_args.get(pair.name, pair.default or "")
            before = args.get(pair.name)
            if before is None or (not before.value and value):
                args[pair.name] = BuildArg(
                    pair.name, value, pair.doc or (before.description if before else ""), one.span.first
                )
    secrets = {kind: tuple(_secrets(needed, kind)) for kind in ("secret", "ssh")}
    return Outline(stage.name, stage.origin.doc, tuple(args.values()), secrets["secret"], secrets["ssh"])


def _secrets(stages: list[Stage], kind: str) -> list[Secret]:
    found: dict[str, Secret] = {}
    for stage in stages:
        for run in stage.instructions:
            for mount in run.mounts if isinstance(run, Run) else ():
                if mount.type == kind:
                    name = mount.id or (mount.target.rpartition("/")[2] if kind == "secret" else "default")
                    before = found.get(name, Secret(name, False, run.span.first))
                    found[name] = before._replace(is_required=before.is_required or mount.required)
    return list(found.values())


def _args(dockerfile: Dockerfile, stages: list[Stage]) -> Iterator[Arg]:
    yield from dockerfile.global_args
    for stage in stages:
        yield from (one for one in stage.instructions if isinstance(one, Arg))


def _needed(dockerfile: Dockerfile, target: Stage) -> list[Stage]:
    """The target and the stages that it is made of, in the order of the file."""
    found: dict[int, Stage] = {}
    waiting = [target]
    while waiting:
        stage = waiting.pop()
        if stage.number in found:
            continue
        found[stage.number] = stage
        below = dockerfile.stage(stage.image, before=stage.number, by_index=False)
        names = [one.from_stage for one in stage.instructions if isinstance(one, Copy)]
        names += [mount.from_stage for one in stage.instructions if isinstance(one, Run) for mount in one.mounts]
        others = [dockerfile.stage(name) for name in names if name]
        waiting += [one for one in (below, *others) if one is not None]
    return [found[number] for number in sorted(found)]
