"""wherry volume create, inspect, ls, prune, rm."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.volume.model import Volume

_FILTERS = ("dangling", "driver", "label", "name")
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
        [Flag("format", "Format output: 'json'", short="f", kind="string")],
        least=1,
        most=None,
        examples=["wherry volume inspect data"],
    ),
    "volume ls": Verb(
        "[OPTIONS]",
        "List volumes",
        [
            Flag("filter", 'Provide filter values (e.g. "dangling=true")', short="f", kind="list"),
            Flag("format", "Format output: 'json', or the default table", kind="string"),
            Flag("quiet", "Only display volume names", short="q"),
        ],
        examples=["wherry volume ls -f dangling=true"],
    ),
    "volume prune": Verb(
        "[OPTIONS]",
        "Remove unused local volumes",
        [
            Flag("all", "Remove all unused volumes, not just anonymous ones", short="a"),
            Flag("filter", 'Provide filter values (e.g. "label=<label>")', kind="list"),
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


def run(name: str, engine: Engine, args: Args, out: Output) -> int:
    """Returns 1 when any of several volumes failed."""
    actions = {"create": _create, "inspect": _inspect, "ls": _list, "prune": _prune, "rm": _remove}
    return actions[name.split()[1]](engine, args, out)


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    return {key: value for key, _, value in (text.partition("=") for text in texts)}


def _create(engine: Engine, args: Args, out: Output) -> int:
    name, labels, options = args.rest[0] if args.rest else "", args.all("label"), args.all("opt")
    for label in labels:
        if not label.partition("=")[0]:
            from wherry.cli.flags import FlagError

            see = "See 'wherry volume create --help'."
            raise FlagError(
                f'invalid argument "{label}" for "--label" flag: invalid label \'{label}\': empty name\n{see}'
            )
    out.line(engine.volumes.create(name, _pairs(labels), _pairs(options), driver=args.text("driver")).name)
    return 0


def _inspect(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli.network import inspect_each

    return inspect_each(args.rest, engine.volumes.inspect, args.text("format"), out)


def _list(engine: Engine, args: Args, out: Output) -> int:
    from wherry.engine.filters import parse_filters

    volumes = list(engine.volumes.list())
    for one in parse_filters(args.all("filter"), _FILTERS):
        volumes = [volume for volume in volumes if _matches(engine, volume, one.key, one.value)]
    if args.on("quiet"):
        for volume in volumes:
            out.line(volume.name)
    elif args.text("format") == "json":
        for volume in volumes:
            labels = ",".join(f"{key}={value}" for key, value in volume.labels.items())
            row = {"Availability": "N/A", "Driver": "local", "Group": "N/A", "Labels": labels, "Links": "N/A"}
            out.json({**row, "Mountpoint": volume.folder, "Name": volume.name, "Scope": "local", "Size": "N/A",
                      "Status": "N/A"})  # fmt: skip
    else:
        out.table(["DRIVER", "VOLUME NAME"], [("local", volume.name) for volume in volumes])
    return 0


def _matches(engine: Engine, volume: Volume, key: str, value: str) -> bool:
    if key == "name":
        return value in volume.name
    if key == "driver":
        return value == "local"
    if key == "label":
        from wherry.engine.filters import has_label

        return has_label(volume.labels, value)
    return bool(engine.volumes.users(volume.name)) != (value.lower() in ("1", "true", "t"))


def _prune(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli.render import human_size
    from wherry.engine.filters import parse_filters

    filters = parse_filters(args.all("filter"), _PRUNE_FILTERS)
    everything = args.on("all") or any(one.key == "all" and one.value.lower() in ("1", "true") for one in filters)
    kind = "local volumes" if everything else "anonymous local volumes"
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
