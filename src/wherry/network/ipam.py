"""The address plan: networks, who has which address, which ports are given, in the state database."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence

from wherry.errors import Conflict, InputError, NotFound, nearest
from wherry.network import address
from wherry.network.address import Pool
from wherry.network.model import EVERY_IPV4, Endpoint, Network, NetworkRequest, Published
from wherry.store.db import Database

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["STEP", "AddressPlan", "Holder", "Member", "free_pool", "parse_routes"]

STEP = "build step"
"""The mode of a build step's request: the default bridge, owned by the builder's process."""

_POOL_BITS = 12
_REGIONS = (("10.208.0.0", 256), ("172.28.0.0", 48), ("192.168.128.0", 8))
"""Where pools of 4,096 addresses are looked for: far from Docker's 172.17-27 and podman's 10.88-89."""


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


def parse_routes(table: str) -> list[Pool]:
    """The destinations of /proc/net/route, without the default route."""
    found = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8 or fields[7] == "00000000":
            continue
        first, mask = (int.from_bytes(int(fields[i], 16).to_bytes(4, "little"), "big") for i in (1, 7))
        found.append(Pool(first, first | (~mask & 0xFFFFFFFF)))
    return found


def free_pool(tag: str, taken: Iterable[Pool]) -> Pool:
    """The first pool that overlaps nothing in `taken`; each root begins at its own place. Raises: Conflict."""
    busy = list(taken)
    pools = [
        Pool(start + (i << _POOL_BITS), start + ((i + 1) << _POOL_BITS) - 1)
        for base, count in _REGIONS
        for start in (address.parse(base),)
        for i in range(count)
    ]
    shift = int(tag or "0", 16) % 256
    for pool in pools[shift:] + pools[:shift]:
        if not any(pool.overlaps(other) for other in busy):
            return pool
    raise Conflict(
        "no free address pool is left for a network", hint="give one: network create --subnet 10.5.0.0/24 NAME"
    )


class AddressPlan:
    """All rows of networks, endpoints and published ports. Each method is one short transaction."""

    def __init__(self, db: Database, tag: str) -> None:
        self._db = db
        self._tag = tag

    def bridge(self, number: int) -> str:
        """At most 15 bytes, as the kernel wants."""
        return f"wh{self._tag}-{number}" if self._tag else f"wherry{number}"

    def link(self, slot: int) -> str:
        return f"wv{self._tag}-{slot & 0xFFFFFF:x}"

    def networks(self) -> list[Network]:
        """By number."""
        return [self._network(row) for row in self._db.read().execute(_SELECT_NETWORK + " ORDER BY number")]

    def network(self, name: str) -> Network:
        """By name, whole id or id prefix. Raises: NotFound, Conflict (ambiguous prefix)."""
        known = self.networks()
        for one in known:
            if name in (one.name, one.id):
                return one
        matches = [one for one in known if len(name) >= 3 and one.id.startswith(name)]
        if len(matches) > 1:
            raise Conflict(f"network {name} is ambiguous ({len(matches)} matches found on ID prefix)")
        if not matches:
            close = nearest(name, [one.name for one in known])
            hint = f"did you mean {close}?" if close else "wherry network ls shows those there are"
            raise NotFound(f"network {name} not found", hint=hint)
        return matches[0]

    def default(self, routes: Sequence[Pool]) -> Network:
        """The network named "bridge", made when missing, moved when its pool overlaps `routes` and nobody uses it."""
        with self._db.write() as conn:
            row = conn.execute(_SELECT_NETWORK + " WHERE name = 'bridge'").fetchone()
            if row is None:
                return self._insert(conn, 0, "bridge", free_pool(self._tag, [*routes, *self._pools(conn)]), {}, {})
            found = self._network(row)
            pool = Pool.parse(found.subnet)
            used = conn.execute("SELECT 1 FROM endpoint WHERE network = ?", (found.number,)).fetchone()
            if used or not found.is_auto or not any(pool.overlaps(route) for route in routes):
                return found
            pool = free_pool(self._tag, [*routes, *self._pools(conn)])
            gateway = address.text(pool.first + 1)
            conn.execute(
                "UPDATE network SET subnet = ?, gateway = ?, cursor = 1 WHERE number = 0", (str(pool), gateway)
            )
            return found._replace(subnet=str(pool), gateway=gateway)

    def create(self, wanted: Network, routes: Sequence[Pool]) -> Network:
        """A user's network; an empty subnet is chosen. Raises: Conflict (name or pool taken), InputError."""
        with self._db.write() as conn:
            if conn.execute("SELECT 1 FROM network WHERE name = ?", (wanted.name,)).fetchone():
                raise Conflict(f"network with name {wanted.name} already exists")
            busy = self._pools(conn)
            if wanted.subnet:
                pool = Pool.parse(wanted.subnet)
                if any(pool.overlaps(other) for other in [*busy, *routes]):
                    raise Conflict(
                        f"invalid pool request: {pool} overlaps with other one on this address space",
                        hint="wherry network ls, and ip route, show what is taken",
                    )
            else:
                pool = free_pool(self._tag, [*busy, *routes])
            number = conn.execute("SELECT coalesce(max(number), 0) + 1 FROM network").fetchone()[0]
            return self._insert(conn, number, wanted.name, pool, wanted.labels, wanted.options, wanted)

    def remove(self, network: Network) -> None:
        """Raises: Conflict when containers are on it."""
        with self._db.write() as conn:
            if conn.execute("SELECT 1 FROM endpoint WHERE network = ?", (network.number,)).fetchone():
                raise Conflict(
                    f"error while removing network: network {network.name} id {network.id} has active endpoints",
                    hint="stop the containers on it first; wherry network inspect shows them",
                )
            conn.execute("DELETE FROM network WHERE number = ?", (network.number,))

    def reserve(
        self, container_id: str, network: Network, request: NetworkRequest, published: Sequence[Published],
        owner: tuple[int, int, str],
    ) -> Endpoint:  # fmt: skip
        """An address and the ports, or nothing. Raises: Conflict (no address, port or container taken), InputError."""
        with self._db.write() as conn:
            number = self._choose(conn, network, request.ipv4)
            where = address.text(number)
            mac = request.mac or address.mac_of(where)
            for port in published:
                self._check_port(conn, port)
            if conn.execute("SELECT 1 FROM endpoint WHERE container_id = ?", (container_id,)).fetchone():
                raise Conflict(f"container {container_id[:12]} is on a network already", hint="stop it first")
            slot = conn.execute(
                "INSERT INTO endpoint (container_id, network, address, mac, name, hostname, aliases, hosts_path,"
                " owner_pid, owner_start, owner_boot, is_step) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
                (container_id, network.number, where, mac, request.name, request.hostname,
                 json.dumps(request.aliases), request.hosts_path, *owner, request.mode == STEP),
            ).lastrowid  # fmt: skip
            conn.executemany(
                "INSERT INTO published VALUES (?,?,?,?,?)",
                [(p.protocol, p.host_port, p.host_ip, container_id, p.container_port) for p in published],
            )
            conn.execute(
                "UPDATE network SET cursor = ? WHERE number = ?",
                (number - Pool.parse(network.subnet).first, network.number),
            )
            return self._endpoint((container_id, network.number, where, mac, slot), network)

    def drop(self, container_id: str) -> bool:
        """False when there was nothing."""
        with self._db.write() as conn:
            return conn.execute("DELETE FROM endpoint WHERE container_id = ?", (container_id,)).rowcount > 0

    def endpoint(self, container_id: str) -> tuple[Endpoint, Network] | None:
        row = self._db.read().execute(_SELECT_ENDPOINT + " WHERE container_id = ?", (container_id,)).fetchone()
        if row is None:
            return None
        network = next(one for one in self.networks() if one.number == row[1])
        return self._endpoint(row, network), network

    def endpoints(self) -> list[Endpoint]:
        networks = {one.number: one for one in self.networks()}
        rows = self._db.read().execute(_SELECT_ENDPOINT + " ORDER BY slot")
        return [self._endpoint(row, networks[row[1]]) for row in rows if row[1] in networks]

    def published(self, container_id: str) -> tuple[Published, ...]:
        """In the order of container ports."""
        rows = self._db.read().execute(
            "SELECT container_port, protocol, host_ip, host_port FROM published WHERE container_id = ?"
            " ORDER BY container_port, protocol, host_port",
            (container_id,),
        )
        return tuple(Published(*row) for row in rows)

    def publications(self) -> list[tuple[Published, str]]:
        """All ports, each with the address behind it."""
        rows = self._db.read().execute(
            "SELECT p.container_port, p.protocol, p.host_ip, p.host_port, e.address"
            " FROM published p JOIN endpoint e USING (container_id) ORDER BY p.host_port, p.protocol, p.host_ip"
        )
        return [(Published(*row[:4]), row[4]) for row in rows]

    def holder(self, port: Published) -> Holder | None:
        """The container that keeps `port` from being given."""
        return self._holder(self._db.read(), port)

    def members(self, number: int) -> list[Member]:
        rows = self._db.read().execute(
            "SELECT container_id, address, name, hostname, aliases, hosts_path FROM endpoint"
            " WHERE network = ? ORDER BY slot", (number,),
        )  # fmt: skip
        return [
            Member(
                row[0],
                number,
                row[1],
                tuple(dict.fromkeys(n for n in (row[2], *json.loads(row[4]), row[0][:12]) if n)),
                row[5],
            )
            for row in rows
        ]

    def rename(self, container_id: str, name: str) -> None:
        with self._db.write() as conn:
            conn.execute("UPDATE endpoint SET name = ? WHERE container_id = ?", (name, container_id))

    def owners(self) -> list[tuple[str, int, int, int, str, bool]]:
        """(container or step id, slot, then pid, start time and boot id of who reserved it, is it a step)."""
        rows = self._db.read().execute(
            "SELECT container_id, slot, owner_pid, owner_start, owner_boot, is_step FROM endpoint ORDER BY slot"
        )
        return [(*row[:5], bool(row[5])) for row in rows]

    def is_at(self, container_id: str, slot: int) -> bool:
        """Whether the row is still that one, not a later start's."""
        found = self._db.read().execute(
            "SELECT 1 FROM endpoint WHERE container_id = ? AND slot = ?", (container_id, slot)
        )
        return found.fetchone() is not None

    def _choose(self, conn: sqlite3.Connection, network: Network, wanted: str) -> int:
        pool = Pool.parse(network.ip_range or network.subnet)
        rows = conn.execute("SELECT address FROM endpoint WHERE network = ?", (network.number,))
        used = {address.parse(row[0]) for row in rows} | {address.parse(network.gateway)}
        whole = Pool.parse(network.subnet)
        used |= {whole.first, whole.last}
        if wanted:
            number = address.parse(wanted)
            if number not in whole:
                raise InputError(
                    f"no configured subnet contains IP address {wanted} (network {network.name} is {whole})"
                )
            if number in used:
                raise Conflict(f"address {wanted} is already in use on network {network.name}")
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
            "SELECT e.container_id, e.name FROM published p JOIN endpoint e USING (container_id)"
            " WHERE p.protocol = ? AND p.host_port = ? AND (p.host_ip = ? OR p.host_ip IN ('', '0.0.0.0')"
            " OR ? IN ('', '0.0.0.0'))",
            (port.protocol, port.host_port, port.host_ip, port.host_ip),
        ).fetchone()  # fmt: skip
        return Holder(*row) if row else None

    def _pools(self, conn: sqlite3.Connection) -> list[Pool]:
        return [Pool.parse(row[0]) for row in conn.execute("SELECT subnet FROM network")]

    def _insert(
        self, conn: sqlite3.Connection, number: int, name: str, pool: Pool, labels: Mapping[str, str],
        options: Mapping[str, str], wanted: Network | None = None,
    ) -> Network:  # fmt: skip
        import os

        gateway = (wanted.gateway if wanted else "") or address.text(pool.first + 1)
        found = Network(
            os.urandom(32).hex(), name, number, self.bridge(number), str(pool), gateway,
            wanted.ip_range if wanted else "", wanted.internal if wanted else False, dict(labels), dict(options),
            time.time_ns(), not (wanted and wanted.subnet),
        )  # fmt: skip
        conn.execute(
            "INSERT INTO network (number, id, name, subnet, gateway, ip_range, internal, is_auto, labels, options,"
            " created_ns) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (number, found.id, name, found.subnet, gateway, found.ip_range, found.internal, found.is_auto,
             json.dumps(found.labels), json.dumps(found.options), found.created_ns),
        )  # fmt: skip
        return found

    def _network(self, row: Sequence[object]) -> Network:
        number, identity, name, subnet, gateway, ip_range, internal, is_auto, labels, options, created = row
        assert isinstance(number, int)
        return Network(
            str(identity), str(name), number, self.bridge(number), str(subnet), str(gateway), str(ip_range),
            bool(internal), json.loads(str(labels)), json.loads(str(options)), int(str(created)), bool(is_auto),
        )  # fmt: skip

    def _endpoint(self, row: Sequence[object], network: Network) -> Endpoint:
        container_id, _, where, mac, slot = row
        assert isinstance(slot, int)
        prefix = Pool.parse(network.subnet).prefix
        gateway = "" if network.internal else network.gateway
        return Endpoint(
            str(container_id), network.id, str(where), prefix, gateway, str(mac), self.link(slot), network.bridge
        )


_SELECT_NETWORK = (
    "SELECT number, id, name, subnet, gateway, ip_range, internal, is_auto, labels, options, created_ns FROM network"
)
_SELECT_ENDPOINT = "SELECT container_id, network, address, mac, slot FROM endpoint"


def taken_by(port: Published, holder: Holder) -> Conflict:
    """Docker's words, and who it is."""
    return Conflict(
        f"Bind for {port.host_ip or EVERY_IPV4}:{port.host_port} failed: port is already allocated by container "
        f"{holder.name or holder.container_id[:12]} ({holder.container_id[:12]})",
        hint=f"choose another port (-p {port.host_port + 1}:{port.container_port}), or stop that container",
    )
