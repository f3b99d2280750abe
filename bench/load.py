"""What the benchmark sends to a registry server: the same bytes for both, by curl and by plain sockets."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["download", "random_file", "small_blobs", "upload"]


def upload(host: str, path: Path, digest: str, repository: str = "bench/big") -> float:
    """Seconds for one blob: POST, then one PUT of the file."""
    start = time.monotonic()
    where = _curl(
        "-X", "POST", "-o", "/dev/null", "-w", "%header{location}", f"http://{host}/v2/{repository}/blobs/uploads/"
    )
    url = where if where.startswith("http") else f"http://{host}{where}"
    joint = "&" if "?" in url else "?"
    status = _curl("-T", str(path), "-H", "Content-Type: application/octet-stream", "-H", "Expect:", "-o", "/dev/null",
                   "-w", "%{http_code}", f"{url}{joint}digest={digest}")  # fmt: skip
    if status != "201":
        raise RuntimeError(f"the upload to {host} ended with status {status}")
    return time.monotonic() - start


def download(host: str, digest: str, size: int, repository: str = "bench/big") -> float:
    """Seconds for one blob, thrown away."""
    start = time.monotonic()
    got = _curl("-o", "/dev/null", "-w", "%{size_download}", f"http://{host}/v2/{repository}/blobs/{digest}")
    if got != str(size):
        raise RuntimeError(f"{host} gave {got} of {size} bytes")
    return time.monotonic() - start


def _curl(*argv: str) -> str:
    done = subprocess.run(["curl", "-sS", "--noproxy", "*", *argv], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"curl: {done.stderr.strip()}")
    return done.stdout.strip()


def small_blobs(host: str, count: int, clients: int, seed: int) -> float:
    """Seconds for `count` blobs of 1 KiB, each a POST and a PUT, by `clients` kept connections at once."""
    faults: list[BaseException] = []
    blobs = [json.dumps([seed, number]).encode().ljust(1024) for number in range(count)]

    def one(number: int) -> None:
        try:
            with _Client(host) as client:
                for data in blobs[number::clients]:
                    client.push(data)
        except BaseException as fault:  # joined below
            faults.append(fault)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(clients)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise RuntimeError(f"a client of {host} failed: {faults[0]!r}")
    return time.monotonic() - start


class _Client:
    """One kept connection that does no more than it must, so that the server is what is measured."""

    def __init__(self, host: str) -> None:
        self._host = host
        name, _, port = host.rpartition(":")
        self._sock = socket.create_connection((name, int(port)), 60)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._had = b""

    def __enter__(self) -> _Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def push(self, data: bytes) -> None:
        digest = hashlib.sha256(data).hexdigest()
        status, head = self._ask(
            f"POST /v2/bench/small/blobs/uploads/ HTTP/1.1\r\nHost: {self._host}\r\nContent-Length: 0\r\n\r\n".encode()
        )
        if status != 202:
            raise RuntimeError(f"POST: {status}")
        where = next(
            line.split(b":", 1)[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"location:")
        )
        url = urlsplit(where.decode())
        query = f"{url.query}&" if url.query else ""
        line = (
            f"PUT {url.path}?{query}digest=sha256:{digest} HTTP/1.1\r\nHost: {self._host}\r\n"
            f"Content-Type: application/octet-stream\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        status, _ = self._ask(line.encode() + data)
        if status != 201:
            raise RuntimeError(f"PUT: {status}")

    def _ask(self, request: bytes) -> tuple[int, bytes]:
        self._sock.sendall(request)
        have = self._had
        while b"\r\n\r\n" not in have:
            have += self._more()
        head, _, rest = have.partition(b"\r\n\r\n")
        size = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                size = int(line.split(b":", 1)[1])
        while len(rest) < size:
            rest += self._more()
        self._had = rest[size:]
        return int(head[9:12]), head

    def _more(self) -> bytes:
        got = self._sock.recv(65536)
        if not got:
            raise RuntimeError("the server closed the connection")
        return got


def random_file(path: Path, size: int) -> str:
    """Write `size` random bytes; their digest."""
    state = hashlib.sha256()
    with open(path, "wb") as file:
        left = size
        while left:
            chunk = os.urandom(min(left, 1 << 20))
            file.write(chunk)
            state.update(chunk)
            left -= len(chunk)
        os.fsync(file.fileno())
    return f"sha256:{state.hexdigest()}"
