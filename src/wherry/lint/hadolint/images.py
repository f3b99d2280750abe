"""Base images, and the stages and images that COPY reads from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from wherry.dockerfile.instructions import Copy
from wherry.dockerfile.stages import Stage
from wherry.lint.rule import Hit, rule
from wherry.lint.subject import Subject

__all__ = [
    "copied_from",
    "latest",
    "platform",
    "registries",
    "stage_names",
    "tag",
    "target_platform",
]

_HOST = re.compile(r"(?:[^/]*[.:][^/]*|localhost)")


def _bases(subject: Subject) -> Iterator[Stage]:
    """The stages that begin with an image: not with nothing, and not with a stage above."""
    for stage in subject.stages:
        if (
            stage.image.lower() != "scratch"
            and subject.file.stage(stage.image, before=stage.number, by_index=False) is None
        ):
            yield stage


def _tag(image: str) -> str:
    """What follows the colon of the last part; "" without one."""
    return image.rpartition("/")[2].partition(":")[2]


@rule("DL3006", "warning", "The base image has no tag: it is another one next month")
def tag(subject: Subject) -> Iterator[Hit]:
    for stage in _bases(subject):
        if "@" not in stage.image and not _tag(stage.image) and not stage.image.startswith("$"):
            if stage.image.rpartition("/")[2].startswith("$"):
                continue
            yield Hit(
                stage.span,
                f"{stage.image} has no tag: it is another image next month. Name a version, best with its digest",
            )


@rule("DL3007", "warning", "The tag latest moves: name a version")
def latest(subject: Subject) -> Iterator[Hit]:
    for stage in _bases(subject):
        if "@" not in stage.image and _tag(stage.image) == "latest":
            yield Hit(stage.span, f"{stage.image} moves: name a version, best with its digest")


def _copies(subject: Subject) -> Iterator[tuple[Stage, Copy]]:
    for stage, one in subject.instructions():
        if isinstance(one, Copy) and one.from_stage:
            yield stage, one


@rule("DL3022", "warning", "COPY --from names neither a stage above nor an image with a tag")
def copied_from(subject: Subject) -> Iterator[Hit]:
    for stage, one in _copies(subject):
        source = one.from_stage
        is_stage = subject.file.stage(source, before=stage.number + 1) is not None
        if not is_stage and ":" not in source and "@" not in source:
            yield Hit(one.span, f"{source} is no stage above, and as an image it has no tag")


@rule("DL3024", "error", "Two stages have one name", same_as="DuplicateStageName")
def stage_names(subject: Subject) -> Iterator[Hit]:
    seen: set[str] = set()
    for stage in subject.stages:
        if stage.name in seen:
            yield Hit(stage.span, f"An earlier stage is named {stage.name}: it can't be reached any more")
        elif stage.name:
            seen.add(stage.name)


@rule("DL3026", "error", "The base image comes from a registry that is not trusted here")
def registries(subject: Subject) -> Iterator[Hit]:
    """Only with `trusted-registries`; an image without a host comes from docker.io."""
    trusted = subject.options.trusted_registries
    for stage in _bases(subject) if trusted else ():
        host, slash, _ = stage.image.partition("/")
        host = host if slash and _HOST.fullmatch(host) else "docker.io"
        if "$" not in stage.image.partition("/")[0] and not any(fnmatchcase(host, one) for one in trusted):
            yield Hit(stage.span, f"{host} is not among the trusted registries")


@rule("DL3029", "warning", "FROM names a fixed platform", same_as="FromPlatformFlagConstDisallowed")
def platform(subject: Subject) -> Iterator[Hit]:
    for stage in subject.stages:
        if stage.platform and "$" not in stage.platform:
            yield Hit(stage.span, f"The stage is always for {stage.platform}, whatever the build asks for")


@rule("DL3065", "warning", "The platform of FROM is the one it has anyway", same_as="RedundantTargetPlatform")
def target_platform(subject: Subject) -> Iterator[Hit]:
    for stage in subject.stages:
        if stage.platform in ("$TARGETPLATFORM", "${TARGETPLATFORM}"):
            yield Hit(stage.span)
