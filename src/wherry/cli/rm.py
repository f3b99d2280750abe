"""wherry rm."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Remove one or more containers",
    [
        Flag("force", "Force the removal of a running container (uses SIGKILL)", short="f"),
        Flag("link", "Remove the specified link", short="l"),
        Flag("volumes", "Remove anonymous volumes associated with the container", short="v"),
    ],
    least=1,
    most=None,
)


def run(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli.container_each import each
    from wherry.errors import NotFound, Unsupported

    if args.on("link"):
        engine.containers.find(args.rest[0])
        # Differs from docker: a link can't be taken from a container
        raise Unsupported(
            "rm --link is not supported: a link stays as long as its container",
            hint="make it anew without --link; on a network of your own, containers know each other's names",
        )
    force = args.on("force")

    def remove(name: str) -> str:
        try:
            engine.containers.remove(name, force=force, volumes=args.on("volumes"))
        except NotFound as fault:
            # As docker since 20.10: it is said, and what is not there is as good as removed
            if not force:
                raise
            out.error(f"wherry: {fault}")
            return ""
        return name

    return each(args.rest, remove, out)
