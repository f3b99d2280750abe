"""Networks of containers: addresses, links, rules, names, joined in the order that leaves nothing behind.

The life of one container's network, as `engine.containers` drives it:

    attachment = networks.reserve(id, request)    # rows and sockets; Conflict when a port is taken
    networks.files(attachment, files)             # /etc/hosts, resolv.conf, hostname as text
    ... the monitor gets attachment.listeners' fds and makes its namespace ...
    networks.close_listeners(attachment)
    networks.plumb(attachment, monitor_pid)       # veth, addresses, routes, nft rules
    networks.release(id)                          # after the end, by whoever cleans up; idempotent

The bridge and the nft table come with the first container of a root and go with its last one
(docs/adr/0060-network-by-ip-and-nft.md). Kernel objects are made and removed under one lock file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property, partial

from wherry.engine import networks_files as host_files
from wherry.errors import Conflict, WherryError
from wherry.fs.private import private_folder
from wherry.network import apply, plan
from wherry.network.ipam import STEP, AddressPlan, Member, parse_routes, taken_by
from wherry.network.model import (
    Attachment,
    Endpoint,
    FileRequest,
    Listener,
    NetFiles,
    Network,
    NetworkRequest,
    Published,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine
    from wherry.store.owner import Owner

__all__ = ["Networks"]


class Networks:
    """`engine.networks`."""

    def __init__(self, engine: Engine) -> None:
        self._host = engine.host
        self._db = engine.db
        self._run = engine.settings.paths.run
        self._tag = engine.settings.paths.tag
        self._children: list[int] = []

    @cached_property
    def book(self) -> AddressPlan:
        """The rows."""
        return AddressPlan(self._db, self._tag)

    def reserve(self, container_id: str, request: NetworkRequest) -> Attachment:
        """Address, row, and listening sockets; nothing is kept when it fails.

        The caller holds the container's lock: what an earlier, crashed start of it left is released first.
        Raises: Conflict (a port is taken: names port and holder), NotFound (no such network), InputError, HostError.
        """
        if request.mode in ("none", "host") or request.mode.startswith("container:"):
            kind = {"none": "own", "host": "host"}.get(request.mode, "container")
            return Attachment(container_id, request.mode, kind, joins=request.mode.partition(":")[2])
        self.release(container_id)
        network = self._find(request.mode)
        bound: list[tuple[Published, int]] = []
        try:
            if request.ports:
                from wherry.network import ports

                bound = ports.bind_all(request.ports, self._blame)
            published = tuple(port for port, _ in bound)
            endpoint = self.book.reserve(container_id, network, request, published, self._owner)
        except BaseException:
            for _, fd in bound:
                os.close(fd)
            raise
        listeners = tuple(Listener(fd, p.protocol, endpoint.address, p.container_port) for p, fd in bound)
        return Attachment(
            container_id, request.mode or "bridge", "own", network=network, endpoint=endpoint, published=published,
            listeners=listeners,
        )  # fmt: skip

    def files(self, attachment: Attachment, request: FileRequest) -> NetFiles:
        """The texts of /etc/hosts, /etc/resolv.conf and /etc/hostname for that container.

        Raises: InputError (host-gateway on a network without a gateway).
        """
        from wherry.network import dns

        own = attachment.netns == "own"
        resolv = dns.resolv_conf(host_files.resolvers(), request, own_netns=own and attachment.endpoint is not None)
        name = request.hostname + "\n"
        if attachment.netns == "host":
            return NetFiles(dns.with_extra(host_files.text("/etc/hosts"), request, "127.0.0.1"), resolv, name)
        gateway = attachment.network.gateway if attachment.network else ""
        address = attachment.endpoint.address if attachment.endpoint else ""
        hosts = dns.hosts(request, address, gateway)
        if attachment.network and not attachment.network.is_default:
            hosts = dns.with_peers(hosts, self._peers(attachment.network.number, attachment.container_id))
        return NetFiles(hosts, resolv, name)

    def plumb(self, attachment: Attachment, netns_pid: int) -> None:
        """Link, addresses, routes and rules into the namespace of process `netns_pid`, where lo is up.

        A no-op for attachments without an endpoint. When it fails, what `reserve` gave is released too (the sockets
        are the caller's to close). Raises: HostError, RuntimeFailure.
        """
        endpoint, network = attachment.endpoint, attachment.network
        if endpoint is None or network is None:
            return
        try:
            mtu = apply.uplink_mtu(host_files.routes())
            with self._lock():
                is_new = not apply.has_link(network.bridge)
                if is_new:
                    self._first(endpoint, network, netns_pid, mtu)
            if not is_new:
                publications = [(port, endpoint.address) for port in attachment.published]
                added = plan.add_ports(self._tag, network.bridge, publications)
                if apply.connect(self._host, endpoint, netns_pid, mtu, None, [apply.nft(added)])[0].status:
                    with self._lock():
                        apply.replace_rules(self._host, self._rules(replace=True))
            if not network.is_default:
                with self._lock():
                    self._tell_peers(network.number)
        except BaseException:
            self.release(attachment.container_id)
            raise

    def _first(self, endpoint: Endpoint, network: Network, netns_pid: int, mtu: int) -> None:
        """The first container of a network brings its bridge, and the whole table, along."""
        beside = [apply.nft(self._rules(replace=False) + plan.LIST_CHAINS)]
        done = apply.connect(self._host, endpoint, netns_pid, mtu, network, beside)[0]
        if done.status:
            # The table is there: of another network, or of a command that was killed
            done = apply.replace_rules(self._host, self._rules(replace=True) + plan.LIST_CHAINS)
        self._firewall.open(done.stdout.decode(errors="replace"))

    def close_listeners(self, attachment: Attachment) -> None:
        """Close this process's copies, once the monitor has its own (or the start failed). Once only."""
        for listener in attachment.listeners:
            with suppress(OSError):
                os.close(listener.fd)

    def relisten(self, container_id: str) -> tuple[Listener, ...]:
        """Sockets anew for a container whose monitor died: those that can be had. The caller closes."""
        found = self.book.endpoint(container_id)
        if found is None:
            return ()
        from wherry.network import ports

        made = []
        for port in self.book.published(container_id):
            with suppress(WherryError):
                made.append(Listener(ports.listen(port)[1], port.protocol, found[0].address, port.container_port))
        return tuple(made)

    def release(self, container_id: str) -> None:
        """Rows, rules, names at the peers, and the bridge when it was the last one on it. Idempotent.

        Ports are closed when it returns. What the kernel takes its time for (links) it does not wait for: a child
        does, and the next container's `plumb` waits for that child.
        """
        self._reap()
        if self.book.endpoint(container_id) is None:
            return
        with self._lock() as lock_fd:
            found = self.book.endpoint(container_id)
            if found is None:
                return
            endpoint, network = found
            published = self.book.published(container_id)
            has_ports = bool(published)
            rest = [one for one in self.book.endpoints() if one.container_id != container_id]
            is_last = not any(one.bridge == endpoint.bridge for one in rest)
            was_clean = os.fstat(lock_fd).st_size == 0
            if is_last or has_ports:
                os.pwrite(lock_fd, b"dirty\n", 0)
            self.book.drop(container_id)
            if not network.is_default:
                self._tell_peers(network.number)
            if has_ports:
                apply.replace_rules(self._host, self._rules(replace=True))
                if any(port.protocol == "udp" for port in published):
                    _forget_flows(endpoint.address)
                if was_clean and not is_last:
                    os.ftruncate(lock_fd, 0)
            links = [endpoint.link] if apply.has_link(endpoint.link) else []
            if is_last:
                self._drop(links, lock_fd)
            elif links:
                self._children.append(apply.drop(self._host, "", links, (lock_fd, self._lock_path)))

    def rename(self, container_id: str, name: str) -> None:
        """The container's new name, for messages and for its peers."""
        found = self.book.endpoint(container_id)
        if found is None:
            return
        self.book.rename(container_id, name)
        if not found[1].is_default:
            with self._lock():
                self._tell_peers(found[1].number)

    def sweep(self, is_live: Callable[[str], bool]) -> None:
        """Release what crashed commands left. `is_live` is asked about containers whose starter is gone, by whole id.

        Cheap when there is nothing to do: one SELECT and one stat. A build step lives as long as its builder.
        """
        from wherry.store.owner import Owner

        for name, slot, pid, start, boot, is_step in self.book.owners():
            if Owner(pid, start, boot).is_alive(self._host) or (not is_step and is_live(name)):
                continue
            if self.book.is_at(name, slot):
                self.release(name)
        with suppress(FileNotFoundError):
            if os.stat(self._lock_path).st_size:
                self._finish()

    def attach_step(self, step_id: str, netns_pid: int) -> Attachment:
        """A build step on the default bridge, without ports; owned by this process. `release(step_id)` ends it."""
        attachment = self.reserve(step_id, NetworkRequest(mode=STEP))
        self.plumb(attachment, netns_pid)
        return attachment

    def of(self, container_id: str) -> Attachment | None:
        """What is reserved for the container now (without listeners), or None."""
        found = self.book.endpoint(container_id)
        if found is None:
            return None
        mode = "bridge" if found[1].is_default else found[1].name
        published = self.book.published(container_id)
        return Attachment(container_id, mode, "own", network=found[1], endpoint=found[0], published=published)

    def describe(self, container_id: str, asked: NetworkRequest, exposed: tuple[str, ...] = ()) -> dict[str, object]:
        """Docker's NetworkSettings of `inspect`; empty fields without an endpoint. `exposed` are PORT/PROTOCOL."""
        from wherry.engine import networks_show

        return networks_show.settings(self.of(container_id), asked, exposed)

    def all(self) -> tuple[Network, ...]:
        """Docker's three, and then the user's, oldest first."""
        from wherry.engine.networks_show import predefined

        found = self.book.networks()
        if not found or not found[0].is_default:
            found = [self._find("bridge"), *found]
        return (found[0], predefined("host"), predefined("none"), *found[1:])

    def members(self, network: Network) -> tuple[Member, ...]:
        """The containers on it now."""
        return tuple(self.book.members(network.number))

    def inspect(self, name: str) -> dict[str, object]:
        """Docker's JSON of a network. Raises: NotFound, Conflict (ambiguous id prefix)."""
        from wherry.engine.networks_show import document, predefined

        if name in ("host", "none"):
            return document(predefined(name), ())
        network = self._find(name) if name == "bridge" else self.book.network(name)
        return document(network, self.members(network))

    def create(self, wanted: Network) -> Network:
        """A network of the user's; `id`, `number` and `bridge` of `wanted` are not looked at.

        Raises: Conflict (name or pool is taken), InputError.
        """
        from wherry.engine import networks_show

        networks_show.check(wanted)
        return self.book.create(wanted, parse_routes(host_files.routes()))

    def remove(self, name: str) -> None:
        """Raises: NotFound, Conflict (in use, or predefined)."""
        from wherry.engine import networks_show

        networks_show.refuse_predefined(name)
        self.book.remove(self.book.network(name))

    def prune(self, chosen: Callable[[Network], bool] = lambda _: True) -> tuple[str, ...]:
        """Remove the user's networks that no running container is on, of those that are `chosen`: their names."""
        gone = []
        for network in self.book.networks():
            if not network.is_default and chosen(network) and not self.book.members(network.number):
                with suppress(Conflict):
                    self.book.remove(network)
                    gone.append(network.name)
        return tuple(gone)

    def _find(self, mode: str) -> Network:
        if mode not in ("", "bridge", "default", STEP):
            return self.book.network(mode)
        bridge = self.book.bridge(0)
        # A bridge that is up has its own route; without one, the host's routes may have come to overlap the pool
        return self.book.default([] if apply.has_link(bridge) else parse_routes(host_files.routes()))

    def _blame(self, port: Published) -> WherryError | None:
        holder = self.book.holder(port)
        return taken_by(port, holder) if holder else None

    @cached_property
    def _owner(self) -> Owner:
        from wherry.store.owner import Owner

        return Owner.current(self._host)

    @contextmanager
    def _lock(self) -> Iterator[int]:
        from wherry.fs.lock import locked

        private_folder(self._run)
        with locked(self._lock_path, timeout_s=60, what="the network") as fd:
            yield fd

    @property
    def _lock_path(self) -> str:
        """What stands in it says that kernel objects are left that no row knows of."""
        return f"{self._run}/network.lock"

    @cached_property
    def _firewall(self) -> apply.Firewall:
        return apply.Firewall(self._host, self._tag, f"{self._run}/network.passages")

    def _rules(self, *, replace: bool) -> str:
        """The table for the rows as they are; none at all when nobody is on any network."""
        used: set[str] = {one.bridge for one in self.book.endpoints()}
        if not used:
            return plan.drop_table(self._tag)
        networks = [one for one in self.book.networks() if one.bridge in used]
        return plan.ruleset(self._tag, networks, self.book.publications(), replace=replace)

    def _finish(self) -> None:
        """What a killed `release`, or its child, did not come to."""
        from wherry.errors import Locked
        from wherry.fs.lock import locked

        try:
            with locked(self._lock_path, timeout_s=0, what="the network") as fd:
                if os.fstat(fd).st_size:
                    self._drop([], fd)
                    with suppress(ChildProcessError):
                        os.waitpid(self._children.pop(), 0)
        except Locked:
            return

    def _drop(self, links: Sequence[str], lock_fd: int) -> None:
        """Those links, every bridge that nobody is on, and the rules for what is left."""
        used = {one.bridge for one in self.book.endpoints()}
        if not used:
            self._firewall.close()
        idle = [one.bridge for one in self.book.networks() if one.bridge not in used and apply.has_link(one.bridge)]
        lock = (lock_fd, self._lock_path)
        self._children.append(apply.drop(self._host, self._rules(replace=True), [*links, *idle], lock))

    def _reap(self) -> None:
        for pid in [*self._children]:
            with suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG)[0] == 0:
                    continue
            self._children.remove(pid)

    def _peers(self, number: int, container_id: str) -> Sequence[tuple[str, Sequence[str]]]:
        members = self.book.members(number)
        return [(one.address, one.names) for one in members if one.container_id != container_id]

    def _tell_peers(self, number: int) -> None:
        """Renew the block of peers in each member's /etc/hosts. In place: the file is bind-mounted."""
        from wherry.network import dns

        for member in self.book.members(number):
            if member.hosts_path:
                peers = self._peers(number, member.container_id)
                with suppress(OSError):
                    host_files.rewrite(member.hosts_path, partial(dns.with_peers, peers=peers))


def _forget_flows(address: str) -> None:
    from wherry.network.conntrack import forget_udp

    # Without connection tracking in the kernel there is nothing to forget
    with suppress(OSError):
        forget_udp(address)
