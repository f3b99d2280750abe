"""Names that say that a value is secret."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wherry.dockerfile.instructions import Arg, Env
from wherry.lint.rule import Hit, rule
from wherry.lint.subject import Subject

__all__ = ["secrets"]

_SECRET = re.compile(r"(?:.*_)?(?:\w*passw(?:or)?d|\w*secret|api_?key|token|access_?key|private_?key)", re.IGNORECASE)


@rule("DL3064", "warning", "ARG or ENV holds what sounds like a secret", same_as="SecretsUsedInArgOrEnv")
def secrets(subject: Subject) -> Iterator[Hit]:
    found = [(one, [pair.name for pair in one.pairs]) for one in subject.file.global_args]
    for one, names in found:
        yield from (_hit(one, name) for name in names if _SECRET.fullmatch(name))
    for _, each in subject.instructions():
        if isinstance(each, Arg | Env):
            names = [pair.name for pair in each.pairs] if isinstance(each, Arg) else [pair.key for pair in each.pairs]
            secret = next((name for name in names if _SECRET.fullmatch(name)), "")
            if secret:
                yield _hit(each, secret)


def _hit(one: Arg | Env, name: str) -> Hit:
    return Hit(
        one.span, f"{name} stays readable in the image's history: RUN --mount=type=secret, or an --env at run time"
    )
