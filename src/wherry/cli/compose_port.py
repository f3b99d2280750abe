"""wherry compose port."""

from __future__ import annotations

from wherry.cli.compose import ComposeContext, compose_verb
from wherry.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = compose_verb(
    "[OPTIONS] SERVICE PRIVATE_PORT",
    "Print the public port for a port binding",
    [
        Flag("index", "Index of the container if service has multiple replicas", kind="int", default=0),
        Flag("protocol", "tcp or udp", kind="string", default="tcp"),
    ],
    least=2,
    most=2,
    examples=("wherry compose port web 80",),
)


def run(engine: Engine, args: Args, out: Output) -> int:
    from wherry.compose.choose import one_of
    from wherry.compose.observe import observe
    from wherry.errors import InputError, NotFound

    service, port = args.rest
    if not (port.isascii() and port.isdecimal()):
        raise InputError(f'strconv.ParseUint: parsing "{port}": invalid syntax', hint="a port's number, as 80")
    context = ComposeContext(engine, args, out)
    one = one_of(observe(engine, context.name()), service, index=args.number("index") or 0)
    wanted = f"{int(port)}/{args.text('protocol').lower()}"
    found = engine.containers.ports(one.id)
    for name, where in found:
        if name == wanted:
            out.line(where)
            return 0
    # Differs from docker: `compose port` says which ports are published, where docker-compose shows host ports
    known = ", ".join(dict.fromkeys(name for name, _ in found)) or "none is published"
    raise NotFound(f"no port {wanted} for container {one.name}: {known}")
