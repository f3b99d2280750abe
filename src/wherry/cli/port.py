"""wherry port."""

from __future__ import annotations

from wherry.cli.flags import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "CONTAINER [PRIVATE_PORT[/PROTO]]",
    "List port mappings or a specific mapping for the container",
    least=1,
    most=2,
    examples=("wherry port web", "wherry port web 80/tcp"),
)


def run(engine: Engine, args: Args, out: Output) -> int:
    from wherry.errors import InputError, NotFound

    found = engine.containers.ports(args.rest[0])
    if len(args.rest) == 1:
        for port, where in found:
            out.line(f"{port} -> {where}")
        return 0
    number, _, protocol = args.rest[1].partition("/")
    if not (number.isascii() and number.isdecimal()):
        raise InputError(f'invalid port ({args.rest[1]}): strconv.ParseUint: parsing "{number}": invalid syntax')
    wanted = f"{number}/{protocol or 'tcp'}"
    matches = [where for port, where in found if port == wanted]
    if not matches:
        raise NotFound(f"No public port '{args.rest[1]}' published for {args.rest[0]}")
    for where in matches:
        out.line(where)
    return 0
