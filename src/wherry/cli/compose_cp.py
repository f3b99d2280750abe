"""wherry compose cp."""

from __future__ import annotations

from wherry.cli.compose import ComposeContext, compose_verb
from wherry.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.compose.observe import ObservedContainer
    from wherry.engine import Engine

VERB = compose_verb(
    "[OPTIONS] SERVICE:SRC_PATH DEST_PATH|-\n        wherry compose cp [OPTIONS] SRC_PATH|- SERVICE:DEST_PATH",
    "Copy files/folders between a service container and the local filesystem",
    [
        Flag("all", "Include containers created by the run command"),
        Flag("archive", "Archive mode (copy all uid/gid information)", short="a"),
        Flag("follow-link", "Always follow symbol link in SRC_PATH", short="L"),
        Flag("index", "Index of the container if service has multiple replicas", kind="int", default=0),
    ],
    least=2,
    most=2,
    examples=("wherry compose cp web:/app/model.joblib .", "wherry compose cp ./conf web:/etc/app"),
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """Out of the first container of the service; into all of them, or the one that --index says."""
    from wherry.cli.cp import split
    from wherry.compose.choose import containers
    from wherry.compose.observe import observe
    from wherry.errors import InputError, NotFound

    source, dest = args.rest
    (from_service, _), (to_service, _) = split(source), split(dest)
    if from_service and to_service:
        raise InputError(
            "copying between services is not supported",
            hint=f"wherry compose cp {source} - | wherry compose cp - {dest}",
        )
    service = from_service or to_service
    if not service:
        raise InputError("unknown copy direction", hint="SERVICE:PATH names a file in a service's container")
    context = ComposeContext(engine, args, out)
    name = context.name()
    index = args.number("index") or 0
    found = containers(observe(engine, name), [service], all=True, one_off=args.on("all"), index=index)
    if not found:
        raise NotFound(f'no container found for service "{service}"' + (f" with index {index}" if index else ""))
    if from_service or source == "-":
        found = found[:1]  # standard input can be read once
    for one in found:
        _copy(context, one, source, dest, is_out=bool(from_service))
    return 0


def _copy(context: ComposeContext, one: ObservedContainer, source: str, dest: str, *, is_out: bool) -> None:
    from wherry.cli import cp
    from wherry.compose.progress import DONE, ERROR, WORKING, Event
    from wherry.errors import WherryError

    name, at = (source, dest) if is_out else (dest, source)
    there = f"{one.name}:{cp.split(name)[1]}"
    said = f"copy {there} to {at}" if is_out else f"copy {at} to {there}"
    quiet = dest == "-" or source == "-"
    with context.progress("Copying", quiet=quiet) as progress:
        progress.event(Event(one.name, WORKING, f"{said} Copying"))
        try:
            if not context.is_dry and is_out:
                cp.copy_out(context.engine, context.args, context.out, (one.id, cp.split(name)[1], dest))
            elif not context.is_dry:
                cp.copy_in(context.engine, context.args, context.out, (source, one.id, cp.split(name)[1]))
        except WherryError as fault:
            progress.event(Event(one.name, ERROR, "Error", str(fault)))
            raise
        progress.event(Event(one.name, DONE, f"{said} Copied"))
