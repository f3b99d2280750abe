"""The smallest HTTP client that can judge a registry: it knows nothing of wherry's own client, and forgives nothing."""

from __future__ import annotations

import hashlib
import http.client
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

__all__ = ["Answer", "Wire", "digest_of"]

OCTETS = "application/octet-stream"


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


class Answer(NamedTuple):
    """What came back. `url` is what was asked for: a relative Location is read from there."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    url: str

    @property
    def location(self) -> str:
        """Where to go next, relative or absolute made absolute, its query kept."""
        where = self.headers["Location"]
        assert where, f"{self.status} of {self.url} has no Location"
        return urljoin(self.url, where)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def codes(self) -> list[str]:
        """The error codes of the spec in the body."""
        return [one["code"] for one in self.json["errors"]]


class Wire:
    """One connection to `host:port`, opened anew when the other side has closed it. Not thread-safe."""

    def __init__(self, host: str, port: int, headers: Mapping[str, str] | None = None) -> None:
        self.base = f"http://{host}:{port}"
        self._address = (host, port)
        self._always = dict(headers or {})
        self._connection = http.client.HTTPConnection(host, port, timeout=60)

    def close(self) -> None:
        self._connection.close()

    def again(self, headers: Mapping[str, str] | None = None) -> Wire:
        """Another connection to the same place."""
        return Wire(*self._address, headers=headers or self._always)

    def ask(
        self,
        method: str,
        url: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """`body` of None sends none (and Content-Length 0 where a method wants one); an iterable is sent in chunks."""
        whole = urljoin(self.base, url)
        assert urlsplit(whole).netloc == urlsplit(self.base).netloc, f"sent away to {whole}"
        target = whole[len(self.base) :]
        sent = {**self._always, **(headers or {})}
        if body is None and method in {"POST", "PUT", "PATCH", "DELETE"}:
            sent.setdefault("Content-Length", "0")
        self._connection.request(method, target, body, sent)
        with self._connection.getresponse() as response:
            content = response.read()
            answer = Answer(response.status, response.headers, content, whole)
        if method == "HEAD":
            assert content == b""
        return answer

    def get(self, url: str, **headers: str) -> Answer:
        return self.ask("GET", url, headers=_dashed(headers))

    def head(self, url: str, **headers: str) -> Answer:
        return self.ask("HEAD", url, headers=_dashed(headers))

    def post(self, url: str, body: bytes | None = None, **headers: str) -> Answer:
        return self.ask("POST", url, body, {"Content-Type": OCTETS} | _dashed(headers) if body else _dashed(headers))

    def put(self, url: str, body: bytes | None = None, **headers: str) -> Answer:
        return self.ask("PUT", url, body, {"Content-Type": OCTETS} | _dashed(headers))

    def patch(self, url: str, body: bytes | Iterable[bytes], **headers: str) -> Answer:
        return self.ask("PATCH", url, body, {"Content-Type": OCTETS} | _dashed(headers))

    def delete(self, url: str) -> Answer:
        return self.ask("DELETE", url)


def _dashed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def with_query(url: str, **more: str) -> str:
    """`url` and its own query, with `more` added."""
    return url + ("&" if urlsplit(url).query else "?") + "&".join(f"{key}={value}" for key, value in more.items())
