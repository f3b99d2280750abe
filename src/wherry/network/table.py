"""The rows of networks: made, found, moved, removed. Each method is one short transaction."""

from __future__ import annotations

import time

from wherry import lean_json as json
from wherry.errors import Conflict, NotFound, nearest
from wherry.lean_sqlite import sqlite3
from wherry.network import address
from wherry.network.address import Pool
from wherry.network.model import OPTION_BRIDGE, Network
from wherry.network.pools import free_pool, random_ula
from wherry.store.db import Database

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["NetworkTable"]

_COLUMNS = (
    "number, id, name, subnet, gateway, ip_range, internal, is_auto, labels, options, created_ns, ipv6, subnet6,"
    " gateway6, ip_range6, more"
)
_SELECT = f"SELECT {_COLUMNS} FROM network"  # noqa: S608  a constant


class NetworkTable:
    """All networks of one root."""

    def __init__(self, db: Database, tag: str) -> None:
        self._db = db
        self._tag = tag

    def bridge(self, number: int) -> str:
        """At most 15 bytes, as the kernel wants."""
        return f"wh{self._tag}-{number}" if self._tag else f"wherry{number}"

    def networks(self) -> list[Network]:
        """By number."""
        return [self._network(row) for row in self._db.read().execute(_SELECT + " ORDER BY number")]

    def numbered(self, number: int) -> Network | None:
        """The one of that number; None when it was removed meanwhile."""
        row = self._db.read().execute(_SELECT + " WHERE number = ?", (number,)).fetchone()
        return self._network(row) if row else None

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
            row = conn.execute(_SELECT + " WHERE name = 'bridge'").fetchone()
            if row is None:
                pool = free_pool(self._tag, [*routes, *self._pools(conn)])
                return self._insert(conn, 0, Network("", "bridge", 0, "", str(pool), address.text(pool.first + 1)))
            found = self._network(row)
            pool = Pool.parse(found.subnet)
            used = conn.execute("SELECT 1 FROM joint WHERE network = ?", (found.number,)).fetchone()
            if used or not found.is_auto or not any(pool.overlaps(route) for route in routes):
                return found
            pool = free_pool(self._tag, [*routes, *self._pools(conn)])
            gateway = address.text(pool.first + 1)
            conn.execute(
                "UPDATE network SET subnet = ?, gateway = ?, cursor = 1 WHERE number = 0", (str(pool), gateway)
            )
            return found._replace(subnet=str(pool), gateway=gateway)

    def create(self, wanted: Network, routes: Sequence[Pool]) -> Network:
        """A user's network; pools that it lacks are chosen. Raises: Conflict (name or pool taken), InputError."""
        with self._db.write() as conn:
            if conn.execute("SELECT 1 FROM network WHERE name = ?", (wanted.name,)).fetchone():
                raise Conflict(f"network with name {wanted.name} already exists")
            wanted = self._without_overlaps(conn, wanted, routes) if not wanted.config_only else wanted
            number = conn.execute("SELECT coalesce(max(number), 0) + 1 FROM network").fetchone()[0]
            return self._insert(conn, number, wanted)

    def remove(self, network: Network) -> None:
        """Raises: Conflict when containers are on it, or networks are made of its configuration."""
        with self._db.write() as conn:
            if conn.execute("SELECT 1 FROM joint WHERE network = ?", (network.number,)).fetchone():
                raise Conflict(
                    f"error while removing network: network {network.name} id {network.id} has active endpoints",
                    hint="stop the containers on it first; wherry network inspect shows them",
                )
            if network.config_only:
                users = [one.name for one in self.networks() if one.config_from == network.name]
                if users:
                    raise Conflict(f'configuration network "{network.name}" is in use', hint=f"by {', '.join(users)}")
            conn.execute("DELETE FROM network WHERE number = ?", (network.number,))

    def _without_overlaps(self, conn: sqlite3.Connection, wanted: Network, routes: Sequence[Pool]) -> Network:
        """With both pools, and their gateways. Raises: Conflict."""
        busy = [*self._pools(conn), *routes]
        for text in filter(None, (wanted.subnet, wanted.subnet6)):
            pool = Pool.parse(text)
            if any(pool.overlaps(other) for other in busy):
                raise Conflict(
                    f"invalid pool request: {pool} overlaps with other one on this address space",
                    hint="wherry network ls, and ip route, show what is taken",
                )
        bridge = wanted.options.get(OPTION_BRIDGE, "")
        if bridge and any(bridge == one.bridge for one in self.networks()):
            raise Conflict(f"bridge name {bridge} is another network's already")
        pool = Pool.parse(wanted.subnet) if wanted.subnet else free_pool(self._tag, busy)
        # Differs from docker: --ipv6 alone gets a random unique local prefix, as with docker from 27 on; 26 refuses it
        pool6 = Pool.parse(wanted.subnet6) if wanted.subnet6 else random_ula() if wanted.ipv6 else None
        return wanted._replace(
            is_auto=not wanted.subnet,
            is_auto6=not wanted.subnet6,
            subnet=str(pool),
            gateway=wanted.gateway or _first_free(wanted, pool),
            subnet6=str(pool6 or ""),
            gateway6=wanted.gateway6 or (_first_free(wanted, pool6) if pool6 else ""),
        )

    def _pools(self, conn: sqlite3.Connection) -> list[Pool]:
        rows = conn.execute("SELECT subnet, subnet6 FROM network WHERE more NOT LIKE '%config_only%'")
        return [Pool.parse(one) for row in rows for one in row if one]

    def _insert(self, conn: sqlite3.Connection, number: int, wanted: Network) -> Network:
        import os

        found = wanted._replace(
            id=os.urandom(32).hex(), number=number, bridge=wanted.options.get(OPTION_BRIDGE) or self.bridge(number),
            created_ns=time.time_ns(),
        )  # fmt: skip
        more = {name: value for name in _MORE if (value := getattr(found, name))}
        conn.execute(
            f"INSERT INTO network ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608  a constant
            (number, found.id, found.name, found.subnet, found.gateway, found.ip_range, found.internal, found.is_auto,
             json.dumps(dict(found.labels)), json.dumps(dict(found.options)), found.created_ns, found.ipv6,
             found.subnet6, found.gateway6, found.ip_range6,
             json.dumps({key: dict(one) if key in _MAPS else one for key, one in more.items()})),
        )  # fmt: skip
        return found

    def _network(self, row: Sequence[object]) -> Network:
        number, identity, name, subnet, gateway, ip_range, internal, is_auto, labels, options, created, *six = row
        assert isinstance(number, int)
        chosen = json.loads(str(options))
        return Network(
            str(identity), str(name), number, chosen.get(OPTION_BRIDGE) or self.bridge(number), str(subnet),
            str(gateway), str(ip_range), bool(internal), json.loads(str(labels)), chosen, int(str(created)),
            bool(is_auto), bool(six[0]), str(six[1]), str(six[2]), str(six[3]), **json.loads(str(six[4])),
        )  # fmt: skip


_MAPS = ("aux", "ipam_options")
_MORE = (*_MAPS, "attachable", "config_only", "config_from", "is_auto6")


def _first_free(wanted: Network, pool: Pool) -> str:
    """The gateway that docker would choose: the first address of the range that no auxiliary one is."""
    taken = {address.parse(one) for one in wanted.aux.values() if address.is_ipv6(one) == (pool.bits == 128)}
    number = pool.first + 1
    while number in taken:
        number += 1
    return address.text(number, pool.bits)
