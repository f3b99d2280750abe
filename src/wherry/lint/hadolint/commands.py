"""Commands that do not belong into a RUN, or not in this way."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from wherry.dockerfile.instructions import Copy, Run
from wherry.lint.hadolint.installs import calls
from wherry.lint.rule import Hit, rule
from wherry.lint.shell import Command
from wherry.lint.subject import Script, Subject

__all__ = [
    "archives",
    "cd",
    "consecutive",
    "downloads",
    "interactive",
    "pipes",
    "shell_link",
    "sudo",
    "useradd",
    "wget",
]

_INTERACTIVE = ("ssh", "vim", "shutdown", "service", "ps", "free", "top", "kill", "mount")
_ARCHIVE = re.compile(r".*\.(tar|tgz|tbz2?|txz|tar\.(gz|bz2|xz|zst|lzma)|gz|bz2|xz|zst|lzma|Z|tZ|tlz)")
_UNPACKERS = ("gunzip", "bunzip2", "unlzma", "unxz", "uncompress", "zcat")
_LEAST_HIGH_UID = 100_000
_WITHOUT_PIPEFAIL = ("sh", "dash")
_WINDOWS = ("cmd", "powershell", "pwsh")


@rule("DL3001", "info", "A command that makes no sense while an image is built")
def interactive(subject: Subject) -> Iterator[Hit]:
    for script in subject.runs():
        name = next((one.name for one in script.commands if one.name in _INTERACTIVE), "")
        if name:
            yield Hit(script.span, f"{name} has nothing to work on while an image is built")


@rule("DL3003", "warning", "cd lasts for one RUN: WORKDIR stays")
def cd(subject: Subject) -> Iterator[Hit]:
    for script in subject.runs(triggers=False):
        if any(True for _ in calls(script, "cd")):
            yield Hit(script.span)


@rule("DL3004", "error", "sudo: a RUN is root already, and USER changes who it is")
def sudo(subject: Subject) -> Iterator[Hit]:
    for script in subject.runs():
        if any(True for _ in calls(script, "sudo")):
            yield Hit(script.span)


@rule("DL3010", "info", "An archive is copied and unpacked by a later step: ADD does both and keeps no copy")
def archives(subject: Subject) -> Iterator[Hit]:
    for stage in subject.stages:
        unpacked = {  # name -> the last line that unpacks it
            name: script.span.first
            for script in subject.scripts_of(stage)
            if not script.is_trigger
            for name in _unpacks(script)
        }
        for one in stage.instructions:
            if not isinstance(one, Copy) or one.from_stage:
                continue
            for source in one.sources:
                name = posixpath.basename(source.strip("\"'"))
                target = one.destination.strip("\"'")
                here = name if target.endswith("/") or target == "." else posixpath.basename(target)
                if not _ARCHIVE.fullmatch(name):
                    continue
                if unpacked.get(here, 0) > one.span.first:
                    yield Hit(
                        one.span, f"{name} stays in the image beside what is unpacked from it: ADD unpacks by itself"
                    )
                    break


def _unpacks(script: Script) -> Iterator[str]:
    for command in script.commands:
        is_tar = command.name == "tar" and _is_extract(command) and not command.has_flag("strip-components", "strip")
        if is_tar or command.name in _UNPACKERS:
            yield from (posixpath.basename(one) for one in command.texts)


def _is_extract(tar: Command) -> bool:
    first = tar.texts[0] if tar.texts else ""
    bundled = "" if first.startswith("-") else first
    return "x" in bundled or tar.has_flag("x", "extract", "get")


@rule("DL3046", "warning", "useradd with a high number writes a huge sparse file: -l")
def useradd(subject: Subject) -> Iterator[Hit]:
    for script in subject.runs():
        for command in calls(script, "useradd"):
            if not command.has_flag("l", "no-log-init") and _uid(command) >= _LEAST_HIGH_UID:
                yield Hit(script.span, edits=subject.word(script.span, script, command.word.end, " -l"))
                break


def _uid(command: Command) -> int:
    texts = command.texts
    for number, text in enumerate(texts):
        value = ""
        if text.startswith("--uid="):
            value = text[6:]
        elif (text == "--uid" or re.fullmatch(r"-[A-Za-z]*u", text)) and number + 1 < len(texts):
            value = texts[number + 1]
        if value.isascii() and value.isdecimal() and len(value) < 20:
            return int(value)
    return 0


@rule("DL3047", "info", "wget fills the log with its progress: --progress=dot:giga, or -q")
def wget(subject: Subject) -> Iterator[Hit]:
    for script in subject.runs():
        for command in calls(script, "wget"):
            if command.args and not _is_quiet(command):
                edits = subject.word(script.span, script, command.word.end, " --progress=dot:giga")
                yield Hit(script.span, edits=edits)
                break


def _is_quiet(command: Command) -> bool:
    if command.has_flag("q", "quiet", "no-verbose", "progress", "o", "output-file", "a", "append-output"):
        return True
    if command.has_flag("version", "V", "help", "h"):
        return True
    return any(re.fullmatch(r"-[A-Za-z]*nv.*", text) for text in command.texts)


@rule("DL3059", "info", "Two RUNs in a row could be one layer")
def consecutive(subject: Subject) -> Iterator[Hit]:
    sizes = {script.span.first: len(script.commands) for script in subject.scripts}
    for stage in subject.stages:
        before: Run | None = None
        for one in stage.instructions:
            run = one if isinstance(one, Run) else None
            if run and before and _is_alike(before, run):
                small = all(sizes.get(each.span.first, 1) <= 1 for each in (before, run))
                if small:
                    yield Hit(run.span)
            before = run


def _is_alike(one: Run, other: Run) -> bool:
    return (one.mount_flags, one.network, one.security) == (other.mount_flags, other.network, other.security)


@rule("DL4001", "warning", "The stage uses wget and curl: one of them is enough")
def downloads(subject: Subject) -> Iterator[Hit]:
    for stage in subject.stages:
        seen: set[str] = set()
        for script in subject.scripts_of(stage):
            if not script.is_trigger:
                used = {one.name for one in script.commands} & {"wget", "curl"}
                seen |= used
                if used and len(seen) == 2:
                    yield Hit(script.span)


@rule("DL4005", "warning", "A link replaces the shell of the image: SHELL says which one RUN uses")
def shell_link(subject: Subject) -> Iterator[Hit]:
    for script in subject.runs():
        if any("/bin/sh" in one.texts[1:] for one in calls(script, "ln")):
            yield Hit(script.span)


@rule("DL4006", "warning", "A pipe hides that its first command failed: a SHELL with -o pipefail")
def pipes(subject: Subject) -> Iterator[Hit]:
    for script in subject.runs(triggers=False):
        if any(one.is_piped for one in script.commands) and not _notices(script):
            yield Hit(script.span)


def _notices(script: Script) -> bool:
    """The failure of any command of a pipe fails the RUN, or the shell is none of Unix."""
    shell = script.shell
    name = posixpath.basename(shell[0].lower()).removesuffix(".exe") if shell else "sh"
    if name in _WINDOWS:
        return True
    if name not in _WITHOUT_PIPEFAIL and "pipefail" in shell:
        return True
    for one in script.commands:
        if one.is_piped:
            break
        if one.name == "set" and "pipefail" in one.texts:
            return True
    return bool(re.match(r"#!\S*sh\b.*\bpipefail", script.text))
