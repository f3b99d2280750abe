"""The monitor: one small process that owns one container. Standard library only; docs/adr/0050-monitor.md.

It runs as `python -I -S -c BOOT CONTROL_FD` and imports nothing of wherry but its own modules, `monitor_*.py`. The
engine talks to it over a SEQPACKET socket; the first byte of a packet is its kind, JSON follows, and fds where named:
  engine → `P` the plan below, with the fd of the root file system (a detached mount) unless it adopts
  monitor → `r` {"pid"}: the namespaces are ready, the root is attached
  engine → `G` {"listeners": [[protocol, address, port], ...], "mounts": N}, with a listening fd for each of these,
           N fds of detached mounts, for BUNDLE/mounts/0, /1, ..., and maybe one of the container's lock, held by
           both until the container runs: who finds it free finds no start that goes on
  monitor → `s` {"pid"}: it runs   or   `f` {"log", "error"}: the runtime's complaint or its own, and it ends
From then on the engine's socket is an attached client like any other (protocol in monitor_streams.py), the `owner`.

The plan: id, bundle, socket (the attach socket's path), boot, netns ("new": one of its own; "host": none),
sysctls {name: value}, tty, size [rows, columns], stdin, stdin_once, wants (of "ioe"; the engine's own client),
log (in monitor_log.py) or null, restart {name, max}, run, delete (the runtime's argv), env, pid_file,
runtime_log, console, memory_events (files that count OOM kills), cgroups (its folders), health or null, remove (--rm),
cleaner (argv), adopt {pid, start, started_ns, restarts} or null, events {folder, attributes} or null,
names (the path of what its resolver knows, once it has one; "": it never has), hold (a training run's lock, or "").
"""

from __future__ import annotations

import os
import sys
import time

from wherry.runtime import monitor_kernel as kernel
from wherry.runtime.monitor_events import Told
from wherry.runtime.monitor_io import Stdio
from wherry.runtime.monitor_log import open_log
from wherry.runtime.monitor_oom import Oom
from wherry.runtime.monitor_restart import Restarts
from wherry.runtime.monitor_spaces import become_cleaner, enter, hold
from wherry.runtime.monitor_streams import IN, Clients, Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from wherry.runtime.monitor_health import Health
    from wherry.runtime.monitor_streams import Client

_LAST_WORDS_S = 2.0


NOT_COPIED = "could not ensure we are a cloned binary"


class Monitor:
    """One container, from its first start to the end of its last run."""

    def __init__(self, plan: dict[str, Any], control: kernel.Socket, host_spaces: tuple[int, int]) -> None:
        self.plan, self.bundle = plan, plan["bundle"]
        self._spaces = host_spaces
        self.loop = Loop()
        self.clients = Clients(self.loop, self._on_input)
        self._control = self.clients.add(control, plan["wants"], owner=bool(plan["wants"]))
        self.log = open_log(plan["log"], self.loop, host_spaces[0], strict=not plan["adopt"])
        self.stdio = Stdio(self.loop, self.clients, self.log, self.bundle)
        self.health: Health | None = None
        self.pid = self.pidfd = -1
        self.started_ns, self.started_at, self.restarts = 0, 0.0, Restarts()
        self.events = Told(plan.get("events"), plan["id"], self.bundle, kernel.encode)
        self.oom = Oom(self.loop, plan["memory_events"], lambda: self.events.say("oom"))
        self._waiting = self._over = self._cleaned = False
        self._proxy: Any = None
        self._resolver: Any = None
        on_children(self.loop, self._reap)

    def spawn(self, argv: list[str], fds: list[int]) -> int:
        return spawn(argv, self.plan["env"], fds)

    def start(self) -> str | None:
        """Have the runtime start it. None, or the runtime's complaint."""
        plan = self.plan
        fds = self.stdio.prepare(tty=plan["tty"], stdin=plan["stdin"], console=plan["console"])
        oom_kills = self.oom.count()
        try:
            status = run_runtime(plan, fds)
        except OSError as fault:
            self.stdio.discard()
            return f"{plan['run'][0]}: {fault.strerror}"
        finally:
            for fd in fds:
                os.close(fd)
        if status != 0:
            self.stdio.discard()
            return read_text(plan["runtime_log"]) or f"the runtime ended with status {status}"
        self.pid = int(read_text(plan["pid_file"]))
        self.started_ns, self.started_at = time.time_ns(), time.monotonic()
        self.oom.begin(oom_kills)
        try:
            self._reserve()
            self._record_run()
        except OSError as fault:
            # Without its record nobody would know that it runs
            os.kill(self.pid, kernel.signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.stdio.discard()
            return f"the container can't be recorded: {fault.strerror}"
        self.events.say("start")
        self.oom.catch_up()
        self.stdio.started(plan["size"])
        self._watch_health()
        return None

    def _reserve(self) -> None:
        """A block on the disk that the exit record can have when there is no other left."""
        if not self.plan["remove"]:
            fd = os.open(f"{self.bundle}/reserve", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(fd, bytes(8192))
            finally:
                os.close(fd)

    def adopt(self) -> None:
        """Take over a container whose monitor was killed."""
        was = self.plan["adopt"]
        self.pid, self.started_ns, self.restarts = was["pid"], was["started_ns"], Restarts(was["restarts"])
        self.started_at = time.monotonic() - kernel.age_s(self.pid)
        self.pidfd = os.pidfd_open(self.pid)
        self.oom.begin()
        self._record_run()
        if not self.plan["tty"]:
            self.stdio.adopt("stdout")
            self.stdio.adopt("stderr")
        self.stdio.started(None)
        self.loop.watch(self.pidfd, IN, lambda _: self._lost_child())
        self._watch_health(go_on=True)

    def _record_run(self) -> None:
        kernel.replace(f"{self.bundle}/run.json", {
            "boot": self.plan["boot"], "pid": self.pid, "start": kernel.start_time(self.pid),
            "started_ns": self.started_ns, "restarts": self.restarts.count,
        })  # fmt: skip

    def _watch_health(self, *, go_on: bool = False) -> None:
        if self.plan["health"]:
            from wherry.runtime.monitor_health import Health

            self.health = Health(self, self.plan["health"], self.started_at, go_on=go_on)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.pid:
                self._on_exit(os.waitstatus_to_exitcode(status))
            elif self.health:
                self.health.reaped(pid, os.waitstatus_to_exitcode(status))

    def _lost_child(self) -> None:
        self.loop.forget(self.pidfd)
        status = kernel.exit_status(self.pidfd, self.pid)
        os.close(self.pidfd)
        self.pidfd = -1
        if status is None:
            return self._on_exit(
                255, "its first monitor was killed, and this kernel does not tell others the exit code"
            )
        return self._on_exit(os.waitstatus_to_exitcode(status))

    def _on_exit(self, code: int, error: str = "") -> None:
        self.pid = -1
        if self.health:
            self.health.stop()
            self.health = None
        self.stdio.drain()
        ran_s = time.monotonic() - self.started_at
        record = {
            "started_ns": self.started_ns, "finished_ns": time.time_ns(), "code": code if code >= 0 else 128 - code,
            "oom": self.oom.happened(), "error": error, "again_ns": 0,
        }  # fmt: skip
        stopped = os.path.exists(f"{self.bundle}/stopped")
        delay_s = self.restarts.after(self._policy(), code, ran_s, stopped=stopped)
        self._waiting = delay_s is not None
        if delay_s is not None:
            record["again_ns"] = time.time_ns() + int(delay_s * 1e9)
            self.loop.at(delay_s, self._restart)
        self._record_end(record)
        self.events.say("die", execDuration=str(int(ran_s)), exitCode=str(record["code"]))
        self._announce(record)

    def _record_end(self, record: dict[str, Any]) -> None:
        for name in ("reserve", ""):
            try:
                # A container that is removed at its end needs no record after a power cut: fsync is for the others
                kernel.replace(f"{self.bundle}/exit.json", record, durable=not self.plan["remove"])
                break
            except OSError:
                if name:
                    kernel.unlink(f"{self.bundle}/{name}")

    def _announce(self, record: dict[str, Any]) -> None:
        self.clients.send(b"x", kernel.encode(record).encode())
        if not self._waiting:
            self._over = True
            self.loop.at(_LAST_WORDS_S, self.clients.close_others)

    def _policy(self) -> dict[str, Any]:
        """The plan's, or what `update --restart` said since."""
        changed = read_text(f"{self.bundle}/restart.json")
        return kernel.decode(changed.encode()) if changed else self.plan["restart"]

    def _restart(self) -> None:
        if not self._waiting:
            return
        self._waiting = False
        if os.path.exists(f"{self.bundle}/stopped"):
            self._give_up()
            return
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        os.waitpid(self.spawn(self.plan["delete"], [null, null, null]), 0)
        os.close(null)
        self.restarts.count += 1
        complaint = self.start()
        if complaint is not None:
            kernel.replace(f"{self.bundle}/failed.json", {"code": 127, "error": complaint, "at_ns": time.time_ns()})
            self._give_up()

    def _give_up(self) -> None:
        """No restart after all: the record of the last run must not promise one."""
        self._waiting = False
        record = kernel.decode(read_text(f"{self.bundle}/exit.json").encode() or b"{}")
        record["again_ns"] = 0
        self._record_end(record)
        self._announce(record)

    def _on_input(self, client: Client, packet: bytes) -> None:
        kind, data = packet[:1], packet[1:]
        if kind == b"I" and "i" in client.wants:
            self.stdio.input(client, data)
        elif kind == b"R" and data.strip():
            self.stdio.resize_to(data)
            size = data.decode("ascii", "replace").split()
            self.events.say("resize", height=size[0][:9], width=size[-1][:9])
        elif kind == b"Z" and self.health:
            self.health.look()
        elif kind == b"N":
            self._on_networks(data.decode("ascii", "replace"))
        elif kind == b"Q" and self._waiting and os.path.exists(f"{self.bundle}/stopped"):
            self._give_up()
        elif kind == b"":
            # A promise of who went before the end was about an end that did not come
            self._cleaned = self._cleaned or (client.cleans and self._over)
            if "i" in client.wants and self.plan["stdin_once"]:
                self.stdio.input(client, b"")

    def serve(self, listeners: list[tuple[int, str, str, int]]) -> None:
        """Relay published ports."""
        if listeners:
            from wherry.runtime.monitor_proxy import Proxy

            self._proxy = Proxy(listeners)  # type: ignore[no-untyped-call,unused-ignore]
            self.loop.watch(self._proxy.fileno(), IN, lambda _: self._proxy.turn())

    def resolve(self) -> None:
        """Answer for names, when there is a file that says which (docs/adr/0183-names-by-a-resolver.md)."""
        path = self.plan.get("names", "")
        if self._resolver is None and path and os.path.exists(path):
            from wherry.runtime.monitor_dns import start

            self._resolver = start(self.loop, path, self._spaces[0])

    def _on_networks(self, address: str) -> None:
        """The container's networks have changed; `address` is where its published ports are now."""
        self.resolve()
        if self._proxy and address:
            self._proxy.retarget(address)

    def tell(self, kind: bytes, value: dict[str, Any]) -> None:
        self.clients.give(self._control, kind + kernel.encode(value).encode())

    def run(self) -> None:
        while not (self._over and self.clients.is_drained() and self.clients.owner() is None):
            self.loop.turn()
        for _ in range(2):  # who came a moment ago: let them in, and hear what they say
            self.loop.turn(0)
        if self._cleaned or self.clients.is_cleaned_after():
            self._remove_cgroups()
            os._exit(0)
        become_cleaner(self.plan, self._spaces)

    def _remove_cgroups(self) -> None:
        """The slowest part of the clean-up (3 ms), beside the client that does the rest; what fails here, it does."""
        for folder in self.plan["cgroups"]:
            try:
                os.rmdir(folder)
            except OSError:
                continue


def on_children(loop: Loop, reap: Callable[[], None]) -> None:
    """Call `reap` whenever a child ends, and let no polite signal end us: the container's end does."""
    wake, wakes = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    kernel.signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    for number in (kernel.signal.SIGCHLD, kernel.signal.SIGTERM, kernel.signal.SIGINT, kernel.signal.SIGHUP):
        # Handlers, not SIG_IGN: exec resets them in children
        kernel.signal.signal(number, lambda *_: None)

    def woken(_: int) -> None:
        try:
            os.read(wake, 512)
        except BlockingIOError:
            pass
        reap()

    loop.watch(wake, IN, woken)


def spawn(argv: list[str], env: dict[str, str], fds: list[int]) -> int:
    """Start a program with `fds` as its 0, 1 and 2; the pid. Raises: OSError."""
    actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(fds)]
    return os.posix_spawnp(
        argv[0], argv, env, file_actions=actions,
        setsigdef=[kernel.signal.SIGPIPE, kernel.signal.SIGXFSZ], setsigmask=[],
    )  # fmt: skip


def run_runtime(plan: dict[str, Any], fds: list[int]) -> int:
    """The runtime's exit status. Raises: OSError.

    runc copies itself into a sealed memfd before it starts anything, and the kernel refuses the seal (EBUSY) while
    something else of it holds one of the copy's pages for a moment. Nothing has begun then: it is tried again.
    """
    log, tries = plan["runtime_log"], 0
    before = read_text(log).count(NOT_COPIED)
    while True:
        tries += 1
        status = os.waitstatus_to_exitcode(os.waitpid(spawn(plan["run"], plan["env"], fds), 0)[1])
        # One line of the log for each try that ended so
        if status == 0 or tries == 3 or read_text(log).count(NOT_COPIED) < before + tries:
            return status


def read_text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 20)
    except OSError:
        return ""


def receive(control: kernel.Socket) -> tuple[bytes, dict[str, Any], list[int]]:
    """One packet of the engine; the process ends when there is no engine any more."""
    data, ancillary, _, _ = control.recvmsg(1 << 18, 4096, kernel.socket.MSG_CMSG_CLOEXEC)
    if not data:
        os._exit(1)
    fds = [fd for _, _, raw in ancillary for fd in memoryview(raw).cast("i")]
    return data[:1], kernel.decode(data[1:]), fds


def fail(control: kernel.Socket, log: str, error: str) -> None:
    """Say why there is no container, and end: the engine cleans up."""
    control.setblocking(True)
    control.send(b"f" + kernel.encode({"log": log, "error": error}).encode())
    os._exit(1)


def main(control_fd: int = -1) -> None:
    """`control_fd`: the engine's socket; -1: its number is the first argument."""
    control = kernel.Socket(fileno=control_fd if control_fd >= 0 else int(sys.argv[1]))
    _, plan, root_fds = receive(control)
    plan["held"] = hold(plan.get("hold", ""))
    host_spaces = (os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC),
                   os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC))  # fmt: skip
    try:
        kernel.become_subreaper()
        enter(plan, root_fds)
        kernel.replace(f"{plan['bundle']}/monitor.json", {
            "boot": plan["boot"], "pid": os.getpid(), "start": kernel.start_time(os.getpid()),
        })  # fmt: skip
        control.send(b"r" + kernel.encode({"pid": os.getpid()}).encode())
        _, go, fds = receive(control)
        monitor = Monitor(plan, control, host_spaces)
        monitor.clients.listen(plan["socket"])
        listening = len(go["listeners"])
        mounts, lock = fds[listening : listening + go["mounts"]], fds[listening + go["mounts"] :]
        for number, fd in enumerate(mounts):
            kernel.attach(fd, f"{plan['bundle']}/mounts/{number}")
            os.close(fd)
        monitor.serve([(fd, *where) for fd, where in zip(fds[:listening], go["listeners"], strict=True)])
        monitor.resolve()
        complaint = None if plan["adopt"] else monitor.start()
        if plan["adopt"]:
            monitor.adopt()
    except OSError as fault:
        fail(control, "", f"{fault.filename or 'monitor'}: {fault.strerror}")
    if complaint is not None:
        fail(control, complaint, "")
    for fd in lock:
        os.close(fd)
    monitor.tell(b"s", {"pid": monitor.pid})
    monitor.run()
