"""COPY and ADD → the Copy operation; what this version does not fetch is refused here, before anything runs."""

from __future__ import annotations

import posixpath

from wherry.build import mode, pattern
from wherry.build.graph import Copy, InlineFile
from wherry.dockerfile.instructions import Add
from wherry.dockerfile.instructions import Copy as CopyInstruction
from wherry.errors import InputError

__all__ = ["destination", "operation"]

_REMOTE = ("http://", "https://", "git://", "git@", "ssh://", "ftp://")


def operation(one: CopyInstruction | Add, workdir: str) -> Copy:
    """`one` is expanded. Raises: DockerfileError."""
    if isinstance(one, Add):
        _refuse_remote(one)
    if one.chmod:
        try:
            mode.parse(one.chmod)
        except InputError as fault:
            raise one.span.at(one.chmod).error(str(fault), hint=fault.hint) from None
    for source in one.sources:
        if not source:
            raise one.span.error("a source of COPY is empty", hint="does the variable in it have a value?")
        if not pattern.is_valid(source):
            raise one.span.at(source).error(f"syntax error in pattern {source!r}", hint="a [ needs its ]")
    if not one.destination:
        raise one.span.error("the destination is empty", hint="does the variable in it have a value?")
    parents = isinstance(one, CopyInstruction) and one.parents
    return Copy(
        sources=tuple(source if parents else clean(source) for source in one.sources),
        dest=destination(one.destination, workdir),
        files=tuple(InlineFile(file.name, file.content.encode("utf-8", "surrogateescape")) for file in one.files),
        from_stage=isinstance(one, CopyInstruction) and bool(one.from_stage),
        chown=one.chown,
        chmod=one.chmod,
        link=one.link,
        parents=parents,
        excludes=one.exclude,
        unpack=isinstance(one, Add) and one.unpack is not False,
    )


def clean(path: str) -> str:
    """Inside the root, without leading slash, "." or ".."; "" is the root itself."""
    return posixpath.normpath("/" + path.lstrip("/")).lstrip("/")


def destination(path: str, workdir: str) -> str:
    """Absolute; ends with "/" when it must be a folder."""
    whole = "/" + clean(posixpath.join(workdir, path))
    is_folder = path.endswith(("/", "/.")) or path == "."
    return whole.rstrip("/") + "/" if is_folder else whole


def _refuse_remote(one: Add) -> None:
    for source in one.sources:
        if source.startswith(_REMOTE):
            raise one.span.at(source).error(
                f"ADD of a URL or git repository is not supported yet: {source}",
                hint="fetch it in a RUN, or put it into the build context",
            )
    if one.checksum or one.keep_git_dir is not None:
        flag = "--checksum" if one.checksum else "--keep-git-dir"
        raise one.span.at(flag).error(f"{flag} is for URLs and git repositories, which are not supported yet")
