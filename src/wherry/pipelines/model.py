"""What a pipeline is to do, checked: every word of it goes into a file that a CI executes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wherry.errors import InputError, nearest
from wherry.oci.reference import Reference

__all__ = ["CLOUDS", "Cloud", "Pipeline", "make"]

_BRANCH = re.compile(r"(?!-)[A-Za-z0-9._/-]{1,200}")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,98}[A-Za-z0-9])?")
_PATH = re.compile(r"(?!-)(?!/)[A-Za-z0-9._/-]{1,400}")
_CONTEXT = re.compile(r"(?!-)[A-Za-z0-9._/-]{1,400}")


@dataclass(frozen=True)
class Cloud:
    """A target of `wherry deploy`, as a CI job sees it: the extra of wherry that it needs."""

    name: str
    extra: str


CLOUDS = {
    cloud.name: cloud
    for cloud in (
        Cloud("ecs", "aws"),
        Cloud("cloudrun", "gcp"),
        Cloud("aca", "azure"),
        Cloud("kubernetes", "kubernetes"),
        Cloud("compose-ssh", ""),
    )
}


@dataclass(frozen=True)
class Pipeline:
    """`image` is a repository without a tag, or "" for the one that the CI gives its project. `contract` is "" when
    there is none; `cloud` None means that the pipeline ends with the push.
    """

    image: str = ""
    branch: str = "main"
    context: str = "."
    contract: str = ""
    cloud: Cloud | None = None
    environment: str = "production"


def make(*, image: str, branch: str, context: str, contract: str, deploy: str, environment: str) -> Pipeline:
    """Raises: InputError for a word that can't stand in a pipeline as it is."""
    if image:
        reference = Reference.parse(image, default_tag="")
        if reference.tag or reference.digest:
            raise InputError(
                f"--image is a repository without a tag, got {image!r}",
                hint=f"--image {reference.familiar_name}: each commit's image gets a tag of its own",
            )
        image = str(reference)
    _check(branch, _BRANCH, "--branch", "a branch's name")
    _check(environment, _NAME, "--environment", "an environment's name")
    _check(context, _CONTEXT, "the build context", "a folder of the repository")
    if contract:
        _check(contract, _PATH, "--contract", "a file of the repository, relative to its root")
    return Pipeline(image, branch, context, contract, _cloud(deploy), environment)


def _cloud(name: str) -> Cloud | None:
    if not name:
        return None
    if name not in CLOUDS:
        close = nearest(name, list(CLOUDS))
        raise InputError(
            f"wherry deploys to no {name!r}", hint=f"did you mean {close}?" if close else f"one of {', '.join(CLOUDS)}"
        )
    return CLOUDS[name]


def _check(text: str, shape: re.Pattern[str], flag: str, what: str) -> None:
    if not shape.fullmatch(text) or ".." in text.split("/"):
        raise InputError(
            f"{flag} must be {what}, got {text[:80]!r}",
            hint="letters, digits and . _ - / only: the text goes into a file that your CI executes",
        )
