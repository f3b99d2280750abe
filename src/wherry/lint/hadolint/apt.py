"""Debian's packages."""

from __future__ import annotations

from collections.abc import Iterator

from wherry.lint.hadolint.installs import appended, calls, is_kept, keeps_outside, removes, with_flag, words
from wherry.lint.rule import Edit, Hit, rule
from wherry.lint.shell import Command
from wherry.lint.subject import Script, Subject

__all__ = ["apt", "lists", "recommends", "versions", "yes"]

_LISTS = "/var/lib/apt/lists"
_WITH_VALUE = ("t", "target-release", "default-release", "o", "option", "c", "config-file", "a", "host-architecture")
_APT = ("apt-get", "apt", "apt-cache")
_SAME_WORDS = frozenset({"install", "update", "upgrade", "remove", "purge", "autoremove", "clean", "autoclean"})


@rule("DL3008", "warning", "apt-get installs a package without a version")
def versions(subject: Subject) -> Iterator[Hit]:
    for script in subject.runs():
        for command in calls(script, "apt-get", "install"):
            loose = [one for one in words(command, ("install",), *_WITH_VALUE) if not _is_pinned(one)]
            if loose:
                yield Hit(
                    script.span,
                    f"apt-get installs {loose[0]} in whatever version is newest: {loose[0]}=VERSION",
                )
                break


def _is_pinned(word: str) -> bool:
    return "=" in word or "/" in word or word.endswith((".deb", "-"))


@rule("DL3009", "info", "The package lists of apt-get stay in the image")
def lists(subject: Subject) -> Iterator[Hit]:
    users = [script.span.first for script in subject.scripts if any(one.name in _APT for one in script.commands)]
    for script in subject.runs():
        if not is_kept(subject, script.stage) or keeps_outside(script, _LISTS) or removes(script, _LISTS):
            continue
        if any(True for name in ("apt-get", "apt") for _ in calls(script, name, "update")):
            yield Hit(script.span, edits=_cleaned(subject, script, users[-1]))


def _cleaned(subject: Subject, script: Script, last_user: int) -> tuple[Edit, ...]:
    """Removes the lists, when nothing after it in the file needs them."""
    if script.is_trigger or last_user > script.span.first:
        return ()
    return appended(subject, script, f"rm -rf {_LISTS}/*")


@rule("DL3014", "warning", "apt-get install asks before it installs, and nobody answers in a build: -y")
def yes(subject: Subject) -> Iterator[Hit]:
    for script in subject.runs():
        for command in calls(script, "apt-get", "install"):
            if not _says_yes(command):
                yield with_flag(subject, script, command, "install", "-y")
                break


def _says_yes(command: Command) -> bool:
    quiet = command.flags.count("q") + command.flags.count("quiet")
    return command.has_flag("y", "yes", "assume-yes") or quiet > 1 or command.has_any("-q=2", "--quiet=2")


@rule("DL3015", "info", "apt-get installs recommended packages too: --no-install-recommends leaves them out")
def recommends(subject: Subject) -> Iterator[Hit]:
    for script in subject.runs():
        for command in calls(script, "apt-get", "install"):
            options = " ".join(command.texts).lower()
            is_off = any(f"install-recommends={off}" in options for off in ("false", "no", "0", "off"))
            if not command.has_flag("no-install-recommends") and not is_off:
                yield Hit(script.span)
                break


@rule("DL3027", "warning", "apt is made for people and its output may change: apt-get or apt-cache in scripts")
def apt(subject: Subject) -> Iterator[Hit]:
    for script in subject.runs():
        edits: list[Edit] = []
        for command in calls(script, "apt"):
            is_same = any(word in _SAME_WORDS for word in command.plain[:1]) and command.word.end > command.word.start
            if is_same and script.text[command.word.start : command.word.end] == "apt":
                edits += subject.word(script.span, script, command.word.end, "-get")
        if any(True for _ in calls(script, "apt")):
            yield Hit(script.span, edits=tuple(edits))
