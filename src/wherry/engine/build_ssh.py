"""RUN --mount=type=ssh: a socket for each mount, behind which the user's agent lists keys and signs, and nothing else.

A step can neither add, remove nor lock the user's keys: only what BuildKit lets through goes to the agent.
Spec: https://datatracker.ietf.org/doc/html/draft-miller-ssh-agent-14
"""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from wherry.errors import HostError, InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.build.graph import RunMount
    from wherry.build.secrets import SshSource
    from wherry.host import Host
    from wherry.settings import Settings

__all__ = ["Agents", "Relay", "exchange", "is_allowed"]

_LIST, _SIGN = 11, 13
_FAILURE = b"\0\0\0\1\5"
_LARGEST_MESSAGE = 256 << 10
_START_S = 10.0


def is_allowed(message: bytes) -> bool:
    """Whether a request (without its length) may reach the agent: listing keys, and signing."""
    return message[:1] in {bytes([_LIST]), bytes([_SIGN])}


class Agents:
    """For one build, as a context: agents for key files are started at their first use, and ended with it.

    Raises, where it is made: InputError in docker's words.
    """

    def __init__(self, settings: Settings, host: Host, sources: Sequence[SshSource]) -> None:
        self._host = host
        self._env = settings.env
        self._stack = ExitStack()
        self._lock = threading.Lock()
        self._sockets: dict[str, str] = {}
        self._keys: dict[str, tuple[str, ...]] = {}
        for one in sources:
            paths = one.paths or _own_agent(settings)
            whole = tuple(os.path.join(settings.cwd, path) for path in paths)
            if _is_socket(whole[0], paths[0]):
                if len(whole) > 1:
                    raise InputError("only single socket allowed", hint="--ssh NAME=SOCKET")
                self._sockets[one.id] = whole[0]
            else:
                for path, written in zip(whole, paths, strict=True):
                    _check_key(path, written)
                self._keys[one.id] = whole

    @property
    def ids(self) -> frozenset[str]:
        return frozenset((*self._sockets, *self._keys))

    def close(self) -> None:
        """End the agents that were started. Idempotent."""
        self._stack.close()

    @contextmanager
    def socket(self, mount: RunMount, workdir: str) -> Iterator[str]:
        """The path of a socket in `workdir` with the mount's owner and mode, answered until the block ends."""
        with Relay(f"{workdir}/agent.{os.urandom(4).hex()}", self._agent(mount.id)) as relay:
            os.chown(relay.path, mount.uid, mount.gid)
            os.chmod(relay.path, 0o600 if mount.mode is None else mount.mode)
            yield relay.path

    def _agent(self, id: str) -> str:
        with self._lock:
            if id not in self._sockets:
                self._sockets[id] = self._stack.enter_context(self._started(self._keys[id]))
            return self._sockets[id]

    @contextmanager
    def _started(self, keys: Sequence[str]) -> Iterator[str]:
        """An ssh-agent of the host with these keys in its memory, in the foreground: it dies with our pipe's end."""
        import signal
        import tempfile

        from wherry.host import Command

        with tempfile.TemporaryDirectory(prefix="wherry-ssh-") as folder:
            path = f"{folder}/agent"
            pid = self._host.spawn(Command(["ssh-agent", "-D", "-a", path]))
            started = self._host.start_time(pid) or 0
            try:
                _wait_for(path)
                env = {"SSH_AUTH_SOCK": path, "SSH_ASKPASS_REQUIRE": "never", "PATH": self._env.get("PATH", "")}
                for key in keys:
                    # -q: the comment of a key is the user's; no passphrase can be asked for here
                    done = self._host.run(Command(["ssh-add", "-q", key], env=env, timeout_s=_START_S))
                    if done.status:
                        raise InputError(
                            f"failed to add the key {key} to an agent: {done.stderr.decode(errors='replace').strip()}",
                            hint="a key with a passphrase: ssh-add it to your own agent, and give --ssh default",
                        )
                yield path
            finally:
                self._host.signal(pid, started, signal.SIGTERM)
                with suppress(ChildProcessError):
                    os.waitpid(pid, 0)


def _own_agent(settings: Settings) -> tuple[str, ...]:
    path = settings.env.get("SSH_AUTH_SOCK", "")
    if not path:
        raise InputError(
            "invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set", hint="or give a key: --ssh default=FILE"
        )
    return (path,)


def _is_socket(path: str, written: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError as fault:
        raise InputError(f"stat {written}: {(fault.strerror or '').lower()}", hint="see --ssh") from None


def _check_key(path: str, written: str) -> None:
    """Raises: InputError for what is no private key at all."""
    if _is_socket(path, written):
        raise InputError("only single socket allowed", hint="--ssh NAME=SOCKET")
    try:
        with open(path, "rb") as file:
            head = file.read(100 << 10)
    except OSError as fault:
        raise InputError(f"failed to read {written}: {(fault.strerror or '').lower()}") from None
    if b"PRIVATE KEY-----" not in head:
        raise InputError(f"failed to parse {written}: ssh: no key found", hint="give the private key's file")


def _wait_for(path: str) -> None:
    import time

    deadline = time.monotonic() + _START_S
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            raise HostError("ssh-agent did not start", hint="install openssh-client, or give --ssh an agent's socket")
        time.sleep(0.005)


class Relay:
    """Listens at `path`, and answers each connection by one of its own to the agent. Closed, all of it ends."""

    def __init__(self, path: str, agent: str) -> None:
        self.path, self._agent = path, agent
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        _bind(self._listener, path)
        self._listener.listen(16)

    def __enter__(self) -> Relay:
        threading.Thread(target=self._accept, name="ssh-relay", daemon=True).start()
        return self

    def __exit__(self, *fault: object) -> None:
        with self._lock:
            ends = [self._listener, *self._open]
        for one in ends:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        with suppress(FileNotFoundError):
            os.unlink(self.path)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), name="ssh-relay", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        agent = socket.socket(socket.AF_UNIX)
        with self._lock:
            self._open |= {client, agent}
        try:
            agent.connect(self._agent)
            exchange(client, agent)
        except OSError:
            return  # either end is gone: so is the other
        finally:
            with self._lock:
                self._open -= {client, agent}
            client.close()
            agent.close()


def exchange(client: socket.socket, agent: socket.socket) -> None:
    """Questions of the one, answers of the other, until the client is done. Raises: OSError."""
    while message := _message(client):
        client.sendall(_answer(agent, message))


def _answer(agent: socket.socket, message: bytes) -> bytes:
    if not is_allowed(message):
        return _FAILURE
    agent.sendall(len(message).to_bytes(4, "big") + message)
    answer = _message(agent)
    return len(answer).to_bytes(4, "big") + answer


def _message(end: socket.socket) -> bytes:
    """One message without its length; b"" when the other end is done. Raises: OSError, also for one too large."""
    length = int.from_bytes(_exactly(end, 4), "big")
    if length > _LARGEST_MESSAGE:
        raise OSError(90, "a message of ssh's is too large")
    return _exactly(end, length) if length else b""


def _exactly(end: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = end.recv(size - len(data))
        if not piece:
            return b""
        data += piece
    return data


def _bind(listener: socket.socket, path: str) -> None:
    """A socket's address holds 107 bytes, and a root's path may be longer."""
    folder, name = os.path.split(path)
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        listener.bind(f"/proc/self/fd/{fd}/{name}")
    finally:
        os.close(fd)
