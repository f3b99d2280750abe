"""wherry update."""

from __future__ import annotations

from wherry.cli.flags import Flag, FlagError, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Update configuration of one or more containers",
    [
        Flag("blkio-weight", "Block IO (relative weight), between 10 and 1000, or 0 to disable", kind="string",
             type_name="uint16"),
        Flag("cpu-period", "Limit CPU CFS (Completely Fair Scheduler) period", kind="int"),
        Flag("cpu-quota", "Limit CPU CFS (Completely Fair Scheduler) quota", kind="int"),
        Flag("cpu-rt-period", "Limit the CPU real-time period in microseconds", kind="int"),
        Flag("cpu-rt-runtime", "Limit the CPU real-time runtime in microseconds", kind="int"),
        Flag("cpu-shares", "CPU shares (relative weight)", short="c", kind="int"),
        Flag("cpus", "Number of CPUs", kind="string", type_name="decimal"),
        Flag("cpuset-cpus", "CPUs in which to allow execution (0-3, 0,1)", kind="string"),
        Flag("cpuset-mems", "MEMs in which to allow execution (0-3, 0,1)", kind="string"),
        Flag("kernel-memory", "Ignored: the kernel has no such limit any more", kind="string", type_name="bytes"),
        Flag("memory", "Memory limit", short="m", kind="string", type_name="bytes"),
        Flag("memory-reservation", "Memory soft limit", kind="string", type_name="bytes"),
        Flag("memory-swap", "Swap limit equal to memory plus swap: -1 to enable unlimited swap", kind="string",
             type_name="bytes"),
        Flag("pids-limit", "Tune container pids limit (set -1 for unlimited)", kind="int"),
        Flag("restart", "Restart policy to apply when a container exits", kind="string"),
    ],
    least=1,
    most=None,
    examples=("wherry update --memory 1g --memory-swap 1g api", "wherry update --restart unless-stopped api"),
)  # fmt: skip
_SHORT = {"memory": "m"}


def run(engine: Engine, args: Args, out: Output) -> int:
    """Prints each name, then what the kernel can't hold; 1 after any fault."""
    from wherry.cli.container_each import each
    from wherry.cli.run_limits import shared
    from wherry.errors import InputError
    from wherry.runtime import parse_values
    from wherry.runtime.update import Update

    if not any(args.given(flag.name) for flag in VERB.flags):
        raise InputError(
            "you must provide one or more flags when using this command",
            hint="for example --memory 1g --memory-swap 1g",
        )
    fields = shared(args, _parsed)
    if args.given("kernel-memory"):
        _parsed("kernel-memory", args.text("kernel-memory"), parse_values.size_bytes)
    restart = parse_values.restart(args.text("restart")) if args.text("restart") else None
    said: list[str] = []

    def update(name: str) -> None:
        said.extend(engine.containers.update(name, Update(**fields, restart=restart)))

    code = each(args.rest, update, out)
    for line in dict.fromkeys(said):
        out.line(line.removeprefix("WARNING: "))
    return code


def _parsed(name: str, value: str, parse: Callable[[str], Any]) -> Any:
    """Raises: FlagError in docker's words."""
    from wherry.errors import InputError

    try:
        return parse(value)
    except InputError as fault:
        shown = f"-{_SHORT[name]}, --{name}" if name in _SHORT else f"--{name}"
        raise FlagError(
            f'invalid argument "{value}" for "{shown}" flag: {fault.message}\nSee \'wherry update --help\'.'
        ) from None
