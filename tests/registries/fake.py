"""A small registry in this process that answers as its `Quirks` say. It keeps everything in memory, and a list of what
it was asked. Its storage host (for redirects) and its token realm listen under another name, as the large ones do."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import socket
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import parse_qs, parse_qsl, urlsplit

from tests.registries.quirks import PLAIN, Quirks

__all__ = ["Asked", "FakeRegistry"]

INDEX = "application/vnd.oci.image.index.v1+json"
_ROUTE = re.compile(r"^/v2/(?P<name>.+?)/(?P<kind>blobs/uploads|blobs|manifests|tags|referrers)/(?P<rest>[^/]*)$")


class Asked(NamedTuple):
    method: str
    path: str
    headers: Mapping[str, str]
    """By lower-case name."""
    length: int


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class FakeRegistry:
    """`host` is what a reference names. Fill `blobs` and `manifests` by hand, or push."""

    def __init__(self, quirks: Quirks = PLAIN) -> None:
        self.quirks = quirks
        self.blobs: dict[tuple[str, str], bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[bytes, str]] = {}
        self.uploads: dict[str, tuple[str, bytearray, int]] = {}
        """id to (repository, bytes so far, how many PATCHes it had)."""
        self.created: set[str] = set()
        self.asked: list[Asked] = []
        self.signed: dict[str, tuple[str, int]] = {}
        """path on the storage host to (digest, uses left)."""
        self.tokens: dict[str, tuple[frozenset[str], float]] = {}
        self.token_uses: dict[str, int] = {}
        self.lock = threading.RLock()
        self.counts: dict[str, int] = {}
        self._servers = [_serve(self, _Registry), _serve(self, _Elsewhere)]
        self.host = f"127.0.0.1:{self._servers[0].server_address[1]}"
        self.elsewhere = f"localhost:{self._servers[1].server_address[1]}"

    def put_blob(self, repository: str, data: bytes) -> str:
        self.blobs[repository, digest_of(data)] = data
        return digest_of(data)

    def put_manifest(self, repository: str, tag: str, data: bytes, media_type: str) -> str:
        for name in (tag, digest_of(data)):
            self.manifests[repository, name] = (data, media_type)
        return digest_of(data)

    def requests(self, method: str = "", part: str = "") -> list[Asked]:
        return [one for one in self.asked if (not method or one.method == method) and part in one.path]

    def count(self, what: str) -> int:
        """How often this was called for `what` before, and one more."""
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1
            return self.counts[what] - 1

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    registry: FakeRegistry

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that left is no fault of a test."""


def _serve(registry: FakeRegistry, handler: type[BaseHTTPRequestHandler]) -> _Server:
    server = _Server(("127.0.0.1", 0), handler)
    server.registry = registry
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    @property
    def registry(self) -> FakeRegistry:
        return self.server.registry

    def handle(self) -> None:
        # A client that tries https first: its greeting need not hold a line break, which http would wait for
        if self.connection.recv(1, socket.MSG_PEEK) != b"\x16":
            super().handle()

    def log_message(self, format: str, *args: object) -> None:
        """Silent: `asked` is the log."""

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def note(self, length: int) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.registry.asked.append(Asked(self.command, self.path, headers, length))

    def answer(self, status: int, body: bytes = b"", /, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers and status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: int, code: str, **headers: str) -> None:
        text = json.dumps({"errors": [{"code": code, "message": code.lower().replace("_", " ")}]}).encode()
        self.answer(status, text, Content_Type="application/json", **headers)

    def give(self, data: bytes, media_type: str) -> None:
        """With Range, as a blob store does."""
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not found:
            self.answer(
                200, data, Content_Type=media_type, Accept_Ranges="bytes", Docker_Content_Digest=digest_of(data)
            )
            return
        first, last = int(found[1]), min(int(found[2] or len(data)), len(data) - 1)
        if first > last:
            self.answer(416, Content_Range=f"bytes */{len(data)}")
            return
        self.answer(
            206, data[first : last + 1], Content_Type=media_type, Content_Range=f"bytes {first}-{last}/{len(data)}"
        )


class _Elsewhere(_Handler):
    """The storage host of signed URLs, and the token realm."""

    def do_GET(self) -> None:
        self.note(0)
        if self.path.startswith("/token"):
            query = urlsplit(self.path).query
            self._token(dict(parse_qsl(query)), parse_qs(query).get("scope", []))
            return
        if self.path.startswith("/login"):
            self.answer(200, b"<!doctype html><title>Sign in</title>", Content_Type="text/html")
            return
        if self.headers.get("Authorization"):
            self.answer(400, b"<Error><Code>InvalidArgument</Code></Error>", Content_Type="application/xml")
            return
        if self.command == "HEAD" and not self.registry.quirks.head_of_url:
            self.answer(403)
            return
        with self.registry.lock:
            digest, left = self.registry.signed.get(self.path, ("", 0))
            if not left:
                self.answer(403, b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>")
                return
            self.registry.signed[self.path] = (digest, left - 1)
        data = next(data for (_, known), data in self.registry.blobs.items() if known == digest)
        self.give(data, "application/octet-stream")

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        data = self.body()
        self.note(len(data))
        form = parse_qs(data.decode())
        self._token({name: values[0] for name, values in form.items()}, form.get("scope", []))

    def _token(self, asked: Mapping[str, str], scopes: list[str]) -> None:
        quirks = self.registry.quirks
        if quirks.identity_token and asked.get("grant_type") == "refresh_token":
            who = "token" if asked.get("refresh_token") == quirks.identity_token else ""
        else:
            who = _user(self.headers.get("Authorization", ""), quirks)
        if not who and (self.headers.get("Authorization") or asked.get("grant_type")):
            self.refuse(401, "UNAUTHORIZED")
            return
        granted = set()
        for scope in " ".join(scopes).split():
            kind, name, actions = scope.split(":", 2)
            allowed = [one for one in actions.split(",") if who or (one == "pull" and quirks.anonymous_pull)]
            granted |= {f"{kind}:{name}:{one}" for one in allowed}
        token = secrets.token_hex(8)
        self.registry.tokens[token] = (frozenset(granted), time.monotonic() + quirks.token_life_s)
        document = {"token": token, "access_token": token, "expires_in": quirks.token_life_s}
        self.answer(200, json.dumps(document).encode(), Content_Type="application/json")


def _user(header: str, quirks: Quirks) -> str:
    kind, _, value = header.partition(" ")
    if kind.lower() != "basic":
        return ""
    name, _, word = base64.b64decode(value).decode().partition(":")
    return name if quirks.users.get(name) == word else ""


class _Registry(_Handler):
    def handle_one(self) -> None:
        if self._is_over() or self._is_cut_off():
            return
        data = self.body()
        self.note(len(data))
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        found = _ROUTE.match(url.path)
        name = found["name"] if found else ""
        if not self._allowed(name, query):
            return
        if url.path in ("/v2", "/v2/"):
            self.answer(200, b"{}")
        elif not found:
            self.refuse(404, "NOT_FOUND")
        elif name.count("/") + 1 < self.registry.quirks.path_parts:
            self.refuse(400, "NAME_INVALID")
        else:
            with self.registry.lock:
                kind = found["kind"].replace("/", "_")
                getattr(self, f"_{kind}")(name, found["rest"], query, data)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = handle_one  # noqa: N815

    def _is_over(self) -> bool:
        """Refused by its Content-Length, as proxies do, before a byte of the body is read."""
        cap, length = self.registry.quirks.capped_body, int(self.headers.get("Content-Length") or 0)
        if not cap or length <= cap:
            return False
        self.note(0)
        self.close_connection = True
        self.answer(413, b"<html>Request Entity Too Large</html>", Content_Type="text/html", Connection="close")
        return True

    def _is_cut_off(self) -> bool:
        """Take a third of an upload's body, and hang up."""
        length = int(self.headers.get("Content-Length") or 0)
        url = urlsplit(self.path)
        session = url.path.rpartition("/")[2]
        if (
            self.command != "PUT"
            or length < 3000
            or session not in self.registry.uploads
            or self.registry.count("bodies") >= self.registry.quirks.broken_puts
        ):
            return False
        part = self.rfile.read(length // 3)
        self.note(len(part))
        with self.registry.lock:
            self.registry.uploads[session][1].extend(part)
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
        return True

    def _allowed(self, name: str, query: Mapping[str, str]) -> bool:
        quirks, registry = self.registry.quirks, self.registry
        if not quirks.challenge:
            return True
        header = self.headers.get("Authorization", "")
        if quirks.challenge == "basic":
            if _user(header, quirks):
                return True
            self.refuse(
                401, "UNAUTHORIZED", WWW_Authenticate=f'Basic realm="https://{registry.host}/",service="ecr.test"'
            )
            return False
        action = "pull" if self.command in ("GET", "HEAD") else "push"
        granted, end = registry.tokens.get(header.partition(" ")[2], (frozenset[str](), 0.0))
        if end > time.monotonic() and (not name or f"repository:{name}:{action}" in granted):
            registry.token_uses[header] = registry.token_uses.get(header, 0) + 1
            if not quirks.token_uses or registry.token_uses[header] <= quirks.token_uses:
                return True
        scope = f',scope="repository:{name}:pull{",push" if action == "push" else ""}"' if name else ""
        error = ',error="insufficient_scope"' if granted and end > time.monotonic() else ""
        realm = f'Bearer realm="http://{registry.elsewhere}/token",service="{registry.host}"{scope}{error}'
        self.refuse(401, "UNAUTHORIZED", WWW_Authenticate=realm)
        return False

    def _blobs(self, name: str, digest: str, query: Mapping[str, str], data: bytes) -> None:
        quirks, blob = self.registry.quirks, self.registry.blobs.get((name, digest))
        if blob is None:
            self.refuse(404, "BLOB_UNKNOWN")
        elif quirks.redirect:
            path = f"/signed/{secrets.token_hex(6)}?X-Amz-Signature=s3cr3t"
            uses = quirks.url_uses or 1 << 30
            if self.command == "GET" and self.registry.count("signed URLs") < quirks.expired_urls:
                uses = 0
            self.registry.signed[path] = (digest, uses)
            self.answer(307, Location=f"http://{self.registry.elsewhere}{path}")
        else:
            self.give(blob, "application/octet-stream")

    def _blobs_uploads(self, name: str, session: str, query: Mapping[str, str], data: bytes) -> None:
        if self.command == "POST":
            self._begin(name, query)
        elif (
            session not in self.registry.uploads
            or self.registry.uploads[session][0] != name
            or (self.registry.quirks.location_state and query.get("_state") != self._state(session))
        ):
            self.refuse(404, "BLOB_UPLOAD_UNKNOWN")
        elif self.command == "GET":
            self._going_on(name, session, 204)
        elif self.command == "DELETE":
            del self.registry.uploads[session]
            self.answer(204)
        elif self._capped(data):
            self.refuse(416, "BLOB_UPLOAD_INVALID")
        elif self.command == "PATCH":
            self._patch(name, session, data)
        else:
            self._finish(name, session, query, data)

    def _begin(self, name: str, query: Mapping[str, str]) -> None:
        quirks, registry = self.registry.quirks, self.registry
        if quirks.must_exist and name not in registry.created:
            self.refuse(404, "NAME_UNKNOWN")
            return
        source = (query.get("from", ""), query.get("mount", ""))
        if query.get("mount") and quirks.mount == "error":
            self.refuse(400, "UNSUPPORTED")
            return
        if quirks.mount == "yes" and source in registry.blobs:
            registry.blobs[name, source[1]] = registry.blobs[source]
            self.answer(201, Location=f"/v2/{name}/blobs/{source[1]}")
            return
        session = secrets.token_hex(8)
        registry.uploads[session] = (name, bytearray(), 0)
        self._going_on(name, session, 202)

    def _state(self, session: str) -> str:
        _, have, patches = self.registry.uploads[session]
        return f"{len(have)}.{patches}"

    def _going_on(self, name: str, session: str, status: int) -> None:
        have = self.registry.uploads[session][1]
        state = f"?_state={self._state(session)}" if self.registry.quirks.location_state else ""
        self.answer(status, Location=f"/v2/{name}/blobs/uploads/{session}{state}", Range=f"0-{max(len(have) - 1, 0)}",
                    Docker_Upload_UUID=session)  # fmt: skip

    def _capped(self, data: bytes) -> bool:
        cap = self.registry.quirks.capped_range
        return bool(cap and "Content-Range" in self.headers and len(data) > cap)

    def _patch(self, name: str, session: str, data: bytes) -> None:
        quirks = self.registry.quirks
        _, have, patches = self.registry.uploads[session]
        if quirks.patch == "no":
            self.refuse(405, "UNSUPPORTED")
            return
        ahead = re.match(r"(\d+)-", self.headers.get("Content-Range", ""))
        if ahead and int(ahead[1]) != len(have):
            self.refuse(416, "BLOB_UPLOAD_INVALID")
            return
        if quirks.patch != "drop" or not have:
            have += data
        self.registry.uploads[session] = (name, have, patches + 1)
        self._going_on(name, session, 201 if quirks.patch in ("201", "drop") else 202)

    def _finish(self, name: str, session: str, query: Mapping[str, str], data: bytes) -> None:
        whole = bytes(self.registry.uploads[session][1]) + data
        if digest_of(whole) != query.get("digest"):
            self.refuse(400, "DIGEST_INVALID")
            return
        del self.registry.uploads[session]
        self.registry.put_blob(name, whole)
        self.answer(201, Location=f"/v2/{name}/blobs/{digest_of(whole)}", Docker_Content_Digest=digest_of(whole))

    def _manifests(self, name: str, reference: str, query: Mapping[str, str], data: bytes) -> None:
        quirks, registry = self.registry.quirks, self.registry
        if self.command == "PUT":
            self._put_manifest(name, reference, data)
            return
        if self.command == "GET" and 0 <= quirks.rate_limit <= registry.count("manifests read"):
            self.refuse(429, "TOOMANYREQUESTS", ratelimit_limit="100;w=21600", ratelimit_remaining="0;w=21600")
            return
        found = registry.manifests.get((name, reference))
        if quirks.referrers == "self" and reference.startswith("sha256-"):
            found = registry.manifests.get((name, reference.replace("-", ":", 1)))
        if not found:
            self.refuse(404, "MANIFEST_UNKNOWN")
            return
        if self.command == "DELETE":
            del registry.manifests[name, reference]
            self.answer(202)
            return
        limits = (
            {"ratelimit_limit": "100;w=21600", "ratelimit_remaining": "7;w=21600"} if quirks.rate_limit >= 0 else {}
        )
        self.answer(200, found[0], Content_Type=found[1], Docker_Content_Digest=digest_of(found[0]), **limits)

    def _put_manifest(self, name: str, reference: str, data: bytes) -> None:
        quirks, registry = self.registry.quirks, self.registry
        if quirks.must_exist and name not in registry.created:
            self.refuse(404, "NAME_UNKNOWN")
            return
        if registry.count("manifests written") < quirks.busy_manifests:
            self.refuse(429, "TOOMANYREQUESTS", Retry_After="0")
            return
        document = json.loads(data)
        parts = [document.get("config"), *document.get("layers", [])]
        absent = [one for one in parts if one and not one.get("urls") and (name, one["digest"]) not in registry.blobs]
        if absent or (quirks.strict_manifests and "mediaType" not in document):
            self.refuse(400, "MANIFEST_BLOB_UNKNOWN" if absent else "MANIFEST_INVALID")
            return
        digest = registry.put_manifest(name, reference, data, self.headers.get("Content-Type", ""))
        subject = document.get("subject", {}).get("digest", "") if quirks.referrers == "api" else ""
        headers = {"OCI_Subject": subject} if subject else {}
        self.answer(201, Location=f"/v2/{name}/manifests/{digest}", Docker_Content_Digest=digest, **headers)

    def _tags(self, name: str, rest: str, query: Mapping[str, str], data: bytes) -> None:
        if self.registry.count("tags") < self.registry.quirks.busy_tags:
            self.refuse(429, "TOOMANYREQUESTS", Retry_After="0")
            return
        tags = sorted(tag for repository, tag in self.registry.manifests if repository == name and ":" not in tag)
        if not tags:
            self.refuse(404, "NAME_UNKNOWN")
            return
        self.answer(200, json.dumps({"name": name, "tags": tags}).encode(), Content_Type="application/json")

    def _referrers(self, name: str, digest: str, query: Mapping[str, str], data: bytes) -> None:
        kind = self.registry.quirks.referrers
        if kind == "303":
            self.answer(303, Location=f"http://{self.registry.elsewhere}/login")
            return
        if kind != "api":
            self.refuse(404, "NOT_FOUND")
            return
        found = {}
        for (repository, _), (manifest, media_type) in self.registry.manifests.items():
            document = json.loads(manifest)
            if repository == name and document.get("subject", {}).get("digest") == digest:
                found[digest_of(manifest)] = {
                    "mediaType": media_type,
                    "digest": digest_of(manifest),
                    "size": len(manifest),
                    "artifactType": document.get("artifactType") or document.get("config", {}).get("mediaType", ""),
                    "annotations": document.get("annotations", {}),
                }
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(found.values())}
        self.answer(200, json.dumps(index).encode(), Content_Type=INDEX)
