"""A parsed template, its limits, and its errors."""

from __future__ import annotations

from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, NamedTuple

    from wherry.gotemplate.functions import Function
    from wherry.gotemplate.nodes import Nodes
else:
    from wherry.lean import NamedTuple

__all__ = ["Limits", "Template", "TemplateError"]


class TemplateError(InputError):
    """What Go says of a template that can't be parsed or executed: "template: NAME:LINE:COLUMN: ..."."""

    code = "template"


class Limits(NamedTuple):
    """What a hostile template gets at most. `text`, `output` and `value` (what one function makes) in characters;
    `depth` counts nested parentheses and blocks, and templates that call each other; `steps` evaluated nodes.
    """

    text: int = 1 << 20
    output: int = 64 << 20
    value: int = 16 << 20
    depth: int = 60
    steps: int = 20_000_000


class Template(NamedTuple):
    """`body` is the main template, `defined` those that {{define}} and {{block}} made."""

    name: str
    text: str
    body: Nodes
    defined: Mapping[str, Nodes]
    functions: Mapping[str, Function]
    limits: Limits

    @staticmethod
    def parse(
        text: str, *, name: str = "", functions: Mapping[str, Function] | None = None, limits: Limits | None = None
    ) -> Template:
        """With Go's functions and docker's, unless others are given. Raises: TemplateError."""
        from wherry.gotemplate import parser
        from wherry.gotemplate.dockerfuncs import FUNCTIONS

        known = FUNCTIONS if functions is None else functions
        limits = limits or Limits()
        if len(text) > limits.text:
            raise TemplateError(f"template: {name}: longer than {limits.text} characters")
        body, defined = parser.parse(text, name, known, limits.depth)
        return Template(name, text, body, defined, known, limits)

    def execute(
        self, value: Any, *, strict: bool = False, functions: Mapping[str, Function] | None = None,
        show: Callable[[str], str] | None = None,
    ) -> str:  # fmt: skip
        """The text. `strict` refuses keys that a map has not (Go's missingkey=error); `functions` replace some of those
        it was parsed with; `show` is applied to each value that is printed, not to the template's own text.

        Raises: TemplateError.
        """
        return "".join(self.execute_parts(value, strict=strict, functions=functions, show=show)[0])

    def execute_parts(
        self, value: Any, *, strict: bool = False, functions: Mapping[str, Function] | None = None,
        show: Callable[[str], str] | None = None, keep: bool = False,
    ) -> tuple[list[str], TemplateError | None]:  # fmt: skip
        """With `keep`, what was written before an error, and the error. Raises: TemplateError without."""
        from wherry.gotemplate.execute import Execution

        run = Execution(self, {**self.functions, **(functions or {})}, strict=strict, show=show)
        try:
            run.start(value)
        except TemplateError as fault:
            if not keep:
                raise
            return run.out, fault
        return run.out, None
