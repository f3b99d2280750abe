"""Shell lines to the simple commands in them: enough of sh to say who is called with what.

Quotes, escapes, variables, operators, subshells and `$( )` are read; what runs when, is not. A text that can't be read
to its end gives the commands up to there.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Command", "Word", "parse_commands"]

_BLANK = " \t"
_ENDS = frozenset(";&|\n()")
# What may stand before a command, and what is followed by no command
_BEFORE = frozenset({"if", "then", "else", "elif", "do", "while", "until", "!", "{", "time", "exec"})
_HEADS = frozenset({"for", "case", "select", "function"})
_TAILS = frozenset({"fi", "done", "esac", "}", "in"})
_DEEPEST = 10


class Word(NamedTuple):
    """`text` without quotes and escapes, variables as written; `start` and `end` are its place in the parsed text."""

    text: str
    start: int
    end: int


class Command(NamedTuple):
    """`name` and `args` without assignments and redirections. `is_piped`: its output goes into a pipe.

    `after` is the operator before it: "", ";", "&&", "||", "|" or "&".
    """

    name: str
    args: tuple[Word, ...]
    word: Word
    is_piped: bool = False
    after: str = ""

    @property
    def texts(self) -> tuple[str, ...]:
        """The arguments as text."""
        return tuple(arg.text for arg in self.args)

    @property
    def plain(self) -> tuple[str, ...]:
        """Those that are no flags; "-" and "--" are none."""
        return tuple(text for text in self.texts if not text.startswith("-") or text in ("-", "--"))

    @property
    def flags(self) -> tuple[str, ...]:
        """Long ones without value, of short ones each letter."""
        found: list[str] = []
        for text in self.texts:
            if text in ("-", "--"):
                continue
            if text.startswith("--"):
                found.append(text[2:].partition("=")[0])
            elif text.startswith("-"):
                found += text[1:]
        return tuple(found)

    def has_any(self, *words: str) -> bool:
        """One of these is among the arguments."""
        return any(word in self.texts for word in words)

    def has_flag(self, *flags: str) -> bool:
        return any(flag in self.flags for flag in flags)

    def without_values(self, *flags: str) -> Command:
        """Without the words that follow one of these flags."""
        kept: list[Word] = []
        is_value = False
        for arg in self.args:
            if not is_value:
                kept.append(arg)
            one = self._replace(args=(arg,))
            is_value = "=" not in arg.text and any(flag in flags for flag in one.flags)
        return self._replace(args=tuple(kept))


def parse_commands(text: str) -> tuple[Command, ...]:
    """All simple commands of a shell text, those inside `$( )` and parentheses too, in the order of the text."""
    found: list[Command] = []
    _Scan(text, 0, len(text), found, 0).commands()
    return tuple(sorted(found, key=lambda command: command.word.start))


class _Scan:
    """Goes once through `text` from `pos` to `end`."""

    __slots__ = ("after", "depth", "end", "found", "pos", "text", "words")

    def __init__(self, text: str, pos: int, end: int, found: list[Command], depth: int) -> None:
        self.text, self.pos, self.end, self.found, self.depth = text, pos, end, found, depth
        self.words: list[Word] = []
        self.after = ""

    def commands(self) -> None:
        while self.pos < self.end:
            char = self.text[self.pos]
            if char in _BLANK:
                self.pos += 1
            elif self.text.startswith("\\\n", self.pos):
                self.pos += 2
            elif char == "#":
                line_end = self.text.find("\n", self.pos, self.end)
                self.pos = self.end if line_end < 0 else line_end
            elif char in _ENDS:
                self._operator()
            elif char in "<>" or (char.isdigit() and self._is_redirection()):
                self._redirection()
            else:
                self._word()
        self._command("")

    def _operator(self) -> None:
        for sign in ("&&", "||", ";;", "|&"):
            if self.text.startswith(sign, self.pos):
                break
        else:
            sign = self.text[self.pos]
        if sign == "&" and self.text.startswith("&>", self.pos):
            self.pos += 1
            self._redirection()
            return
        self.pos += len(sign)
        self._command(sign)

    def _command(self, sign: str) -> None:
        """What was read so far is a command; `sign` follows it."""
        words, self.words = self.words, []
        while words and (words[0].text in _BEFORE or _is_assignment(words[0].text)):
            words = words[1:]
        is_piped = sign in ("|", "|&")
        if words and words[0].text not in _HEADS | _TAILS:
            self.found.append(Command(words[0].text, tuple(words[1:]), words[0], is_piped, self.after))
        elif is_piped and self.found:  # a group, a loop: what it wrote last goes there
            self.found[-1] = self.found[-1]._replace(is_piped=True)
        self.after = ";" if sign in ("\n", "(", ")", ";;") else sign

    def _is_redirection(self) -> bool:
        at = self.pos
        while at < self.end and self.text[at].isdigit():
            at += 1
        return at < self.end and self.text[at] in "<>"

    def _redirection(self) -> None:
        """The operator and the word behind it."""
        while self.pos < self.end and self.text[self.pos].isdigit():
            self.pos += 1
        while self.pos < self.end and self.text[self.pos] in "<>&|-":
            self.pos += 1
            if self.text[self.pos - 1] in "<>" and self.text.startswith("(", self.pos):
                self._inside("(", ")")  # process substitution
                return
        while self.pos < self.end and self.text[self.pos] in _BLANK:
            self.pos += 1
        if self.pos < self.end and self.text[self.pos] not in _ENDS:
            self._word()
            self.words.pop()

    def _word(self) -> None:
        start = self.pos
        parts: list[str] = []
        while self.pos < self.end:
            char = self.text[self.pos]
            if char in _BLANK or char in _ENDS or char in "<>":
                break
            if char == "\\":
                if self.text.startswith("\\\n", self.pos):
                    self.pos += 2
                    continue
                parts.append(self.text[self.pos + 1 : self.pos + 2])
                self.pos += 2
            elif char == "'":
                close = self.text.find("'", self.pos + 1, self.end)
                close = self.end if close < 0 else close
                parts.append(self.text[self.pos + 1 : close])
                self.pos = close + 1
            elif char == '"':
                self._double(parts)
            elif char in "$`":
                self._expansion(parts)
            else:
                parts.append(char)
                self.pos += 1
        self.pos = min(max(self.pos, start + 1), self.end)
        self.words.append(Word("".join(parts), start, self.pos))

    def _double(self, parts: list[str]) -> None:
        self.pos += 1
        while self.pos < self.end and (char := self.text[self.pos]) != '"':
            if char == "\\":
                following = self.text[self.pos + 1 : self.pos + 2]
                parts.append(following if following in '$`"\\' else f"\\{following}")
                self.pos += 2
            elif char in "$`":
                self._expansion(parts)
            else:
                parts.append(char)
                self.pos += 1
        self.pos += 1

    def _expansion(self, parts: list[str]) -> None:
        start = self.pos
        if self.text[start] == "`":
            close = self.text.find("`", start + 1, self.end)
            self._nested(start + 1, self.end if close < 0 else close)
            self.pos = self.end if close < 0 else close + 1
        elif self.text.startswith("$((", start):
            close = self.text.find("))", start, self.end)
            self.pos = self.end if close < 0 else close + 2
        elif self.text.startswith("$(", start):
            self.pos += 1
            self._inside("(", ")")
        elif self.text.startswith("${", start):
            close = self.text.find("}", start, self.end)
            self.pos = self.end if close < 0 else close + 1
        else:
            self.pos += 1
        parts.append(self.text[start : self.pos])

    def _inside(self, opening: str, closing: str) -> None:
        """From the opening sign at `pos` behind the closing one; what stands between has commands of its own."""
        start, level, quote = self.pos + 1, 0, ""
        while self.pos < self.end:
            char = self.text[self.pos]
            if char == "\\" and quote != "'":
                self.pos += 1
            elif quote:
                quote = "" if char == quote else quote
            elif char in "'\"":
                quote = char
            elif char in opening + closing:
                level += 1 if char == opening else -1
                if not level:
                    break
            self.pos += 1
        self._nested(start, min(self.pos, self.end))
        self.pos = min(self.pos + 1, self.end)

    def _nested(self, start: int, end: int) -> None:
        if self.depth < _DEEPEST:
            _Scan(self.text, start, end, self.found, self.depth + 1).commands()


def _is_assignment(text: str) -> bool:
    name, equals, _ = text.partition("=")
    name = name.removesuffix("+")
    return bool(equals) and name.replace("_", "a").isalnum() and name.isascii() and not name[0].isdigit()
