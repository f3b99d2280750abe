"""A host, an outside world and containers, each in a network namespace that the test makes: this machine's own links,
rules and addresses are never touched.

The test process itself sits in the namespace of the "host" while a test runs.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from wherry.engine import Engine
from wherry.host.linux import LinuxHost
from wherry.network.model import Attachment, FileRequest, Listener, NetworkRequest, PortMapping
from wherry.settings import Paths, Settings

HOST, OUTSIDE = "198.51.100.1", "198.51.100.2"
SOURCE = Path(__file__).parents[2] / "src"
PROGRAMS = Path(__file__).parent / "programs"
_CLONE_NEWNET = 0x40000000


def setns(fd: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(fd, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def run(*argv: str, check: bool = True, netns: int = 0) -> str:
    inside = ["nsenter", f"--net=/proc/{netns}/ns/net"] if netns else []
    done = subprocess.run([*inside, *argv], capture_output=True, text=True, timeout=30, check=False)
    assert not check or done.returncode == 0, f"{argv}: {done.stderr}"
    return done.stdout


def settled(find: Callable[[], object], timeout_s: float = 5) -> bool:
    """Links die a moment after their namespace."""
    deadline = time.monotonic() + timeout_s
    while not find():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Box:
    """A process in a network namespace of its own, lo up: what the monitor makes."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            ["unshare", "-n", "sh", "-c", "ip link set lo up && echo ready && exec sleep 1000"], stdout=subprocess.PIPE
        )
        assert self.process.stdout
        assert self.process.stdout.readline() == b"ready\n"
        self.pid = self.process.pid
        self.programs: list[subprocess.Popen[bytes]] = [self.process]

    def start(self, *argv: str, fds: Sequence[int] = ()) -> None:
        """A program inside that says "ready" when it is."""
        command = ["nsenter", f"--net=/proc/{self.pid}/ns/net", sys.executable, "-I", *argv]
        program = subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=fds)
        assert program.stdout
        assert program.stdout.readline() == b"ready\n"
        self.programs.append(program)

    def serve(self, port: int, protocol: str = "tcp", address: str = "0.0.0.0") -> None:
        """Answers "PEER LOCAL:text"."""
        self.start(str(PROGRAMS / "echo.py"), protocol, address, str(port))

    def relay(self, listeners: Sequence[Listener]) -> None:
        """The monitor's part: serves the host's sockets from inside."""
        plan = [[one.fd, one.protocol, one.address, one.port] for one in listeners]
        self.start(str(PROGRAMS / "relay.py"), str(SOURCE), json.dumps(plan), fds=[one.fd for one in listeners])

    def kill(self) -> None:
        for program in reversed(self.programs):
            program.kill()
            program.wait()
            if program.stdout:
                program.stdout.close()
        self.programs = []


def ask(address: str, port: int, *, netns: int = 0, protocol: str = "tcp", text: str = "hello") -> str:
    """What the echo server answers, or "" when nobody does within a second."""
    inside = ["nsenter", f"--net=/proc/{netns}/ns/net"] if netns else []
    argv = [*inside, sys.executable, "-I", str(PROGRAMS / "ask.py"), protocol, address, str(port), text]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False).stdout


class Lab:
    """`engine` works in the host's namespace; `outside` is the pid of a process in the neighbour's."""

    def __init__(self, root: Path) -> None:
        env = {"PATH": os.environ["PATH"]}
        self.paths = Paths.for_user(env, 0, str(root))
        self.engine = Engine(Settings(self.paths, env, 0, "/"), LinuxHost(env))
        self.networks = self.engine.networks
        self.boxes: list[Box] = []
        self._count = 0
        self.world = Box()
        self.boxes.append(self.world)
        self.outside = self.world.pid
        run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "eth0", "netns", str(self.outside))
        for where, netns in ((HOST, 0), (OUTSIDE, self.outside)):
            device = "eth0" if netns else "up0"
            run("ip", "addr", "add", f"{where}/24", "dev", device, netns=netns)
            run("ip", "link", "set", device, "up", netns=netns)
        run("ip", "route", "add", "default", "via", OUTSIDE)
        self.rules = run("nft", "list", "ruleset")

    def box(
        self, *ports: PortMapping, network: str = "bridge", name: str = "", relay: bool = True, names: str = ""
    ) -> tuple[Box, Attachment]:
        self._count += 1
        request = NetworkRequest(network, name or f"c{self._count}", f"h{self._count}", ports, names_path=names)
        attachment = self.networks.reserve(f"{self._count:064x}", request)
        box = Box()
        self.boxes.append(box)
        if names:
            self.networks.files(attachment, FileRequest(request.hostname))
        self.networks.plumb(attachment, box.pid)
        if relay and attachment.listeners:
            box.relay(attachment.listeners)
        self.networks.close_listeners(attachment)
        return box, attachment

    def leftovers(self) -> list[str]:
        """Links, rules, rows and files beyond those there were at the start."""
        links = [line.split()[0] for line in run("ip", "-br", "link").splitlines()]
        found = [name for name in links if name.split("@")[0] not in ("lo", "up0", "sit0", "ip6tnl0", "tunl0")]
        if run("nft", "list", "ruleset") != self.rules:
            found.append("nft rules")
        db = self.engine.db.read()
        found += [
            f"row {row[0]}"
            for table in ("sandbox", "joint", "host_port")
            for row in db.execute(f"SELECT * FROM {table}")
        ]
        with suppress(FileNotFoundError):
            found += [name for name in os.listdir(self.paths.run) if name != "network.lock"]
            found += ["dirty lock"] * (os.stat(f"{self.paths.run}/network.lock").st_size > 0)
        return found

    def close(self) -> None:
        for box in self.boxes:
            box.kill()
        self.engine.close()


@contextmanager
def _in_new_netns() -> Iterator[None]:
    name = f"wherry-test-{os.getpid()}"
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    run("ip", "netns", "add", name)
    try:
        with open(f"/run/netns/{name}", "rb") as new:
            setns(new.fileno())
        run("ip", "link", "set", "lo", "up")
        yield
    finally:
        setns(home)
        os.close(home)
        run("ip", "netns", "del", name)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Checks at its end that nothing is left once all containers are released."""
    with _in_new_netns():
        made = Lab(tmp_path / "root")
        try:
            yield made
            for box in made.boxes[1:]:
                box.kill()
            made.networks.sweep(lambda _: False)
            for name, *_ in made.networks.book.owners():
                made.networks.release(name)
            assert settled(lambda: not made.leftovers()), made.leftovers()
        finally:
            made.close()
            with suppress(FileNotFoundError):
                for name in os.listdir(made.paths.run):
                    os.unlink(f"{made.paths.run}/{name}")
                os.rmdir(made.paths.run)


__all__ = ["HOST", "OUTSIDE", "Box", "Lab", "ask", "lab", "run", "settled", "signal"]
