"""wherry __complete: what the shells ask while a command line is typed (docs/shell.md).

Prints one candidate a line, with a tab and a description where there is one, and a last line ":N": 4 says that file
names are none of them, 2 that no space is to follow. These are the words of docker's own `__complete`.
"""

from __future__ import annotations

import sys

from wherry.cli.complete_words import Wanted, argument, flag_value, position
from wherry.cli.flags import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wherry.cli.flags import Args, Flag
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb("WORDS... PARTIAL", "Candidates for the shells' completion", most=None)

NO_SPACE, NO_FILES = 2, 4


def run(engine: Engine, args: Args, out: Output) -> int:
    """Never fails: whoever types sees no message, and no candidate at worst."""
    words, partial = args.rest[:-1], (args.rest or [""])[-1]
    try:
        wanted = wants(words, partial)
        found = list(candidates(engine, wanted, words))
    except Exception:  # whatever it is, it is not the moment to tell
        wanted, found = Wanted("nothing"), []
    rest = partial.removeprefix(wanted.prefix)
    shown = [(wanted.prefix + word, text) for word, text in found if word.startswith(rest)]
    for word, text in shown:
        out.line(f"{word}\t{text}" if text else word)
    directive = 0 if wanted.kind in {"files", "container:files", "service:files"} else NO_FILES
    if shown and all(word.endswith(("=", ":")) for word, _ in shown):
        directive |= NO_SPACE
    out.line(f":{directive}")
    return 0


def wants(words: Sequence[str], partial: str) -> Wanted:
    """What the last, unfinished word may become. Pure but for loading the command's declaration."""
    from wherry.cli import main, table

    rest, pending = _behind_globals(words)
    if pending:
        return flag_value(main._GLOBAL, pending)
    if not rest:
        return Wanted("globals" if partial.startswith("-") else "commands")
    name = rest[0]
    if name in table.OPTIONS:
        behind, pending = _behind_options(main._options_of(name), rest[1:])
        if pending:
            return flag_value(main._options_of(name), pending)
        if not behind and partial.startswith("-"):
            return Wanted("flags", (name,))
        rest = [name, *behind]
    if name in table.GROUPS:
        if len(rest) == 1:
            return Wanted("members", (name,))
        name, rest = f"{rest[0]} {rest[1]}", rest[1:]
    name = table.ALIASES.get(name, name)
    return _of_verb(name, rest[1:], partial) if name in table.SUMMARIES else Wanted("nothing")


def _behind_globals(words: Sequence[str]) -> tuple[list[str], Flag | None]:
    from wherry.cli import main

    return _behind_options(main._GLOBAL, words)


def _behind_options(verb: Verb, words: Sequence[str]) -> tuple[list[str], Flag | None]:
    arguments, pending, _ = position(verb, words)
    start = next((i for i in range(len(words)) if list(words[i:]) == arguments), len(words))
    return list(words[start:]), pending


def _of_verb(name: str, words: Sequence[str], partial: str) -> Wanted:
    verb = declared(name)
    arguments, pending, takes_flags = position(verb, words)
    if pending:
        return flag_value(verb, pending)
    if takes_flags and partial.startswith("-"):
        start, equals, _ = partial.partition("=")
        flag = next((one for one in verb.flags if f"--{one.name}" == start), None)
        if equals and flag:
            return flag_value(verb, flag, f"{start}=")
        return Wanted("flags", (name,))
    if verb.most is not None and len(arguments) >= verb.most:
        return Wanted("nothing")
    return argument(name, arguments)


def declared(name: str) -> Verb:
    """The declaration of a command."""
    from importlib import import_module

    from wherry.cli import table

    found: Verb | dict[str, Verb] = import_module(f"wherry.cli.{table.SUMMARIES[name][0]}").VERB
    return found[name] if isinstance(found, dict) else found


def candidates(engine: Engine, wanted: Wanted, words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(word, description), before the part that is typed is looked at; what stands on the line is left out."""
    typed = set(words)
    if wanted.kind == "words":
        yield from ((word, "") for word in wanted.words)
    elif wanted.kind in {"commands", "members"}:
        yield from _commands(wanted)
    elif wanted.kind in {"flags", "globals"}:
        yield from _flags(wanted)
    else:
        yield from (one for one in _names(engine, wanted.kind, words) if one[0] not in typed)


def _commands(wanted: Wanted) -> Iterator[tuple[str, str]]:
    from wherry.cli import table

    if wanted.kind == "commands":
        yield from ((name, text) for name, (_, text) in sorted(table.SUMMARIES.items()) if " " not in name)
        yield from sorted(table.GROUPS.items())
        return
    start = wanted.words[0] + " "
    members = {name: text for name, (_, text) in table.SUMMARIES.items() if name.startswith(start)}
    members |= {alias: table.SUMMARIES[to][1] for alias, to in table.ALIASES.items() if alias.startswith(start)}
    yield from ((name.removeprefix(start), text) for name, text in sorted(members.items()))


def _flags(wanted: Wanted) -> Iterator[tuple[str, str]]:
    from wherry.cli import main, table

    if wanted.kind == "globals":
        verb = main._GLOBAL
    else:
        name = wanted.words[0]
        verb = main._options_of(name) if name in table.OPTIONS else declared(name)
    for flag in sorted(verb.flags, key=lambda one: one.name):
        yield f"--{flag.name}", flag.help
    yield "--help", "Print usage"


def _names(engine: Engine, kind: str, words: Sequence[str]) -> Iterator[tuple[str, str]]:
    if kind in {"container", "running", "paused", "stopped", "anything", "lineage"}:
        yield from _containers(engine, kind)
    if kind == "service":
        yield from _services(engine, words)
    if kind == "service:files":
        yield from ((f"{name}:", text) for name, text in _services(engine, words))
    if kind == "container:files":
        yield from ((f"{name}:", text) for name, text in _containers(engine, "container"))
    if kind in {"image", "anything", "lineage"}:
        yield from ((tag, "") for image in engine.images.list() for tag in image.tags)
    if kind in {"volume", "anything"}:
        yield from ((name, "") for (name,) in engine.db.read().execute("SELECT name FROM volume ORDER BY name"))
    if kind in {"training run", "lineage"}:
        yield from ((str(one.start["name"]), str(one.start["experiment"])) for one in engine.runs.list())
    if kind in {"network", "anything"}:
        names = {name for (name,) in engine.db.read().execute("SELECT name FROM network")}
        yield from ((name, "") for name in sorted(names | {"bridge", "host", "none"}))


def _services(engine: Engine, words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Of the project that the options before the command mean."""
    from wherry.cli import main
    from wherry.cli.compose import ComposeContext
    from wherry.cli.flags import parse
    from wherry.cli.render import Output

    args = parse("wherry compose", main._options_of("compose"), [])
    args.outer = main._outer(_behind_globals(words)[0])
    project = ComposeContext(engine, args, Output(sys.stdout, sys.stderr, {})).project()
    for name, service in sorted(project.all_services().items()):
        yield name, service.image


def _containers(engine: Engine, kind: str) -> Iterator[tuple[str, str]]:
    from wherry.engine.containers_rows import every

    wanted = {"running": {"running", "paused"}, "paused": {"paused"}, "stopped": {"created", "exited"}}.get(kind)
    for row in every(engine.db):
        if wanted is None or engine.containers.state(row.id).status in wanted:
            yield row.name, row.image_name
