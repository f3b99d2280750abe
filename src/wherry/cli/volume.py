"""wherry volume create, inspect, ls, prune, rm."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb, labels
from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.cli.flags import Args
    from wherry.cli.formats import Row
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.volume.model import Volume

_PRUNE_FILTERS = ("all", "label", "label!")

VERB = {
    "volume create": Verb(
        "[OPTIONS] [VOLUME]",
        "Create a volume",
        [
            Flag("driver", "Specify volume driver name", short="d", kind="string", default="local"),
            Flag("label", "Set metadata for a volume", kind="list"),
            Flag("opt", "Set driver specific options", short="o", kind="list", type_name="map"),
        ],
        most=1,
        examples=["wherry volume create data", "wherry volume create -o type=none -o o=bind -o device=/srv/data data"],
    ),
    "volume inspect": Verb(
        "[OPTIONS] VOLUME [VOLUME...]",
        "Display detailed information on one or more volumes",
        [Flag("format", "Format output: 'json', or a Go template", short="f", kind="string")],
        least=1,
        most=None,
        examples=["wherry volume inspect data"],
    ),
    "volume ls": Verb(
        "[OPTIONS]",
        "List volumes",
        [
            Flag("filter", 'Provide filter values (e.g. "dangling=true")', short="f", kind="list", type_name="filter"),
            Flag("format", "Format output: 'table', 'table TEMPLATE', 'json', or a Go template", kind="string"),
            Flag("quiet", "Only display volume names", short="q"),
        ],
        examples=["wherry volume ls -f dangling=true"],
    ),
    "volume prune": Verb(
        "[OPTIONS]",
        "Remove unused local volumes",
        [
            Flag("all", "Remove all unused volumes, not just anonymous ones", short="a"),
            Flag("filter", 'Provide filter values (e.g. "label=<label>")', kind="list", type_name="filter"),
            Flag("force", "Do not prompt for confirmation", short="f"),
        ],
        examples=["wherry volume prune -a"],
    ),
    "volume rm": Verb(
        "[OPTIONS] VOLUME [VOLUME...]",
        "Remove one or more volumes. You cannot remove a volume that is in use by a container.",
        [Flag("force", "Force the removal of one or more volumes", short="f")],
        least=1,
        most=None,
        examples=["wherry volume rm data"],
    ),
}


HEADERS = {
    "Name": "VOLUME NAME", "Driver": "DRIVER", "Scope": "SCOPE", "Availability": "AVAILABILITY",
    "Mountpoint": "MOUNTPOINT", "Labels": "LABELS", "Links": "LINKS", "Size": "SIZE", "Group": "GROUP",
    "Status": "STATUS",
}  # fmt: skip
_RAW = "name: {{.Name}}\ndriver: {{.Driver}}\n"


def run(name: str, engine: Engine, args: Args, out: Output) -> int:
    """Returns 1 when any of several volumes failed."""
    actions = {"create": _create, "inspect": _inspect, "ls": _list, "prune": _prune, "rm": _remove}
    return actions[name.split()[1]](engine, args, out)


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    return {key: value for key, _, value in (text.partition("=") for text in texts)}


def _create(engine: Engine, args: Args, out: Output) -> int:
    name, found = args.rest[0] if args.rest else "", labels("wherry volume create", args)
    out.line(engine.volumes.create(name, found, _pairs(args.all("opt")), driver=args.text("driver")).name)
    return 0


def _inspect(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli import formats

    return formats.inspect(out, args.rest, engine.volumes.inspect, args.text("format"), "volume!")


def _list(engine: Engine, args: Args, out: Output) -> int:
    from wherry.engine.filters import parse_filters
    from wherry.engine.volumes_filter import KEYS, filtered

    print_volumes(args, out, filtered(engine, engine.volumes.list(), parse_filters(args.all("filter"), KEYS)))
    return 0


def print_volumes(args: Args, out: Output, volumes: Sequence[Volume]) -> None:
    """As --format and --quiet say."""
    from wherry.cli.formats import Listing, listing

    kind = Listing("formatter.volumeContext", HEADERS, ("Driver", "Name"), "Name", _RAW)
    listing(out, kind, map(row, volumes), args.text("format"), quiet=args.on("quiet"))


def row(volume: Volume) -> Row:
    """docker's fields of a volume in a list."""
    from wherry.cli.render import labels_text

    return {
        **dict.fromkeys(("Availability", "Group", "Links", "Size", "Status"), "N/A"),
        "Driver": "local", "Label": lambda name: volume.labels.get(name, ""), "Labels": labels_text(volume.labels),
        "Mountpoint": volume.folder, "Name": volume.name, "Scope": "local",
    }  # fmt: skip


def _truth(text: str) -> bool:
    if text not in ("1", "t", "T", "true", "TRUE", "True", "0", "f", "F", "false", "FALSE", "False"):
        raise InputError(f"invalid filter 'all': strconv.ParseBool: parsing \"{text}\": invalid syntax")
    return text[0] in "1tT"


def _prune(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli.render import human_size
    from wherry.engine.filters import parse_filters

    filters = parse_filters(args.all("filter"), _PRUNE_FILTERS)
    chosen = [_truth(one.value) for one in filters if one.key == "all"]
    if args.on("all") and chosen:
        raise InputError("conflicting options: cannot specify both --all and --filter all=1")
    everything = args.on("all") or any(chosen)
    kind = "all local volumes" if everything else "anonymous local volumes"
    if not args.on("force") and not out.confirm(
        f"WARNING! This will remove {kind} not used by at least one container."
    ):
        return 0
    labels = [("!" if one.key == "label!" else "") + one.value for one in filters if one.key != "all"]
    gone, freed = engine.volumes.prune(everything=everything, labels=labels)
    if gone:
        out.line("Deleted Volumes:")
        for name in gone:
            out.line(name)
        out.line()
    out.line(f"Total reclaimed space: {human_size(freed)}")
    return 0


def _remove(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli.container_each import each

    return each(args.rest, lambda name: engine.volumes.remove(name, force=args.on("force")), out)
