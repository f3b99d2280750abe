"""The commands that all pipelines are made of."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from wherry.pipelines.model import Pipeline

__all__ = ["build", "deploy", "install", "join", "scalar", "verify"]

_YAML_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def join(words: Sequence[str]) -> str:
    return shlex.join(words)


def scalar(text: str) -> str:
    """A text that YAML reads back as a text: the branch 1.10 is not the number 1.1."""
    is_plain = text[:1].isalpha() and text.lower() not in _YAML_WORDS
    return text if is_plain else f"'{text}'"


def install(extra: str) -> str:
    what = f"'wherry[{extra}]'" if extra else "wherry"
    return f"pip install --break-system-packages {what}"


def build(pipeline: Pipeline, *, sudo: bool, branch: str = "$branch", main: str = "") -> str:
    """Over several lines. The branch's cache first, then the main one's; a full registry must not fail a build.

    `main` is the main branch's name as `branch` would have it, where that is more than "-" for "/".
    """
    return " \\\n  ".join(
        [
            ("sudo " if sudo else "") + 'wherry build -t "$IMAGE:$TAG"',
            f'--cache-from "$CACHE:{branch}"',
            f'--cache-from "$CACHE:{main or pipeline.branch.replace("/", "-")}"',
            f'--cache-to "type=registry,ref=$CACHE:{branch},mode=max,ignore-error=true"',
            join([pipeline.context]),
        ]
    )


def verify(pipeline: Pipeline) -> str:
    """The image, started as a cloud would; the result is attached to it, and goes along when it is pushed."""
    return f'wherry verify -c {join([pipeline.contract])} --junit verify.xml "$IMAGE:$TAG"'


def deploy(pipeline: Pipeline) -> str:
    assert pipeline.cloud
    checked = f" --contract {join([pipeline.contract])}" if pipeline.contract else ""
    return f'wherry deploy {pipeline.cloud.name} --image "$IMAGE"{checked} --yes'
