"""What `doctor` says of this machine's firewalls, and of bridges that a removed root left behind."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from wherry.engine.doctor import Check
from wherry.errors import HostError
from wherry.host import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    from wherry.host import Host
    from wherry.settings import Settings
else:
    from wherry.lean import NamedTuple

__all__ = ["Chain", "base_chains", "examine", "firewall", "stale_bridges"]

_OURS = re.compile(r"wherry(_[0-9a-f]{6})?")
_BRIDGE = re.compile(r"wh([0-9a-f]{6})-\d+")


class Chain(NamedTuple):
    """A base chain of a ruleset. `rules` are in order, without counters and comments."""

    family: str
    table: str
    name: str
    hook: str
    policy: str
    rules: tuple[str, ...]

    @property
    def where(self) -> str:
        return f"{self.family} {self.table} {self.name}"


def base_chains(listing: str) -> list[Chain]:
    """The chains on a hook of the filter type, from `nft list ruleset`; wherry's own are left out."""
    found: list[Chain] = []
    family = table = name = hook = policy = ""
    rules: list[str] = []
    for line in listing.splitlines():
        words = line.split()
        if words[:1] == ["table"]:
            family, table = words[1], words[2]
        elif words[:1] == ["chain"]:
            name, hook, rules = words[1], "", []
        elif words[:2] == ["type", "filter"] and "hook" in words:
            hook = words[words.index("hook") + 1]
            policy = words[-1].rstrip(";") if "policy" in words else "accept"
        elif words == ["}"] and name:
            if hook and not _OURS.fullmatch(table) and not _OURS.fullmatch(name):
                found.append(Chain(family, table, name, hook, policy, tuple(rules)))
            name = ""
        elif name and words:
            rules.append(re.sub(r'counter packets \d+ bytes \d+ ?|comment "[^"]*"', "", line).strip())
    return found


def firewall(listing: str) -> Iterator[Check]:
    """What the other rules of this machine mean for containers, from `nft list ruleset`."""
    chains = base_chains(listing)
    forward = [one for one in chains if one.hook == "forward" and one.family in ("ip", "inet")]
    shut = [one for one in forward if one.policy == "drop"]
    if "chain ufw-" in listing:
        yield Check(
            "firewall", "ok", False, "ufw", note="forwarded packets of containers get a passage; published ports pass"
            " ufw's rules by, as with docker",
            hint="publish on 127.0.0.1 what the network shall not see: -p 127.0.0.1:8000:80",
        )  # fmt: skip
    elif shut and "table inet firewalld" not in listing:
        who = "docker" if "chain DOCKER-USER" in listing else ", ".join(one.where for one in shut)
        yield Check("firewall", "ok", False, who, note="drops forwarded packets by default: containers get a passage")
    yield from _refusals(listing, forward)
    if any(one.hook == "input" and one.policy == "drop" and one.family in ("ip", "inet") for one in chains):
        yield Check(
            "firewall input", "ok", False, "host-gateway",
            note="programs of this machine can't be reached from containers unless a rule lets them",
            hint="ufw allow in on wherry0, or iifname wherry* accept, when they shall be",
        )  # fmt: skip


def _refusals(listing: str, forward: Sequence[Chain]) -> Iterator[Check]:
    """Firewalls that refuse by a rule at the end, which no chain of ours can come before."""
    if "table inet firewalld" in listing:
        yield Check(
            "firewalld", "warning", False, "networks of containers",
            note="rejects what is forwarded for bridges that are in none of its zones",
            hint="firewall-cmd --permanent --zone=trusted --add-interface=wherry0 && firewall-cmd --reload",
        )  # fmt: skip
        return
    for one in forward:
        last = one.rules[-1].split() if one.rules else []
        if one.policy == "accept" and last[:1] in (["reject"], ["drop"]):
            yield Check(
                "firewall", "warning", False, "networks of containers",
                note=f"the last rule of {one.where} refuses what is forwarded, containers' packets too",
                hint=f'nft insert rule {one.where} iifname "wherry*" accept; and the same with oifname',
            )  # fmt: skip


def stale_bridges(links: Sequence[str], own: str) -> list[str]:
    """Bridges of roots of which nothing else is there: `links` are this machine's, `own` is this root's tag."""
    busy = {match.group(1) for name in links if (match := re.match(r"wv([0-9a-f]{6})-", name))}
    found = []
    for name in links:
        match = _BRIDGE.fullmatch(name)
        if match and match.group(1) != own and match.group(1) not in busy:
            found.append(name)
    return found


def examine(settings: Settings, host: Host) -> list[Check]:
    """All of it; nothing when there is no `nft` (which another check says)."""
    import socket

    found: list[Check] = []
    try:
        done = host.run(Command(["nft", "list", "ruleset"]))
        found += firewall(done.stdout.decode(errors="replace"))
    except HostError:
        return []
    found += _legacy()
    links = [name for _, name in socket.if_nameindex()]
    if stale := stale_bridges(links, settings.paths.tag):
        tags = sorted({name[2:8] for name in stale})
        tables = " ".join(f"nft delete table {f} wherry_{tag};" for tag in tags for f in ("inet", "bridge"))
        found.append(
            Check(
                "bridges", "warning", False, "a tidy machine",
                note=f"{', '.join(stale)}: left by a --root that was deleted",
                hint=tables + "".join(f" ip link del {name};" for name in stale),
            )
        )  # fmt: skip
    if os.path.exists(f"{settings.paths.run}/network.no-bridge-rules"):
        found.append(
            Check(
                "nft bridge", "warning", False, "containers that can't take each other's addresses",
                note="this kernel has no nft rules for bridges", hint="a kernel with CONFIG_NF_TABLES_BRIDGE",
            )
        )  # fmt: skip
    return found


def _legacy() -> Iterator[Check]:
    """Rules of iptables-legacy stand beside nft's, which does not show them."""
    try:
        with open("/proc/net/ip_tables_names", encoding="ascii") as file:
            tables = file.read().split()
    except OSError:
        return
    if "filter" in tables:
        yield Check(
            "iptables-legacy", "warning", False, "networks of containers",
            note="has rules of its own, that wherry neither sees nor passes",
            hint="iptables-legacy -P FORWARD ACCEPT, or move them: iptables-legacy-save | iptables-nft-restore",
        )  # fmt: skip
