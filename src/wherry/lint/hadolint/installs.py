"""What the rules about package managers ask of a RUN."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from wherry.dockerfile.stages import Stage
from wherry.lint.rule import Edit, Hit
from wherry.lint.shell import Command, parse_commands
from wherry.lint.subject import Script, Subject

__all__ = ["appended", "calls", "is_kept", "keeps_outside", "removes", "with_flag", "words"]


def calls(script: Script, name: str, *verbs: str) -> Iterator[Command]:
    """The commands `name VERB`, flags between them or not; without verbs, all of `name`."""
    for command in script.commands:
        if command.name == name and (not verbs or any(verb in command.texts for verb in verbs)):
            yield command


def words(command: Command, verbs: tuple[str, ...], *with_value: str) -> tuple[str, ...]:
    """What is named to be installed: no flags, no values of the flags `with_value`, not the verb."""
    found = list(command.without_values(*with_value).plain)
    for verb in verbs:
        if verb in found:
            found.remove(verb)
            break
    return tuple(word for word in found if word not in ("-", "--"))


def keeps_outside(script: Script, *folders: str) -> bool:
    """One of these folders, or one above it, is a mount: what is written there is not in the image."""
    for mount in script.run.mounts:
        target = posixpath.normpath(mount.target) if mount.target else ""
        if mount.type in ("cache", "tmpfs") and any(f"{folder}/".startswith(f"{target}/") for folder in folders):
            return bool(target)
    return False


def removes(script: Script, *folders: str) -> bool:
    """Some `rm` of the same RUN takes one of the folders away, or all that is in it."""
    for command in calls(script, "rm"):
        for word in command.plain:
            path = re.sub(r"/+\*?$", "", word)
            if any(f"{folder}/".startswith(f"{path}/") for folder in folders if path):
                return True
    return False


def is_kept(subject: Subject, stage: Stage) -> bool:
    """The stage's files reach an image: it is the last one, or another is built on it."""
    return stage is subject.stages[-1] or bool(stage.name and stage.name in subject.bases)


def with_flag(subject: Subject, script: Script, command: Command, verb: str, flag: str) -> Hit:
    """A hit that is repaired by `flag` behind the verb."""
    edits: tuple[Edit, ...] = ()
    for arg in command.args:
        if arg.text == verb and script.text[arg.start : arg.end] == verb:
            edits = subject.word(script.span, script, arg.end, f" {flag}")
            break
    return Hit(script.span, edits=edits)


def appended(subject: Subject, script: Script, text: str) -> tuple[Edit, ...]:
    """`&& text` at the end of a plain chain of `&&`; nothing where it might not run, or run by mistake."""
    is_chain = script.command_at >= 0 and all(one.after in ("", "&&") for one in script.commands)
    line = script.text.rstrip()
    if not is_chain or line.endswith("&") or any(sign in line for sign in "(){}`;|#\n"):
        return ()
    if parse_commands(f"{line} && {text}")[-1].texts != parse_commands(text)[-1].texts:
        return ()  # a quote or a backslash at the end takes it in
    return subject.word(script.span, script, len(line), f" && {text}")
