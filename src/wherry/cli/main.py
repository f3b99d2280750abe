"""The command line: finds the command, builds the engine, prints errors, and is the only reader of the environment."""

from __future__ import annotations

import errno
import os
import sys

from wherry.cli import flags, table
from wherry.errors import WherryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType
    from typing import NoReturn

    from wherry.cli.render import Output
    from wherry.engine import Engine

__all__ = ["entry", "main"]

_GLOBAL = flags.Verb(
    "[OPTIONS] COMMAND",
    "A container platform for AI applications: no daemon, standards all the way",
    [
        flags.Flag("root", "Keep images, containers and volumes in another folder", kind="string"),
        flags.Flag("runtime", "OCI runtime to use (default: runc or crun, whichever works)", kind="string"),
        flags.Flag("config", "Location of docker's client config files (default: ~/.docker)", kind="string"),
        flags.Flag("context", "Only 'default' is there: wherry has no daemon to choose", short="c", kind="string"),
        flags.Flag("host", "Not supported: wherry has no daemon to connect to", short="H", kind="list"),
        flags.Flag("log-level", "Accepted for docker's sake", short="l", kind="string", default="info"),
        flags.Flag("debug", "Show where an unexpected error came from", short="D"),
        flags.Flag("version", "Print version information and quit", short="v"),
        flags.Flag("help", "Print usage", short="h"),
    ],
    most=None,
    interspersed=False,
)


def entry() -> NoReturn:
    """The console script: ends the process with the exit code."""
    import gc

    # Imports alone make enough objects for two full collections: 5 ms of each start
    gc.set_threshold(100_000, 20, 20)
    code = main(_words(sys.argv), is_alone=True)
    # Nor is there a need to take every object apart at the end: 4 ms
    try:
        sys.stderr.flush()
    finally:
        os._exit(code)


def _words(argv: Sequence[str]) -> list[str]:
    """A link named docker-compose (or wherry-compose) is `wherry compose`, for scripts that type it."""
    is_compose = os.path.basename(argv[0]) in {"docker-compose", "wherry-compose"}
    return ["compose", *argv[1:]] if is_compose else list(argv[1:])


def main(argv: Sequence[str], *, is_alone: bool = False) -> int:
    """Run one command line and return its exit code. `is_alone`: nothing else is done by this process."""
    from wherry.cli.render import Output

    _open_streams()
    # As dockerd's: what a container sees (/, /etc/hosts) must not depend on the caller's umask
    os.umask(0o022)
    out = Output(sys.stdout, sys.stderr, os.environ)
    options = None
    try:
        options = flags.parse("wherry", _GLOBAL, argv)
        code = _dispatch(options, out, is_alone=is_alone)
        out.flush()
        return code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 1
    except Exception as fault:
        if options and options.on("debug"):
            raise
        return _report(fault, out) if isinstance(fault, WherryError) else _report_other(fault, options, out)
    finally:
        _drop_unwritten()


def _open_streams() -> None:
    """A stream that the caller closed (`>&-`) becomes /dev/null: its number must not go to the next file we open."""
    for fd, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != fd:
                os.dup2(null, fd)
                os.close(null)
            os.set_inheritable(fd, True)
            setattr(sys, name, open(fd, mode, encoding="utf-8", errors="backslashreplace"))  # noqa: SIM115
    # What a locale can't show must not end the command
    if sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _drop_unwritten() -> None:
    """Python tries once more at exit to write what could not be written, and complains."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


_TRY = {
    errno.EACCES: "run it with sudo, or choose another folder with --root",
    errno.EPERM: "run it with sudo",
    errno.EROFS: "choose another folder with --root",
    errno.ENOSPC: "df shows which disk is full; wherry system prune frees what wherry holds",
    errno.EDQUOT: "df shows which disk is full; wherry system prune frees what wherry holds",
    errno.EMFILE: "raise the limit with ulimit -n",
}


def _report_other(fault: Exception, options: flags.Args | None, out: Output) -> int:
    """What the code below did not foresee: never a traceback, unless --debug asks for it."""
    verb = _verb_of(options.rest if options else [])
    hint = ""
    if isinstance(fault, OSError):
        text = (fault.strerror or str(fault)) + (f": {fault.filename}" if fault.filename else "")
        hint = _TRY.get(fault.errno or 0, "")
    elif isinstance(fault, UnicodeEncodeError) and fault.reason == "surrogates not allowed":
        text = f"{fault.object[fault.start : fault.start + 40]!a} is not UTF-8 text"
        hint = "names of images, containers, volumes and networks are UTF-8"
    elif type(fault).__module__ == "sqlite3":
        text = f"the state database: {fault}"
    else:
        text = f"{type(fault).__name__}: {fault}"
        hint = "this is a fault of wherry's; `wherry --debug ...` shows where"
    out.error(f"wherry{verb}: {text}")
    if hint:
        out.error(f"hint: {hint}")
    # As docker's run: whatever stopped it before the container's own command
    return 125 if verb.endswith(" run") else 1


def _verb_of(words: Sequence[str]) -> str:
    """The command, for a message, with a space before each of its words."""
    if words and words[0] in table.OPTIONS and (outer := _outer(words)):
        words = [words[0], *outer.rest]
    return "".join(f" {word}" for word in words[: 2 if words[:1] and words[0] in table.GROUPS else 1])


def _report(fault: WherryError, out: Output) -> int:
    if fault.code == "container-exited":
        return fault.exit_code
    if isinstance(fault, flags.FlagError | flags.ArgumentError):
        out.error(str(fault))
        return fault.exit_code
    where = getattr(fault, "where", None)
    out.error("wherry: " + (f"{where}: " if where else "") + str(fault))
    if source := getattr(fault, "source", ""):
        out.error(source)
    if fault.hint:
        out.error(f"hint: {fault.hint}")
    return fault.exit_code


def _dispatch(options: flags.Args, out: Output, *, is_alone: bool) -> int:
    if options.on("version"):
        from wherry._version import __version__

        out.line(f"wherry version {__version__}")
        return 0
    if options.given("host") or options.given("context"):
        from wherry.cli.context import check_choice

        check_choice(options.text("context"), options.all("host"))
    words = options.rest
    if options.on("help") or not words:
        out.line(_overview())
        return 0
    if words[0] == "help":
        words = [*words[1:], "--help"]
        if len(words) == 1:
            out.line(_overview())
            return 0
    if words[0] in table.HIDDEN:
        words = [words[0], "--", *words[1:]]
    outer = _outer(words)
    if outer and outer.on("version"):
        words = [words[0], "version"]
    name, rest = _find(words)
    if name in table.GROUPS or (outer and outer.on("help")):
        return _group(words[0], [] if outer and outer.on("help") else rest, out)
    module = _load(name)
    verb = module.VERB[name] if isinstance(module.VERB, dict) else module.VERB
    if _wants_help(verb, rest):
        out.line(_verb_help(name, verb))
        return 0
    args = flags.parse(f"wherry {name}", verb, rest)
    args.outer = outer
    engine = _engine(options, is_alone=is_alone)
    return _run(engine, name, module, args, out)


def _run(engine: Engine, name: str, module: ModuleType, args: flags.Args, out: Output) -> int:
    with engine:
        try:
            if isinstance(module.VERB, dict):
                code: int = module.run(name, engine, args, out)
            else:
                code = module.run(engine, args, out)
            return code
        finally:
            for notice in engine.notices:
                out.error(f"wherry: {notice}")


def _outer(words: Sequence[str]) -> flags.Args | None:
    """The options of the group that the command belongs to; its `rest` is the command. Raises: FlagError."""
    if words[0] not in table.OPTIONS:
        return None
    return flags.parse(f"wherry {words[0]}", _options_of(words[0]), words[1:])


def _options_of(group: str) -> flags.Verb:
    from importlib import import_module

    found: flags.Verb = import_module(f"wherry.cli.{table.OPTIONS[group]}").GROUP
    return found


def _find(words: Sequence[str]) -> tuple[str, list[str]]:
    """The canonical name and what follows it. Raises: ArgumentError, FlagError."""
    if outer := _outer(words):
        words = [words[0], *outer.rest]
    if words[0] in table.GROUPS:
        if len(words) == 1 or words[1].startswith("-"):
            return words[0], list(words[1:])
        name = f"{words[0]} {words[1]}"
        if name not in table.ALIASES and name not in table.SUMMARIES:
            _refuse(name)
            return words[0], list(words[1:])
        return table.ALIASES.get(name, name), list(words[2:])
    if words[0] not in table.SUMMARIES and words[0] not in table.HIDDEN:
        _refuse(" ".join(words[:2]))
        from wherry.errors import nearest

        close = nearest(words[0], list(table.SUMMARIES))
        mean = f"\n\nDid you mean this?\n\t{close}" if close else ""
        raise flags.ArgumentError(f"wherry: '{words[0]}' is not a wherry command.\nSee 'wherry --help'{mean}")
    return words[0], list(words[1:])


def _refuse(name: str) -> None:
    """Raises: Unsupported, when it is a command of docker's that wherry does not have for a reason."""
    from wherry.cli.unsupported import reason_of

    if reason := reason_of(name):
        from wherry.errors import Unsupported

        raise Unsupported(f"'{name}' is not supported: {reason}")


def _load(name: str) -> ModuleType:
    from importlib import import_module

    return import_module(f"wherry.cli.{table.HIDDEN.get(name) or table.SUMMARIES[name][0]}")


def _wants_help(verb: flags.Verb, rest: Sequence[str]) -> bool:
    for word in rest:
        if word == "--" or (not verb.interspersed and not word.startswith("-")):
            return False
        if word == "--help":
            return True
    return False


def _folder() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        from wherry.errors import InputError

        raise InputError("the current folder is gone", hint="somebody removed it: cd to another one") from None


def _engine(options: flags.Args, *, is_alone: bool) -> Engine:
    from wherry.engine import Engine
    from wherry.host.linux import LinuxHost
    from wherry.settings import Paths, Settings

    root = options.text("root") or os.environ.get("WHERRY_ROOT", "")
    paths = Paths.for_user(os.environ, os.geteuid(), os.path.abspath(root) if root else None)
    runtime = options.text("runtime") or os.environ.get("WHERRY_RUNTIME", "")
    env = dict(os.environ)
    if options.given("config"):
        env["DOCKER_CONFIG"] = os.path.abspath(options.text("config"))
    settings = Settings(paths, env, os.geteuid(), _folder(), jobs=os.cpu_count() or 2, runtime=runtime)
    return Engine(settings, LinuxHost(env, is_alone=is_alone))


def _group(name: str, rest: Sequence[str], out: Output) -> int:
    from wherry.cli.render import help_text

    members = {key: summary for key, (_, summary) in table.SUMMARIES.items() if key.startswith(name + " ")}
    members |= {alias: table.SUMMARIES[to][1] for alias, to in table.ALIASES.items() if alias.startswith(name + " ")}
    rows = [(key.split(" ", 1)[1], text) for key, text in sorted(members.items())]
    verb = _options_of(name) if name in table.OPTIONS else flags.Verb("COMMAND", table.GROUPS[name])
    groups = [("Options", _flag_rows(verb)), ("Commands", rows)]
    page = help_text(f"wherry {name} {verb.usage}", verb.summary, groups,
                     f"Run 'wherry {name} COMMAND --help' for more information on a command.")  # fmt: skip
    if rest and not rest[0].startswith("-"):
        from wherry.errors import nearest

        close = nearest(rest[0], [row[0] for row in rows])
        out.error(page)
        out.error(f"\nwherry {name}: no such command: {rest[0]}" + (f" (did you mean {close}?)" if close else ""))
        return verb.flag_exit if name in table.OPTIONS else 1
    out.line(page)
    return 0


def _flag_rows(verb: flags.Verb) -> list[tuple[str, str]]:
    rows = []
    for flag in sorted(verb.flags, key=lambda f: f.name):
        short = f"-{flag.short}, " if flag.short else "    "
        shown = f" (default {flag.default})" if flag.default != "" else ""
        rows.append((f"{short}--{flag.name} {flag.type_name}".rstrip(), flag.help + shown))
    return rows


def _verb_help(name: str, verb: flags.Verb) -> str:
    from wherry.cli.render import help_text

    aliases = sorted(f"wherry {alias}" for alias, to in table.ALIASES.items() if to == name)
    groups = [("Aliases", [(", ".join([f"wherry {name}", *aliases]), "")])] if aliases else []
    examples = "Examples:\n" + "\n".join(f"  {line}" for line in verb.examples) if verb.examples else ""
    return help_text(f"wherry {name} {verb.usage}", verb.summary, [*groups, ("Options", _flag_rows(verb))], examples)


def _overview() -> str:
    from wherry.cli.render import help_text

    single = {key: text for key, (_, text) in table.SUMMARIES.items() if " " not in key}
    groups = [
        ("Common Commands", [(key, single[key]) for key in table.COMMON]),
        ("Management Commands", sorted(table.GROUPS.items())),
        ("Commands", [(key, text) for key, text in sorted(single.items()) if key not in table.COMMON]),
        ("Global Options", _flag_rows(_GLOBAL)),
    ]
    return help_text("wherry [OPTIONS] COMMAND", _GLOBAL.summary, groups,
                     "Run 'wherry COMMAND --help' for more information on a command.")  # fmt: skip
