"""`network connect` and `disconnect`: of containers that are made already, and at once when they run.

The wish is part of the container's options: it holds for its next start, too. What runs is changed row first, so that a
command that is killed in between leaves a row that says who was at work: `forget` takes it back.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from wherry.engine import containers_rows, networks_create
from wherry.engine import networks_files as host_files
from wherry.engine import networks_names as names
from wherry.engine.containers_lock import held
from wherry.errors import Conflict, InputError, NotFound, WherryError
from wherry.network import apply, dns, plan
from wherry.network.model import Join, Joined, Network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.network.model import NetworkRequest
    from wherry.runtime.options import RunOptions

__all__ = ["connect", "disconnect", "forget"]

_SHARED = "container sharing network namespace with another container or host cannot be connected to any other network"
_HOST = "container cannot be disconnected from host network or connected to host network"
_NONE = "container cannot be connected to multiple networks with one of the networks in private (none) mode"


def connect(engine: Engine, container: str, wanted: Join) -> None:
    """See Networks.connect."""
    network = engine.networks.find(wanted.network) if wanted.network not in ("host", "none") else None
    row = engine.containers.find(container)
    with held(engine, row):
        row = engine.containers.find(row.id)
        options = row.options()
        if network is None:
            raise Conflict(_HOST if wanted.network == "host" else _NONE)
        _check(options, network, wanted)
        wanted = wanted._replace(network=network.name, links=networks_create.link_ids(engine, wanted.links))
        joins = _joins(options)
        if any(_same(engine, join, network) for join in joins):
            raise Conflict(f"endpoint with name {row.name} already exists in network {network.name}")
        state = engine.containers.state(row.id)
        if state.is_running:
            _join(engine, row, state.pid, network, wanted)
            engine.events.network(network, "connect", row.id)
        _keep(engine, row, options, (*joins, wanted))


def disconnect(engine: Engine, container: str, name: str, *, force: bool) -> None:
    """See Networks.disconnect."""
    if name == "host":
        raise Conflict(_HOST)
    network = engine.networks.find(name) if name != "none" else Network("", "none", -1, "", "", "")
    try:
        row = engine.containers.find(container)
    except NotFound:
        if force:
            raise NotFound(f"endpoint {container} not found") from None
        raise
    with held(engine, row):
        row = engine.containers.find(row.id)
        options = row.options()
        joins = _joins(options)
        rest = tuple(join for join in joins if not _same(engine, join, network))
        state = engine.containers.state(row.id)
        is_on = any(one.network.number == network.number for one in engine.networks.book.joined(row.id))
        if len(rest) == len(joins) and not is_on:
            the = "" if state.is_running else "the "
            raise Conflict(f"container {row.id} is not connected to {the}network {network.name}")
        _keep(engine, row, options, rest)
        if is_on:
            _leave(engine, row.id, network, state.pid)
        engine.events.network(network, "disconnect", row.id)


def forget(engine: Engine, container_id: str, number: int) -> None:
    """Take back a `connect` that was killed on its way."""
    # None can be removed while somebody is on it
    if network := engine.networks.book.numbered(number):
        _leave(engine, container_id, network, engine.containers.state(container_id).pid)


def _check(options: RunOptions, network: Network, wanted: Join) -> None:
    """Docker's rules. Raises: Conflict, InputError."""
    if options.network == "host" or options.network.startswith("container:"):
        raise Conflict(_SHARED)
    if options.network == "none" and options.networks is None:
        raise Conflict(_NONE, hint="wherry network disconnect none CONTAINER first")
    found = networks_create.faults(network, wanted)
    if wanted.aliases and network.is_default:
        found.insert(0, "network-scoped alias is supported only for containers in user defined networks")
    if found:
        raise InputError(networks_create.complaint(found))
    if network.config_only:
        networks_create.check_join(network, wanted)


def _joins(options: RunOptions) -> tuple[Join, ...]:
    """The networks that a container is to be on, by its options."""
    if options.networks is not None:
        return tuple(Join(*one) for one in options.networks)
    if options.network == "none":
        return (Join("none"),)
    return (
        Join(options.network or "bridge", options.network_aliases, options.ip, options.ip6, options.mac_address,
             options.link_local_ips, options.links),
    )  # fmt: skip


def _same(engine: Engine, join: Join, network: Network) -> bool:
    if "none" in (join.network, network.name):
        return join.network == network.name
    with suppress(NotFound):
        return engine.networks.find(join.network).number == network.number
    return False


def _keep(engine: Engine, row: ContainerRow, options: RunOptions, joins: tuple[Join, ...]) -> None:
    from wherry.runtime.options import NetworkJoin

    changed = options._replace(networks=tuple(NetworkJoin(*one) for one in joins if one.network != "none"))
    containers_rows.set_options(engine.db, row, changed)


def _request(engine: Engine, row: ContainerRow) -> NetworkRequest:
    from wherry.engine.containers_bundle import Start, network_request
    from wherry.oci.digest import Digest

    config = engine.images.config(Digest(row.image_id))
    request = network_request(Start(row, row.options(), config, engine.containers.bundle(row.id), -1))
    return request._replace(names_path=f"{engine.containers.run_folder_path(row.id)}/names")


def _join(engine: Engine, row: ContainerRow, pid: int, network: Network, wanted: Join) -> None:
    """A running container. Nothing is kept when it fails."""
    from wherry.store.owner import Owner

    kernel, book = engine.networks.kernel, engine.networks.book
    owner = Owner.current(engine.host)
    with kernel.lock() as lock_fd:
        was_clean = kernel.mark(lock_fd)
        book.open_sandbox(row.id, _request(engine, row), owner)
        one = book.join(row.id, network, wanted, str(owner))
        try:
            _plumb(engine, row.id, pid, one)
        except BaseException:
            book.leave(row.id, network.number)
            kernel.drop([link for link in [one.endpoint.link] if apply.has_link(link)], lock_fd)
            raise
        book.made(row.id, network.number)
        if was_clean:
            kernel.unmark(lock_fd)
    _poke(engine, row.id)


def _plumb(engine: Engine, container_id: str, pid: int, one: Joined) -> None:
    """Link, rules and names of one network more. The lock is held."""
    networks, kernel = engine.networks, engine.networks.kernel
    every = networks.book.joined(container_id)
    way = plan.gateway_of(every)
    # The way out is left as it is unless it is by the new network: the container may have changed it
    gateway = way if way and way.network.number == one.network.number else None
    new = bool(kernel.missing_bridges([one]))
    apply.add_link(engine.host, one, pid, apply.uplink_mtu(host_files.routes()), new, gateway)
    done = kernel.replace_rules(plan.LIST_CHAINS if new else "")
    if new:
        kernel.open_firewall(done)
    sandbox = networks.book.sandbox(container_id)
    assert sandbox
    if not one.network.is_default:
        for command in kernel.resolver_rules(pid):
            apply.checked(engine.host.run(command), "let the container ask for names")
    if sandbox.hosts_path:
        texts = [text for text in (one.endpoint.address, one.endpoint.address6) if text]
        change = partial(dns.with_addresses, addresses=texts, names=dns.own_names(sandbox.hostname))
        host_files.rewrite(sandbox.hosts_path, change)
        names.turn_on(kernel, sandbox, every)
    names.tell(engine, kernel, one.network.number)


def _leave(engine: Engine, container_id: str, network: Network, pid: int) -> None:
    """Off a network. `pid` 0 when it does not run. What fails in the container's namespace is left to its end."""
    kernel, book = engine.networks.kernel, engine.networks.book
    with kernel.lock() as lock_fd:
        one = next((one for one in book.joined(container_id) if one.network.number == network.number), None)
        if one is None:
            return
        before = plan.gateway_of(book.joined(container_id))
        was_clean = kernel.mark(lock_fd)
        book.leave(container_id, network.number)
        rest = book.joined(container_id)
        way = plan.gateway_of(rest) if before and before.network.number == network.number else None
        if pid:
            with suppress(WherryError):
                engine.host.run(apply.ip(plan.leave_lines(one.endpoint.device, way), pid))
        sandbox = book.sandbox(container_id)
        if sandbox and sandbox.hosts_path:
            texts = [text for text in (one.endpoint.address, one.endpoint.address6) if text]
            with suppress(OSError):
                host_files.rewrite(sandbox.hosts_path, partial(dns.without_addresses, addresses=texts))
                names.turn_on(kernel, sandbox, rest)
        names.tell(engine, kernel, network.number)
        if was_clean and any(other.bridge == network.bridge for other in book.endpoints()):
            kernel.replace_rules()
            kernel.unmark(lock_fd)
        else:
            kernel.drop([], lock_fd)
    _poke(engine, container_id)


def _poke(engine: Engine, container_id: str) -> None:
    """Tell the monitor that its container's networks have changed, and where its ports are now."""
    from wherry.runtime import launch

    joined = engine.networks.book.joined(container_id)
    way = plan.gateway_of(joined) or (joined[0] if joined else None)
    address = way.endpoint.address if way else ""
    with suppress(WherryError, OSError):
        sock = launch.connect(f"{engine.containers.run_folder_path(container_id)}/attach")
        sock.send(b"N" + address.encode())
        sock.close()
