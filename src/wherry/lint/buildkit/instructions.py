"""Instructions whose form means something else than their author may think."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from wherry.dockerfile.instructions import Cmd, Entrypoint, Env, Expose, Healthcheck, Label, Maintainer, Shell, Workdir
from wherry.dockerfile.shell import SPACE, WordError
from wherry.dockerfile.span import Span
from wherry.lint.buildkit.suggest import quoted
from wherry.lint.rule import Edit, Hit, rule
from wherry.lint.subject import Subject

__all__ = [
    "expose_invalid_format", "json_args_recommended", "legacy_key_value_format", "maintainer_deprecated",
    "multiple_instructions_disallowed", "no_empty_continuation", "workdir_relative_path",
]  # fmt: skip

# Words that a shell and exec read alike: no quotes, variables, wildcards, redirections or operators
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=-]+")
# Not programs, or such that would change what the line means
_BUILTINS = frozenset(
    {".", ":", "alias", "break", "cd", "command", "continue", "eval", "exec", "exit", "export", "read", "return", "set",
     "shift", "source", "times", "trap", "type", "ulimit", "umask", "unalias", "unset", "wait",
     "if", "for", "while", "until", "case", "time"}
)  # fmt: skip


@rule("NoEmptyContinuation", "warning", "Empty continuation lines will become errors in a future release")
def no_empty_continuation(subject: Subject) -> Iterator[Hit]:
    for _, one in subject.instructions():
        if edits := tuple(_empty_lines(subject, one.span)):
            yield Hit(one.span, "Empty continuation line", edits)


def _empty_lines(subject: Subject, span: Span) -> Iterator[Edit]:
    """Takes each away. Only those of the instruction itself: a heredoc's text may have empty lines."""
    for number in range(span.first, span.last + 1):
        line = subject.file.lines[number - 1]
        stripped = line.strip(SPACE)
        if number > span.first and not stripped:
            start = subject.offset(number)
            end = subject.text.find("\n", start) + 1
            yield Edit(start, end or len(subject.text), "")
        elif number == span.first or not stripped.startswith("#"):
            trimmed = line.rstrip(" \t")
            if not trimmed.endswith(subject.file.escape) or trimmed.endswith(subject.file.escape * 2):
                return


@rule(
    "MaintainerDeprecated",
    "warning",
    "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
)
def maintainer_deprecated(subject: Subject) -> Iterator[Hit]:
    for _, one in subject.instructions():
        if isinstance(one, Maintainer):
            edits: tuple[Edit, ...] = ()
            if one.span.first == one.span.last and "$" not in one.name and subject.file.escape not in one.name:
                edits = _whole(subject, one.span, f"LABEL org.opencontainers.image.authors={json.dumps(one.name)}")
            yield Hit(one.span, "Maintainer instruction is deprecated in favor of using label", edits)


def _whole(subject: Subject, span: Span, text: str) -> tuple[Edit, ...]:
    """For an instruction on one line."""
    length = len(subject.logical(span).text.rstrip(SPACE))
    return (subject.logical(span).edit(0, length, text),)


@rule(
    "JSONArgsRecommended",
    "warning",
    "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals",
)
def json_args_recommended(subject: Subject) -> Iterator[Hit]:
    """A SHELL of the author's own says that a shell is meant."""
    shells: dict[str, bool] = {}
    for stage in subject.stages:
        base = subject.options.find_base(stage.image) if subject.options.find_base and "$" not in stage.image else None
        has_shell = shells.get(stage.image.lower(), bool(base and base.shell))
        for one in stage.instructions:
            has_shell |= isinstance(one, Shell)
            if isinstance(one, Cmd | Entrypoint) and one.command.is_shell and one.command.args and not has_shell:
                keyword = "CMD" if isinstance(one, Cmd) else "ENTRYPOINT"
                yield Hit(
                    one.span,
                    f"JSON arguments recommended for {keyword} to prevent unintended behavior related to OS signals",
                    _as_json(subject, one),
                )
        if stage.name:
            shells[stage.name] = has_shell


def _as_json(subject: Subject, one: Cmd | Entrypoint) -> tuple[Edit, ...]:
    """Only where no shell is needed, and the line is one line."""
    line = one.command.line
    words = line.split()
    if one.span.first != one.span.last or not all(_PLAIN.fullmatch(word) for word in words):
        return ()
    if "=" in words[0] or words[0] in _BUILTINS:
        return ()
    logical = subject.logical(one.span).text.rstrip(SPACE)
    start = len(logical) - len(line)
    if logical[start:] != line:
        return ()
    return (subject.logical(one.span).edit(start, len(logical), json.dumps(words)),)


@rule(
    "MultipleInstructionsDisallowed",
    "warning",
    "Multiple instructions of the same type should not be used in the same stage",
)
def multiple_instructions_disallowed(subject: Subject) -> Iterator[Hit]:
    """Told of the earlier one: it is without effect."""
    for stage in subject.stages:
        last: dict[str, Span] = {}
        for one in stage.instructions:
            if isinstance(one, Cmd | Entrypoint | Healthcheck):
                name = type(one).__name__.upper()
                if name in last:
                    message = (
                        f"Multiple {name} instructions should not be used in the same stage "
                        "because only the last one will be used"
                    )
                    yield Hit(last[name], message)
                last[name] = one.span


@rule("LegacyKeyValueFormat", "warning", "Legacy key/value format with whitespace separator should not be used")
def legacy_key_value_format(subject: Subject) -> Iterator[Hit]:
    for _, one in subject.instructions():
        if isinstance(one, Env | Label) and one.is_legacy:
            name = type(one).__name__.upper()
            message = f'"{name} key=value" should be used instead of legacy "{name} key value" format'
            yield Hit(one.span, message, _with_equals(subject, one))


def _with_equals(subject: Subject, one: Env | Label) -> tuple[Edit, ...]:
    """Only for a value that reads the same between quotes: no quotes or escapes in it."""
    logical = subject.logical(one.span)
    match = re.fullmatch(r"(\S+\s+\S+?)(\s+)(\S.*?)\s*", logical.text)
    if not match or len(one.pairs) != 1 or re.search(r"[\"'`\\]", match[3]):
        return ()
    value = match[3] if _PLAIN.fullmatch(match[3].replace("$", "").replace("{", "").replace("}", "")) else ""
    first, last = match.span(3)
    text = value or f'"{match[3]}"'
    return (logical.edit(match.start(2), last, f"={text}"),) if last > first else ()


@rule(
    "WorkdirRelativePath",
    "warning",
    "Relative workdir without an absolute workdir declared within the build can have unexpected results if the base "
    "image changes",
)
def workdir_relative_path(subject: Subject) -> Iterator[Hit]:
    """The first WORKDIR of a stage; a stage on top of another goes on from that one's."""
    is_set: dict[str, bool] = {}
    for stage in subject.stages:
        known = is_set.get(stage.image.lower(), False)
        for one in stage.instructions:
            if isinstance(one, Workdir):
                if not known and not _is_absolute(subject, one.path):
                    path = quoted(one.path)
                    message = f"Relative workdir {path} can have unexpected results if the base image changes"
                    yield Hit(one.span, message)
                known = True
        if stage.name:
            is_set[stage.name] = known


def _is_absolute(subject: Subject, path: str) -> bool:
    """A path that begins with a variable may be: it counts as one."""
    try:
        text = subject.file.lex._replace(skips_unset=True).process(path, {})
    except WordError:
        return True  # the build tells it
    return text.startswith(("/", "$"))


@rule(
    "ExposeInvalidFormat",
    "warning",
    "IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future "
    "release",
)
def expose_invalid_format(subject: Subject) -> Iterator[Hit]:
    for _, one in subject.instructions():
        for port in one.ports if isinstance(one, Expose) else ():
            if ":" in re.sub(r"\$\{[^}]*\}", "", port):
                message = f"EXPOSE instruction should not define an IP address or host-port mapping, found '{port}'"
                yield Hit(one.span, message)
