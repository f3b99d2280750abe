"""What becomes the image: its stages, what is copied into them, and what the container starts."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from wherry.dockerfile.instructions import Add, Cmd, CommandLine, Copy, Entrypoint, Env
from wherry.dockerfile.shell import WordError
from wherry.dockerfile.span import Span
from wherry.dockerfile.stages import Stage
from wherry.lint.shell import Command, parse_commands
from wherry.lint.subject import Script, Subject

__all__ = ["Started", "chain", "copies", "covers", "environment", "image", "is_whole", "scripts", "started"]

_SHELL = re.compile(r"(?:.*/)?(?:ba|da|a|z)?sh")
_RUNNERS = {"uv": "run", "poetry": "run", "pdm": "run", "pipenv": "run", "conda": "run", "micromamba": "run"}
_INITS = ("tini", "dumb-init", "catatonit", "opentelemetry-instrument", "exec", "env", "nice", "gosu", "su-exec")
_PYTHON = re.compile(r"python[0-9.]*")


def chain(subject: Subject) -> tuple[Stage, ...]:
    """The last stage and those that it is built on, the lowest first."""
    return subject.chain


def image(subject: Subject) -> str:
    """The base image of the last stage, variables at their defaults; "" when one has none."""
    text = chain(subject)[0].image
    defaults = {pair.name: pair.default or "" for arg in subject.file.global_args for pair in arg.pairs}
    try:
        done = subject.file.lex.trace(text, defaults)
    except WordError:
        return ""
    return "" if done.missing else subject.file.lex.process(text, defaults)


def scripts(subject: Subject) -> Iterator[Script]:
    """The RUNs of `chain`."""
    return (script for stage in chain(subject) for script in subject.scripts_of(stage))


def environment(subject: Subject) -> dict[str, str]:
    """What the Dockerfile's own ENV leave in the image."""
    return {
        pair.key: pair.value.strip("\"'")
        for stage in chain(subject)
        for one in stage.instructions
        if isinstance(one, Env)
        for pair in one.pairs
    }


def copies(subject: Subject) -> Iterator[Add | Copy]:
    """From the context into the image."""
    for stage in chain(subject):
        for one in stage.instructions:
            if isinstance(one, Add) or (isinstance(one, Copy) and not one.from_stage):
                yield one


def covers(one: Add | Copy, path: str) -> bool:
    """`path`, or the folder that it lies in, is among what is copied."""
    if isinstance(one, Copy) and any(fnmatchcase(path, pattern) for pattern in one.exclude):
        return False
    parts = path.split("/")
    above = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
    for source in one.sources:
        name = posixpath.normpath(source.strip("\"'")).lstrip("/")
        if name in (".", "") or any(fnmatchcase(each, name) for each in above):
            return True
    return False


def is_whole(one: Add | Copy) -> bool:
    """The whole context is copied."""
    return any(posixpath.normpath(source.strip("\"'")) in (".", "/") for source in one.sources)


class Started(NamedTuple):
    """What is process 1, or what it leads to. `span`: the CMD, or ENTRYPOINT without one.

    `shell`: the text, when JSON calls a shell with -c.
    """

    span: Span
    program: str
    args: tuple[str, ...]
    shell: str = ""

    def value(self, *flags: str) -> str | None:
        """The word of the last of these flags ("--host", "-b"); None without any."""
        found = None
        for number, arg in enumerate(self.args):
            name, equals, value = arg.partition("=")
            if name in flags and equals:
                found = value
            elif arg in flags:
                found = self.args[number + 1] if number + 1 < len(self.args) else ""
            elif not arg.startswith("--"):
                short = next((flag for flag in flags if len(flag) == 2 and arg.startswith(flag)), "")
                found = arg[2:] if short else found
        return found


def started(subject: Subject) -> Started | None:
    """By the last stage's ENTRYPOINT and CMD, or those below it; None when the base image decides."""
    entry: Entrypoint | None = None
    cmd: Cmd | None = None
    for stage in chain(subject):
        for one in stage.instructions:
            if isinstance(one, Entrypoint):
                entry, cmd = one, (None if entry is not None else cmd)
            elif isinstance(one, Cmd):
                cmd = one
    first = entry or cmd
    if first is None or not first.command.args:
        return None
    words, shell = _words(first.command)
    if entry and cmd and not entry.command.is_shell and not cmd.command.is_shell and not shell:
        words += list(cmd.command.args)
    words = _without_wrappers(words)
    if not words:
        return None
    return Started((cmd or first).span, posixpath.basename(words[0]), tuple(words[1:]), shell)


def _words(command: CommandLine) -> tuple[list[str], str]:
    """argv, and the shell's text. Of a shell line with several commands it is the last one."""
    if command.is_shell:
        return _last(command.line), ""
    args = list(command.args)
    if len(args) > 2 and _SHELL.fullmatch(args[0]) and re.fullmatch(r"-[a-z]*c", args[1]):
        return _last(args[2]), args[2]
    return args, ""


def _last(text: str) -> list[str]:
    found = parse_commands(text)
    last: Command | None = found[-1] if found else None
    return [last.name, *last.texts] if last else []


def _without_wrappers(words: list[str]) -> list[str]:
    """`tini -- python -m uvicorn main:app` is uvicorn with main:app."""
    for _ in range(5):
        name = posixpath.basename(words[0]) if words else ""
        if name in _INITS and len(words) > 1:
            words = words[1:]
            while words and (words[0].startswith("-") or "=" in words[0]):
                words = words[1:]
        elif name in _RUNNERS and words[1:2] == [_RUNNERS[name]]:
            words = words[2:]
            while words and words[0].startswith("-"):
                words = words[1:]
        elif _PYTHON.fullmatch(name) and "-m" in words[1:4]:
            words = words[words.index("-m") + 1 :]
        else:
            break
    return words
