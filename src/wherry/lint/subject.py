"""What the rules look at: a Dockerfile, its text, and, when they ask, the project around it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from wherry.dockerfile import Dockerfile, Stage, parse
from wherry.dockerfile.instructions import Instruction, OnBuild, Run, Shell
from wherry.dockerfile.shell import SPACE
from wherry.dockerfile.span import Span
from wherry.lint.rule import Edit
from wherry.lint.shell import Command, Word, parse_commands

if TYPE_CHECKING:
    from wherry.dockerfile.ignore import Matcher
    from wherry.scaffold.facts import Facts

__all__ = ["BaseImage", "Logical", "Options", "Script", "Subject"]

_BOM = "\ufeff"
_MOST_LISTED = 50_000


class BaseImage(NamedTuple):
    """What a rule may ask of the image that FROM names. `shell`: its own SHELL; `platform`: "linux/amd64"."""

    env: Mapping[str, str]
    shell: tuple[str, ...] = ()
    platform: str = ""


class Options(NamedTuple):
    """How the file would be built, and what the project allows.

    `find_base` gives None for an image that is not here. `platform` is the target's, as "linux/amd64".
    `labels` is hadolint's label schema: name -> kind of value.
    """

    target: str = ""
    build_args: Mapping[str, str] = {}
    platform: str = "linux/amd64"
    host_platform: str = "linux/amd64"
    find_base: Callable[[str], BaseImage | None] | None = None
    trusted_registries: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}
    strict_labels: bool = False


_AS_IS = Options()


class Logical(NamedTuple):
    """An instruction's logical line, and for each of its characters the place in the subject's text."""

    text: str
    offsets: tuple[int, ...]

    def edit(self, start: int, end: int, text: str) -> Edit:
        """Characters `start` to `end` of the logical line become `text`."""
        last = self.offsets[end - 1] + 1 if end > start else self.offsets[start]
        return Edit(self.offsets[start], last, text)

    def insert(self, at: int, text: str) -> Edit:
        """`text` stands behind the character before `at`."""
        return Edit(self.offsets[at - 1] + 1, self.offsets[at - 1] + 1, text)


class Script(NamedTuple):
    """A RUN, with what a shell reads. `command_at`: where the shell's text begins in the logical line; -1 in a heredoc
    and for JSON, whose one command it is, or that of `sh -c`.

    `shell` is the SHELL in force, () for the default. `is_trigger`: it stands behind ONBUILD.
    """

    stage: Stage
    run: Run
    text: str
    commands: tuple[Command, ...]
    command_at: int
    shell: tuple[str, ...] = ()
    is_trigger: bool = False

    @property
    def span(self) -> Span:
        return self.run.span


class Subject:
    """Rules ask; nothing of it changes. What costs time is read at the first question."""

    def __init__(
        self,
        file: Dockerfile,
        text: str,
        options: Options = _AS_IS,
        *,
        folder: str = "",
        ignore: Matcher | None = None,
    ) -> None:
        self.file, self.text, self.options = file, text, options
        self.folder, self.ignore = folder, ignore

    @classmethod
    def parse(
        cls, data: bytes, name: str, options: Options = _AS_IS, *, folder: str = "", ignore: Matcher | None = None
    ) -> Subject:
        """Raises: DockerfileError, with every fault of the file."""
        text = data.decode(errors="replace").removeprefix(_BOM)
        return cls(parse(data, name), text, options, folder=folder, ignore=ignore)

    @property
    def stages(self) -> tuple[Stage, ...]:
        return self.file.stages

    @property
    def top(self) -> Span:
        """The first FROM: where a hit on the project as a whole is told."""
        return self.stages[0].span

    def instructions(self, *, triggers: bool = False) -> Iterator[tuple[Stage, Instruction]]:
        """In the order of the file. With `triggers`, ONBUILD is followed by the instruction that it holds."""
        for stage in self.stages:
            for one in stage.instructions:
                yield stage, one
                if triggers and isinstance(one, OnBuild):
                    yield stage, one.instruction

    @cached_property
    def scripts(self) -> tuple[Script, ...]:
        """Every RUN, also behind ONBUILD, with its commands."""
        found: list[Script] = []
        shell: tuple[str, ...] = ()
        for stage in self.stages:
            shell = ()
            for one in stage.instructions:
                if isinstance(one, Shell):
                    shell = one.args
                inner = one.instruction if isinstance(one, OnBuild) else one
                if isinstance(inner, Run):
                    found.append(self._script(stage, inner, shell, is_trigger=inner is not one))
        return tuple(found)

    @cached_property
    def _by_stage(self) -> Mapping[int, list[Script]]:
        found: dict[int, list[Script]] = {}
        for script in self.scripts:
            found.setdefault(script.stage.number, []).append(script)
        return found

    def scripts_of(self, stage: Stage) -> Sequence[Script]:
        """Its RUNs, also behind ONBUILD."""
        return self._by_stage.get(stage.number, ())

    @cached_property
    def chain(self) -> tuple[Stage, ...]:
        """The last stage and those that it is built on, the lowest first: what becomes the image."""
        found = [self.stages[-1]]
        while (below := self.file.stage(found[-1].image, before=found[-1].number, by_index=False)) is not None:
            found.append(below)
        return tuple(reversed(found))

    @cached_property
    def bases(self) -> frozenset[str]:
        """What FROM names, in small letters."""
        return frozenset(stage.image.lower() for stage in self.stages)

    def runs(self, *, triggers: bool = True) -> Iterator[Script]:
        return (script for script in self.scripts if triggers or not script.is_trigger)

    def _script(self, stage: Stage, run: Run, shell: tuple[str, ...], *, is_trigger: bool) -> Script:
        if not run.command.is_shell:
            return _json_script(stage, run, is_trigger=is_trigger)
        line = run.command.line
        if run.command.files:
            script = run.command.script
            first = script.content.partition("\n")[0] if script else ""
            if first and not re.search(r"\b(ba|da|a|z|k)?sh\b", first):
                line = ""  # a program of another language
            elif run.command.line.startswith(" ".join(run.command.args)):
                line = " ".join(run.command.args)  # what is fed to its commands is none of them
            return Script(stage, run, line, parse_commands(line), -1, shell, is_trigger)
        logical = self.logical(run.span).text.rstrip(SPACE)
        at = len(logical) - len(line) if logical.endswith(line) else -1
        return Script(stage, run, line, parse_commands(line), at, shell, is_trigger)

    def logical(self, span: Span) -> Logical:
        """The logical line that begins where `span` does."""
        chars: list[str] = []
        offsets: list[int] = []
        for number in range(span.first, span.last + 1):
            line = self.file.lines[number - 1]
            stripped = line.lstrip(SPACE)
            if number > span.first and (not stripped or stripped.startswith("#")):
                continue
            trimmed, escape = line.rstrip(" \t"), self.file.escape
            continues = trimmed.endswith(escape) and not trimmed.endswith(escape * 2)
            start = len(line) - len(stripped) if number == span.first else 0
            for column in range(start, len(trimmed) - 1 if continues else len(line)):
                chars.append(line[column])
                offsets.append(self._starts[number - 1] + column)
            if not continues:
                break
        return Logical("".join(chars), tuple(offsets))

    @cached_property
    def _starts(self) -> list[int]:
        """Where each line begins in the text."""
        return [0, *(match.end() for match in re.finditer("\n", self.text))]

    def offset(self, line: int, column: int = 1) -> int:
        """Of line and column, both from 1."""
        return self._starts[line - 1] + column - 1

    def line(self, offset: int) -> int:
        """The line, from 1, that the character stands on."""
        return bisect_right(self._starts, offset)

    def edit(self, span: Span, old: str, new: str) -> tuple[Edit, ...]:
        """`old`, where it first stands inside the span, becomes `new`; nothing when it is not there as written."""
        place = span.at(old)
        if not place.column:
            return ()
        start = self.offset(place.first, place.column)
        return (Edit(start, start + len(old), new),)

    def word(self, span: Span, script: Script, at: int, text: str) -> tuple[Edit, ...]:
        """`text` stands behind the shell word that ends at `at`; nothing in a heredoc, where no place is known."""
        if script.command_at < 0:
            return ()
        return (self.logical(span).insert(script.command_at + at, text),)

    def comments(self, span: Span) -> list[tuple[int, str]]:
        """The comments right above, without a blank line between: line and text behind the "#", topmost first."""
        found = []
        for number in range(span.first - 1, 0, -1):
            line = self.file.lines[number - 1].strip(SPACE)
            if not line.startswith("#"):
                break
            found.append((number, line[1:].strip(SPACE)))
        return found[::-1]

    @cached_property
    def facts(self) -> Facts | None:
        """The project, as `wherry init` reads it; None without a folder."""
        if not self.folder:
            return None
        from wherry.scaffold.read import read

        return read(self.folder)

    @cached_property
    def listing(self) -> tuple[str, ...]:
        """The files of the build context after .dockerignore, sorted; the first 50,000. Links are not followed."""
        from wherry.lint.listing import listing

        return listing(self.folder, self.ignore, _MOST_LISTED) if self.folder else ()

    def is_ignored(self, path: str) -> bool:
        """.dockerignore keeps it out of the context."""
        return self.ignore is not None and self.ignore.excludes(path)


def _json_script(stage: Stage, run: Run, *, is_trigger: bool) -> Script:
    """`RUN ["prog", "arg"]`. A shell that is called with -c is the shell in force for its text."""
    args = run.command.args
    if len(args) > 2 and re.fullmatch(r"(.*/)?(ba|da|a|z|k)?sh", args[0]) and re.fullmatch(r"-[a-z]*c", args[-2]):
        return Script(stage, run, args[-1], parse_commands(args[-1]), -1, args[:-1], is_trigger)
    words = [Word(arg, 0, 0) for arg in args]
    commands = (Command(args[0], tuple(words[1:]), words[0]),) if args else ()
    return Script(stage, run, " ".join(args), commands, -1, (), is_trigger)
