"""A container as a cloud would start it: read-only, limited, nobody in particular, told its port; until it is ready."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from wherry.cancel import Cancel
from wherry.contract.model import App
from wherry.errors import NotFound, WherryError
from wherry.oci.config import ContainerConfig, Healthcheck
from wherry.runtime.logs import LogQuery
from wherry.runtime.options import MountRequest, RunOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine
    from wherry.store.images import ImageRecord

__all__ = ["LABEL", "NotReady", "Place", "Running", "lines", "listening", "place", "started", "sweep"]

LABEL = "wherry.verify.owner"
ANY_USER = "1000650000:0"
CPUS, MEMORY = "1", "2g"
_STEP_S = 0.01
# /proc/PID/net/tcp is the walk of a table as large as the machine: 20 ms each, taken from the application that starts
_LOOK_S = 0.5
_LINES = 20
_LISTEN = "0A"
_PORT, _OTHER_PORT = 8080, 8081


class NotReady(WherryError):
    """It did not get ready, or ended before: the message has the reason and its last lines."""

    code = "not-ready"


class Place(NamedTuple):
    """How it is to run. `port` is what $PORT says; `own_port` the one that the image names, 0 when it names none."""

    options: RunOptions
    port: int
    own_port: int
    app: App
    health: str
    """The health check's words, "" when there is none or the contract says what ready means."""

    def asks_health(self, port: int) -> bool:
        """Not one that has another port in it than the one that the container was told, and listens on."""
        is_stale = port != self.own_port and str(self.own_port) in self.health and "PORT" not in self.health
        return bool(self.health) and not (self.own_port and is_stale)


class Running(NamedTuple):
    """A container that is ready. `port` is where it listens, `honours_port` whether that is what $PORT said."""

    id: str
    address: str
    port: int
    ready_s: float
    place: Place

    @property
    def base(self) -> str:
        return f"http://{self.address}:{self.port}"

    @property
    def honours_port(self) -> bool:
        return self.port == self.place.port


def place(config: ContainerConfig, app: App, *, writable: bool, host: tuple[int, int]) -> Place:
    """Pure. `host` is (cpus, memory in bytes) of this machine: no limit may be over it. Raises: InputError."""
    from wherry.runtime.parse_values import cpus_nano, size_bytes

    own = app.port or next((int(one.partition("/")[0]) for one in config.exposed_ports if not one.endswith("/udp")), 0)
    # A number that the image can't have in it by chance shows whether it heeds $PORT
    port = _PORT if own != _PORT else _OTHER_PORT
    user = app.user or ANY_USER
    tmpfs = tuple(MountRequest("tmpfs", "", path, options=("mode=1777",)) for path in ("/tmp", *app.writable))
    env = (f"PORT={port}", "HOME=/tmp", *(f"{name}={value}" for name, value in app.env.items()))
    memory = size_bytes(app.memory or MEMORY)
    options = RunOptions(
        env=env, user="" if user == "image" else user, detach=True, read_only=not writable, cap_drop=("ALL",),
        no_new_privileges=True, security_opt=("no-new-privileges",), memory_bytes=min(memory, host[1]),
        nano_cpus=min(cpus_nano(app.cpus or CPUS), host[0] * 10**9), mounts=tmpfs, health=_health(config, app),
        labels={LABEL: str(os.getpid())},
    )  # fmt: skip
    test = config.healthcheck.test if config.healthcheck and _has_health(config) and not app.ready else ()
    return Place(options, port, own, app, " ".join(test))


def _has_health(config: ContainerConfig) -> bool:
    return config.healthcheck is not None and config.healthcheck.test[:1] not in {(), ("NONE",)}


def _health(config: ContainerConfig, app: App) -> Healthcheck | None:
    """The image's own, asked often while it starts: docker's 30 s between two looks would be our 30 s, too."""
    if not _has_health(config):
        return None
    if app.ready:
        return Healthcheck(("NONE",))
    return Healthcheck((), start_period_ns=int((app.timeout_s + 60) * 1e9), start_interval_ns=100_000_000)


@contextmanager
def started(
    engine: Engine, image: ImageRecord, where: Place, cancel: Cancel, meanwhile: Callable[[], None] = lambda: None
) -> Iterator[Running]:
    """Removed at the end, whatever happens. `meanwhile` is called once while it starts.

    Raises: NotReady, RuntimeFailure, Cancelled.
    """
    began = time.monotonic()
    row = engine.containers.create(str(image.id), where.options)
    try:
        engine.containers.start(row.id)
        meanwhile()
        yield _ready(engine, row.id, where, began, cancel)
    finally:
        with suppress(NotFound):
            engine.containers.remove(row.id, force=True, volumes=True)


def sweep(engine: Engine) -> None:
    """Remove what a killed verify left: a container whose owner is gone."""
    rows = engine.db.read().execute("SELECT id, labels FROM container WHERE labels LIKE ?", (f"%{LABEL}%",)).fetchall()
    for id, labels in rows:
        found = re.search(rf'"{re.escape(LABEL)}": ?"(\d+)"', labels)
        if found and not os.path.exists(f"/proc/{found[1]}"):
            with suppress(WherryError):
                engine.containers.remove(id, force=True, volumes=True)


def _ready(engine: Engine, id: str, where: Place, began: float, cancel: Cancel) -> Running:
    deadline = began + where.app.timeout_s
    joined = engine.networks.of(id)
    address = joined.endpoint.address if joined and joined.endpoint else "127.0.0.1"
    lacks = "it listens on no TCP port"
    next_look = began
    while True:
        cancel.check()
        state = engine.containers.state(id)
        if not state.is_running:
            raise _ended(engine, id)
        ports: dict[int, bool] = {}
        if time.monotonic() >= next_look or any(_accepts(address, one) for one in (where.port, where.own_port)):
            ports = listening(state.pid)
            next_look = time.monotonic() + _LOOK_S
        port = _port(where, ports)
        if port:
            now = time.monotonic()
            lacks = _lacks(where, state.health, address, port, ports)
            if not lacks:
                return Running(id, address, port, now - began, where)
        if time.monotonic() > deadline:
            raise NotReady(f"it is not ready after {where.app.timeout_s:g} s: {lacks}{_last_lines(engine, id)}",
                           hint="a slower start needs app: timeout in the contract, or --timeout")  # fmt: skip
        cancel.wait(_STEP_S)


def _accepts(address: str, port: int) -> bool:
    if not port:
        return False
    try:
        socket.create_connection((address, port), timeout=0.1).close()
    except OSError:
        return False
    return True


def _port(where: Place, ports: dict[int, bool]) -> int:
    """$PORT first, then the image's own, then the lowest that answers from outside."""
    for one in (where.port, where.own_port):
        if one in ports:
            return one
    return 0 if where.own_port else min(ports, default=0)


def _lacks(where: Place, health: dict[str, object] | None, address: str, port: int, ports: dict[int, bool]) -> str:
    """What it still lacks, or ""."""
    if not ports[port]:
        return f"port {port} listens on 127.0.0.1 only, which nothing outside the container reaches: bind to 0.0.0.0"
    if where.asks_health(port):
        status = str((health or {}).get("Status", "starting"))
        log = (health or {}).get("Log")
        said = str(log[-1].get("Output", "")).strip()[-300:] if isinstance(log, list) and log else ""
        return "" if status == "healthy" else f"its health check says {status}" + (f": {said}" if said else "")
    return _asked(address, port, where.app.ready) if where.app.ready else ""


def _asked(address: str, port: int, path: str) -> str:
    """What its ready path lacks: any answer below 400 will do."""
    import http.client

    connection = http.client.HTTPConnection(address, port, timeout=5)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as fault:
        return f"GET {path}: {fault or type(fault).__name__}"
    finally:
        connection.close()
    return "" if status < 400 else f"GET {path} is answered with {status}"


def listening(pid: int) -> dict[int, bool]:
    """TCP ports that something in the container listens on -> whether it is reached from outside."""
    found: dict[int, bool] = {}
    for name in ("tcp", "tcp6"):
        try:
            with open(f"/proc/{pid}/net/{name}", encoding="ascii") as file:
                rows = [line.split() for line in file][1:]
        except OSError:
            continue
        for row in rows:
            if row[3] == _LISTEN:
                host, _, port = row[1].rpartition(":")
                number = int(port, 16)
                found[number] = found.get(number, False) or not _is_loopback(host)
    return found


def _is_loopback(host: str) -> bool:
    """Of the kernel's hexadecimal: 127.0.0.0/8 (little-endian), ::1."""
    return host[-2:] == "7F" if len(host) == 8 else host in {"0" * 24 + "01000000", "0" * 16 + "FFFF0000" + "0100007F"}


def _ended(engine: Engine, id: str) -> NotReady:
    state = engine.containers.state(id)
    why = f"it ended with code {state.exit_code} before it was ready"
    if state.oom_killed:
        why += ": it ran out of memory"
    hint = "a larger limit: app: memory in the contract, or --memory" if state.oom_killed else None
    return NotReady(why + _last_lines(engine, id), hint=hint)


def lines(engine: Engine, id: str, tail: int = -1) -> list[tuple[str, str]]:
    """(stream, line) of its log, without line ends."""
    try:
        found = engine.containers.logs(id, LogQuery(tail=tail))
        return [(stream, line.decode("utf-8", "replace").rstrip("\n")) for stream, line in found]
    except WherryError:
        return []


def _last_lines(engine: Engine, id: str) -> str:
    said = [line for _, line in lines(engine, id, _LINES)]
    return "; its last lines:\n" + "\n".join(said) if said else "; it wrote nothing"
