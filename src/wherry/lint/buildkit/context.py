"""COPY and ADD of what .dockerignore hides."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from wherry.dockerfile.instructions import Add, Copy
from wherry.lint.buildkit.suggest import quoted
from wherry.lint.rule import Hit, rule
from wherry.lint.subject import Subject

__all__ = ["copy_ignored_file"]


@rule(
    "CopyIgnoredFile",
    "warning",
    "Attempting to Copy file that is excluded by .dockerignore",
    is_experimental=True,
)
def copy_ignored_file(subject: Subject) -> Iterator[Hit]:
    """Silent when .dockerignore has exceptions, as BuildKit: a hidden folder may have files that are not."""
    if subject.ignore is None or subject.ignore.has_exceptions:
        return
    for _, one in subject.instructions():
        if not isinstance(one, Add | Copy) or (isinstance(one, Copy) and one.from_stage):
            continue
        for source in one.sources:
            path = posixpath.normpath(source).lstrip("/")
            if "$" not in source and "://" not in source and subject.is_ignored(path):
                word = type(one).__name__
                yield Hit(one.span, f"Attempting to {word} file {quoted(path)} that is excluded by .dockerignore")
