"""wherry start."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Start one or more stopped containers",
    [
        Flag("attach", "Attach STDOUT/STDERR and forward signals", short="a"),
        Flag("detach-keys", "Override the key sequence for detaching a container", kind="string"),
        Flag("interactive", "Attach container's STDIN", short="i"),
    ],
    least=1,
    most=None,
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """Attached, the exit code is the container's."""
    from wherry.cli.container_each import each
    from wherry.cli.container_streams import joined
    from wherry.errors import InputError

    failed: list[str] = []

    def start(name: str) -> None:
        failed.append(name)
        engine.containers.start(name)
        failed.pop()

    if not (args.on("attach") or args.on("interactive")):
        code = each(args.rest, start, out)
        if failed:
            out.error(f"wherry: failed to start containers: {', '.join(failed)}")
        return code
    if len(args.rest) > 1:
        raise InputError("you cannot start and attach multiple containers at once")
    options = engine.containers.find(args.rest[0]).options()
    stdin = args.on("interactive") and options.stdin
    streams = joined(out, stdin=stdin, tty=options.tty, detach_keys=args.text("detach-keys"))
    return engine.containers.start(args.rest[0], streams) or 0
