"""wherry network connect, create, disconnect, inspect, ls, prune, rm."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb, labels

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.cli.flags import Args
    from wherry.cli.formats import Row
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.network.model import Network


VERB = {
    "network create": Verb(
        "[OPTIONS] NETWORK",
        "Create a network",
        [
            Flag("attachable", "Accepted for docker's sake: every network is"),
            Flag("aux-address", "Addresses that no container gets, as NAME=ADDRESS", kind="list", type_name="map"),
            Flag("config-from", "The network from which to copy the configuration", kind="string"),
            Flag("config-only", "Create a configuration only network"),
            Flag("driver", "Driver to manage the Network", short="d", kind="string", default="bridge"),
            Flag("gateway", "IPv4 or IPv6 gateway for the subnet", kind="list", type_name="strings"),
            Flag("ingress", "Refused: there is no swarm"),
            Flag("internal", "Restrict external access to the network"),
            Flag("ip-range", "Allocate container ip from a sub-range", kind="list", type_name="strings"),
            Flag("ipam-driver", "IP address management driver", kind="string", default="default"),
            Flag("ipam-opt", "Set IPAM driver specific options", kind="list", type_name="map"),
            Flag("ipv6", "Enable IPv6 networking"),
            Flag("label", "Set metadata on a network", kind="list"),
            Flag("opt", "Set driver specific options", short="o", kind="list", type_name="map"),
            Flag("scope", "Control the network's scope: local", kind="string"),
            Flag("subnet", "Subnet in CIDR format that represents a network segment", kind="list", type_name="strings"),
        ],
        least=1,
        most=1,
        examples=[
            "wherry network create back",
            "wherry network create --subnet 10.5.0.0/24 back",
            "wherry network create --ipv6 --subnet fd00:5::/64 back",
        ],
    ),
    "network connect": Verb(
        "[OPTIONS] NETWORK CONTAINER",
        "Connect a container to a network",
        [
            Flag("alias", "Add network-scoped alias for the container", kind="list", type_name="strings"),
            Flag("driver-opt", "Driver options for the network", kind="list", type_name="strings"),
            Flag("ip", 'IPv4 address (e.g., "172.30.100.104")', kind="string"),
            Flag("ip6", 'IPv6 address (e.g., "2001:db8::33")', kind="string"),
            Flag("link", "Add link to another container", kind="list"),
            Flag("link-local-ip", "Add a link-local address for the container", kind="list", type_name="strings"),
        ],
        least=2,
        most=2,
        examples=["wherry network connect back web", "wherry network connect --alias db --ip 10.5.0.9 back postgres"],
    ),
    "network disconnect": Verb(
        "[OPTIONS] NETWORK CONTAINER",
        "Disconnect a container from a network",
        [Flag("force", "Force the container to disconnect from a network", short="f")],
        least=2,
        most=2,
        examples=["wherry network disconnect back web"],
    ),
    "network inspect": Verb(
        "[OPTIONS] NETWORK [NETWORK...]",
        "Display detailed information on one or more networks",
        [
            Flag("format", "Format output: 'json', or a Go template", short="f", kind="string"),
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
            Flag("filter", 'Provide filter values (e.g. "driver=bridge")', short="f", kind="list", type_name="filter"),
            Flag("format", "Format output: 'table', 'table TEMPLATE', 'json', or a Go template", kind="string"),
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


_HEADERS = {
    "ID": "NETWORK ID", "Name": "NAME", "Driver": "DRIVER", "Scope": "SCOPE", "IPv6": "IPV6", "Internal": "INTERNAL",
    "Labels": "LABELS", "CreatedAt": "CREATED AT",
}  # fmt: skip
_RAW = "network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n"


def run(name: str, engine: Engine, args: Args, out: Output) -> int:
    """Returns 1 when any of several networks failed."""
    actions = {
        "connect": _connect,
        "create": _create,
        "disconnect": _disconnect,
        "inspect": _inspect,
        "ls": _list,
        "prune": _prune,
        "rm": _remove,
    }
    return actions[name.split()[1]](engine, args, out)


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    return {key: value for key, _, value in (text.partition("=") for text in texts)}


def _words(texts: Sequence[str]) -> list[str]:
    """Docker's "strings": several in one value, too, between commas."""
    return [word for text in texts for word in text.split(",") if word]


def _create(engine: Engine, args: Args, out: Output) -> int:
    from wherry.engine.networks_create import pools
    from wherry.network.model import Network

    _refuse(args)
    found = pools(
        _words(args.all("subnet")), _words(args.all("gateway")), _words(args.all("ip-range")),
        _pairs(args.all("aux-address")),
    )  # fmt: skip
    wanted = Network(
        "", args.rest[0], 0, "", "", "", internal=args.on("internal"), labels=labels("wherry network create", args),
        options=_pairs(args.all("opt")), ipv6=args.on("ipv6"), ipam_options=_pairs(args.all("ipam-opt")),
        attachable=args.on("attachable"), config_only=args.on("config-only"), config_from=args.text("config-from"),
    )  # fmt: skip
    out.line(engine.networks.create(wanted._replace(**found)).id)
    return 0


def _refuse(args: Args) -> None:
    """What there is not, with the reason. Raises: NotFound, Unsupported, InputError."""
    from wherry.errors import InputError, NotFound, Unsupported

    driver = args.text("driver")
    if driver in ("macvlan", "ipvlan", "overlay", "host", "null", "none"):
        why = {
            "overlay": "networks over several machines need a swarm, which there is not",
            "host": "only one instance of the host network is allowed: --network host is it",
        }
        raise Unsupported(why.get(driver, f"{driver} networks are not supported"), hint="bridge is the only driver")
    if driver != "bridge":
        raise NotFound(f'plugin "{driver}" not found', hint="bridge is the only driver")
    if args.text("ipam-driver") != "default":
        raise NotFound(f'plugin "{args.text("ipam-driver")}" not found', hint="default is the only IPAM driver")
    if args.on("ingress"):
        raise InputError("Ingress network can only be global scope network", hint="there is no swarm")
    if args.text("scope") in ("swarm", "global"):
        raise InputError("cannot create a swarm scoped network when swarm is not active", hint="there is no swarm")


def _connect(engine: Engine, args: Args, out: Output) -> int:
    from wherry.network.model import Join

    network, container = args.rest
    wanted = Join(
        network, tuple(_words(args.all("alias"))), args.text("ip"), args.text("ip6"), "",
        tuple(_words(args.all("link-local-ip"))), args.all("link"), tuple(_words(args.all("driver-opt"))),
    )  # fmt: skip
    engine.networks.connect(container, wanted)
    return 0


def _disconnect(engine: Engine, args: Args, out: Output) -> int:
    network, container = args.rest
    engine.networks.disconnect(container, network, force=args.on("force"))
    return 0


def _inspect(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli import formats

    return formats.inspect(out, args.rest, engine.networks.inspect, args.text("format"), "network")


def _list(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli.formats import Listing, listing
    from wherry.engine.filters import parse_filters
    from wherry.engine.networks_filter import KEYS, chosen

    passes = chosen(engine, parse_filters(args.all("filter"), KEYS))
    kind = Listing("network.networkContext", _HEADERS, ("ID", "Name", "Driver", "Scope"), raw=_RAW)
    rows = [_row(one, whole=args.on("no-trunc")) for one in engine.networks.all() if passes(one)]
    listing(out, kind, rows, args.text("format"), quiet=args.on("quiet"))
    return 0


def _row(network: Network, *, whole: bool) -> Row:
    from wherry.cli.render import labels_text, moment
    from wherry.engine.networks_filter import driver, scope

    return {
        "CreatedAt": lambda: moment(network.created_ns),
        "Driver": driver(network),
        "ID": network.id if whole else network.id[:12],
        "IPv6": str(network.ipv6).lower(),
        "Internal": str(network.internal).lower(),
        "Label": lambda name: network.labels.get(name, ""),
        "Labels": lambda: labels_text(network.labels),
        "Name": network.name,
        "Scope": scope(network),
    }


def _prune(engine: Engine, args: Args, out: Output) -> int:
    from wherry.engine.filters import parse_filters
    from wherry.engine.networks_filter import PRUNE_KEYS, chosen

    passes = chosen(engine, parse_filters(args.all("filter"), PRUNE_KEYS))
    warning = "WARNING! This will remove all custom networks not used by at least one container."
    if not args.on("force") and not out.confirm(warning):
        return 0
    if gone := engine.networks.prune(passes):
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
