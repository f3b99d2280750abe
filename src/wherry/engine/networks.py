"""Networks of containers: addresses, links, rules, names, joined in the order that leaves nothing behind.

The life of one container's network, as `engine.containers` drives it:

    attachment = networks.reserve(id, request)    # rows and sockets; Conflict when a port is taken
    networks.files(attachment, files)             # /etc/hosts, resolv.conf, hostname as text
    ... the monitor gets attachment.listeners' fds and makes its namespace ...
    networks.close_listeners(attachment)
    networks.plumb(attachment, monitor_pid)       # veth, addresses, routes, nft rules
    networks.release(id)                          # after the end, by whoever cleans up; idempotent

The bridge and the nft table come with the first container of a root and go with its last one, under one lock file:
`networks_kernel` (docs/adr/0060-network-by-ip-and-nft.md). `connect` and `disconnect`: `networks_connect`.
"""

from __future__ import annotations

import os

from wherry.engine import networks_files as host_files
from wherry.engine.networks_kernel import Kernel
from wherry.errors import Conflict, NotFound, WherryError
from wherry.lean import cached_property, suppress
from wherry.network import apply, plan
from wherry.network.ipam import STEP, AddressPlan, Member, parse_routes, taken_by
from wherry.network.model import (
    Attachment,
    FileRequest,
    Join,
    Joined,
    Listener,
    NetFiles,
    Network,
    NetworkRequest,
    Published,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wherry.engine import Engine
    from wherry.store.owner import Owner

__all__ = ["Networks"]


class Networks:
    """`engine.networks`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._host = engine.host
        self._db = engine.db

    @cached_property
    def book(self) -> AddressPlan:
        """The rows."""
        return AddressPlan(self._db, self._engine.settings.paths.tag)

    @cached_property
    def kernel(self) -> Kernel:
        """What stands in the kernel for them."""
        return Kernel(self._engine, self.book)

    def reserve(self, container_id: str, request: NetworkRequest) -> Attachment:
        """Addresses, rows, and listening sockets; nothing is kept when it fails.

        The caller holds the container's lock: what an earlier, crashed start of it left is released first.
        Raises: Conflict (a port is taken: names port and holder), NotFound (no such network), InputError, HostError.
        """
        if not request.joins and (request.mode in ("none", "host") or request.mode.startswith("container:")):
            if request.ipv4 or request.ipv6:
                from wherry.engine.networks_create import refuse_addresses

                refuse_addresses(request.mode)
            kind = {"none": "own", "host": "host"}.get(request.mode, "container")
            return Attachment(container_id, request.mode, kind, joins=request.mode.partition(":")[2])
        self.release(container_id)
        places = [(self._network_for(join), join) for join in request.wanted()]
        if not places:
            return Attachment(container_id, request.mode or "bridge", "own")
        bound: list[tuple[Published, int]] = []
        try:
            if request.ports:
                from wherry.network import ports

                bound = ports.bind_all(ports.at_host_ip(request.ports, [network for network, _ in places]), self._blame)
            published = tuple(port for port, _ in bound)
            joined = self.book.reserve(container_id, places, request, published, self._owner)
        except BaseException:
            for _, fd in bound:
                os.close(fd)
            raise
        first = joined[0]
        address = (plan.gateway_of(joined) or first).endpoint.address
        listeners = tuple(Listener(fd, p.protocol, address, p.container_port) for p, fd in bound)
        return Attachment(
            container_id, request.mode or "bridge", "own", network=first.network, endpoint=first.endpoint,
            published=published, listeners=listeners, joined=joined, names_path=request.names_path,
        )  # fmt: skip

    def files(self, attachment: Attachment, request: FileRequest, name: str = "") -> NetFiles:
        """The texts of /etc/hosts, /etc/resolv.conf and /etc/hostname for that container, whose own name is `name`.

        What its resolver is to know is written where `reserve` was told.
        Raises: InputError (host-gateway on a network without a gateway), Conflict (a link to one that does not run).
        """
        from wherry.network import dns

        own = attachment.netns == "own"
        hostname = request.hostname + "\n"
        if attachment.netns == "host":
            resolv = dns.resolv_conf(host_files.resolvers(), request, own_netns=False)
            return NetFiles(dns.with_extra(host_files.text("/etc/hosts"), request, "127.0.0.1"), resolv, hostname)
        links: Sequence[tuple[str, str]] = ()
        if attachment.has_resolver and attachment.names_path:
            from wherry.engine import networks_names as names

            resolv, servers = names.resolv_of(request, host=host_files.text("/etc/resolv.conf"))
            names.write_resolver(attachment.names_path, names.resolver_file(self.kernel, attachment.joined, servers))
        else:
            has_way = own and attachment.endpoint is not None
            resolv = dns.resolv_conf(host_files.resolvers(), request, own_netns=has_way)
        if attachment.has_links:
            from wherry.engine import networks_names as names

            links = names.hosts_links(self._engine, self.kernel, attachment, name)
        return NetFiles(
            dns.hosts(request, plan.addresses(attachment.joined), plan.host_gateway(attachment), links),
            resolv,
            hostname,
        )

    def plumb(self, attachment: Attachment, netns_pid: int) -> None:
        """Links, addresses, routes and rules into the namespace of process `netns_pid`, where lo is up.

        A no-op for attachments without an endpoint. When it fails, what `reserve` gave is released too (the sockets
        are the caller's to close). Raises: HostError, RuntimeFailure.
        """
        if not attachment.joined:
            return
        try:
            kernel, joined = self.kernel, attachment.joined
            mtu = apply.uplink_mtu(host_files.routes())
            resolver = kernel.resolver_rules(netns_pid) if attachment.has_resolver and attachment.names_path else []
            with kernel.lock():
                new = kernel.missing_bridges(joined)
                if new:
                    # The first container of a network brings its bridge, and the whole table, along
                    rules = apply.nft(kernel.ruleset(replace=False) + plan.LIST_CHAINS)
                    networks = [one.network for one in new]
                    done = apply.connect(self._host, joined, netns_pid, mtu, networks, [rules, *resolver])
                    if done[0].status:
                        # The table is there: of another network, or of a command that was killed
                        done[0] = kernel.replace_rules(plan.LIST_CHAINS)
                    kernel.open_firewall(done[0])
            if not new:
                rules = apply.nft(kernel.add(joined, attachment.published))
                done = apply.connect(self._host, joined, netns_pid, mtu, [], [rules, *resolver])
                if done[0].status:
                    with kernel.lock():
                        kernel.replace_rules()
            for one in done[1:]:
                apply.checked(one, "let the container ask for names")
            self.tell(joined)
        except BaseException:
            self.release(attachment.container_id)
            raise

    def sysctls(self, attachment: Attachment) -> dict[str, str]:
        """What holds for all interfaces that its namespace is to get.

        A peer must not tell a container where its way out is (CVE-2020-10749), nor give it an IPv6 address at all when
        its networks have none.
        """
        if not attachment.joined or not os.path.isdir("/proc/sys/net/ipv6"):
            return {}
        found = {"net.ipv6.conf.default.accept_ra": "0"}
        if not any(one.endpoint.address6 for one in attachment.joined):
            found["net.ipv6.conf.default.disable_ipv6"] = "1"
        return found

    def tell(self, joined: Sequence[Joined]) -> None:
        """Say anew who is on those networks, where somebody may ask for names."""
        numbers = [one.network.number for one in joined if not one.network.is_default]
        if self.book.has_links():
            numbers += [one.network.number for one in joined if one.network.is_default]
        if not numbers:
            return
        from wherry.engine import networks_names as names

        with self.kernel.lock():
            for number in numbers:
                names.tell(self._engine, self.kernel, number)

    def close_listeners(self, attachment: Attachment) -> None:
        """Close this process's copies, once the monitor has its own (or the start failed). Once only."""
        for listener in attachment.listeners:
            with suppress(OSError):
                os.close(listener.fd)

    def relisten(self, container_id: str) -> tuple[Listener, ...]:
        """Sockets anew for a container whose monitor died: those that can be had. The caller closes."""
        from wherry.network import ports

        if not (found := self.book.joined(container_id)):
            return ()
        address = (plan.gateway_of(found) or found[0]).endpoint.address
        made = []
        for port in self.book.published(container_id):
            with suppress(WherryError):
                made.append(Listener(ports.listen(port)[1], port.protocol, address, port.container_port))
        return tuple(made)

    def release(self, container_id: str) -> None:
        """Rows, rules, names at the peers, and bridges when it was the last one on them. Idempotent.

        Ports are closed when it returns. What the kernel takes its time for (links) it does not wait for: a child
        does, and the next container's `plumb` waits for that child.
        """
        kernel, book = self.kernel, self.book
        kernel.reap()
        if book.sandbox(container_id) is None:
            return
        with kernel.lock() as lock_fd:
            if book.sandbox(container_id) is None:
                return
            joined, published = book.joined(container_id), book.published(container_id)
            others = {one.bridge for one in book.endpoints() if one.container_id != container_id}
            is_last = any(one.endpoint.bridge not in others for one in joined)
            was_clean = True
            if is_last or published:
                was_clean = kernel.mark(lock_fd)
            book.drop(container_id)
            self._forget_names(joined)
            if published:
                kernel.replace_rules()
                if any(port.protocol == "udp" for port in published):
                    for one in joined:
                        kernel.forget_flows(one.endpoint.address)
                if was_clean and not is_last:
                    kernel.unmark(lock_fd)
            links = [one.endpoint.link for one in joined if apply.has_link(one.endpoint.link)]
            if is_last:
                kernel.drop(links, lock_fd)
            elif links:
                kernel.drop_links(links, lock_fd)

    def _forget_names(self, joined: Sequence[Joined]) -> None:
        """Of a container that is gone from those networks. The lock is held."""
        for one in joined:
            if not one.network.is_default:
                from wherry.engine import networks_names as names

                names.tell(self._engine, self.kernel, one.network.number)

    def rename(self, container_id: str, name: str) -> None:
        """The container's new name, for messages and for its peers."""
        self.book.rename(container_id, name)
        self.tell(self.book.joined(container_id))

    def sweep(self, is_live: Callable[[str], bool]) -> None:
        """Release what crashed commands left. `is_live` is asked about containers whose starter is gone, by whole id.

        Cheap when there is nothing to do: two SELECTs and one stat. A build step lives as long as its builder.
        """
        from wherry.store.owner import Owner

        for name, serial, pid, start, boot, is_step in self.book.owners():
            if Owner(pid, start, boot).is_alive(self._host) or (not is_step and is_live(name)):
                continue
            if self.book.is_at(name, serial):
                self.release(name)
        for name, number, maker in self.book.unfinished():
            if not Owner.parse(maker).is_alive(self._host):
                from wherry.engine import networks_connect

                networks_connect.forget(self._engine, name, number)
        self.kernel.finish()

    def attach_step(self, step_id: str, netns_pid: int) -> Attachment:
        """A build step on the default bridge, without ports; owned by this process. `release(step_id)` ends it."""
        attachment = self.reserve(step_id, NetworkRequest(mode=STEP))
        self.plumb(attachment, netns_pid)
        return attachment

    def of(self, container_id: str) -> Attachment | None:
        """What is reserved for the container now (without listeners), or None."""
        joined = self.book.joined(container_id)
        if not joined:
            return None
        first, published = joined[0], self.book.published(container_id)
        mode = "bridge" if first.network.is_default else first.network.name
        return Attachment(
            container_id,
            mode,
            "own",
            network=first.network,
            endpoint=first.endpoint,
            published=published,
            joined=joined,
        )

    def describe(self, container_id: str, asked: NetworkRequest, exposed: tuple[str, ...] = ()) -> dict[str, object]:
        """Docker's NetworkSettings of `inspect`; empty fields without an endpoint. `exposed` are PORT/PROTOCOL."""
        from wherry.engine import networks_show

        return networks_show.settings(self.of(container_id), asked, exposed)

    def all(self) -> tuple[Network, ...]:
        """Docker's three, and then the user's, oldest first."""
        from wherry.engine.networks_show import predefined

        found = self.book.networks()
        if not found or not found[0].is_default:
            found = [self.find("bridge"), *found]
        return (found[0], predefined("host"), predefined("none"), *found[1:])

    def members(self, network: Network) -> tuple[Member, ...]:
        """The containers on it now."""
        return tuple(self.book.members(network.number))

    def inspect(self, name: str) -> dict[str, object]:
        """Docker's JSON of a network. Raises: NotFound, Conflict (ambiguous id prefix)."""
        from wherry.engine.networks_show import document, predefined

        if name in ("host", "none"):
            return document(predefined(name), ())
        network = self.find(name) if name == "bridge" else self.book.network(name)
        return document(network, self.members(network))

    def create(self, wanted: Network) -> Network:
        """A network of the user's; `id`, `number` and `bridge` of `wanted` are not looked at.

        Raises: Conflict (name or pool is taken), InputError, NotFound (--config-from).
        """
        from wherry.engine import networks_create

        return self._engine.events.network(networks_create.create(self, wanted), "create")

    def remove(self, name: str) -> None:
        """Raises: NotFound, Conflict (in use, or predefined)."""
        from wherry.engine import networks_create

        networks_create.refuse_predefined(name)
        networks_create.remove(self, network := self.book.network(name))
        self._engine.events.network(network, "destroy")

    def prune(self, chosen: Callable[[Network], bool] = lambda _: True) -> tuple[str, ...]:
        """Remove the user's networks that no running container is on, of those that are `chosen`: their names."""
        gone = []
        self.sweep(lambda id: self._engine.containers.state(id).is_running)
        for network in self.book.networks():
            if not network.is_default and chosen(network) and not self.book.members(network.number):
                with suppress(Conflict, NotFound):  # used, or removed, meanwhile
                    self.remove(network.id)
                    gone.append(network.name)
        self._engine.events.prune("network", 0)
        return tuple(gone)

    def connect(self, container: str, wanted: Join) -> None:
        """Have a container on one network more, at once when it runs. Raises: NotFound, Conflict, InputError."""
        from wherry.engine import networks_connect

        networks_connect.connect(self._engine, container, wanted)

    def disconnect(self, container: str, network: str, *, force: bool = False) -> None:
        """Take a container off a network. Raises: NotFound, Conflict (it is not on it)."""
        from wherry.engine import networks_connect

        networks_connect.disconnect(self._engine, container, network, force=force)

    def find(self, mode: str) -> Network:
        """By name, id or mode. Raises: NotFound."""
        if mode not in ("", "bridge", "default", STEP):
            return self.book.network(mode)
        bridge = self.book.bridge(0)
        # A bridge that is up has its own route; without one, the host's routes may have come to overlap the pool
        return self.book.default([] if apply.has_link(bridge) else parse_routes(host_files.routes()))

    def _network_for(self, join: Join) -> Network:
        """Raises: NotFound, InputError (an address that can't be had there)."""
        network = self.find(join.network)
        if join.ipv4 or join.ipv6 or network.config_only:
            from wherry.engine.networks_create import check_join

            check_join(network, join)
        return network

    def _blame(self, port: Published) -> WherryError | None:
        holder = self.book.holder(port)
        return taken_by(port, holder) if holder else None

    @cached_property
    def _owner(self) -> Owner:
        from wherry.store.owner import Owner

        return Owner.current(self._host)
