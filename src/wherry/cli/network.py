"""wherry network create, inspect, ls, prune, rm."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.network.model import Network

_FILTERS = ("driver", "id", "label", "name", "scope", "type", "dangling")

VERB = {
    "network create": Verb(
        "[OPTIONS] NETWORK",
        "Create a network",
        [
            Flag("attachable", "Accepted for docker's sake: every network is"),
            Flag("driver", "Driver to manage the Network", short="d", kind="string", default="bridge"),
            Flag("gateway", "IPv4 gateway for the subnet", kind="string"),
            Flag("internal", "Restrict external access to the network"),
            Flag("ip-range", "Allocate container ip from a sub-range", kind="string"),
            Flag("ipv6", "Enable IPv6 networking"),
            Flag("label", "Set metadata on a network", kind="list"),
            Flag("opt", "Set driver specific options", short="o", kind="list", type_name="map"),
            Flag("subnet", "Subnet in CIDR format that represents a network segment", kind="string"),
        ],
        least=1,
        most=1,
        examples=["wherry network create back", "wherry network create --subnet 10.5.0.0/24 back"],
    ),
    "network inspect": Verb(
        "[OPTIONS] NETWORK [NETWORK...]",
        "Display detailed information on one or more networks",
        [
            Flag("format", "Format output: 'json'", short="f", kind="string"),
            Flag("verbose", "Accepted for docker's sake", short="v"),
        ],
        least=1,
        most=None,
        examples=["wherry network inspect bridge"],
    ),
    "network ls": Verb(
        "[OPTIONS]",
        "List networks",
        [
            Flag("filter", 'Provide filter values (e.g. "driver=bridge")', short="f", kind="list"),
            Flag("format", "Format output: 'json', or the default table", kind="string"),
            Flag("no-trunc", "Do not truncate the output"),
            Flag("quiet", "Only display network IDs", short="q"),
        ],
        examples=["wherry network ls"],
    ),
    "network prune": Verb(
        "[OPTIONS]",
        "Remove all unused networks",
        [
            Flag("filter", 'Provide filter values (e.g. "label=<label>")', kind="list", type_name="filter"),
            Flag("force", "Do not prompt for confirmation", short="f"),
        ],
        examples=["wherry network prune -f"],
    ),
    "network rm": Verb(
        "NETWORK [NETWORK...]",
        "Remove one or more networks",
        [Flag("force", "Do not error if the network does not exist", short="f")],
        least=1,
        most=None,
        examples=["wherry network rm back"],
    ),
}


def run(name: str, engine: Engine, args: Args, out: Output) -> int:
    """Returns 1 when any of several networks failed."""
    actions = {"create": _create, "inspect": _inspect, "ls": _list, "prune": _prune, "rm": _remove}
    return actions[name.split()[1]](engine, args, out)


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    return {key: value for key, _, value in (text.partition("=") for text in texts)}


def _create(engine: Engine, args: Args, out: Output) -> int:
    from wherry.errors import NotFound, Unsupported
    from wherry.network.model import Network

    if args.text("driver") != "bridge":
        raise NotFound(f'network driver "{args.text("driver")}" is not there', hint="bridge is the only one")
    if args.on("ipv6"):
        raise Unsupported("IPv6 networks are not supported yet", hint="published ports answer on IPv6 all the same")
    wanted = Network(
        "", args.rest[0], 0, "", args.text("subnet"), args.text("gateway"), args.text("ip-range"),
        args.on("internal"), _pairs(args.all("label")), _pairs(args.all("opt")),
    )  # fmt: skip
    out.line(engine.networks.create(wanted).id)
    return 0


def inspect_each(names: Sequence[str], find: Callable[[str], Mapping[str, object]], text: str, out: Output) -> int:
    """All that are found as one JSON list, a message for each that is not. Raises: Unsupported."""
    from wherry.errors import NotFound, Unsupported

    if text not in ("", "json"):
        raise Unsupported("Go templates in --format are not supported yet", hint="use --format json")
    found, code = [], 0
    for name in names:
        try:
            found.append(find(name))
        except NotFound as fault:
            out.error(f"wherry: {fault}" + (f"\nhint: {fault.hint}" if fault.hint else ""))
            code = 1
    if text:
        for one in found:
            out.json(one)
    else:
        out.json(found, indent=4)
    return code


def _inspect(engine: Engine, args: Args, out: Output) -> int:
    return inspect_each(args.rest, engine.networks.inspect, args.text("format"), out)


def _driver(network: Network) -> str:
    return {"none": "null", "host": "host"}.get(network.name, "bridge")


def _matches(engine: Engine, network: Network, key: str, value: str) -> bool:
    if key == "label":
        from wherry.engine.filters import has_label

        return has_label(network.labels, value)
    if key == "label!":
        return not _matches(engine, network, "label", value)
    if key == "until":
        import time

        from wherry.engine.filters import parse_moment

        return network.created_ns < parse_moment(value, time.time_ns())
    if key == "type":
        return (value == "builtin") == (network.name in ("bridge", "host", "none"))
    if key == "dangling":
        idle = network.number > 0 and not engine.networks.members(network)
        return idle == (value.lower() in ("1", "true", "t"))
    if key == "id":
        return network.id.startswith(value)
    return value in {"driver": (_driver(network),), "scope": ("local",)}.get(key, network.name)


def _list(engine: Engine, args: Args, out: Output) -> int:
    from wherry.engine.filters import parse_filters

    networks = list(engine.networks.all())
    for one in parse_filters(args.all("filter"), _FILTERS):
        networks = [network for network in networks if _matches(engine, network, one.key, one.value)]
    rows = [(n.id if args.on("no-trunc") else n.id[:12], n.name, _driver(n), "local") for n in networks]
    if args.on("quiet"):
        for row in rows:
            out.line(row[0])
    elif args.text("format") == "json":
        for row, network in zip(rows, networks, strict=True):
            labels = ",".join(f"{key}={value}" for key, value in network.labels.items())
            out.json({"ID": row[0], "Name": row[1], "Driver": row[2], "Scope": "local", "IPv6": "false",
                      "Internal": str(network.internal).lower(), "Labels": labels})  # fmt: skip
    else:
        out.table(["NETWORK ID", "NAME", "DRIVER", "SCOPE"], rows)
    return 0


def _prune(engine: Engine, args: Args, out: Output) -> int:
    warning = "WARNING! This will remove all custom networks not used by at least one container."
    if not args.on("force") and not out.confirm(warning):
        return 0
    from wherry.engine.filters import parse_filters

    wanted = parse_filters(args.all("filter"), ("label", "label!", "until"))

    def chosen(network: Network) -> bool:
        return all(_matches(engine, network, one.key, one.value) for one in wanted)

    if gone := engine.networks.prune(chosen):
        out.line("Deleted Networks:")
        for name in gone:
            out.line(name)
        out.line()
    return 0


def _remove(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli.container_each import each
    from wherry.errors import NotFound

    def remove(name: str) -> None:
        try:
            engine.networks.remove(name)
        except NotFound:
            if not args.on("force"):
                raise

    return each(args.rest, remove, out)
