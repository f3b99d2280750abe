"""The grammar of `.env` and `env_file`: shell-like lines of `NAME=value`, as docker-compose reads them."""

from __future__ import annotations

from wherry.compose.source import Source, fault_at
from wherry.compose.template import TemplateFault, substitute

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable

    Lookup = Callable[[str], str | None]

__all__ = ["parse", "parse_raw"]

_SPACES = "\t\v\f\r \x85\xa0"  # but no line end
_IN_KEYS = frozenset(f"{_SPACES}_.[]-")
"""Beside letters and digits."""
_ESCAPE = r'\\(?:[abcfnrtv$"\\]|0[0-9]{0,3})'
_ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}


def parse(
    source: Source, lookup: Lookup, unset: Callable[[str], None], *, allow_nameless: bool = True
) -> dict[str, str]:
    """
    The variables of a file in its order.

    A value without quotes goes to the end of its line or to " #"; in double quotes it may go over lines, with escapes;
    in single quotes nothing is replaced. `$NAME` in the others is what `lookup` gives, else what stands above in the
    file. A name alone takes the value of `lookup`, and is left out when there is none. `=value`, without a name, is
    taken by docker-compose for a container, but not for its own environment (`allow_nameless`).

    Raises:
        ComposeError: with the line, in docker-compose's words.
    """
    parser = _Parser(source, lookup, unset)
    parser.allow_nameless = allow_nameless
    return parser.parse()


class _Parser:
    def __init__(self, source: Source, lookup: Lookup, unset: Callable[[str], None]) -> None:
        self._source = source
        self._text = source.data.decode("utf-8-sig", "replace")
        self._lookup, self._unset = lookup, unset
        self._found: dict[str, str] = {}
        self.allow_nameless = True

    def parse(self) -> dict[str, str]:
        text, at = self._text, 0
        while (at := self._statement(at)) < len(text):
            key, after, has_value = self._key(at)
            if not key and has_value and not self.allow_nameless:
                raise self._fault(at, "setenv: invalid argument: there is no name")
            if not has_value:
                value = self._lookup(key)
                if value is not None:
                    self._found[key] = value
                at = after
                continue
            while after < len(text) and text[after] in _SPACES:
                after += 1
            quote = text[after : after + 1]
            read = self._quoted if quote and quote in "'\"" else self._plain
            self._found[key], at = read(after)
        return self._found

    def _statement(self, at: int) -> int:
        """Where the next statement begins: after blanks, empty lines and comments."""
        text = self._text
        while at < len(text):
            if text[at] == "#":
                newline = text.find("\n", at)
                at = len(text) if newline < 0 else newline
            elif text[at].isspace():
                at += 1
            else:
                break
        return at

    def _key(self, at: int) -> tuple[str, int, bool]:
        """The name, where the text goes on behind it, and whether a value follows."""
        text, start = self._text, at
        if text.startswith("export", at) and text[at + 6 : at + 7].isspace():
            start = at + 7
            while text[start : start + 1].isspace():
                start += 1
        end = start
        while (char := text[end : end + 1]).isalnum() or char in _IN_KEYS:
            end += 1
        sign = text[end : end + 1]
        if sign not in {"=", ":", "\n", ""}:
            line = text[start:].split("\n", 1)[0]
            raise self._fault(end, f'unexpected character "{sign}" in variable name "{line}"')
        key = text[start:end].rstrip()
        if " " in key:
            raise self._fault(start, "key cannot contain a space")
        # Differs from docker: a name alone in a last line without its end is one, too; docker makes of it the value of
        # a variable without a name
        return key, end + 1, sign in {"=", ":"}

    def _plain(self, at: int) -> tuple[str, int]:
        newline = self._text.find("\n", at)
        end = len(self._text) if newline < 0 else newline
        value = self._text[at:end].split(" #", 1)[0].rstrip()
        return self._expanded(value, at), end + 1

    def _quoted(self, at: int) -> tuple[str, int]:
        text, quote = self._text, self._text[at]
        chars: list[str] = []
        end = at + 1
        while end < len(text) and text[end] != quote:
            if text[end] == "\\" and end + 1 < len(text):
                chars.append(quote if text[end + 1] == quote else text[end : end + 2])
                end += 2
                continue
            run = end + 1
            while run < len(text) and text[run] not in {quote, "\\"}:
                run += 1
            chars.append(text[end:run])
            end = run
        if end >= len(text):
            shown = text[at:].split("\n", 1)[0]
            raise self._fault(at, f"unterminated quoted value {shown}")
        value = "".join(chars)
        if quote == '"':
            if "\\" in value:
                import re

                value = re.sub(_ESCAPE, _unescaped, value)
            value = self._expanded(value, at)
        return value, end + 1

    def _expanded(self, value: str, at: int) -> str:
        try:
            return substitute(value, self._value_of, self._unset)
        except TemplateFault as wrong:
            raise self._fault(at, str(wrong), numbered=False) from None

    def _value_of(self, name: str) -> str | None:
        value = self._lookup(name)
        return self._found.get(name) if value is None else value

    def _fault(self, at: int, message: str, *, numbered: bool = True) -> Exception:
        before = self._text[:at]
        line, column = before.count("\n") + 1, at - before.rfind("\n")
        said = f"line {line}: {message}" if numbered else message
        return fault_at(self._source, line, column, f"failed to read {self._source.name}: {said}")


def _unescaped(found: re.Match[str]) -> str:
    sequence = found[0]
    if sequence == r"\$":
        return "$$"  # what `substitute` makes one dollar of
    if sequence[1] == "0":
        digits = sequence[2:]
        is_octal = len(digits) == 3 and digits[0] in "0123" and not digits.strip("01234567")
        return chr(int(digits, 8)) if is_octal else f"\\{digits}"
    return _ESCAPED.get(sequence[1], sequence)


def parse_raw(source: Source, lookup: Lookup) -> dict[str, str]:
    """
    The variables of a file with `format: raw`: everything after `=` is the value, quotes and dollars, too.

    Raises:
        ComposeError: a name that is empty or has a blank in it.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(source.data.decode("utf-8-sig", "replace").split("\n"), 1):
        line = line.removesuffix("\r").lstrip(_SPACES)
        if not line or line[0] == "#":
            continue
        key, sign, value = line.partition("=")
        if not key:
            raise fault_at(source, number, 1, f"failed to read {source.name}: no variable name on line '{line}'")
        if any(char.isspace() for char in key):
            raise fault_at(source, number, 1, f"failed to read {source.name}: variable '{key}' contains whitespaces")
        if sign:
            found[key] = value
        elif (inherited := lookup(key)) is not None:
            found[key] = inherited
    return found
