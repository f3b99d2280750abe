"""GitHub's cache service in this process: both versions of its API, and the host of its signed URLs.

As the real one: entries are found by version and key, or by what the key begins with, the newest first; a key is taken
from the moment it is reserved; an upload counts when it is committed with its size; signed URLs work without the token,
under another name, and only for what they were signed for.
"""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

__all__ = ["FakeGha"]

_LARGE = 100_000
_TWIRP = "/twirp/github.actions.results.api.v1.CacheService/"


class _Stored:
    def __init__(self, key: str, version: str, number: int) -> None:
        self.key, self.version, self.number = key, version, number
        self.data = b""
        self.blocks: dict[str, bytes] = {}
        self.is_whole = False


class FakeGha:
    """`env` is what a job sees. `fail` maps a word of a path to statuses to answer with before it works."""

    def __init__(self, *, version: int = 2, token: str = "job-token") -> None:
        self.token, self.version = token, version
        self.entries: list[_Stored] = []
        self.asked: list[tuple[str, str, str]] = []
        """(method, path, Authorization)"""
        self.fail: dict[str, list[int]] = {}
        self.takes = True
        """Whether a commit does."""
        self.stall: threading.Event | None = None
        """Large entries are begun, and go on when it is set."""
        self.lock = threading.RLock()
        fake = self

        class Handler(_Handler):
            gha = fake

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        port = self._server.server_address[1]
        self.api, self.storage = f"http://127.0.0.1:{port}", f"http://localhost:{port}"

    @property
    def env(self) -> dict[str, str]:
        if self.version == 1:
            return {"ACTIONS_CACHE_URL": f"{self.api}/", "ACTIONS_RUNTIME_TOKEN": self.token}
        return {
            "ACTIONS_RESULTS_URL": f"{self.api}/", "ACTIONS_CACHE_URL": "http://127.0.0.1:1/",
            "ACTIONS_CACHE_SERVICE_V2": "True", "ACTIONS_RUNTIME_TOKEN": self.token,
        }  # fmt: skip

    def keys(self) -> list[str]:
        """Of what was committed, oldest first."""
        return [one.key for one in self.entries if one.is_whole]

    def find(self, version: str, key: str, prefixes: list[str]) -> _Stored | None:
        with self.lock:
            whole = [one for one in reversed(self.entries) if one.is_whole and one.version == version]
            exact = [one for one in whole if one.key == key]
            return next(
                iter(exact + [one for one in whole if any(one.key.startswith(start) for start in prefixes)]), None
            )

    def reserve(self, version: str, key: str) -> _Stored | None:
        with self.lock:
            if any((one.version, one.key) == (version, key) for one in self.entries):
                return None
            self.entries.append(_Stored(key, version, len(self.entries)))
            return self.entries[-1]

    def commit(self, entry: _Stored, size: int) -> bool:
        entry.is_whole = self.takes and len(entry.data) == size
        return entry.is_whole

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    gha: FakeGha

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_PUT = do_PATCH = do_GET  # noqa: N815  # the library's names

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        with self.gha.lock:
            self.gha.asked.append((self.command, self.path, self.headers.get("Authorization") or ""))
            failing = next((left for word, left in self.gha.fail.items() if word in self.path and left), None)
            status = failing.pop(0) if failing else 0
        if status:
            self._send(status, {"code": "unavailable", "msg": "try again"}, retry="0")
        elif parts.path.startswith("/signed/"):
            self._signed(int(parts.path.removeprefix("/signed/")), query, body)
        elif self.headers.get("Authorization") != f"Bearer {self.gha.token}":
            self._send(401, {"code": "unauthenticated", "msg": "no such token"})
        elif parts.path.startswith(_TWIRP):
            self._twirp(parts.path.removeprefix(_TWIRP), json.loads(body))
        else:
            self._first(parts.path, query, body)

    def _send(self, status: int, document: dict[str, object] | bytes | None = None, *, retry: str = "") -> None:
        data = json.dumps(document).encode() if isinstance(document, dict) else document or b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if retry:
            self.send_header("Retry-After", retry)
        self.end_headers()
        self.wfile.write(data)

    def _url(self, entry: _Stored, right: str) -> str:
        return f"{self.gha.storage}/signed/{entry.number}?sig={right}"

    def _twirp(self, method: str, asked: dict[str, Any]) -> None:
        if self.gha.version != 2:
            return self._send(404, {"code": "bad_route", "msg": "no handler"})
        if method == "CreateCacheEntry":
            entry = self.gha.reserve(asked["version"], asked["key"])
            if entry is None:
                return self._send(409, {"code": "already_exists", "msg": "cache entry with the same key exists"})
            return self._send(200, {"ok": True, "signed_upload_url": self._url(entry, "write")})
        if method == "FinalizeCacheEntryUpload":
            entry = next(one for one in self.gha.entries if one.key == asked["key"] and not one.is_whole)
            return self._send(200, {"ok": self.gha.commit(entry, int(asked["size_bytes"])), "entry_id": "1"})
        found = self.gha.find(asked["version"], asked["key"], asked["restore_keys"])
        if found is None:
            return self._send(200, {"ok": False, "signed_download_url": "", "matched_key": ""})
        return self._send(200, {"ok": True, "signed_download_url": self._url(found, "read"), "matched_key": found.key})

    def _first(self, path: str, query: dict[str, str], body: bytes) -> None:
        if self.gha.version != 1:
            return self._send(404)
        if path == "/_apis/artifactcache/cache":
            found = self.gha.find(query["version"], "", query["keys"].split(","))
            if found is None:
                return self._send(204)
            return self._send(200, {"cacheKey": found.key, "archiveLocation": self._url(found, "read")})
        if path == "/_apis/artifactcache/caches":
            asked = json.loads(body)
            entry = self.gha.reserve(asked["version"], asked["key"])
            return self._send(409) if entry is None else self._send(201, {"cacheId": entry.number})
        entry = self.gha.entries[int(path.rpartition("/")[2])]
        if self.command == "PATCH":
            start = re.fullmatch(r"bytes (\d+)-(\d+)/\*", self.headers["Content-Range"])
            assert start
            assert int(start[1]) == len(entry.data)
            entry.data += body
            return self._send(204)
        return self._send(204 if self.gha.commit(entry, json.loads(body)["size"]) else 400)

    def _signed(self, number: int, query: dict[str, str], body: bytes) -> None:
        entry = self.gha.entries[number]
        if query.get("sig") != ("read" if self.command == "GET" else "write"):
            return self._send(403)
        if self.command == "GET":
            return self._range(entry.data)
        if query.get("comp") == "block":
            entry.blocks[query["blockid"]] = body
        elif query.get("comp") == "blocklist":
            entry.data = b"".join(entry.blocks[name] for name in re.findall("<Latest>(.*?)</Latest>", body.decode()))
        elif self.headers.get("x-ms-blob-type") == "BlockBlob":
            entry.data = body
        else:
            return self._send(400)
        return self._send(201)

    def _range(self, data: bytes) -> None:
        if (stall := self.gha.stall) and len(data) > _LARGE:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[:1000])
            self.wfile.flush()
            stall.wait(60)
            self.close_connection = True
            return None
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if not wanted:
            return self._send(200, data)
        start, end = int(wanted[1]), int(wanted[2] or len(data) - 1)
        piece = data[start : end + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{start + len(piece) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(piece)))
        self.end_headers()
        self.wfile.write(piece)
        return None
