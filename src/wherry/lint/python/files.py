"""Files of the project that get into the image, and should not, or not as they are."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator

from wherry.dockerfile.instructions import Add, Copy
from wherry.lint.python.final import copies, covers, is_whole
from wherry.lint.rule import Hit, rule
from wherry.lint.subject import Subject

__all__ = ["context", "data", "pointers", "secrets", "tracked"]

_LARGE_BYTES = 10_000_000
_SECRET = re.compile(
    r"(?:.*/)?(?:\.env(?:\.(?!example|sample|template|dist)\w+)?|\.netrc|\.pypirc|id_(?:rsa|dsa|ecdsa|ed25519)|"
    r"service[-_]account.*\.json|credentials\.json|\.aws(?:/.*)?|\.ssh(?:/.*)?|secrets\.toml)"
)
_MOST_NAMED = 3


def _copied(subject: Subject, path: str) -> Add | Copy | None:
    """The instruction that takes it into the image."""
    if subject.is_ignored(path):
        return None
    return next((one for one in copies(subject) if covers(one, path)), None)


@rule("PY005", "warning", "Weights in git, without LFS")
def tracked(subject: Subject) -> Iterator[Hit]:
    for one in subject.facts.weights if subject.facts else ():
        if one.git == "tracked" and one.format != "lfs-pointer" and one.size_bytes >= _LARGE_BYTES:
            said = f"git keeps {one.path} ({one.size_bytes / 1e6:.0f} MB) in each clone for ever"
            yield Hit(subject.top, f"{said}: git lfs, or wherry model push")
            return


@rule("PY006", "error", "A pointer of git-lfs is copied instead of the weights")
def pointers(subject: Subject) -> Iterator[Hit]:
    for one in subject.facts.weights if subject.facts else ():
        if one.format == "lfs-pointer" and (where := _copied(subject, one.path)):
            said = f"{one.path} is a pointer, its {one.size_bytes / 1e6:.0f} MB are not here"
            yield Hit(where.span, f"{said}: git lfs pull, then build")
            return


@rule("PY010", "warning", "The whole folder is copied, with what does not belong into an image")
def context(subject: Subject) -> Iterator[Hit]:
    whole = next((one for one in _all_copies(subject) if is_whole(one)), None)
    if whole is None or subject.facts is None:
        return
    found = [path for path in subject.facts.tree.skipped if not subject.is_ignored(path) and _is_sent(subject, path)]
    if found:
        more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        what = "There is no .dockerignore" if subject.ignore is None else ".dockerignore does not name them"
        said = f"{', '.join(found[:_MOST_NAMED])}{more} come along, and each change in them repeats the steps below"
        yield Hit(whole.span, f"{said}. {what}")


def _all_copies(subject: Subject) -> Iterator[Add | Copy]:
    """Of all stages: what is sent to the build counts, not what is kept."""
    for _, one in subject.instructions():
        if isinstance(one, Add) or (isinstance(one, Copy) and not one.from_stage):
            yield one


def _is_sent(subject: Subject, path: str) -> bool:
    """It is a folder with something in it that .dockerignore does not keep out, or a file."""
    return subject.ignore is None or not subject.ignore.prunes(path)


@rule("PY011", "error", "A file with secrets is copied into the image")
def secrets(subject: Subject) -> Iterator[Hit]:
    told: set[int] = set()
    named = [(one, source) for one in copies(subject) for source in one.sources if _SECRET.fullmatch(source)]
    for one, source in named:
        if one.span.first not in told and not subject.is_ignored(posixpath.normpath(source)):
            told.add(one.span.first)
            yield Hit(one.span, f"Who pulls the image can read {source}: RUN --mount=type=secret, or run --env-file")
    for path in subject.facts.tree.secrets if subject.facts else ():
        where = _copied(subject, path)
        if where and where.span.first not in told:
            told.add(where.span.first)
            yield Hit(where.span, f"{path} comes along, and who pulls the image can read it: name it in .dockerignore")


@rule("PY013", "warning", "Training data is copied into the image")
def data(subject: Subject) -> Iterator[Hit]:
    for path in subject.facts.tree.data if subject.facts else ():
        where = _copied(subject, path)
        size = _size(subject, path) if where else 0
        if where and size >= _LARGE_BYTES:
            said = f"{path} ({size / 1e6:,.0f} MB) looks like training data"
            yield Hit(where.span, f"{said}: name it in .dockerignore, and mount it where it is needed")
            return


def _size(subject: Subject, path: str) -> int:
    """Bytes of the file, or of the folder's files that would be sent."""
    total = 0
    for one in subject.listing:
        if one == path or one.startswith(f"{path}/"):
            try:
                total += os.lstat(os.path.join(subject.folder, one)).st_size
            except OSError:
                continue
    return total
