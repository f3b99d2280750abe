"""wherry gpu ls, spec."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.gpu.listing import Listed

VERB = {
    "gpu ls": Verb(
        "[OPTIONS]",
        "List the GPUs of this machine, and how a container gets each",
        [
            Flag("format", "Format output: 'json', a Go template, or the default table", kind="string"),
            Flag("quiet", "Only display UUIDs", short="q"),
        ],
        examples=["wherry gpu ls", "wherry gpu ls --format json"],
    ),
    "gpu spec": Verb(
        "",
        "Print the CDI spec that wherry makes of NVIDIA's driver, as JSON",
        examples=["wherry gpu spec"],
    ),
}

_HEADERS = {
    "Vendor": "VENDOR", "Index": "INDEX", "Name": "NAME", "UUID": "UUID", "Memory": "MEMORY", "Driver": "DRIVER",
    "MIG": "MIG", "Use": "USE", "Problem": "PROBLEM",
}  # fmt: skip
_COLUMNS = ("Index", "Vendor", "Name", "UUID", "Memory", "Driver", "MIG", "Use")


def run(name: str, engine: Engine, args: Args, out: Output) -> int:
    """`gpu ls` ends with 0 without a GPU too; what is wrong with one is said on stderr."""
    return _spec(engine, out) if name == "gpu spec" else _list(engine, args, out)


def _list(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli.formats import Listing, listing
    from wherry.engine.gpus import list_gpus, why_none

    found = list_gpus(engine.settings, engine.host)
    kind = Listing("formatter.gpuContext", _HEADERS, _COLUMNS, quiet="UUID")
    listing(out, kind, [_row(one) for one in found], args.text("format"), quiet=args.on("quiet"))
    problems = dict.fromkeys(one.problem for one in found if one.problem)
    for problem in problems if found else [why_none(engine.settings)]:
        out.error(f"wherry: {problem}")
    return 0


def _row(one: Listed) -> dict[str, str]:
    return {
        "Vendor": one.vendor,
        "Index": str(one.number) if one.number >= 0 else "",
        "Name": one.name,
        "UUID": one.uuid,
        "Memory": f"{one.memory_bytes >> 20}MiB" if one.memory_bytes else "",
        "Driver": one.driver,
        "MIG": ", ".join(one.mig),
        "Use": one.reached,
        "Problem": one.problem,
    }


def _spec(engine: Engine, out: Output) -> int:
    from wherry.engine.gpus import own_spec
    from wherry.errors import NotFound

    document = own_spec(engine.settings)
    if document is None:
        raise NotFound("NVIDIA's driver is not on this machine", hint="wherry gpu ls says what is")
    out.json(document)
    return 0
