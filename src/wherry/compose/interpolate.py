"""Variables in a file's tree, and the types of what they give.

One file at a time, before anything is merged; values only, never keys. The tree that comes out shares no container with
the one that went in: an alias, which is one object in several places until here, is several from here on.
"""

from __future__ import annotations

from wherry.compose.casts import CASTS
from wherry.compose.source import fault
from wherry.compose.template import InvalidTemplate, MissingVariable, substitute
from wherry.compose.tree import HERE, Map, Seq
from wherry.errors import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from wherry.compose.tree import Mark, Tree

__all__ = ["Variables", "copied", "interpolated"]


class Variables:
    """What names stand for. A name without a value is told to `warn` once, in docker-compose's words."""

    def __init__(self, values: Mapping[str, str], warn: Callable[[str], None], told: set[str] | None = None) -> None:
        self.values = values
        self.warn = warn
        self.told: set[str] = set() if told is None else told

    def over(self, values: Mapping[str, str]) -> Variables:
        """Other values, and what was told stays told."""
        return Variables(values, self.warn, self.told)

    def unset(self, name: str) -> None:
        if name not in self.told:
            self.told.add(name)
            self.warn(f'The "{name}" variable is not set. Defaulting to a blank string.')

    def expand(self, text: str) -> str:
        """Raises: TemplateFault."""
        return substitute(text, self.values.get, self.unset)


def interpolated(tree: Tree, variables: Variables) -> Tree:
    """
    A copy of `tree` with variables replaced, and numbers and booleans where the schema wants them.

    Raises:
        ComposeError: a variable that must be set, a `${` that is none, text that is not the number it should be.
    """
    return _Walk(variables).of(tree, None, "", CASTS)


def copied(tree: Tree) -> Tree:
    """A copy of `tree` that shares no container, as it is."""
    if isinstance(tree, dict):
        marks = tree.marks if isinstance(tree, Map) else {}
        return Map(((key, copied(value)) for key, value in tree.items()), dict(marks))
    if isinstance(tree, list):
        return Seq(map(copied, tree), list(tree.marks) if isinstance(tree, Seq) else [])
    return tree


class _Walk:
    def __init__(self, variables: Variables) -> None:
        self._variables = variables

    def of(self, tree: Tree, mark: Mark | None, path: str, casts: dict[str | None, Any] | None) -> Tree:
        """`path` is what docker-compose calls the place; `casts` what is known of places from here on."""
        kind = type(tree)
        if kind is str:
            return self._text(tree, mark, path, casts) if casts or "$" in tree else tree
        if kind is Map:
            marks, other = tree.marks, casts.get("*") if casts else None
            made = Map((), dict(marks))
            for key, value in tree.items():
                deeper = (casts.get(key) or other) if casts else None
                made[key] = self.of(value, marks.get(key), f"{path}.{key}" if path else key, deeper)
            return made
        if kind is Seq:
            deeper = (casts.get("[]") or casts.get("*")) if casts else None
            items = zip(tree, tree.marks, strict=True)
            return Seq([self.of(item, at, f"{path}.[]", deeper) for item, at in items], list(tree.marks))
        return tree

    def _text(self, text: str, mark: Mark | None, path: str, casts: dict[str | None, Any] | None) -> Tree:
        try:
            value = self._variables.expand(text)
        except InvalidTemplate as wrong:
            raise fault(
                mark,
                f"invalid interpolation format for {path}.\n"
                f"You may need to escape any $ with another $.\n{wrong.template}",
            ) from None
        except MissingVariable as wrong:
            near = nearest(wrong.name, [name for name in self._variables.values if name != wrong.name])
            hint = f"{near} is set: is it meant?" if near else "set it in the shell, or in .env beside the compose file"
            raise fault(mark, f"error while interpolating {path}: {wrong}", hint=hint) from None
        cast = casts.get(HERE) if casts else None
        if cast is None:
            return value
        try:
            return cast(value, self._variables.warn)
        except ValueError as wrong:
            raise fault(mark, f"error while interpolating {path}: failed to cast to expected type: {wrong}") from None
