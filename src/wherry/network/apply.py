"""Tells the kernel what `plan` wrote: `ip -batch`, `nft -f -`, a few sysctls. Every program runs through Host."""

from __future__ import annotations

import _socket  # not socket, which costs 2.5 ms of each start
import os

from wherry.errors import HostError, RuntimeFailure
from wherry.host import Command, Completed, Host
from wherry.lean import in_thread, partial, suppress
from wherry.network import plan
from wherry.network.model import Joined, Network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "Firewall",
    "add_link",
    "connect",
    "drop",
    "has_link",
    "nft",
    "our_links",
    "replace_rules",
    "takes_bridge_rules",
    "uplink_mtu",
]

_CLONE_NEWNET = 0x40000000

_SIOCGIFMTU = 0x8921
_DEFAULT_MTU = 1500
_PIPE_BYTES = 60_000


def has_link(name: str) -> bool:
    """In this process's network namespace (unlike /sys, which shows the one it was mounted in)."""
    try:
        _socket.if_nametoindex(name)
    except OSError:
        return False
    return True


def our_links(prefix: str) -> list[str]:
    """The names of this namespace's links that begin so."""
    return [name for _, name in _socket.if_nameindex() if name.startswith(prefix)]


def uplink_mtu(routes: str) -> int:
    """The MTU of the default route's device (`routes` is /proc/net/route), at most 1500."""
    device = next(
        (f[0] for line in routes.splitlines()[1:] if len(f := line.split()) > 7 and f[1] == f[7] == "0" * 8), ""
    )
    if not device:
        return _DEFAULT_MTU
    import fcntl

    with suppress(OSError):
        sock = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
        try:
            answer = fcntl.ioctl(sock.fileno(), _SIOCGIFMTU, device.encode()[:15].ljust(40, b"\0"))
            return min(_DEFAULT_MTU, int.from_bytes(answer[16:20], "little"))
        finally:
            sock.close()
    return _DEFAULT_MTU


def ip(lines: str, netns_pid: int = 0) -> Command:
    """One `ip -batch`, in the namespace of that process when given."""
    inside = ["nsenter", f"--net=/proc/{netns_pid}/ns/net"] if netns_pid else []
    return Command([*inside, "ip", "-batch", "-"], stdin=lines.encode())


def nft(rules: str, netns_pid: int = 0) -> Command:
    """One `nft -f -`, in the namespace of that process when given."""
    inside = ["nsenter", f"--net=/proc/{netns_pid}/ns/net"] if netns_pid else []
    return Command([*inside, "nft", "-f", "-"], stdin=rules.encode())


def run_beside(host: Host, commands: Sequence[Command]) -> Callable[[], list[Completed]]:
    """Start them, each in a thread; the answer waits for all and raises what the first of them raised."""
    results: list[Completed | BaseException] = [Completed(0, b"", b"")] * len(commands)

    def work(index: int) -> None:
        try:
            results[index] = host.run(commands[index])
        except BaseException as fault:
            results[index] = fault

    joins = [in_thread(partial(work, index)) for index in range(len(commands))]

    def wait() -> list[Completed]:
        for join in joins:
            join()
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return [result for result in results if isinstance(result, Completed)]

    return wait


def checked(done: Completed, what: str) -> Completed:
    """Raises: RuntimeFailure with what the program said."""
    if done.status:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise RuntimeFailure(
            f"cannot {what}: {said[0] if said else f'status {done.status}'}", hint="wherry doctor says what is missing"
        )
    return done


def write_sysctl(path: str, value: str) -> None:
    """`path` is below /proc/sys/net, which shows the caller's namespace. Raises: OSError."""
    fd = os.open(f"/proc/sys/net/{path}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def read_sysctl(path: str) -> str:
    with open(f"/proc/sys/net/{path}", encoding="utf-8") as file:
        return file.read().strip()


def connect(
    host: Host, joined: Sequence[Joined], netns_pid: int, mtu: int, new: Sequence[Network], beside: Sequence[Command]
) -> list[Completed]:
    """The links, and addresses and routes at their far ends; before them the bridges that are `new`.

    `beside` (nft) runs meanwhile; its results are the answer. Nothing of the links stays when it fails.
    Raises: RuntimeFailure, HostError.
    """
    wait = run_beside(host, beside)
    try:
        lines = "".join(plan.bridge_lines(one, mtu) for one in new)
        lines += "".join(plan.veth_lines(one, netns_pid, mtu) for one in joined)
        names = ", ".join(one.endpoint.bridge for one in joined)
        checked(host.run(ip(lines)), f"connect the container to {names}")
        for one in new:
            _bridge_sysctls(one)
        inside = plan.inside_lines(joined, plan.gateway_of(joined))
        checked(host.run(ip(inside, netns_pid)), f"set the address {joined[0].endpoint.address}")
    except BaseException:
        for link in (*(one.endpoint.link for one in joined), *(one.bridge for one in new)):
            if has_link(link):
                host.run(Command(["ip", "link", "del", "dev", link]))
        wait()
        raise
    return wait()


def add_link(host: Host, one: Joined, netns_pid: int, mtu: int, new: bool, gateway: Joined | None) -> None:
    """One network more for a running container; `gateway` is its new way out. Raises: RuntimeFailure, HostError."""
    try:
        lines = (plan.bridge_lines(one.network, mtu) if new else "") + plan.veth_lines(one, netns_pid, mtu)
        checked(host.run(ip(lines)), f"connect the container to {one.endpoint.bridge}")
        if new:
            _bridge_sysctls(one.network)
        if one.endpoint.address6:
            write_inside(
                netns_pid, {f"ipv6/conf/{one.endpoint.device}/{name}": "0" for name in ("accept_ra", "disable_ipv6")}
            )
        checked(host.run(ip(plan.inside_lines([one], gateway), netns_pid)), f"set the address {one.endpoint.address}")
    except BaseException:
        for link in (one.endpoint.link, *([one.network.bridge] if new else [])):
            if has_link(link):
                host.run(Command(["ip", "link", "del", "dev", link]))
        raise


def write_inside(netns_pid: int, values: Mapping[str, str]) -> None:
    """Sysctls below net/ of that process's namespace. Raises: HostError.

    By a thread that goes there: /proc/sys/net shows the namespace of whoever looks.
    """
    from wherry import lean_ctypes as ctypes

    faults: list[OSError] = []

    def work() -> None:
        try:
            fd = os.open(f"/proc/{netns_pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(fd, _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
                for path, value in values.items():
                    write_sysctl(path, value)
            finally:
                os.close(fd)
        except OSError as fault:
            faults.append(fault)

    in_thread(work)()
    if faults:
        raise HostError(f"cannot set {', '.join(values)} in the container: {faults[0].strerror}")


def _bridge_sysctls(network: Network) -> None:
    bridge = network.bridge
    if read_sysctl("ipv4/ip_forward") != "1":
        write_sysctl("ipv4/ip_forward", "1")
    # Lets 127.0.0.1:PORT of this host be sent to a container; the `guard` chain keeps the way back shut
    write_sysctl(f"ipv4/conf/{bridge}/route_localnet", "1")
    with suppress(OSError):  # no IPv6 in this kernel
        if network.pool6:
            # A container must not tell this machine where its way out is
            write_sysctl(f"ipv6/conf/{bridge}/accept_ra", "0")
            _forward_ipv6()
        else:
            write_sysctl(f"ipv6/conf/{bridge}/disable_ipv6", "1")


def _forward_ipv6() -> None:
    """Make this machine an IPv6 router. A router no longer listens to other routers: what did so until now goes on."""
    if read_sysctl("ipv6/conf/all/forwarding") != "0":
        return
    for device in os.listdir("/proc/sys/net/ipv6/conf"):
        if device not in ("all", "default") and read_sysctl(f"ipv6/conf/{device}/accept_ra") == "1":
            write_sysctl(f"ipv6/conf/{device}/accept_ra", "2")
    write_sysctl("ipv6/conf/all/forwarding", "1")


def replace_rules(host: Host, rules: str) -> Completed:
    """One atomic transaction. Raises: RuntimeFailure."""
    return checked(host.run(nft(rules)), "write the network rules")


def takes_bridge_rules(host: Host) -> bool:
    """Whether this kernel's nft has rules for bridges: asked without changing anything.

    Only nft's own refusal counts as none: a program that was killed says nothing about the kernel.
    """
    asked = nft("table bridge wherry_asks {\n chain c {\n  type filter hook forward priority 0;\n }\n}\n")
    return host.run(asked._replace(argv=["nft", "-c", "-f", "-"])).status != 1


def drop(host: Host, rules: str, links: Sequence[str], lock: tuple[int, str]) -> int:
    """Start writing `rules` and taking `links` away, and do not wait: the kernel takes 50 ms. Returns the child's pid.

    `lock` is the held lock file, fd and path: the child holds it until it is done, so that the next container waits
    for it. With rules, it empties the file when nft agreed: as long as something is in it, `sweep` tries again.
    """
    if len(rules) > _PIPE_BYTES:
        replace_rules(host, rules)
        rules = plan.NOTHING
    lines = "".join(f"link del dev {link}\\n" for link in links)
    away = f"printf '{lines}' | ip -force -batch - 2>/dev/null" if links else ":"
    # Side by side: both mostly wait for the kernel
    script = f'{away} & nft -f - && wait && : >"$1"; wait' if rules else away
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        os.write(writing, rules.encode())
        os.close(writing)
        # As its output, which nothing writes to: a fd that is made inheritable could reach another thread's program
        return host.spawn(Command(["sh", "-c", script, "sh", lock[1]]), stdin=reading, stdout=lock[0], session=True)
    finally:
        os.close(reading)


def foreign_chains(listing: str) -> list[tuple[str, str, str]]:
    """Where other firewalls would drop forwarded packets, from `nft list chains`: (family, table, chain).

    Docker's own hook for others, DOCKER-USER, where it is; else each base chain on forward that drops by default.
    """
    found: list[tuple[str, str, str]] = []
    family = name = chain = ""
    for line in listing.splitlines():
        words = line.split()
        if words[:1] == ["table"]:
            family, name = words[1], words[2]
        elif words[:1] == ["chain"]:
            chain = words[1]
            if (family, name, chain) == ("ip", "filter", "DOCKER-USER"):
                found.append((family, name, chain))
        elif "hook forward" in line and "policy drop" in line and family in ("ip", "inet"):
            found.append((family, name, chain))
    if ("ip", "filter", "DOCKER-USER") in found:
        found = [one for one in found if one[:2] != ("ip", "filter") or one[2] == "DOCKER-USER"]
    return found


class Firewall:
    """Our passage through other firewalls. `record` is the file that says where it was made."""

    def __init__(self, host: Host, tag: str, record: str) -> None:
        self._host = host
        self._tag = tag
        self._record = record

    def open(self, listing: str, named: Sequence[str] = ()) -> None:
        """Where `listing` (of `nft list chains`) shows that it is needed. A chain that others lock stays shut.

        `named` are bridges that the user gave names to."""
        chains = foreign_chains(listing)
        if not chains:
            return
        self.close()
        fd = os.open(self._record, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, "".join(f"{' '.join(one)}\n" for one in chains).encode())
        finally:
            os.close(fd)
        for family, name, chain in chains:
            self._host.run(nft(plan.pass_rules(self._tag, family, name, chain, named)))

    def close(self) -> None:
        """Idempotent, and forgiving: the other firewall may have gone, or begun anew."""
        try:
            with open(self._record, encoding="utf-8") as file:
                chains = [line.split() for line in file if len(line.split()) == 3]
        except FileNotFoundError:
            return
        ours = plan.table(self._tag)
        for family, name, chain in chains:
            # Found by its text: a remembered handle could by now be another rule's
            listing = self._host.run(Command(["nft", "-a", "list", "chain", family, name, chain]))
            rules = "".join(
                f"delete rule {family} {name} {chain} handle {handle}\n"
                for handle in jump_handles(listing.stdout.decode(errors="replace"), ours)
            )
            self._host.run(nft(f"{rules}delete chain {family} {name} {ours}\n"))
        with suppress(FileNotFoundError):
            os.unlink(self._record)


def jump_handles(listing: str, target: str) -> list[str]:
    """The handles of `jump TARGET` rules in `nft -a list chain`."""
    return [
        words[-1]
        for line in listing.splitlines()
        if (words := line.split())[-2:-1] == ["handle"] and words[:2] == ["jump", target]
    ]
