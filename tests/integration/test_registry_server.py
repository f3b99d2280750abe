"""`wherry registry serve` as a process: what kill -9, SIGTERM, a full disk and other tools make of it."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conformance.datasets import MANIFEST
from tests.conformance.push import begin, push_blob
from tests.conformance.wire import Wire, digest_of, with_query

WHERRY = [sys.executable, "-c", "import sys; from wherry.cli.main import entry; entry()"]


class Served:
    """A server process on a free port; `lines` is its access log so far."""

    def __init__(self, storage: Path, *flags: str, root: Path) -> None:
        self.storage = storage
        self.command = [*WHERRY, "--root", str(root), "registry", "serve", "--addr", "127.0.0.1:0", "--delete"]
        self.command += ["--storage", str(storage), *flags]
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self.said: list[str] = []
        self.wires: list[Wire] = []
        found: queue.Queue[int | None] = queue.Queue()
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self.lines, None)),
            threading.Thread(target=self._read, args=(self.process.stderr, self.said, found)),
        ]
        for one in self._readers:
            one.start()
        port = found.get(timeout=60)
        assert port, self.said
        self.port = port

    def _read(self, stream: object, into: list[str], found: queue.Queue[int | None] | None) -> None:
        for line in stream:  # type: ignore[attr-defined]
            into.append(line)
            if found and (at := re.search(r" at https?://\S+:(\d+)$", line)):
                found.put(int(at[1]))
        if found:
            found.put(None)

    def wire(self) -> Wire:
        """A connection, closed at the end of the test."""
        self.wires.append(Wire("127.0.0.1", self.port))
        return self.wires[-1]

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(60)
        for one in self._readers:
            one.join()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream
            stream.close()
        return code

    def rss_bytes(self) -> int:
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+) kB", text)[0]) * 1024


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    made: list[Served] = []

    def start(storage: Path | None = None, *flags: str) -> Served:
        made.append(Served(storage or tmp_path / "storage", *flags, root=tmp_path / "root"))
        return made[-1]

    yield start
    for one in made:
        for wire in one.wires:
            wire.close()
        if one.process.poll() is None:
            one.end(signal.SIGKILL)


def push_image(wire: Wire, repository: str, tag: str, layers: list[bytes]) -> str:
    """The manifest's digest, once it is acknowledged."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
    push_blob(wire, repository, config)
    for layer in layers:
        push_blob(wire, repository, layer)
    doc = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar", layer) for layer in layers],
    }
    data = json.dumps(doc).encode()
    answer = wire.put(f"/v2/{repository}/manifests/{tag}", data, Content_Type=MANIFEST)
    assert answer.status == 201, answer
    return digest_of(data)


def _descriptor(kind: str, data: bytes) -> dict[str, object]:
    return {"mediaType": kind, "digest": digest_of(data), "size": len(data)}


def is_whole(wire: Wire, repository: str, reference: str) -> bool:
    """Every byte of an image is what its digest says."""
    manifest = wire.get(f"/v2/{repository}/manifests/{reference}")
    if manifest.status != 200 or digest_of(manifest.body) != manifest.headers["Docker-Content-Digest"]:
        return False
    doc = manifest.json
    for one in (doc["config"], *doc["layers"]):
        blob = wire.get(f"/v2/{repository}/blobs/{one['digest']}")
        if blob.status != 200 or digest_of(blob.body) != one["digest"]:
            return False
    return True


@pytest.mark.parametrize("moment", [20, 90, 170])
def test_kill_9_amid_200_pushes_loses_nothing_that_was_acknowledged(serve: Callable[..., Served], moment: int) -> None:
    server = serve()
    acknowledged: list[tuple[str, str, str]] = []
    reached = threading.Event()
    turns = iter(range(200))
    lock = threading.Lock()

    def push() -> None:
        wire = server.wire()
        while True:
            with lock:
                turn = next(turns, None)
            if turn is None:
                return
            repository, tag = f"team{turn % 7}/app", f"v{turn}"
            layers = [os.urandom(40_000), b"shared %d" % (turn % 5), os.urandom(300_000 if turn % 10 == 0 else 500)]
            try:
                digest = push_image(wire, repository, tag, layers)
            except (OSError, http.client.HTTPException):
                return
            with lock:
                acknowledged.append((repository, tag, digest))
                if len(acknowledged) >= moment:
                    reached.set()

    threads = [threading.Thread(target=push) for _ in range(8)]
    for one in threads:
        one.start()
    assert reached.wait(120)
    server.end(signal.SIGKILL)
    for one in threads:
        one.join()

    again = serve()
    wire = again.wire()
    assert len(acknowledged) >= moment
    for repository, tag, digest in acknowledged:
        assert is_whole(wire, repository, tag)
        assert wire.head(f"/v2/{repository}/manifests/{tag}").headers["Docker-Content-Digest"] == digest
    # Nor is there half of anything: what is listed is whole, and every file under a digest's name has that digest
    for repository in wire.get("/v2/_catalog").json["repositories"]:
        for tag in wire.get(f"/v2/{repository}/tags/list").json["tags"]:
            assert is_whole(wire, repository, tag)
    for path in (server.storage / "blobs" / "sha256").iterdir():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    # And the same again without the database
    assert again.end() == 0
    for name in ("registry.db", "registry.db-wal", "registry.db-shm"):
        (server.storage / name).unlink(missing_ok=True)
    wire = serve().wire()
    assert all(is_whole(wire, repository, tag) for repository, tag, _ in acknowledged)


def test_sigterm_finishes_what_is_in_flight(serve: Callable[..., Served]) -> None:
    server = serve()
    wire = server.wire()
    data = os.urandom(1 << 20)
    where = begin(wire, "a").location
    begun, go_on = threading.Event(), threading.Event()
    answers = []

    def slowly() -> Iterator[bytes]:
        yield data[: 1 << 19]
        begun.set()
        go_on.wait(60)
        yield data[1 << 19 :]

    def upload() -> None:
        answers.append(
            server.wire().ask(
                "PUT", with_query(where, digest=digest_of(data)), slowly(), {"Content-Length": str(len(data))}
            )
        )

    thread = threading.Thread(target=upload)
    thread.start()
    assert begun.wait(60)
    _until(lambda: wire.get(where).headers["Range"] == f"0-{(1 << 19) - 1}")
    server.process.send_signal(signal.SIGTERM)
    _until(lambda: _refuses(server.port))
    go_on.set()
    thread.join()
    assert server.end() == 0
    assert answers[0].status == 201
    assert (server.storage / "blobs" / "sha256" / digest_of(data)[7:]).read_bytes() == data


def test_what_does_not_end_in_time_is_cut_off_and_told_by_the_exit_code(serve: Callable[..., Served]) -> None:
    server = serve(None, "--stop-timeout", "0")
    where = begin(server.wire(), "a").location
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.putrequest("PATCH", "/" + where.split("/", 3)[3])
    connection.putheader("Content-Length", "1000000")
    connection.endheaders(b"x" * 5000)
    watching = server.wire()
    _until(lambda: watching.get(where).headers["Range"] == "0-4999")
    assert server.end() == 1
    connection.close()
    found = serve().wire().get("/" + where.split("/", 3)[3])
    assert (found.status, found.headers["Range"]) == (204, "0-4999")


def _refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
    except OSError:
        return True
    return False


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_stands_in_its_way_is_said_in_one_line(serve: Callable[..., Served], tmp_path: Path) -> None:
    server = serve()

    def fails(*words: str) -> str:
        command = [*WHERRY, "--root", str(tmp_path / "root"), "registry", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode != 0
        assert "Traceback" not in done.stderr
        return done.stderr

    other = str(tmp_path / "other")
    assert "another program does" in fails("serve", "--addr", f"127.0.0.1:{server.port}", "--storage", other)
    assert "in use by another wherry registry" in fails("serve", "--storage", str(server.storage), "--addr", "[::1]:0")
    assert "in use by another wherry registry" in fails("gc", str(server.storage))
    assert "not the storage of a registry" in fails("gc", str(tmp_path))
    assert "expected HOST:PORT" in fails("serve", "--addr", "5000", "--storage", other)
    assert "go together" in fails("serve", "--tls-cert", "x", "--storage", other)
    assert "missing.pem" in fails("serve", "--tls-cert", "missing.pem", "--tls-key", "k", "--storage", other)


def test_each_request_is_one_line_of_the_log(serve: Callable[..., Served]) -> None:
    server = serve()
    wire = server.wire()
    wire.get("/v2/")
    wire.get("/v2/a/manifests/x%0a127.0.0.1%20-%20%22GET%20/evil%22%20200?secret=1")
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as sock:
        sock.sendall(b'GET /v2/"\\ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
        while sock.recv(4096):
            pass
    assert server.end() == 0
    pattern = r'\d{4}-\d\d-\d\dT[\d:.]+Z 127\.0\.0\.1 - "GET \S+" \d{3} \d+ \d+\.\d{6}\n'
    assert [bool(re.fullmatch(pattern, line)) for line in server.lines] == [True] * 3, server.lines
    assert any('"GET /v2/\\x22\\x5c" 404' in line for line in server.lines)
    assert "secret" not in "".join(server.lines)


def test_gc_of_a_storage_that_nobody_serves(serve: Callable[..., Served], tmp_path: Path) -> None:
    server = serve()
    wire = server.wire()
    kept = push_image(wire, "a", "1", [b"kept"])
    lost = push_image(wire, "a", "2", [b"lost"])
    push_blob(wire, "a", b"loose")
    wire.patch(begin(wire, "a").location, b"unfinished")
    assert wire.delete("/v2/a/manifests/2").status == 202
    assert server.end() == 0
    command = [*WHERRY, "--root", str(tmp_path / "root"), "registry", "gc", "--grace", "0"]
    for flags, said in (([], "Removed 1 blobs, 5B\n"), (["--untagged"], "Removed 1 untagged manifests\n")):
        done = subprocess.run([*command, *flags, str(server.storage)], capture_output=True, text=True, check=True)
        assert done.stdout.startswith(said)
    assert list((server.storage / "uploads").iterdir()) == []
    wire = serve().wire()
    assert is_whole(wire, "a", kept)
    assert wire.get(f"/v2/a/manifests/{lost}").status == 404
    assert wire.head(f"/v2/a/blobs/{digest_of(b'lost')}").status == 404


def test_memory_stays_small_under_load(serve: Callable[..., Served]) -> None:
    """16 uploads of 64 MiB, 300 connections, 200 manifests, and large ones at once."""
    server = serve()
    idle = [http.client.HTTPConnection("127.0.0.1", server.port) for _ in range(300)]
    for one in idle:
        one.connect()
    data = os.urandom(64 << 20)
    digest = digest_of(data)
    faults: list[BaseException] = []

    def load(number: int) -> None:
        try:
            wire = server.wire()
            where = begin(wire, f"r{number}").location
            assert wire.put(with_query(where, digest=digest), data).status == 201
            for turn in range(12):
                push_image(wire, f"r{number}", str(turn), [os.urandom(2000)])
            doc = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [],
                   "annotations": {f"k{i}": "x" * 10_000 for i in range(390)}}  # fmt: skip
            answer = wire.put(f"/v2/r{number}/manifests/large", json.dumps(doc).encode(), Content_Type=doc["mediaType"])
            assert answer.status == 201
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=load, args=(number,)) for number in range(16)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    for one in idle:
        one.close()
    assert not faults
    assert server.rss_bytes() < 64 << 20


@pytest.mark.requires("skopeo", "umoci")
def test_other_tools_read_the_storage_as_an_oci_layout(serve: Callable[..., Served], tmp_path: Path) -> None:
    server = serve()
    wire = server.wire()
    digest = push_image(wire, "team/app", "1.0", [b"\0" * 10240])
    push_image(wire, "team", "latest", [b"\0" * 20480])
    seen = subprocess.run(
        ["skopeo", "inspect", f"oci:{server.storage}:team/app:1.0"], capture_output=True, text=True, check=True
    )
    assert json.loads(seen.stdout)["Digest"] == digest
    copied = tmp_path / "copied"
    subprocess.run(
        ["skopeo", "copy", "-q", "--preserve-digests", f"oci:{server.storage}:team/app:1.0", f"oci:{copied}:x"],
        check=True,
    )
    assert json.loads((copied / "index.json").read_text())["manifests"][0]["digest"] == digest
    listed = subprocess.run(
        ["umoci", "ls", "--layout", str(server.storage)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert sorted(listed) == ["team/app:1.0", "team:latest"]
    assert server.end() == 0
    assert is_whole(serve().wire(), "team/app", "1.0")


@pytest.mark.requires("root")
def test_a_disk_that_fills_up_is_told_and_breaks_nothing(serve: Callable[..., Served], tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m,mode=700", "none", str(small)], check=True)
    try:
        server = serve(small / "storage")
        wire = server.wire()
        push_image(wire, "a", "1", [b"before"])
        where = begin(wire, "a").location
        statuses = []
        offset = 0
        for _ in range(30):
            answer = wire.patch(where, os.urandom(1 << 20))
            statuses.append(answer.status)
            if answer.status != 202:
                assert answer.codes == ["DENIED"]
                break
            offset += 1 << 20
        assert statuses[-1] == 507
        assert wire.get("/healthz").status == 200
        assert is_whole(wire, "a", "1")
        assert wire.delete(where).status == 204
        push_image(wire, "a", "2", [os.urandom(1 << 20)])
        assert is_whole(wire, "a", "2")
        assert server.end() == 0
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
