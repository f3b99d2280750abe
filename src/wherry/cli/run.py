"""wherry run."""

from __future__ import annotations

from wherry.cli.flags import Verb
from wherry.cli.run_flags import FLAGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.runtime.launch import Monitor

VERB = Verb(
    "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    "Create and run a new container from an image",
    FLAGS,
    least=1,
    most=None,
    interspersed=False,
    examples=("wherry run --rm python:3.10 python -V", "wherry run -d -p 8000:8000 --name api ai-api"),
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """docker's exit codes: the container's own, 125 for a fault of ours, 126 and 127 for a command that can't run."""
    # First of all, so that it is ready when the options are parsed and the image is found
    monitor = engine.containers.spawn_monitor()
    try:
        return _run(engine, args, out, monitor)
    except BaseException:
        monitor.abandon()
        raise


def _run(engine: Engine, args: Args, out: Output, monitor: Monitor) -> int:
    from wherry.cli.container_streams import for_run
    from wherry.cli.run_image import require_image
    from wherry.errors import InputError, RuntimeFailure, WherryError
    from wherry.host.linux import require_root

    try:
        from wherry.cli.run_flags import options as parse

        # Before the image is looked for: to fetch one first would be in vain
        require_root(engine.settings.uid, "wherry run")
        options = parse(args, engine.settings)
        streams = for_run(options, out)
        require_image(engine, args.rest[0], options, out, quiet=args.on("quiet"))
        if args.on("track"):
            from wherry.cli.track import request
            from wherry.engine import runs_container

            id, code = runs_container.run(engine, args.rest[0], options, request(args), streams, monitor)
        elif args.given("data") or args.given("experiment") or args.given("param"):
            raise InputError("--data, --experiment and --param are of a training run", hint="add --track")
        else:
            id, code = engine.containers.run(args.rest[0], options, streams, monitor)
    except RuntimeFailure:
        raise
    except WherryError as fault:
        # As docker's run: any fault before the container's own command is 125
        if fault.code != "usage":
            fault.exit_code = 125
        raise
    if streams is None:
        out.line(id)
    return code or 0
