"""A template's text as tokens, read when they are asked for: what the parser refuses first is what is told.

Spec: https://pkg.go.dev/text/template@go1.24.4#hdr-Text_and_spaces
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["KEYWORDS", "Token", "code_point", "quoted", "tokens"]

SPACES = " \t\r\n"
KEYWORDS = frozenset(
    ("block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with")
)  # fmt: skip
_ENDS_WORD = frozenset((*SPACES, "", ".", ",", "|", ":", ")", "("))


class Token(NamedTuple):
    """`kind`: text, left, right, space, field, variable, dot, identifier, keyword, bool, number, char_constant, string,
    raw_string, pipe, assign, declare, (, ), char, error, eof.
    """

    kind: str
    at: int
    text: str
    line: int

    def __str__(self) -> str:
        if self.kind == "eof":
            return "EOF"
        if self.kind == "error":
            return self.text
        if self.kind in ("keyword", "dot"):
            return f"<{self.text}>"
        return f"{quoted(self.text[:10])}..." if len(self.text.encode()) > 10 else quoted(self.text)


class _Fault(Exception):
    """The token that ends a lexing."""


def quoted(text: str) -> str:
    """As Go's %q shows a string."""
    out = []
    for char in text:
        if char in '"\\':
            out.append("\\" + char)
        elif char.isprintable():
            out.append(char)
        else:
            out.append(_escaped(char))
    return f'"{"".join(out)}"'


_SHORT = {"\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\v": r"\v"}


def _escaped(char: str) -> str:
    code = ord(char)
    if char in _SHORT:
        return _SHORT[char]
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8, as Python keeps it
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def code_point(char: str) -> str:
    """As Go's %#U shows a character."""
    return f"U+{ord(char):04X}" + (f" '{char}'" if char.isprintable() else "")


def tokens(text: str) -> Iterator[Token]:
    """Ends with one of kind "eof" or "error"."""
    lexer = _Lexer(text)
    try:
        yield from lexer.run()
    except _Fault as fault:
        yield lexer.token("error", str(fault))


class _Lexer:
    def __init__(self, text: str) -> None:
        self.input, self.pos, self.start = text, 0, 0
        self.line = 1  # of `start`
        self.parens = 0

    def token(self, kind: str, text: str | None = None) -> Token:
        """What lies between start and pos, which is behind us then."""
        taken = self.input[self.start : self.pos]
        made = Token(kind, self.start, taken if text is None else text, self.line)
        self.skip()
        return made

    def skip(self) -> None:
        self.line += self.input.count("\n", self.start, self.pos)
        self.start = self.pos

    def peek(self) -> str:
        return self.input[self.pos : self.pos + 1]

    def run(self) -> Iterator[Token]:
        while (left := self.input.find("{{", self.pos)) >= 0:
            trims = self._trims_left(left)
            self.pos = left
            text = self.input[self.start : left]
            if shown := text.rstrip(SPACES) if trims else text:
                yield self.token("text", shown)
            self.skip()
            after = left + (4 if trims else 2)
            if self.input.startswith("/*", after):
                self._comment(after)
            else:
                self.pos = left + 2
                yield self.token("left")
                self.pos = after
                self.skip()
                self.parens = 0
                yield from self._action()
        self.pos = len(self.input)
        if self.pos > self.start:
            yield self.token("text")
        yield self.token("eof", "")

    def _trims_left(self, left: int) -> bool:
        return self.input.startswith("-", left + 2) and self.input[left + 3 : left + 4] in (*SPACES,)

    def _right(self) -> int:
        """The length of the closing delimiter here, 0 where there is none."""
        if self.input.startswith("}}", self.pos):
            return 2
        return 4 if self.peek() in (*SPACES,) and self.input.startswith("-}}", self.pos + 1) else 0

    def _trim_right(self, length: int) -> None:
        if length == 4:
            while self.peek() in (*SPACES,):
                self.pos += 1
            self.skip()

    def _comment(self, at: int) -> None:
        self.pos = at
        self.skip()
        end = self.input.find("*/", at + 2)
        if end < 0:
            raise _Fault("unclosed comment")
        self.pos = end + 2
        length = self._right()
        if not length:
            raise _Fault("comment ends before closing delimiter")
        self.pos += length
        self.skip()
        self._trim_right(length)

    def _action(self) -> Iterator[Token]:
        while True:
            if length := self._right():
                if self.parens:
                    raise _Fault("unclosed left paren")
                self.pos += length - 2
                self.skip()
                self.pos += 2
                yield self.token("right")
                self._trim_right(length)
                return
            yield self._inside()

    def _inside(self) -> Token:
        char = self.peek()
        self.pos += 1
        if not char:
            self.pos -= 1
            raise _Fault("unclosed action")
        if char in SPACES:
            return self._space()
        if char in "=|":
            return self.token("assign" if char == "=" else "pipe")
        if char == ":":
            self.pos += 1
            if self.input[self.pos - 1 : self.pos] != "=":
                raise _Fault("expected :=")
            return self.token("declare")
        if char in "\"'":
            return self._quote(char)
        if char == "`":
            self.pos = self.input.find("`", self.pos) + 1
            if not self.pos:
                self.pos = len(self.input)
                raise _Fault("unterminated raw quoted string")
            return self.token("raw_string")
        if char == "$" or (char == "." and self.peek() not in (*"0123456789", "")):
            return self._name(char)
        return self._other(char)

    def _other(self, char: str) -> Token:
        if char in ".+-" or "0" <= char <= "9":
            self.pos -= 1
            return self._number()
        if _is_word(char):
            return self._word()
        if char in "()":
            self.parens += 1 if char == "(" else -1
            if self.parens < 0:
                raise _Fault("unexpected right paren")
            return self.token(char)
        if " " <= char <= "~":
            return self.token("char")
        raise _Fault(f"unrecognized character in action: {code_point(char)}")

    def _space(self) -> Token:
        while self.peek() in (*SPACES,):
            # The last space belongs to a closing " -}}"
            if self._right():
                break
            self.pos += 1
        return self.token("space")

    def _quote(self, quote: str) -> Token:
        while True:
            char = self.peek()
            self.pos += 1
            if char == "\\" and self.peek() not in ("", "\n"):
                self.pos += 1
            elif char in ("", "\n") or char == "\\":
                what = "character constant" if quote == "'" else "quoted string"
                raise _Fault(f"unterminated {what}")
            elif char == quote:
                return self.token("char_constant" if quote == "'" else "string")

    def _absorb(self) -> None:
        while _is_word(self.peek()):
            self.pos += 1
        if self.peek() not in _ENDS_WORD and not self.input.startswith("}}", self.pos):
            raise _Fault(f"bad character {code_point(self.peek())}")

    def _name(self, first: str) -> Token:
        if self.peek() in _ENDS_WORD or self.input.startswith("}}", self.pos):
            return self.token("variable" if first == "$" else "dot")
        self._absorb()
        return self.token("variable" if first == "$" else "field")

    def _word(self) -> Token:
        self._absorb()
        word = self.input[self.start : self.pos]
        if word in KEYWORDS:
            return self.token("keyword")
        return self.token("bool" if word in ("true", "false") else "identifier")

    def _accept(self, letters: str) -> bool:
        if self.peek() and self.peek() in letters:
            self.pos += 1
            return True
        return False

    def _run_of(self, letters: str) -> None:
        while self._accept(letters):
            pass

    def _number(self) -> Token:
        is_number = self._scan_number()
        if is_number and self.peek() in ("+", "-"):
            # A complex number: 1+2i
            is_number = self._scan_number() and self.input[self.pos - 1] == "i"
        if not is_number:
            raise _Fault(f"bad number syntax: {quoted(self.input[self.start : self.pos])}")
        return self.token("number")

    def _scan_number(self) -> bool:
        self._accept("+-")
        digits = "0123456789_"
        if self._accept("0"):
            for marks, more in (("xX", "0123456789abcdefABCDEF_"), ("oO", "01234567_"), ("bB", "01_")):
                if self._accept(marks):
                    digits = more
                    break
        self._run_of(digits)
        if self._accept("."):
            self._run_of(digits)
        if self._accept("eE" if len(digits) == 11 else "pP" if len(digits) > 11 else ""):
            self._accept("+-")
            self._run_of("0123456789_")
        self._accept("i")
        if _is_word(self.peek()):
            self.pos += 1
            return False
        return True


def _is_word(char: str) -> bool:
    return char == "_" or char.isalnum()
