"""Images for pulls: made by hand, put to a registry over its API; and a registry that breaks its word."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import json
import random
import socket
import struct
import tarfile
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["BadRegistry", "Image", "publish", "put_manifest", "tar_of"]

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tar_of(**files: bytes) -> bytes:
    """A layer's tar; "__" in a name is a slash."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name.replace("__", "/"))
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def noise(count: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(count)


class Image:
    """What a registry holds of one image: `blobs` by digest, and the manifest."""

    def __init__(
        self,
        *layers: bytes,
        squeeze: Callable[[bytes], bytes] = lambda data: gzip.compress(data, mtime=0),
        arch: str = "amd64",
    ) -> None:
        self.squeezed = [squeeze(one) for one in layers]
        config = {
            "architecture": arch,
            "os": "linux",
            "config": {"Cmd": ["sh"], "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(one) for one in layers]},
        }
        self.config = json.dumps(config).encode()
        self.blobs = {digest_of(one): one for one in (self.config, *self.squeezed)}
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": self.describe(self.config, CONFIG),
            "layers": [self.describe(one, GZIP) for one in self.squeezed],
        }).encode()  # fmt: skip
        self.digest = digest_of(self.manifest)

    @staticmethod
    def describe(data: bytes, media_type: str, **more: Any) -> dict[str, Any]:
        return {"mediaType": media_type, "digest": digest_of(data), "size": len(data), **more}


def publish(host: str, repository: str, image: Image, tag: str) -> None:
    """Put it to a real registry."""
    for digest, data in image.blobs.items():
        location = _ask(host, "POST", f"/v2/{repository}/blobs/uploads/", b"", 202)
        path = location.partition(host)[2] or location
        _ask(host, "PUT", f"{path}{'&' if '?' in path else '?'}digest={digest}", data, 201)
    put_manifest(host, repository, image.manifest, MANIFEST, tag)


def put_manifest(host: str, repository: str, data: bytes, media_type: str, tag: str) -> None:
    _ask(host, "PUT", f"/v2/{repository}/manifests/{tag}", data, 201, media_type)


def _ask(host: str, method: str, path: str, body: bytes, status: int, kind: str = "application/octet-stream") -> str:
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        connection.request(method, path, body, {"Content-Type": kind, "Content-Length": str(len(body))})
        answer = connection.getresponse()
        said = answer.read()
        assert answer.status == status, (method, path, answer.status, said)
        return answer.getheader("Location") or ""
    finally:
        connection.close()


class BadRegistry:
    """Serves one image as `app:1`; `ways` says how it answers for a digest: see `_Handler.blob`."""

    def __init__(self, image: Image) -> None:
        self.image, self.ways = image, dict[str, str]()
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"registry": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.host = f"127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    registry: BadRegistry
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        kind, _, name = self.path.rpartition("/")
        self.registry.asked.append(f"{name[:19]} {self.headers.get('Range', '')}".strip())
        image = self.registry.image
        if kind.endswith("/manifests") and name in ("1", image.digest):
            self._send(image.manifest, MANIFEST)
        elif name in image.blobs:
            try:
                self.blob(name, image.blobs[name])
            except OSError:
                self.close_connection = True  # whoever read has had enough
        elif self.path == "/v2/":
            self._send(b"{}", "application/json")
        else:
            self.send_error(404)

    def _send(self, data: bytes, kind: str = "application/octet-stream", length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        self.end_headers()
        self.wfile.write(data)

    def blob(self, digest: str, data: bytes) -> None:
        way = self.registry.ways.get(digest, "")
        if way == "other":
            self._send(data[:-1] + bytes([data[-1] ^ 1]))
        elif way == "short":
            self._send(data[: len(data) // 2])
        elif way == "long":
            self._send(data + b"more")
        elif way == "truncated":
            self._send(data[: len(data) // 2], length=len(data))
            self.close_connection = True
        elif way == "endless":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            piece = b"%x\r\n%s\r\n" % (1 << 16, bytes(1 << 16))
            while True:
                self.wfile.write(piece)
        elif way == "reset" and "Range" not in self.headers:
            self._send(data[: len(data) // 2], length=len(data))
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        elif way == "reset":
            self._part(data)
        else:
            self._send(data)

    def _part(self, data: bytes) -> None:
        start = int(self.headers["Range"].removeprefix("bytes=").partition("-")[0])
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start:])
