"""Nodes to the types of `instructions`: counts of words, flags, values."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from wherry.dockerfile.copying import Add, Copy
from wherry.dockerfile.flags import BOOLEAN, MANY, ONE, Flags, read_flags
from wherry.dockerfile.heredoc import Heredoc
from wherry.dockerfile.instructions import (
    Arg,
    ArgPair,
    Cmd,
    CommandLine,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Instruction,
    Label,
    Maintainer,
    OnBuild,
    Pair,
    Run,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from wherry.dockerfile.mounts import parse_device, parse_mount
from wherry.dockerfile.parser import Node
from wherry.dockerfile.shell import SPACE
from wherry.dockerfile.span import Span
from wherry.durations import parse_duration_ns
from wherry.errors import DockerfileError, nearest
from wherry.oci.config import Healthcheck as HealthcheckConfig

__all__ = ["FLAGS", "NAMES", "decode"]

_STAGE_NAME = re.compile(r"[a-z][a-z0-9-_.]*")
_ONBUILD = re.compile(r"[\s]*ONBUILD[\s]*", re.IGNORECASE)
_NETWORKS = ("default", "none", "host")
_SECURITY = ("sandbox", "insecure")

FLAGS: dict[str, dict[str, str]] = {
    "add": {
        "chown": ONE, "chmod": ONE, "link": BOOLEAN, "keep-git-dir": BOOLEAN, "checksum": ONE, "unpack": BOOLEAN,
        "exclude": MANY,
    },
    "copy": {"from": ONE, "chown": ONE, "chmod": ONE, "link": BOOLEAN, "parents": BOOLEAN, "exclude": MANY},
    "from": {"platform": ONE},
    "healthcheck": {"interval": ONE, "timeout": ONE, "start-period": ONE, "start-interval": ONE, "retries": ONE},
    "run": {"mount": MANY, "network": ONE, "security": ONE, "device": MANY},
}  # fmt: skip
"""The flags of each instruction that has any: name to ONE, MANY or BOOLEAN."""


def decode(node: Node) -> Instruction | From:
    """Raises: DockerfileError."""
    make = _MAKE.get(node.name)
    if make is None:
        raise _unknown(node)
    return make(node, read_flags(node.flags, FLAGS.get(node.name, {}), node.span))


def _unknown(node: Node) -> DockerfileError:
    close = nearest(node.keyword.upper(), NAMES)
    did_you = f" (did you mean {close}?)" if close else ""
    hint = None
    if not node.keyword.isalpha():
        hint = "the line before may lack its continuation (\\) at the end"
    elif not close:
        hint = f"the instructions are {', '.join(NAMES)}"
    return node.span.at(node.keyword).error(f"unknown instruction: {node.keyword}{did_you}", hint=hint)


def _exactly_one(node: Node) -> str:
    if len(node.args) != 1:
        raise node.span.error(f"{node.name.upper()} requires exactly one argument")
    return node.args[0]


def _at_least_one(node: Node) -> tuple[str, ...]:
    if not node.args:
        raise node.span.error(f"{node.name.upper()} requires at least one argument")
    return node.args


def _docs(node: Node) -> dict[str, str]:
    """The comments `# NAME text` right above: name to text, the first of a name."""
    docs: dict[str, str] = {}
    for doc in node.docs:
        name, space, text = doc.partition(" ")
        if space:
            docs.setdefault(name, text)
    return docs


def _from(node: Node, flags: Flags) -> From:
    args = node.args
    name = ""
    if len(args) == 3 and args[1].lower() == "as":
        name = args[2].lower()
        if not _STAGE_NAME.fullmatch(name):
            raise node.span.at(args[2]).error(
                f"invalid name for build stage: {args[2]!r}, name can't start with a number or contain symbols",
                hint="letters, digits, - _ and . after a first letter",
            )
    elif len(args) != 1:
        raise node.span.error(
            "FROM requires either one or three arguments",
            hint=f"did you mean AS instead of {args[1]}?" if len(args) == 3 else "FROM IMAGE or FROM IMAGE AS NAME",
        )
    return From(node.span, node.text, args[0], name, flags.one("platform"), _docs(node).get(name, ""))


def _arg(node: Node, _: Flags) -> Arg:
    pairs = []
    docs = _docs(node)
    for word in _at_least_one(node):
        name, equals, value = word.partition("=")
        if not name:
            raise node.span.at(word).error("ARG names can not be blank")
        pairs.append(ArgPair(name, value if equals else None, docs.get(name, "")))
    return Arg(node.span, node.text, tuple(pairs))


def _key_values(node: Node) -> tuple[tuple[Pair, ...], bool]:
    args = _at_least_one(node)
    pairs = tuple(map(Pair, args[::3], args[1::3]))
    if not all(pair.key for pair in pairs):
        raise node.span.error(f"{node.name.upper()} names can not be blank")
    return pairs, not args[2]


def _env(node: Node, _: Flags) -> Env:
    return Env(node.span, node.text, *_key_values(node))


def _label(node: Node, _: Flags) -> Label:
    return Label(node.span, node.text, *_key_values(node))


def _maintainer(node: Node, _: Flags) -> Maintainer:
    return Maintainer(node.span, node.text, _exactly_one(node))


def _command(node: Node) -> CommandLine:
    return CommandLine(node.args, not node.is_json, node.heredocs)


def _run(node: Node, flags: Flags) -> Run:
    if not node.args:
        raise node.span.error("RUN requires a command", hint="write the command on the same line, or end it with \\")
    span = node.span
    mounts = flags.many("mount")
    return Run(
        span,
        node.text,
        _command(node),
        tuple([parse_mount(text, span.at(text)) for text in mounts]),
        mounts,
        _choice(flags.one("network"), "network mode", _NETWORKS, span),
        _choice(flags.one("security"), "security mode", _SECURITY, span),
        tuple([parse_device(text, span.at(text)) for text in flags.many("device")]),
    )


def _choice(value: str, what: str, known: tuple[str, ...], span: Span) -> str:
    if value and value not in known:
        close = nearest(value, known)
        did_you = f" (did you mean {close}?)" if close else ""
        raise span.at(value).error(f"unsupported {what} {value!r}{did_you}", hint=f"one of {', '.join(known)}")
    return value


def _cmd(node: Node, _: Flags) -> Cmd:
    return Cmd(node.span, node.text, _command(node))


def _entrypoint(node: Node, _: Flags) -> Entrypoint:
    return Entrypoint(node.span, node.text, _command(node))


def _sources(node: Node) -> tuple[tuple[str, ...], tuple[Heredoc, ...]]:
    """Paths and heredocs; the last word is the destination."""
    command = node.name.upper()
    if len(node.args) < 2:
        only = ", but only one was provided. Destination could not be determined." if node.args else ""
        raise node.span.error(
            f"{command} requires at least two arguments{only}", hint=f"write {command} SOURCE... DESTINATION"
        )
    if node.is_json:
        return node.args[:-1], ()
    if Heredoc.of_word(node.args[-1]):
        raise node.span.at(node.args[-1]).error(f"{command} cannot accept a heredoc as a destination")
    texts = {doc.name: doc for doc in node.heredocs}
    paths, files = [], []
    for word in node.args[:-1]:
        doc = Heredoc.of_word(word)
        if doc and doc.name in texts:
            files.append(doc._replace(raw=texts[doc.name].raw))
        else:
            paths.append(word)
    return tuple(paths), tuple(files)


def _copy(node: Node, flags: Flags) -> Copy:
    paths, files = _sources(node)
    stage = flags.one("from")
    if re.search(r"\$.", stage):
        raise node.span.at("--from").error(
            "COPY: 'from' doesn't support variable expansion, define alias stage instead",
            hint="write FROM with the variable AS a name, and COPY --from=that name",
        )
    return Copy(
        node.span,
        node.text,
        paths,
        node.args[-1],
        files,
        from_stage=stage,
        chown=flags.one("chown"),
        chmod=flags.one("chmod"),
        link=flags.on("link"),
        parents=flags.on("parents"),
        exclude=flags.many("exclude"),
    )


def _add(node: Node, flags: Flags) -> Add:
    paths, files = _sources(node)
    return Add(
        node.span,
        node.text,
        paths,
        node.args[-1],
        files,
        chown=flags.one("chown"),
        chmod=flags.one("chmod"),
        link=flags.on("link"),
        exclude=flags.many("exclude"),
        checksum=flags.one("checksum"),
        keep_git_dir=flags.maybe("keep-git-dir"),
        unpack=flags.maybe("unpack"),
    )


def _workdir(node: Node, _: Flags) -> Workdir:
    return Workdir(node.span, node.text, _exactly_one(node))


def _user(node: Node, _: Flags) -> User:
    return User(node.span, node.text, _exactly_one(node))


def _expose(node: Node, _: Flags) -> Expose:
    return Expose(node.span, node.text, _at_least_one(node))


def _volume(node: Node, _: Flags) -> Volume:
    paths = tuple([word.strip(SPACE) for word in _at_least_one(node)])
    if not all(paths):
        raise node.span.error("VOLUME specified can not be an empty string")
    return Volume(node.span, node.text, paths)


def _shell(node: Node, _: Flags) -> Shell:
    if node.args and not node.is_json:
        raise node.span.error(
            "SHELL requires the arguments to be in JSON form", hint='as SHELL ["/bin/bash", "-o", "pipefail", "-c"]'
        )
    return Shell(node.span, node.text, _at_least_one(node))


def _stop_signal(node: Node, _: Flags) -> StopSignal:
    return StopSignal(node.span, node.text, _exactly_one(node))


def _interval(flags: Flags, name: str, span: Span) -> int:
    """Nanoseconds; 0 means not given."""
    text = flags.one(name)
    if not text:
        return 0
    try:
        value = parse_duration_ns(text)
    except ValueError as fault:
        raise span.at(f"--{name}").error(f"HEALTHCHECK --{name}: {fault}", hint="as 30s, 1m30s or 500ms") from None
    if value and value < 10**6:
        raise span.at(f"--{name}").error(f"HEALTHCHECK --{name} cannot be less than 1ms: {text}")
    return value


def _retries(text: str, span: Span) -> int:
    digits = text.removeprefix("+")
    if not text:
        return 0
    if text.startswith("-") and text[1:].isdecimal():
        raise span.at("--retries").error(f"HEALTHCHECK --retries cannot be negative: {text}")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 11 and int(digits) < 2**31):
        raise span.at("--retries").error(f"HEALTHCHECK --retries is not a number: {text!r}")
    return int(digits)


def _healthcheck(node: Node, flags: Flags) -> Healthcheck:
    kind, *command = _at_least_one(node)
    span = node.span
    if kind.upper() == "NONE":
        if command:
            raise span.error("HEALTHCHECK NONE takes no arguments")
        return Healthcheck(span, node.text, HealthcheckConfig(("NONE",)))
    if kind.upper() != "CMD":
        raise span.at(kind).error(
            f"unknown type {kind!r} in HEALTHCHECK (try CMD)", hint="HEALTHCHECK [flags] CMD command, or NONE"
        )
    if not command:
        raise span.error("missing command after HEALTHCHECK CMD")
    test = ("CMD", *command) if node.is_json else ("CMD-SHELL", " ".join(command))
    return Healthcheck(
        span,
        node.text,
        HealthcheckConfig(
            test,
            _interval(flags, "interval", span),
            _interval(flags, "timeout", span),
            _interval(flags, "start-period", span),
            _interval(flags, "start-interval", span),
            _retries(flags.one("retries"), span),
        ),
    )


def _on_build(node: Node, _: Flags) -> OnBuild:
    child = node.child
    if child is None:
        raise node.span.error("ONBUILD requires at least one argument")
    if child.name == "onbuild":
        raise node.span.error("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if child.name in {"from", "maintainer"}:
        raise node.span.at(child.keyword).error(f"{child.name.upper()} isn't allowed as an ONBUILD trigger")
    trigger = _ONBUILD.sub("", node.text, count=1)
    trigger += "".join(f"\n{doc.raw}{doc.name}" for doc in node.heredocs)
    instruction = decode(child)
    assert not isinstance(instruction, From)
    return OnBuild(node.span, node.text, trigger, instruction)


_Make: TypeAlias = "Callable[[Node, Flags], Instruction | From]"
_MAKE: dict[str, _Make] = {
    "add": _add,
    "arg": _arg,
    "cmd": _cmd,
    "copy": _copy,
    "entrypoint": _entrypoint,
    "env": _env,
    "expose": _expose,
    "from": _from,
    "healthcheck": _healthcheck,
    "label": _label,
    "maintainer": _maintainer,
    "onbuild": _on_build,
    "run": _run,
    "shell": _shell,
    "stopsignal": _stop_signal,
    "user": _user,
    "volume": _volume,
    "workdir": _workdir,
}
NAMES = tuple(sorted(name.upper() for name in _MAKE))
