"""wherry kill."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Kill one or more running containers",
    [
        Flag("signal", "Signal to send to the container", short="s", kind="string", default="KILL"),
    ],
    least=1,
    most=None,
)


def run(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli.container_each import each
    from wherry.errors import InputError, NotFound

    def kill(name: str) -> None:
        try:
            engine.containers.kill(name, args.text("signal") or "KILL")
        except (InputError, NotFound) as fault:
            raise type(fault)(f"cannot kill container: {name}: {fault}", hint=fault.hint) from None

    return each(args.rest, kill, out)
