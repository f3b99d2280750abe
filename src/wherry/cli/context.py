"""wherry context: there is one, "default", and it is this machine.

docker's contexts say which daemon to talk to. Scripts ask for the one in use, or choose default: that works. What would
need another machine's daemon says why it can't be.
"""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from wherry.cli.flags import Args
    from wherry.cli.formats import Row
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.errors import WherryError

_FORMAT = Flag("format", "Format output: 'json', a Go template, or the default", short="f", kind="string")

VERB = {
    "context create": Verb(
        "[OPTIONS] CONTEXT",
        "Create a context (not supported: wherry talks to no daemon)",
        [
            Flag("description", "Description of the context", kind="string"),
            Flag("docker", "Set the docker endpoint", kind="list", type_name="stringToString"),
            Flag("from", "Create context from a named context", kind="string"),
        ],
        least=1,
        most=1,
    ),
    "context export": Verb(
        "CONTEXT [FILE|-]", "Export a context to a tar archive (not supported: there is nothing in it)", least=1, most=2
    ),
    "context import": Verb(
        "CONTEXT FILE|-", "Import a context from an archive (not supported: wherry talks to no daemon)", least=2, most=2
    ),
    "context inspect": Verb(
        "[OPTIONS] [CONTEXT] [CONTEXT...]",
        "Display detailed information on one or more contexts",
        [_FORMAT],
        most=None,
        examples=["wherry context inspect"],
    ),
    "context ls": Verb(
        "[OPTIONS]",
        "List contexts",
        [
            Flag("format", "Format output: 'json', a Go template, or the default table", kind="string"),
            Flag("quiet", "Only show context names", short="q"),
        ],
        examples=["wherry context ls"],
    ),
    "context rm": Verb(
        "[OPTIONS] CONTEXT [CONTEXT...]",
        "Remove one or more contexts",
        [Flag("force", "Force the removal of a context in use", short="f")],
        least=1,
        most=None,
    ),
    "context show": Verb("", "Print the name of the current context", examples=["wherry context show"]),
    "context update": Verb(
        "[OPTIONS] CONTEXT",
        "Update a context (not supported: default can't be changed)",
        [
            Flag("description", "Description of the context", kind="string"),
            Flag("docker", "Set the docker endpoint", kind="list", type_name="stringToString"),
        ],
        least=1,
        most=1,
    ),
    "context use": Verb(
        "CONTEXT", "Set the current docker context", least=1, most=1, examples=["wherry context use default"]
    ),
}

_NAME = "default"
_RESERVED = f'"{_NAME}" is a reserved context name'
_ELSEWHERE = "to work on another machine, run wherry there: ssh HOST wherry ps"
_DESCRIPTION = "This machine: wherry has no daemon"


def run(name: str, engine: Engine, args: Args, out: Output) -> int:
    """docker's words for default, and for what is not there."""
    actions = {"ls": _list, "show": _show, "use": _use, "inspect": _inspect, "rm": _remove}
    verb = name.split()[1]
    if verb not in actions:
        raise _refusal(verb, args.rest[0])
    return actions[verb](engine, args, out)


def check_choice(context: str, hosts: Sequence[str]) -> None:
    """`--context` and `--host` before the command. Raises: InputError, Unsupported."""
    from wherry.errors import InputError, Unsupported

    if context not in {"", _NAME}:
        raise InputError(_not_found(context), hint=f"there is one: {_NAME}, this machine")
    if any(hosts):
        raise Unsupported(f"--host {hosts[-1]}: wherry has no daemon to connect to", hint=_ELSEWHERE)


def _refusal(verb: str, name: str) -> WherryError:
    # Differs from docker: contexts can't be made, changed and carried
    from wherry.errors import InputError, Unsupported

    if name == _NAME and verb != "export":
        return InputError(_RESERVED)
    if name != _NAME and verb in ("export", "update"):
        return InputError(_not_found(name))
    return Unsupported(
        f"context {verb}: wherry has no daemon to connect to, so there is one context: {_NAME}",
        hint=_ELSEWHERE,
    )


def _not_found(name: str) -> str:
    return f'context "{name}": context not found'


def _warn(engine: Engine, out: Output) -> None:
    """What docker obeys is not obeyed here, and that must not stay unseen."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        value = engine.settings.env.get(name, "")
        if value and value != _NAME:
            out.error(f"Warning: {name} is set, but wherry has no daemon: it works on this machine")


def _list(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli import formats

    headers = {"Name": "NAME", "Description": "DESCRIPTION", "DockerEndpoint": "DOCKER ENDPOINT", "Error": "ERROR",
               "Current": "CURRENT", "ContextType": "TYPE"}  # fmt: skip
    wants_table = args.text("format") in {"", "table"} and not args.on("quiet")
    shown = f"{_NAME} *" if wants_table else _NAME
    row: Row = {"Name": shown, "Description": _DESCRIPTION, "DockerEndpoint": "", "Error": "", "Current": True,
                "ContextType": "moby"}  # fmt: skip
    columns = ("Name", "Description", "DockerEndpoint", "Error")
    kind = formats.Listing("formatter.clientContextContext", headers, columns, quiet="Name")
    formats.listing(out, kind, [row], args.text("format"), quiet=args.on("quiet"))
    _warn(engine, out)
    return 0


def _show(engine: Engine, args: Args, out: Output) -> int:
    out.line(_NAME)
    return 0


def _use(engine: Engine, args: Args, out: Output) -> int:
    from wherry.errors import InputError

    if args.rest[0] != _NAME:
        raise InputError(_not_found(args.rest[0]), hint=f"there is one: {_NAME}, this machine")
    out.line(_NAME)
    out.error(f'Current context is now "{_NAME}"')
    _warn(engine, out)
    return 0


def _inspect(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli import formats

    format, code = args.text("format"), 0
    found = []
    for name in args.rest or [_NAME]:
        if name == _NAME:
            found.append(_document())
        else:
            out.error(_not_found(name))
            code = 1
    if not format:
        out.json(found, indent=4)
    for one in found if format else ():
        formats.document(out, one, format, "context.inspect")
    return code


def _document() -> dict[str, Any]:
    return {
        "Name": _NAME,
        "Metadata": {},
        "Endpoints": {"docker": {"Host": "", "SkipTLSVerify": False}},
        "TLSMaterial": {},
        "Storage": {"MetadataPath": "<IN MEMORY>", "TLSPath": "<IN MEMORY>"},
    }


def _remove(engine: Engine, args: Args, out: Output) -> int:
    for name in args.rest:
        message = f'{name}: context "{name}" cannot be removed' if name == _NAME else f'context "{name}" does not exist'
        out.error(message)
    return 1
