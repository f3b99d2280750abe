"""A whole Dockerfile: global arguments and stages."""

from __future__ import annotations

from typing import NamedTuple

from wherry.dockerfile.instructions import Arg, From, Instruction
from wherry.dockerfile.parser import Directive
from wherry.dockerfile.shell import Lex
from wherry.dockerfile.span import Source, Span
from wherry.errors import nearest

__all__ = ["Directive", "Dockerfile", "Stage"]


class Stage(NamedTuple):
    """One FROM and what follows. `number` counts from 0; `name` is lowercase or "". `instructions` is in file order."""

    number: int
    origin: From
    instructions: tuple[Instruction, ...]

    @property
    def name(self) -> str:
        return self.origin.name

    @property
    def image(self) -> str:
        """The base image or stage as written, variables unexpanded; "scratch" is nothing."""
        return self.origin.image

    @property
    def platform(self) -> str:
        """The --platform of FROM as written, "" without."""
        return self.origin.platform

    @property
    def span(self) -> Span:
        """The FROM."""
        return self.origin.span

    def __str__(self) -> str:
        return self.name or str(self.number)


class Dockerfile(NamedTuple):
    """`global_args` stand before the first FROM. `warnings` are texts for the user, with the place in each."""

    source: Source
    escape: str
    directives: tuple[Directive, ...]
    global_args: tuple[Arg, ...]
    stages: tuple[Stage, ...]
    warnings: tuple[str, ...] = ()

    @property
    def lex(self) -> Lex:
        """Reads words with this file's escape character."""
        return Lex(self.escape)

    @property
    def lines(self) -> tuple[str, ...]:
        return self.source.lines

    @property
    def syntax(self) -> str:
        """The image of `# syntax=`, "" without. wherry knows the language itself and does not fetch it."""
        return next((one.value.partition(" ")[0] for one in self.directives if one.name == "syntax"), "")

    def stage(self, name: str, *, before: int | None = None, by_index: bool = True) -> Stage | None:
        """By name (any case; the last of that name) or, `by_index`, by number; only stages below `before` if given."""
        stages = self.stages if before is None else self.stages[:before]
        if by_index and name.isascii() and name.isdecimal():
            return stages[int(name)] if len(name) < 6 and int(name) < len(stages) else None
        wanted = name.lower()
        return next((stage for stage in reversed(stages) if wanted and stage.name == wanted), None)

    def nearest_stage(self, name: str) -> str | None:
        """The stage's name that `name` may have meant."""
        return nearest(name.lower(), [stage.name for stage in self.stages if stage.name])
