"""Command lines as docker reads them (pflag's rules), declared as data.

Not argparse: it refuses values that start with "-" (`-e -X=1`), knows no `--rm=false`, prints other messages and
costs 8 ms of every start (docs/adr/0003-own-flag-parser.md).
"""

from __future__ import annotations

from wherry.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Args", "ArgumentError", "Flag", "FlagError", "Verb", "labels", "parse"]

_TRUE, _FALSE = (
    frozenset({"1", "t", "T", "true", "TRUE", "True"}),
    frozenset({"0", "f", "F", "false", "FALSE", "False"}),
)


class FlagError(UsageError):
    """A wrong flag; docker exits with 125 for it, whatever the command."""

    exit_code = 125


class ArgumentError(UsageError):
    """A wrong number of arguments, or no such command; docker exits with 1 for it."""

    exit_code = 1


class Flag:
    """One flag. `kind` is "bool", "string", "int", "list" (may be given again), or "optional": a string whose value can
    only stand behind "=", and is "true" without. `type_name` is what help shows.

    `default` is what Args answers when the flag is not given (bool: False, list: empty).
    """

    __slots__ = ("default", "help", "kind", "name", "short", "type_name")

    def __init__(
        self, name: str, help: str, *, short: str = "", kind: str = "bool", type_name: str = "", default: str | int = ""
    ) -> None:
        self.name, self.short, self.kind, self.help, self.default = name, short, kind, help, default
        self.type_name = type_name or ("" if kind == "bool" else "string" if kind == "optional" else kind)


class Verb:
    """What a command takes. `usage` is everything behind "wherry VERB"; `most` None means any number.

    `interspersed` False stops reading flags at the first argument: what follows belongs to the container.
    `flag_exit` is the exit code of a wrong flag.
    """

    __slots__ = ("examples", "flag_exit", "flags", "interspersed", "least", "most", "summary", "usage")

    def __init__(
        self,
        usage: str,
        summary: str,
        flags: Sequence[Flag] = (),
        *,
        least: int = 0,
        most: int | None = 0,
        interspersed: bool = True,
        examples: Sequence[str] = (),
    ) -> None:
        self.usage, self.summary, self.flags = usage, summary, tuple(flags)
        self.flag_exit = 125
        self.least, self.most, self.interspersed, self.examples = least, most, interspersed, tuple(examples)


class Args:
    """A parsed command line: flags by their long name, and the arguments in order.

    `outer` are the options of the command's group, where it has any (`wherry compose -f FILE up`).
    """

    __slots__ = ("_flags", "_values", "outer", "rest")

    def __init__(self, flags: Mapping[str, Flag], values: dict[str, list[str]], rest: list[str]) -> None:
        self._flags, self._values, self.rest = flags, values, rest
        self.outer: Args | None = None

    def has(self, name: str) -> bool:
        """Whether the command has such a flag: for what several commands share."""
        return name in self._flags

    def given(self, name: str) -> bool:
        """Whether the flag stands on the command line (`--rm=false` too)."""
        return name in self._values

    def on(self, name: str) -> bool:
        """A bool flag."""
        return self._values[name][-1] in _TRUE if name in self._values else bool(self._flags[name].default)

    def text(self, name: str) -> str:
        """A string flag; the last one wins."""
        return self._values[name][-1] if name in self._values else str(self._flags[name].default)

    def number(self, name: str) -> int | None:
        """An int flag, or None when it is not given and has no default."""
        if name in self._values:
            return int(self._values[name][-1])
        return None if self._flags[name].default == "" else int(self._flags[name].default)

    def all(self, name: str) -> tuple[str, ...]:
        """A list flag: every value, in order."""
        return tuple(self._values.get(name, ()))


def parse(command: str, verb: Verb, argv: Sequence[str]) -> Args:
    """`command` is the whole name ("wherry run"), for messages. Raises: FlagError, ArgumentError."""
    try:
        return _parse(command, verb, argv)
    except FlagError as fault:
        fault.exit_code = verb.flag_exit
        raise


def _parse(command: str, verb: Verb, argv: Sequence[str]) -> Args:
    by_name = {flag.name: flag for flag in verb.flags}
    by_short = {flag.short: flag for flag in verb.flags if flag.short}
    values: dict[str, list[str]] = {}
    rest: list[str] = []
    queue = list(argv)
    while queue:
        word = queue.pop(0)
        if word == "--":
            rest += queue
            break
        if word.startswith("--"):
            _long(command, word, by_name, values, queue)
        elif word.startswith("-") and word != "-":
            _shorts(command, word, by_short, values, queue)
        else:
            rest.append(word)
            if not verb.interspersed:
                rest += queue
                break
    _count(command, verb, rest)
    return Args(by_name, values, rest)


def labels(command: str, args: Args) -> dict[str, str]:
    """What --label says, of volumes and networks. Raises: FlagError."""
    found = {}
    for text in args.all("label"):
        key, _, found[key] = text.partition("=")
        if not key:
            raise _fail(command, f'invalid argument "{text}" for "--label" flag: invalid label \'{text}\': empty name')
    return found


def _fail(command: str, message: str) -> FlagError:
    return FlagError(f"{message}\nSee '{command} --help'.")


def _is_int64(text: str) -> bool:
    return len(text) < 20 or (len(text) < 30 and -(1 << 63) <= int(text) < 1 << 63)


def _store(command: str, flag: Flag, shown: str, value: str, values: dict[str, list[str]]) -> None:
    wrong, how = "", "invalid syntax"
    if flag.kind == "bool" and value not in _TRUE and value not in _FALSE:
        wrong = "strconv.ParseBool: parsing"
    elif flag.kind == "int" and not value.removeprefix("-").removeprefix("+").isdecimal():
        wrong = "strconv.ParseInt: parsing"
    elif flag.kind == "int" and not _is_int64(value):
        wrong, how = "strconv.ParseInt: parsing", "value out of range"
    if wrong:
        raise _fail(command, f'invalid argument "{value}" for "{shown}" flag: {wrong} "{value}": {how}')
    if flag.type_name == "filter" and "=" not in value:
        if not value:
            return  # as docker: an empty one is none
        raise _fail(
            command, f'invalid argument "{value}" for "{shown}" flag: bad format of filter (expected name=value)'
        )
    values.setdefault(flag.name, []).append(value)


def _shown(flag: Flag) -> str:
    return f"-{flag.short}, --{flag.name}" if flag.short else f"--{flag.name}"


def _long(command: str, word: str, known: Mapping[str, Flag], values: dict[str, list[str]], queue: list[str]) -> None:
    name, equals, value = word[2:].partition("=")
    flag = known.get(name)
    if flag is None:
        from wherry.cli.unsupported import flag_reason
        from wherry.errors import nearest

        if reason := flag_reason(command.partition(" ")[2], name):
            raise _fail(command, f"--{name} is not supported: {reason}")
        close = nearest(name, list(known))
        raise _fail(command, f"unknown flag: --{name}" + (f" (did you mean --{close}?)" if close else ""))
    if not equals:
        if flag.kind in {"bool", "optional"}:
            value = "true"
        elif queue:
            value = queue.pop(0)
        else:
            raise _fail(command, f"flag needs an argument: --{name}")
    _store(command, flag, _shown(flag), value, values)


def _shorts(command: str, word: str, known: Mapping[str, Flag], values: dict[str, list[str]], queue: list[str]) -> None:
    letters = word[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        flag = known.get(letter)
        if flag is None:
            raise _fail(command, f"unknown shorthand flag: '{letter}' in {word}")
        if flag.kind == "bool":
            value = "true"
            if letters.startswith("="):
                value, letters = letters[1:], ""
        elif letters:
            value, letters = letters.removeprefix("="), ""
        elif queue:
            value = queue.pop(0)
        else:
            raise _fail(command, f"flag needs an argument: '{letter}' in {word}")
        _store(command, flag, _shown(flag), value, values)


def _count(command: str, verb: Verb, rest: Sequence[str]) -> None:
    count = len(rest)
    if verb.least <= count and (verb.most is None or count <= verb.most):
        return
    if verb.most == 0:
        wants = "accepts no arguments"
    elif verb.least == verb.most:
        wants = f"requires exactly {verb.least} argument{'s' * (verb.least != 1)}"
    elif verb.most is None:
        wants = f"requires at least {verb.least} argument{'s' * (verb.least != 1)}"
    elif not verb.least:
        wants = f"requires at most {verb.most} argument{'s' * (verb.most != 1)}"
    else:
        wants = f"requires at least {verb.least} and at most {verb.most} arguments"
    raise ArgumentError(
        f"\"{command}\" {wants}.\nSee '{command} --help'.\n\nUsage:  {command} {verb.usage}\n\n{verb.summary}"
    )
