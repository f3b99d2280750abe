"""A contract, parsed: frozen, with every default in it. The reference is docs/contract.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from wherry.contract.paths import Pattern
from wherry.contract.values import Json, Matches

__all__ = ["App", "Contract", "Expect", "Latency", "Request", "Schema", "Tolerance"]


@dataclass(frozen=True)
class Tolerance:
    """Two numbers are the same when they are `absolute` apart or less, or `relative` times the larger one or less.

    `exact_integers`: whole numbers on both sides must be equal, so that a count is never "about" another.
    """

    absolute: float = 1e-6
    relative: float = 1e-4
    exact_integers: bool = True


@dataclass(frozen=True)
class Latency:
    """Bounds in seconds; None is no bound. `repeat` requests are measured after `warm_up` others."""

    p50_s: float | None = None
    p95_s: float | None = None
    max_s: float | None = None
    repeat: int = 1
    warm_up: int = 0


@dataclass(frozen=True)
class Expect:
    """`statuses` () is any 2xx. Of `json`, `text` and `digest` at most one is given (`has_json`: null is a value).

    `text` is equal, or a pattern. `tolerances`: the last one that covers a value counts. `additional`: members of an
    object that the contract does not name are no fault. Header names are in lower case.
    """

    statuses: tuple[int, ...] = ()
    headers: Mapping[str, str | Matches] = field(default_factory=dict)
    json: Json = None
    has_json: bool = False
    text: str | Matches | None = None
    digest: str = ""
    tolerances: tuple[tuple[Pattern, Tolerance], ...] = ()
    ignore: tuple[Pattern, ...] = ()
    unordered: tuple[Pattern, ...] = ()
    additional: bool = False
    schema: bool = True


@dataclass(frozen=True)
class Request:
    """`body` is what is sent, whole. `line` is where it stands in the contract, 0 when it came from nowhere."""

    name: str
    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    expect: Expect = Expect()
    latency: Latency = Latency()
    timeout_s: float = 30.0
    line: int = 0


@dataclass(frozen=True)
class App:
    """How it is started. `port` 0: the image's own. `ready` "": its health check, else that the port listens.

    `memory` and `user` as `wherry run` takes them; "" is verify's default. `writable` are folders that get a tmpfs.
    """

    port: int = 0
    ready: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    memory: str = ""
    cpus: str = ""
    user: str = ""
    writable: tuple[str, ...] = ()
    timeout_s: float = 60.0
    grace_s: float = 10.0


@dataclass(frozen=True)
class Schema:
    """The application's OpenAPI: where it answers it, and one that was kept (None: not compared)."""

    path: str = "/openapi.json"
    stored: Json = None
    file: str = ""


@dataclass(frozen=True)
class Contract:
    """`name` is the file's, for messages."""

    requests: tuple[Request, ...] = ()
    app: App = App()
    schema: Schema | None = None
    name: str = "contract.yaml"
