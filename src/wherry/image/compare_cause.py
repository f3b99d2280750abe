"""Why two builds of the same step gave different bytes: the usual causes, in words. Pure.

What is here was seen in practice. A path that is known (`of_path`) says more than its bytes, bytes more than nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["UNKNOWN", "Cause", "of_lines", "of_path"]


class Cause(NamedTuple):
    """`why` in words, `remedy` what to do about it, "" when nothing is known."""

    why: str
    remedy: str = ""


UNKNOWN = Cause("")
_EPOCH = "SOURCE_DATE_EPOCH is set in every step: take the time from it (date -u -d @$SOURCE_DATE_EPOCH)"
_SORT = "sort them: the order of a set, of a folder or of threads is not fixed"
_REMOVE = "remove it in the same RUN, if nothing needs it: rm -rf {}"

# (pattern of the path without the leading slash, why, remedy); {} is the path that the pattern found
_PATHS = (
    (r"var/log/(?:apt|dpkg\.log|alternatives\.log|bootstrap\.log|fontconfig\.log|lastlog|wtmp|btmp|faillog)\b.*",
     "a log of the package manager, with times in it", "rm -rf /var/log/*, at the end of the same RUN"),
    (r"var/cache/ldconfig/aux-cache", "ldconfig's cache, with times and inode numbers in it", _REMOVE),
    (r"(?:.*/)?\.npm/_logs(?:/.*)?|(?:.*/)?\.npm/_update-notifier-last-checked",
     "npm's logs, named by the time", "rm -rf ~/.npm/_logs, at the end of the same RUN"),
    (r"var/log/.*|.*\.log", "a log, with times in it", _REMOVE),
    (r"(?:.*/)?(?:\.cache|_cacache|pip/http(?:-v2)?)(?:/.*)?", "a cache of downloads, with times in it",
     "let it not be written (pip --no-cache-dir), or " + _REMOVE),
    (r"etc/machine-id|var/lib/dbus/machine-id", "a number that each installation draws at random",
     "empty it in the same RUN: : > /etc/machine-id"),
    (r"etc/ssh/ssh_host_.*|etc/ssl/private/.*", "a key that is made anew each time",
     "make it when the container starts: a key in an image is everybody's who has the image"),
    (r"var/lib/systemd/random-seed|var/lib/urandom/.*", "a random seed", _REMOVE),
    (r"etc/shadow-?", "the day of the last change of a password", ""),
    (r"var/lib/apt/lists(?:/.*)?", "the lists of packages, as the mirror had them at that moment",
     "rm -rf /var/lib/apt/lists/*, at the end of the same RUN; and pin the versions"),
    (r"var/lib/dpkg/(?:status|available|diversions|statoverride)-old", "dpkg's copy of the state before",
     _REMOVE),
    (r"(?:.*/)?conda-meta/(?:history|.*\.json)", "conda writes when and from where it installed",
     "conda list --explicit > lock.txt fixes the packages; the times in conda-meta stay"),
    (r"(?:.*/)?\.git/(?:index|logs/.*|FETCH_HEAD|ORIG_HEAD)", "git writes times and inode numbers",
     "rm -rf .git in the same RUN, or ADD the repository by its URL and commit"),
    (r"(?:.*/)?(?:\.pytest_cache|\.mypy_cache|\.ruff_cache)(?:/.*)?", "a cache of a development tool", _REMOVE),
    (r"tmp/.*|var/tmp/.*", "a temporary file, with a random name or content", _REMOVE),
)  # fmt: skip

_DATES = re.compile(
    r"\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d|\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? (?:\w{3} +\d|\d+ \w{3})"
    r"|\b\d{4}/\d\d/\d\d|\b\d{8}T?\d{6}\b"
)
_SECONDS = re.compile(
    r"(?<![\w.])(?:1[5-9]\d{8}(?:\d{3}|\d{6}|\d{9}|\.\d+)?|2[0-3]\d{8}(?:\.\d+)?|1\.[5-9]\d{5,}e\+0?9)(?!\w)"
)
_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.I)
_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,16}\b", re.I)
_TEMPORARY = re.compile(r"(?:/tmp/|/var/tmp/|\btmp)[A-Za-z0-9_.-]*")
_TOKEN = re.compile(r"\b(?=[A-Za-z0-9+/_=-]*\d)(?=[0-9+/_=-]*[A-Za-z])[A-Za-z0-9+/_=-]{12,}")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
_KNOWN = tuple((re.compile(pattern), why, remedy) for pattern, why, remedy in _PATHS)


def of_path(path: str) -> Cause:
    """What is known of such a path, whatever is in it. `path` has no leading slash."""
    for pattern, why, remedy in _KNOWN:
        if pattern.fullmatch(path):
            return Cause(why, remedy.replace("{}", f"/{path}"))
    return UNKNOWN


def of_lines(first: Sequence[str], second: Sequence[str]) -> Cause:
    """What the lines tell that only one of two texts has."""
    if sorted(first) == sorted(second):
        return Cause(
            "the same lines in another order", "sort them: the order of a set, of a folder or of threads is not fixed"
        )
    here, there = "\n".join(first), "\n".join(second)
    for pattern, cause in _TRIALS:
        if pattern.search(here) and pattern.search(there) and _blank(pattern, first) == _blank(pattern, second):
            return cause
    if sorted(re.findall(r"\w+", here)) == sorted(re.findall(r"\w+", there)):
        return Cause(
            "the same words in another order", "sort them: the order of a set, of a folder or of threads is not fixed"
        )
    return UNKNOWN


def _blank(pattern: re.Pattern[str], lines: Sequence[str]) -> list[str]:
    # Several kinds often stand together: a time beside a duration
    return sorted(_NUMBER.sub("#", pattern.sub("@", line)) for line in lines)


_TRIALS = (
    (_DATES, Cause("a date or a time of day", _EPOCH)),
    (_SECONDS, Cause("a time in seconds since 1970", _EPOCH)),
    (_UUID, Cause("a random identifier", "make it of something that is given: a name, or the content")),
    (_ADDRESS, Cause("an address in memory", "do not print objects by their default repr, nor pointers")),
    (_TEMPORARY, Cause("the name of a temporary file or folder", "give the folder a fixed name")),
    (_TOKEN, Cause("something random, or a hash of it", "a fixed seed, or a key that is not part of the image")),
    (
        _NUMBER,
        Cause("a number: random, a duration, or a count", "fix the seed (random.seed, torch.manual_seed)"),
    ),
)
