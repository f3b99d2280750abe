"""What a root's networks share in the kernel: rules, bridges, links. Made and removed under one lock file.

Rows come first at a start and go first at the end; what stands here is derived from them, so that any command can put
right what a killed one left (docs/adr/0060-network-by-ip-and-nft.md).
"""

from __future__ import annotations

import os

from wherry.errors import RuntimeFailure
from wherry.fs.private import private_folder
from wherry.lean import cached_property, contextmanager, suppress
from wherry.network import apply, plan, rules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wherry.engine import Engine
    from wherry.host import Command, Completed
    from wherry.network.ipam import AddressPlan
    from wherry.network.model import Joined, Published

__all__ = ["Kernel"]


RESOLVER_PORT = 61053
"""Where a monitor answers for its container, on 127.0.0.11: outside the range that the kernel gives to anybody."""


class Kernel:
    """The kernel's side of one root's networks."""

    def __init__(self, engine: Engine, book: AddressPlan) -> None:
        self.host = engine.host
        self.book = book
        self.run = engine.settings.paths.run
        self.tag = engine.settings.paths.tag
        self._children: list[int] = []

    @contextmanager
    def lock(self) -> Iterator[int]:
        from wherry.fs.lock import locked

        private_folder(self.run)
        with locked(self.lock_path, timeout_s=60, what="the network") as fd:
            yield fd

    @property
    def lock_path(self) -> str:
        """What stands in it says that kernel objects are left that no row knows of."""
        return f"{self.run}/network.lock"

    @cached_property
    def firewall(self) -> apply.Firewall:
        return apply.Firewall(self.host, self.tag, f"{self.run}/network.passages")

    @property
    def _no_bridge_rules(self) -> str:
        """A file that says that this kernel has no nft for bridges: found out once, by trying."""
        return f"{self.run}/network.no-bridge-rules"

    @property
    def has_bridge_rules(self) -> bool:
        return not os.path.exists(self._no_bridge_rules)

    def ruleset(self, *, replace: bool) -> str:
        """The tables for the rows as they are; none at all when nobody is on any network."""
        endpoints = self.book.endpoints()
        used: set[str] = {one.bridge for one in endpoints}
        bridge = self.has_bridge_rules
        if not used:
            return rules.drop_table(self.tag, bridge=bridge)
        networks = [one for one in self.book.networks() if one.bridge in used]
        claims = [rules.Owned(one.link, one.mac, one.address, one.address6) for one in endpoints] if bridge else None
        return rules.ruleset(self.tag, networks, self.publications(), replace=replace, claims=claims)

    def publications(self) -> list[rules.Publication]:
        """All published ports."""
        return [rules.Publication(*one) for one in self.book.publications()]

    def replace_rules(self, more: str = "") -> Completed:
        """Have the tables as the rows say, in one transaction. Raises: RuntimeFailure."""
        try:
            return apply.replace_rules(self.host, self.ruleset(replace=True) + more)
        except RuntimeFailure:
            if not self.has_bridge_rules or apply.takes_bridge_rules(self.host):
                raise
            # Some small kernels have no rules for bridges: containers work there, less protected from each other
            os.close(os.open(self._no_bridge_rules, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
            try:
                return apply.replace_rules(self.host, self.ruleset(replace=True) + more)
            except BaseException:
                os.unlink(self._no_bridge_rules)
                raise

    def add(self, joined: Sequence[Joined], published: Sequence[Published]) -> str:
        """nft text for one container more, where the tables are there."""
        order = [one.endpoint for one in sorted(joined, key=lambda one: one.network.internal)]
        address6 = next((one.address6 for one in order if one.address6), "")
        publications = [rules.Publication(port, order[0].address, address6) for port in published]
        return rules.add_ports(self.tag, joined, publications, bridge=self.has_bridge_rules)

    def open_firewall(self, done: Completed) -> None:
        """Past other firewalls, whose chains `done` lists."""
        pattern = plan.pattern(self.tag).rstrip("*")
        named = [one.bridge for one in self.book.networks() if not one.bridge.startswith(pattern)]
        self.firewall.open(done.stdout.decode(errors="replace"), named)

    def missing_bridges(self, joined: Sequence[Joined]) -> list[Joined]:
        """Those networks whose bridge has still to be made."""
        return [one for one in joined if not apply.has_link(one.network.bridge)]

    def resolver_rules(self, netns_pid: int) -> list[Command]:
        """What makes port 53 of 127.0.0.11 the monitor's, in a container's namespace."""
        return [apply.nft(rules.resolver_rules(RESOLVER_PORT), netns_pid)]

    def mark(self, lock_fd: int) -> bool:
        """Say that something is left to do, whoever comes to it; whether nothing was said before."""
        was_clean = os.fstat(lock_fd).st_size == 0
        os.pwrite(lock_fd, b"dirty\n", 0)
        return was_clean

    def unmark(self, lock_fd: int) -> None:
        """All is done."""
        os.ftruncate(lock_fd, 0)

    def drop_links(self, links: Sequence[str], lock_fd: int) -> None:
        """Take links away without waiting for it."""
        self._children.append(apply.drop(self.host, "", links, (lock_fd, self.lock_path)))

    def drop(self, links: Sequence[str], lock_fd: int) -> None:
        """Those links, every bridge that nobody is on, links without a row, and the rules for what is left."""
        endpoints = self.book.endpoints()
        used = {one.bridge for one in endpoints}
        if not used:
            self.firewall.close()
        idle = [one.bridge for one in self.book.networks() if one.bridge not in used and apply.has_link(one.bridge)]
        known = {*links, *(one.link for one in endpoints)}
        stray = [name for name in apply.our_links(self.book.link_prefix()) if name not in known]
        lock = (lock_fd, self.lock_path)
        away = [*links, *stray, *idle]
        self._children.append(apply.drop(self.host, self.ruleset(replace=True), away, lock))

    def finish(self) -> None:
        """What a killed command, or its child, did not come to."""
        from wherry.errors import Locked
        from wherry.fs.lock import locked

        try:
            if not os.stat(self.lock_path).st_size:
                return
            with locked(self.lock_path, timeout_s=0, what="the network") as fd:
                if os.fstat(fd).st_size:
                    self.drop([], fd)
                    with suppress(ChildProcessError):
                        os.waitpid(self._children.pop(), 0)
        except (Locked, FileNotFoundError):
            return

    def reap(self) -> None:
        """Collect children that are done."""
        for pid in [*self._children]:
            with suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG)[0] == 0:
                    continue
            self._children.remove(pid)

    def forget_flows(self, address: str) -> None:
        """UDP flows that are rewritten to an address that nobody has any more."""
        from wherry.network.conntrack import forget_udp

        # Without connection tracking in the kernel there is nothing to forget
        with suppress(OSError):
            forget_udp(address)

    def forget_names(self, number: int) -> None:
        """The names file of a network that nobody is on."""
        with suppress(FileNotFoundError):
            os.unlink(self.names_path(number))

    def names_path(self, number: int) -> str:
        """Who is on that network, for the resolvers of its containers."""
        return f"{self.run}/network.names.{number}"
