"""What a user can do about a step that depends on more than it needs. Pure."""

from __future__ import annotations

from wherry.build.explain_changes import Parts
from wherry.build.explain_names import Names
from wherry.build.job import Job, Trace
from wherry.trace.observe import CONTENT, LIST

__all__ = ["advice"]

_MANY = 10
_MOSTLY = 0.9


def advice(job: Job, trace: Trace, names: Names) -> str:
    """The one that helps most; "" when there is nothing to say."""
    paths = trace.paths
    if paths is None:
        return ""
    if paths.is_whole:
        return (
            "it looks at all that was copied, so any edit runs it again: copy what it needs before it, show it by"
            " --mount=type=bind, or name the rest in .dockerignore"
        )
    if any(b".git" in look.path.split(b"/") and look.kinds & (CONTENT | LIST) for look in paths.looks):
        return "it reads .git, which each commit changes: name .git in .dockerignore"
    read = {
        (look.layer, look.path) for look, value in zip(paths.looks, trace.values, strict=False)
        if look.kinds & CONTENT and Parts.of(look, value).is_file and names.is_yours(look.layer)
    }  # fmt: skip
    total = sum(1 for copy in names.copies for one in copy.gathered for entry in one.entries if entry.is_file)
    if len(read) >= _MANY and len(read) >= _MOSTLY * total:
        return (
            f"it reads nearly all of your {total} files, so nearly any edit runs it again: copy what it needs before"
            " it, show it by --mount=type=bind, or name the rest in .dockerignore"
        )
    if _installs_folder(job) and any(look.kinds & LIST for look in paths.looks):
        return "pip install of a folder lists all of it: install the dependencies alone first, then copy the rest"
    return ""


def _installs_folder(job: Job) -> bool:
    words = " ".join(getattr(job.vertex.op, "argv", ())).split()
    return "install" in words and ("." in words or "./" in words) and any("pip" in word for word in words)
