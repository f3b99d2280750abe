"""The address plan: networks, who has which address, which ports are given, in the state database."""

from __future__ import annotations

from wherry import lean_json as json
from wherry.errors import Conflict, InputError, NotFound
from wherry.lean_sqlite import sqlite3
from wherry.network import address
from wherry.network.address import Pool
from wherry.network.model import EVERY_IPV4, Endpoint, Join, Joined, Network, NetworkRequest, Published
from wherry.network.pools import free_pool, parse_routes
from wherry.network.table import NetworkTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["STEP", "AddressPlan", "Holder", "Member", "Sandbox", "free_pool", "parse_routes", "taken_by"]

STEP = "build step"
"""The mode of a build step's request: the default bridge, owned by the builder's process."""


class Holder(NamedTuple):
    """The container that has a port."""

    container_id: str
    name: str


class Member(NamedTuple):
    """A container on a network, as its peers see it."""

    container_id: str
    network: int
    address: str
    names: tuple[str, ...]
    hosts_path: str
    address6: str = ""
    mac: str = ""
    links: tuple[str, ...] = ()
    hostname: str = ""


class Sandbox(NamedTuple):
    """A container's (or build step's) network namespace, as the rows have it."""

    container_id: str
    name: str
    hostname: str
    hosts_path: str
    names_path: str


class AddressPlan(NetworkTable):
    """All rows of networks, of containers on them, and of published ports. Each method is one short transaction."""

    def link(self, slot: int) -> str:
        return f"wv{self._tag}-{slot & 0xFFFFFF:x}"

    def link_prefix(self) -> str:
        """What the names of all our links begin with."""
        return f"wv{self._tag}-"

    def reserve(
        self, container_id: str, places: Sequence[tuple[Network, Join]], request: NetworkRequest,
        published: Sequence[Published], owner: tuple[int, int, str],
    ) -> tuple[Joined, ...]:  # fmt: skip
        """An address on each network, and the ports, or nothing.

        Raises: Conflict (no address, port or container taken), NotFound (a network has gone), InputError.
        """
        with self._db.write() as conn:
            for port in published:
                self._check_port(conn, port)
            if conn.execute("SELECT 1 FROM sandbox WHERE container_id = ?", (container_id,)).fetchone():
                raise Conflict(f"container {container_id[:12]} is on a network already", hint="stop it first")
            conn.execute(
                "INSERT INTO sandbox (container_id, name, hostname, hosts_path, names_path, owner_pid, owner_start,"
                " owner_boot, is_step) VALUES (?,?,?,?,?,?,?,?,?)",
                (container_id, request.name, request.hostname, request.hosts_path, request.names_path, *owner,
                 request.mode == STEP),
            )  # fmt: skip
            conn.executemany(
                "INSERT INTO host_port VALUES (?,?,?,?,?)",
                [(p.protocol, p.host_port, p.host_ip, container_id, p.container_port) for p in published],
            )
            return tuple(
                self._join(conn, container_id, network, join, f"eth{number}", "")
                for number, (network, join) in enumerate(places)
            )

    def open_sandbox(self, container_id: str, request: NetworkRequest, owner: tuple[int, int, str]) -> None:
        """For a container that runs on no network yet; idempotent."""
        with self._db.write() as conn:
            conn.execute(
                "INSERT OR IGNORE INTO sandbox (container_id, name, hostname, hosts_path, names_path, owner_pid,"
                " owner_start, owner_boot) VALUES (?,?,?,?,?,?,?,?)",
                (container_id, request.name, request.hostname, request.hosts_path, request.names_path, *owner),
            )

    def has_links(self) -> bool:
        """Whether any container was started with --link."""
        return self._db.read().execute("SELECT 1 FROM joint WHERE links <> '[]'").fetchone() is not None

    def join(self, container_id: str, network: Network, wanted: Join, maker: str) -> Joined:
        """One network more for a container that has a sandbox. `maker` is the process at work, until `made`.

        Raises: Conflict (there already, no address), NotFound (it has gone), InputError.
        """
        with self._db.write() as conn:
            rows = conn.execute("SELECT network, device FROM joint WHERE container_id = ?", (container_id,)).fetchall()
            if any(row[0] == network.number for row in rows):
                name = conn.execute("SELECT name FROM sandbox WHERE container_id = ?", (container_id,)).fetchone()[0]
                raise Conflict(f"endpoint with name {name} already exists in network {network.name}")
            device = 1 + max([int(row[1].removeprefix("eth")) for row in rows], default=-1)
            return self._join(conn, container_id, network, wanted, f"eth{device}", maker)

    def made(self, container_id: str, network: int) -> None:
        """That `join` is complete."""
        with self._db.write() as conn:
            conn.execute("UPDATE joint SET maker = '' WHERE container_id = ? AND network = ?", (container_id, network))

    def leave(self, container_id: str, network: int) -> bool:
        """Off one network; False when it was not on it."""
        with self._db.write() as conn:
            return conn.execute(
                "DELETE FROM joint WHERE container_id = ? AND network = ?", (container_id, network)
            ).rowcount > 0  # fmt: skip

    def unfinished(self) -> list[tuple[str, int, str]]:
        """(container id, network, maker) of each `join` that is not complete."""
        return self._db.read().execute("SELECT container_id, network, maker FROM joint WHERE maker <> ''").fetchall()

    def drop(self, container_id: str) -> bool:
        """False when there was nothing."""
        with self._db.write() as conn:
            return conn.execute("DELETE FROM sandbox WHERE container_id = ?", (container_id,)).rowcount > 0

    def sandbox(self, container_id: str) -> Sandbox | None:
        row = self._db.read().execute(
            "SELECT container_id, name, hostname, hosts_path, names_path FROM sandbox WHERE container_id = ?",
            (container_id,),
        ).fetchone()  # fmt: skip
        return Sandbox(*row) if row else None

    def joined(self, container_id: str) -> tuple[Joined, ...]:
        """The networks a container is on, in order; without one that it left, and that went, while we looked."""
        rows = self._db.read().execute(_SELECT_JOINT + " WHERE container_id = ? ORDER BY slot", (container_id,))
        found = [(row, self.numbered(row[1])) for row in rows.fetchall()]
        return tuple(self._joined(row, network) for row, network in found if network)

    def endpoint(self, container_id: str) -> tuple[Endpoint, Network] | None:
        """The first of `joined`."""
        found = self.joined(container_id)
        return (found[0].endpoint, found[0].network) if found else None

    def endpoints(self) -> list[Endpoint]:
        networks = {one.number: one for one in self.networks()}
        rows = self._db.read().execute(_SELECT_JOINT + " ORDER BY slot")
        return [self._endpoint(row, networks[row[1]]) for row in rows if row[1] in networks]

    def published(self, container_id: str) -> tuple[Published, ...]:
        """In the order of container ports."""
        rows = self._db.read().execute(
            "SELECT container_port, protocol, host_ip, host_port FROM host_port WHERE container_id = ?"
            " ORDER BY container_port, protocol, host_port",
            (container_id,),
        )
        return tuple(Published(*row) for row in rows)

    def publications(self) -> list[tuple[Published, str, str]]:
        """All ports, each with the addresses behind it, IPv4 and IPv6 (or ""): the container's on the first of its
        networks with a way out."""
        rows = self._db.read().execute(
            "SELECT p.container_port, p.protocol, p.host_ip, p.host_port,"
            " (SELECT address FROM joint j JOIN network n ON n.number = j.network"
            "  WHERE j.container_id = p.container_id ORDER BY n.internal, j.slot LIMIT 1),"
            " (SELECT address6 FROM joint j JOIN network n ON n.number = j.network"
            "  WHERE j.container_id = p.container_id AND address6 <> '' ORDER BY n.internal, j.slot LIMIT 1)"
            " FROM host_port p ORDER BY p.host_port, p.protocol, p.host_ip"
        )
        return [(Published(*row[:4]), row[4], row[5] or "") for row in rows if row[4]]

    def holder(self, port: Published) -> Holder | None:
        """The container that keeps `port` from being given."""
        return self._holder(self._db.read(), port)

    def members(self, number: int) -> list[Member]:
        rows = self._db.read().execute(
            "SELECT j.container_id, j.address, s.name, j.aliases, s.hosts_path, j.address6, j.mac, j.links, s.hostname"
            " FROM joint j JOIN sandbox s USING (container_id) WHERE j.network = ? ORDER BY j.slot", (number,),
        )  # fmt: skip
        return [
            Member(
                row[0], number, row[1],
                tuple(dict.fromkeys(n for n in (row[2], *json.loads(row[3]), row[0][:12]) if n)),
                row[4], row[5], row[6], tuple(json.loads(row[7])), row[8],
            )
            for row in rows
        ]  # fmt: skip

    def rename(self, container_id: str, name: str) -> None:
        with self._db.write() as conn:
            conn.execute("UPDATE sandbox SET name = ? WHERE container_id = ?", (name, container_id))

    def owners(self) -> list[tuple[str, int, int, int, str, bool]]:
        """(container or step id, serial, then pid, start time and boot id of who reserved it, is it a step)."""
        rows = self._db.read().execute(
            "SELECT container_id, serial, owner_pid, owner_start, owner_boot, is_step FROM sandbox ORDER BY serial"
        )
        return [(*row[:5], bool(row[5])) for row in rows]

    def is_at(self, container_id: str, serial: int) -> bool:
        """Whether the row is still that one, not a later start's."""
        found = self._db.read().execute(
            "SELECT 1 FROM sandbox WHERE container_id = ? AND serial = ?", (container_id, serial)
        )
        return found.fetchone() is not None

    def _join(
        self, conn: sqlite3.Connection, container_id: str, network: Network, join: Join, device: str, maker: str
    ) -> Joined:
        # It was looked up before this transaction, and its number may be another's by now
        there = conn.execute("SELECT id FROM network WHERE number = ?", (network.number,)).fetchone()
        if there is None or there[0] != network.id:
            raise NotFound(f"network {network.name} not found", hint="it was removed just now")
        number = self._choose(conn, network, join.ipv4)
        where = address.text(number)
        where6 = _choose6(conn, network, join.ipv6) if network.pool6 else ""
        mac = address.parse_mac(join.mac) if join.mac else address.mac_of(where)
        slot = conn.execute(
            "INSERT INTO joint (container_id, network, device, address, address6, mac, aliases, links, maker)"
            " VALUES (?,?,?,?,?,?,?,?,?)",
            (container_id, network.number, device, where, where6, mac, json.dumps(join.aliases),
             json.dumps(join.links), maker),
        ).lastrowid  # fmt: skip
        conn.execute(
            "UPDATE network SET cursor = ? WHERE number = ?",
            (number - Pool.parse(network.subnet).first, network.number),
        )
        row = (
            container_id,
            network.number,
            device,
            where,
            where6,
            mac,
            slot,
            json.dumps(join.aliases),
            json.dumps(join.links),
        )
        return self._joined(row, network)._replace(link_locals=join.link_locals)

    def _choose(self, conn: sqlite3.Connection, network: Network, wanted: str) -> int:
        pool = Pool.parse(network.ip_range or network.subnet)
        rows = conn.execute("SELECT address FROM joint WHERE network = ?", (network.number,))
        used = {address.parse(row[0]) for row in rows} | {address.parse(network.gateway)}
        used |= {address.parse(one) for one in network.aux.values() if not address.is_ipv6(one)}
        whole = Pool.parse(network.subnet)
        used |= {whole.first, whole.last}
        if wanted:
            number = address.parse(wanted)
            if number not in whole:
                raise InputError(f"no configured subnet or ip-range contain the IP address {wanted}")
            if number in used:
                raise Conflict("Address already in use", hint=f"{wanted} is taken on network {network.name}")
            return number
        cursor: int = conn.execute("SELECT cursor FROM network WHERE number = ?", (network.number,)).fetchone()[0]
        size = pool.last - pool.first + 1
        start = whole.first + cursor + 1 - pool.first
        for step in range(size):
            number = pool.first + (start + step) % size
            if number not in used:
                return number
        raise Conflict(
            f"network {network.name} has no free address left ({pool})", hint="stop containers, or use another network"
        )

    def _check_port(self, conn: sqlite3.Connection, port: Published) -> None:
        if found := self._holder(conn, port):
            raise taken_by(port, found)

    def _holder(self, conn: sqlite3.Connection, port: Published) -> Holder | None:
        row = conn.execute(
            "SELECT s.container_id, s.name FROM host_port p JOIN sandbox s USING (container_id)"
            " WHERE p.protocol = ? AND p.host_port = ? AND (p.host_ip = ? OR p.host_ip IN ('', '0.0.0.0')"
            " OR ? IN ('', '0.0.0.0'))",
            (port.protocol, port.host_port, port.host_ip, port.host_ip),
        ).fetchone()  # fmt: skip
        return Holder(*row) if row else None

    def _joined(self, row: Sequence[object], network: Network) -> Joined:
        aliases, links = (tuple(json.loads(str(one))) for one in row[7:9])
        return Joined(network, self._endpoint(row, network), aliases, links)

    def _endpoint(self, row: Sequence[object], network: Network) -> Endpoint:
        container_id, _, device, where, where6, mac, slot, *_ = row
        assert isinstance(slot, int)
        return Endpoint(
            str(container_id), network.id, str(where), Pool.parse(network.subnet).prefix,
            "" if network.internal else network.gateway, str(mac), self.link(slot), network.bridge, str(device),
            str(where6), Pool.parse(network.subnet6).prefix if where6 else 0,
            network.gateway6 if where6 and not network.internal else "",
        )  # fmt: skip


_SELECT_JOINT = "SELECT container_id, network, device, address, address6, mac, slot, aliases, links FROM joint"


def _choose6(conn: sqlite3.Connection, network: Network, wanted: str) -> str:
    whole = Pool.parse(network.subnet6)
    rows = conn.execute("SELECT address6 FROM joint WHERE network = ? AND address6 <> ''", (network.number,))
    used = {address.parse(row[0]) for row in rows} | {address.parse(network.gateway6), whole.first}
    used |= {address.parse(one) for one in network.aux.values() if address.is_ipv6(one)}
    if wanted:
        number = address.parse(wanted)
        if not whole.holds(wanted):
            raise InputError(f"no configured subnet or ip-range contain the IP address {wanted}")
        if number in used:
            raise Conflict("Address already in use", hint=f"{wanted} is taken on network {network.name}")
        return address.text(number, 128)
    pool = Pool.parse(network.ip_range6) if network.ip_range6 else whole
    number = pool.first
    while number in used:
        number += 1
    if number not in pool:
        raise Conflict(f"network {network.name} has no free address left ({pool})")
    return address.text(number, 128)


class PortTaken(Conflict):
    """`container_id` is who has the port, whole."""

    container_id = ""


def taken_by(port: Published, holder: Holder) -> PortTaken:
    """Docker's words, and who it is."""
    fault = PortTaken(
        f"Bind for {port.host_ip or EVERY_IPV4}:{port.host_port} failed: port is already allocated by container "
        f"{holder.name or holder.container_id[:12]} ({holder.container_id[:12]})",
        hint=f"choose another port (-p {port.host_port + 1}:{port.container_port}), or stop that container",
    )
    fault.container_id = holder.container_id
    return fault
