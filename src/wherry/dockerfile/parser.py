"""Lines to nodes: directives, comments, continuations, heredocs, and the words of each instruction.

Unknown instructions pass (decode names them), so that one run finds every fault of a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from wherry.dockerfile.heredoc import Heredoc
from wherry.dockerfile.shell import SPACE
from wherry.dockerfile.span import Source, Span
from wherry.dockerfile.words import WordsError, command_and_rest, flags_and_rest, json_strings, pairs, quoted, spaced
from wherry.errors import DockerfileError

__all__ = ["MOST_FAULTS", "Directive", "Node", "Parsed", "parse_nodes"]

LARGEST_BYTES = 1 << 20
MOST_FAULTS = 100  # a file of another kind has a fault on each line
_BOM = b"\xef\xbb\xbf"
_DIRECTIVE = re.compile(r"([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=[\t\n\f\r ]*(.+)")
_DIRECTIVES = ("syntax", "escape", "check")
_WITH_HEREDOCS = frozenset({"add", "copy", "run"})


class Directive(NamedTuple):
    """`# name=value` at the top: syntax, escape or check."""

    name: str
    value: str
    span: Span


class Node(NamedTuple):
    """One instruction, split into words but not understood.

    `name` is lowercase, `keyword` as written. `args` of ENV and LABEL are key, value, separator in turn; of ONBUILD
    empty, `child` holds it. `text` is the logical line. `docs` are the comments right above, without their "#".
    """

    name: str
    keyword: str
    flags: tuple[str, ...]
    args: tuple[str, ...]
    is_json: bool
    text: str
    span: Span
    heredocs: tuple[Heredoc, ...] = ()
    docs: tuple[str, ...] = ()
    child: Node | None = None


class Parsed(NamedTuple):
    """`faults` are those found so far, in file order; the lines they stand on have no node."""

    source: Source
    escape: str
    directives: tuple[Directive, ...]
    nodes: tuple[Node, ...]
    faults: tuple[DockerfileError, ...]
    warnings: tuple[str, ...]


def parse_nodes(data: bytes, name: str) -> Parsed:
    """Raises: DockerfileError only for what is no text at all; other faults are in the result."""
    text, warnings = _decode(data, name)
    raw = text.split("\n")
    if not raw[-1]:
        raw.pop()
    source = Source(name, tuple([line.rstrip("\r") for line in raw]))
    return _Reader(source, raw, warnings).read()


def _decode(data: bytes, name: str) -> tuple[str, list[str]]:
    if len(data) > LARGEST_BYTES:
        raise DockerfileError(
            f"{len(data) >> 20} MiB are too much for a Dockerfile (the limit is {LARGEST_BYTES >> 20} MiB)",
            hint="is this the right file? Data belongs in files that COPY brings",
            where=name,
        )
    data = data.removeprefix(_BOM)
    if b"\0" in data:
        utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        raise DockerfileError(
            "the file is UTF-16 text" if utf16 else f"the file holds binary data (a zero byte at {data.index(0)})",
            hint="save it as UTF-8" if utf16 else "is this the right file? -f names the Dockerfile",
            where=name,
        )
    try:
        return data.decode(), []
    except UnicodeDecodeError as fault:
        # Differs from docker: it hands other bytes through to the shell. They can't go into the image's JSON, though.
        line = data.count(b"\n", 0, fault.start) + 1
        return data.decode(errors="replace"), [f"{name}:{line}: not UTF-8: bytes that are no text became U+FFFD"]


class _Reader:
    """Goes through the lines once."""

    def __init__(self, source: Source, raw: list[str], warnings: list[str]) -> None:
        self.source = source
        self.lines = source.lines
        self.raw = raw
        self.escape = "\\"
        self.at = 0
        self.nodes: list[Node] = []
        self.faults: list[DockerfileError] = []
        self.warnings = warnings
        self.directives: list[Directive] = []
        self.docs: list[str] = []

    def read(self) -> Parsed:
        self._read_directives()
        while self.at < len(self.lines) and len(self.faults) < MOST_FAULTS:
            line = self.lines[self.at].lstrip(SPACE)
            if line.startswith("#"):
                self.docs.append(line[1:].strip(SPACE))
            if not line or line.startswith("#"):
                self.at += 1
                continue
            try:
                self._read_instruction()
            except DockerfileError as fault:
                self.faults.append(fault)
            self.docs = []
        return Parsed(
            self.source,
            self.escape,
            tuple(self.directives),
            tuple(self.nodes),
            tuple(self.faults),
            tuple(self.warnings),
        )

    def _read_directives(self) -> None:
        """They stand at the very top: a blank line or any other comment ends them."""
        has_shebang = bool(self.lines) and self.lines[0].startswith("#!")
        seen: set[str] = set()
        for number, line in enumerate(self.lines[has_shebang:], 1 + has_shebang):
            comment = line.lstrip(SPACE)
            match = _DIRECTIVE.fullmatch(comment[1:].strip(SPACE)) if comment.startswith("#") else None
            name = match[1].lower() if match else ""
            if not match or name not in _DIRECTIVES:
                return
            span = Span(self.source, number, number)
            if len(self.faults) >= MOST_FAULTS:
                return
            if name in seen:
                self.faults.append(span.error(f"only one {name} parser directive can be used"))
                continue
            seen.add(name)
            # After a shebang docker still finds the syntax and the checks, but not the escape
            if name != "escape" or not has_shebang:
                self.directives.append(Directive(name, match[2], span))
                self._obey(self.directives[-1])

    def _obey(self, directive: Directive) -> None:
        if directive.name != "escape":
            return
        if directive.value in {"\\", "`"}:
            self.escape = directive.value
            return
        self.faults.append(
            directive.span.at(directive.value).error(
                f"invalid escape token '{directive.value}' does not match ` or \\", hint="write # escape=` or leave it"
            )
        )

    def _read_instruction(self) -> None:
        first = self.at + 1
        line = self._logical_line()
        if not line.strip(SPACE):
            return
        span = Span(self.source, first, self.at)
        node = _node(line, span, self.escape)
        holder = node.child if node.name == "onbuild" and node.child else node
        if holder.name in _WITH_HEREDOCS and not holder.is_json and "<<" in line:
            files = tuple([self._heredoc(doc, span) for doc in Heredoc.of_line(line)])
            span = span._replace(last=self.at)
            if node.child:
                node = node._replace(child=node.child._replace(heredocs=files, span=span))
            node = node._replace(heredocs=files, span=span)
        self.nodes.append(node._replace(docs=tuple(self.docs)))

    def _logical_line(self) -> str:
        """This line with those that continue it; comments and blank lines between are left out."""
        part, continues = self._cut(self.lines[self.at].lstrip(SPACE))
        first = self.at = self.at + 1
        parts = [part]
        warned = False
        while continues and self.at < len(self.lines):
            line = self.lines[self.at]
            self.at += 1
            stripped = line.lstrip(SPACE)
            if not stripped and not warned:
                warned = True
                self.warnings.append(f"{self.source.name}:{first}: empty continuation line in this instruction")
            if not stripped or stripped.startswith("#"):
                continue
            part, continues = self._cut(line)
            parts.append(part)
        return "".join(parts)

    def _cut(self, line: str) -> tuple[str, bool]:
        """The line without a continuation at its end, and whether there was one. Two escapes are none."""
        trimmed = line.rstrip(" \t")
        if trimmed.endswith(self.escape) and not trimmed.endswith(self.escape * 2):
            return trimmed[:-1], True
        return line, False

    def _heredoc(self, doc: Heredoc, span: Span) -> Heredoc:
        """Takes the lines up to its end."""
        first = self.at
        while self.at < len(self.lines):
            line = self.lines[self.at]
            self.at += 1
            if (line.lstrip("\t") if doc.chomps else line) == doc.name:
                return doc._replace(raw="".join([f"{text}\n" for text in self.raw[first : self.at - 1]]))
        raise span.at("<<").error(
            f"unterminated heredoc: no line is just {doc.name}", hint=self._near_end(doc, first) or None
        )

    def _near_end(self, doc: Heredoc, first: int) -> str:
        for number, line in enumerate(self.lines[first:], first + 1):
            if line.strip(SPACE) == doc.name:
                how = "only tabs may stand before it after <<-" if doc.chomps else "it must begin its line (or use <<-)"
                return f"line {number} holds {doc.name} with spaces around it: {how}"
        return ""


def _node(line: str, span: Span, escape: str) -> Node:
    """Raises: DockerfileError."""
    keyword, rest = command_and_rest(line)
    name = keyword.lower()
    text = line.strip(SPACE)
    try:
        flags, rest = flags_and_rest(rest) if "--" in rest else ([], rest.strip(SPACE))
        if name == "onbuild" and rest:
            return Node(name, keyword, tuple(flags), (), False, text, span, child=_node(rest, span, escape))
        args, is_json = _SPLIT.get(name, _nothing)(rest, escape)
    except WordsError as fault:
        raise span.at(fault.word).error(f"{keyword.upper()}{fault}") from None
    return Node(name, keyword, tuple(flags), tuple(args), is_json, text, span)


_Split = tuple[list[str], bool]


def _nothing(rest: str, escape: str) -> _Split:
    return [], False


def _whole(rest: str, escape: str) -> _Split:
    return [rest] if rest else [], False


def _blanks(rest: str, escape: str) -> _Split:
    return spaced(rest), False


def _json_or_whole(rest: str, escape: str) -> _Split:
    values = json_strings(rest)
    return _whole(rest, escape) if values is None else (values, True)


def _json_or_blanks(rest: str, escape: str) -> _Split:
    values = json_strings(rest)
    return _blanks(rest, escape) if values is None else (values, True)


def _names(rest: str, escape: str) -> _Split:
    return quoted(rest, escape), False


def _pairs(rest: str, escape: str) -> _Split:
    return pairs(rest, escape), False


def _health(rest: str, escape: str) -> _Split:
    kind, command = command_and_rest(rest)
    if not kind:
        return [], False
    args, is_json = _json_or_whole(command, escape)
    return [kind, *args], is_json


_SPLIT: dict[str, Callable[[str, str], _Split]] = {
    "add": _json_or_blanks,
    "arg": _names,
    "cmd": _json_or_whole,
    "copy": _json_or_blanks,
    "entrypoint": _json_or_whole,
    "env": _pairs,
    "expose": _blanks,
    "from": _blanks,
    "healthcheck": _health,
    "label": _pairs,
    "maintainer": _whole,
    "run": _json_or_whole,
    "shell": _json_or_whole,
    "stopsignal": _whole,
    "user": _whole,
    "volume": _json_or_blanks,
    "workdir": _whole,
}
