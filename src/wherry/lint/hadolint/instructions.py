"""Instructions that do something else than they seem to."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wherry.dockerfile.instructions import (
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Maintainer,
    Shell,
    User,
    Workdir,
)
from wherry.dockerfile.shell import WordError
from wherry.lint.rule import Edit, Hit, rule
from wherry.lint.subject import Subject

__all__ = [
    "add", "cmd_twice", "entrypoint_twice", "healthcheck", "healthcheck_twice", "json", "maintainer", "numeric_user",
    "ports", "relative_copy", "root", "several_sources", "variables", "workdir",
]  # fmt: skip

_ARCHIVE = re.compile(
    r".*\.(tar|tgz|taz|tbz2?|tb2|txz|tlz|tzst|tar\.(gz|bz2|xz|zst|lzma|Z)|gz|bz2|xz|zst|lzma|Z|tZ)", re.IGNORECASE
)
_REMOTE = re.compile(r"(https?|git|ssh)://|git@|[^/]*@[^/]*:")
_PLAIN_FILE = re.compile(r"[\w./-]+\.(py|txt|toml|json|ya?ml|md|sh|cfg|ini|lock|html|css|js|csv|sql)")
_DRIVE = re.compile(r"[A-Za-z]:")


def _unquoted(path: str) -> str:
    return path[1:-1] if len(path) > 1 and path[0] == path[-1] and path[0] in "\"'" else path


def _is_absolute(path: str) -> bool:
    path = _unquoted(path)
    return path.startswith(("/", "$")) or bool(_DRIVE.match(path))


@rule("DL3000", "error", "WORKDIR is not absolute", same_as="WorkdirRelativePath")
def workdir(subject: Subject) -> Iterator[Hit]:
    for _, one in subject.instructions():
        if isinstance(one, Workdir) and not _is_absolute(one.path):
            yield Hit(one.span, f"WORKDIR {one.path} goes on from the folder before it: write the whole path")


def _is_root(user: str) -> bool:
    return _unquoted(user).partition(":")[0] in ("root", "0")


@rule("DL3002", "warning", "The stage ends as root")
def root(subject: Subject) -> Iterator[Hit]:
    for stage in subject.stages:
        users = [one for one in stage.instructions if isinstance(one, User)]
        if users and _is_root(users[-1].user):
            yield Hit(users[-1].span, "The container runs as root: end with a USER that is not")


@rule("DL3011", "error", "A port is beyond 65535")
def ports(subject: Subject) -> Iterator[Hit]:
    for _, one in subject.instructions():
        for port in one.ports if isinstance(one, Expose) else ():
            found = [int(number) for number in re.findall(r"\d{1,20}", port.partition("/")[0])]
            if "$" not in port and any(number > 65535 for number in found):
                yield Hit(one.span, f"There is no port {max(found)}: they end at 65535")
                break


def _twice(subject: Subject, kind: type[Cmd] | type[Entrypoint] | type[Healthcheck], keyword: str) -> Iterator[Hit]:
    for stage in subject.stages:
        before = 0
        for one in stage.instructions:
            if isinstance(one, kind):
                if before:
                    yield Hit(one.span, f"The {keyword} of line {before} is without effect", twin=before)
                before = one.span.first


@rule("DL3012", "error", "A stage has two HEALTHCHECKs", same_as="MultipleInstructionsDisallowed")
def healthcheck_twice(subject: Subject) -> Iterator[Hit]:
    return _twice(subject, Healthcheck, "HEALTHCHECK")


@rule("DL4003", "warning", "A stage has two CMDs", same_as="MultipleInstructionsDisallowed")
def cmd_twice(subject: Subject) -> Iterator[Hit]:
    return _twice(subject, Cmd, "CMD")


@rule("DL4004", "error", "A stage has two ENTRYPOINTs", same_as="MultipleInstructionsDisallowed")
def entrypoint_twice(subject: Subject) -> Iterator[Hit]:
    return _twice(subject, Entrypoint, "ENTRYPOINT")


@rule("DL3020", "error", "ADD of a plain file or folder: COPY does the same and nothing else")
def add(subject: Subject) -> Iterator[Hit]:
    for _, one in subject.instructions():
        if not isinstance(one, Add) or one.files:
            continue
        plain = [path for path in one.sources if not _ARCHIVE.fullmatch(path) and not _REMOTE.match(path)]
        if plain and not any("$" in path for path in plain):
            edits: tuple[Edit, ...] = ()
            keyword = subject.logical(one.span).text[:3]
            only = all(_PLAIN_FILE.fullmatch(path) for path in one.sources)
            if only and not one.checksum and one.keep_git_dir is None and one.unpack is None:
                copy = "copy" if keyword.islower() else "COPY"
                edits = (subject.logical(one.span).edit(0, 3, copy),)
            yield Hit(one.span, f"{plain[0]} needs no ADD: COPY does the same and nothing else", edits)


@rule("DL3021", "error", "Several files are copied to what is no folder: end it with a slash")
def several_sources(subject: Subject) -> Iterator[Hit]:
    for _, one in subject.instructions():
        if isinstance(one, Copy) and len(one.sources) + len(one.files) > 1:
            target = _unquoted(one.destination)
            if not target.endswith(("/", "\\")) and "$" not in target and target not in (".", ".."):
                yield Hit(one.span, f"Several files go to {target}: a folder ends with a slash")


@rule("DL3025", "warning", "The command is a shell line", same_as="JSONArgsRecommended")
def json(subject: Subject) -> Iterator[Hit]:
    """A SHELL of the author's own says that a shell is meant."""
    for stage in subject.stages:
        has_shell = False
        for one in stage.instructions:
            has_shell |= isinstance(one, Shell)
            if isinstance(one, Cmd | Entrypoint) and one.command.is_shell and one.command.args and not has_shell:
                yield Hit(one.span, "A shell is process 1 here and passes no signal on: write the command as JSON")


@rule("DL3044", "error", "ENV uses a variable that it sets itself")
def variables(subject: Subject) -> Iterator[Hit]:
    for stage in subject.stages:
        known: set[str] = set()
        for one in stage.instructions:
            if isinstance(one, Arg):
                known |= {pair.name for pair in one.pairs}
            if not isinstance(one, Env):
                continue
            new = {pair.key for pair in one.pairs} - known
            for pair in one.pairs:
                used = (_used(subject, pair.value) & new) - {pair.key}
                if used and not one.is_legacy:
                    name = min(used)
                    yield Hit(one.span, f"${name} has no value yet for {pair.key}: set it by an ENV before this one")
                    break
            known |= {pair.key for pair in one.pairs}


def _used(subject: Subject, word: str) -> set[str]:
    try:
        return set(subject.file.lex.trace(word, {}).missing)
    except WordError:
        return set()  # the build tells it


@rule("DL3045", "warning", "COPY to a relative path, and no WORKDIR says from where")
def relative_copy(subject: Subject) -> Iterator[Hit]:
    ends: dict[str, bool] = {}
    for stage in subject.stages:
        has_workdir = ends.get(stage.image.lower(), False)
        for one in stage.instructions:
            has_workdir |= isinstance(one, Workdir)
            if isinstance(one, Copy) and not has_workdir and not _is_absolute(one.destination):
                yield Hit(
                    one.span, f"{one.destination} is below the base image's folder, whichever that is: set WORKDIR"
                )
        if stage.name:
            ends[stage.name] = has_workdir


@rule("DL3057", "ignore", "The image has no HEALTHCHECK")
def healthcheck(subject: Subject) -> Iterator[Hit]:
    """Of the last stage, and of those it is built on."""
    stage = subject.stages[-1]
    while True:
        if any(isinstance(one, Healthcheck) for one in stage.instructions):
            return
        below = subject.file.stage(stage.image, before=stage.number, by_index=False)
        if below is None:
            break
        stage = below
    yield Hit(subject.stages[-1].span)


@rule("DL3066", "info", "USER is a name: the host and Kubernetes know numbers alone")
def numeric_user(subject: Subject) -> Iterator[Hit]:
    for _, one in subject.instructions():
        user = _unquoted(one.user).partition(":")[0] if isinstance(one, User) else "0"
        if not user.isdigit() and "$" not in user and user != "root":
            yield Hit(one.span, f"Only the image knows who {user} is: a number can be checked from outside")


@rule("DL4000", "error", "MAINTAINER is deprecated", same_as="MaintainerDeprecated")
def maintainer(subject: Subject) -> Iterator[Hit]:
    for _, one in subject.instructions():
        if isinstance(one, Maintainer):
            yield Hit(one.span, "MAINTAINER is deprecated: LABEL org.opencontainers.image.authors")
