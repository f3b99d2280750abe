"""contract.yaml, read strictly: an unknown key, a wrong type or a broken path is an error with its line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

from wherry.contract.document import Node, parse
from wherry.contract.model import App, Contract, Expect, Latency, Request, Schema, Tolerance
from wherry.contract.paths import Pattern
from wherry.contract.values import Anything, Matches, OfType, parse_json
from wherry.durations import parse_duration_ns
from wherry.errors import InputError

__all__ = ["METHODS", "VERSION", "read", "seconds"]

VERSION = 1
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_TOP = ("version", "app", "schema", "tolerance", "ignore", "latency", "timeout", "headers", "requests")
_APP = ("port", "ready", "env", "memory", "cpus", "user", "writable", "timeout", "grace")
_REQUEST = ("name", "method", "path", "headers", "json", "body", "file", "timeout", "latency", "expect")
_EXPECT = ("status", "headers", "json", "text", "digest", "tolerance", "ignore", "unordered", "additional", "schema")
_LATENCY = ("p50", "p95", "max", "repeat", "warm-up")
_TOLERANCE = ("abs", "rel", "paths")

Open = Callable[[str], bytes]


def read(data: bytes, name: str, open_file: Open) -> Contract:
    """`open_file` gives the content of a file that the contract names, by its path as written (relative to it).

    Raises: InputError, with file and line.
    """
    top = parse(data, name)
    known = top.table(_TOP)
    _version(top, known)
    common = _Common(known, open_file)
    listed = known["requests"].sequence() if "requests" in known else []
    requests, names = [], dict[str, int]()
    for number, node in enumerate(listed):
        one = _request(node, number, common)
        if one.name in names:
            raise node.fault(f"the name {one.name!r} is taken by the request in line {names[one.name]}")
        names[one.name] = one.line
        requests.append(one)
    schema = _schema(known["schema"], open_file) if "schema" in known else None
    if not requests and schema is None:
        raise top.fault("a contract without requests says nothing",
                        hint="requests: [{path: /, expect: {status: 200}}], or record one: wherry record")  # fmt: skip
    return Contract(tuple(requests), _app(known["app"]) if "app" in known else App(), schema, name)


def seconds(text: str) -> float:
    """Of a duration such as 50ms or 1.5s. Raises: ValueError."""
    value = parse_duration_ns(text) / 1e9
    if value < 0:
        raise ValueError(f"{text!r} is less than nothing")
    return value


def _version(top: Node, known: Mapping[str, Node]) -> None:
    if "version" not in known:
        raise top.fault("version is missing", hint=f"the first line is: version: {VERSION}")
    if known["version"].value != VERSION or isinstance(known["version"].value, bool):
        raise known["version"].fault(f"this wherry reads version {VERSION}, not {known['version'].kind}")


class _Common:
    """What the top of the file says for all requests."""

    def __init__(self, known: Mapping[str, Node], open_file: Open) -> None:
        self.open = open_file
        self.tolerances = _tolerances(known["tolerance"], Tolerance()) if "tolerance" in known else ()
        self.ignore = _patterns(known["ignore"]) if "ignore" in known else ()
        self.latency = _latency(known["latency"], Latency()) if "latency" in known else Latency()
        self.timeout_s = _positive(known["timeout"]) if "timeout" in known else 30.0
        self.headers = _headers(known["headers"]) if "headers" in known else {}


def _positive(node: Node) -> float:
    value = node.read(seconds)
    if not value:
        raise node.fault("must be more than nothing")
    return value


def _headers(node: Node) -> dict[str, str]:
    found = {}
    for name, one in node.mapping().items():
        text = one.word()
        if not name or any(c <= " " or c in ":\x7f" for c in name) or any(c in "\r\n\0" for c in text):
            raise one.fault("no HTTP header can hold that")
        found[name.lower()] = text
    return found


def _patterns(node: Node) -> tuple[Pattern, ...]:
    return tuple(one.read(Pattern.parse) for one in node.sequence())


def _tolerance(known: Mapping[str, Node], base: Tolerance) -> Tolerance:
    found = base
    if "abs" in known:
        # One of both alone: a bound that is not named must not let through what the named one refuses
        found = Tolerance(known["abs"].number(), 0.0, exact_integers=False)
    if "rel" in known:
        found = Tolerance(found.absolute if "abs" in known else 0.0, known["rel"].number(), exact_integers=False)
    return found


def _tolerances(node: Node, base: Tolerance) -> tuple[tuple[Pattern, Tolerance], ...]:
    known = node.table(_TOLERANCE)
    everywhere = _tolerance(known, base)
    found = [(Pattern.parse("$"), everywhere)] if "abs" in known or "rel" in known else []
    if "paths" in known:
        for text, one in known["paths"].mapping().items():
            try:
                where = Pattern.parse(text)
            except InputError as fault:
                raise one.fault(fault.message, fault.hint) from None
            found.append((where, _tolerance(one.table(("abs", "rel")), everywhere)))
    return tuple(found)


def _latency(node: Node, base: Latency) -> Latency:
    known = node.table(_LATENCY)
    found = base
    for key, name in (("p50", "p50_s"), ("p95", "p95_s"), ("max", "max_s")):
        if key in known:
            found = replace(found, **{name: _positive(known[key])})  # type: ignore[arg-type]
    if "repeat" in known:
        found = replace(found, repeat=known["repeat"].integer(1, 100_000))
    if "warm-up" in known:
        found = replace(found, warm_up=known["warm-up"].integer(0, 100_000))
    return found


def _app(node: Node) -> App:
    known = node.table(_APP)
    env = {name: one.word() for name, one in known["env"].mapping().items()} if "env" in known else {}
    writable = tuple(one.read(_absolute) for one in known["writable"].sequence()) if "writable" in known else ()
    return App(
        known["port"].integer(1, 65535) if "port" in known else 0,
        known["ready"].read(_target) if "ready" in known else "",
        env,
        known["memory"].word() if "memory" in known else "",
        known["cpus"].word() if "cpus" in known else "",
        known["user"].word() if "user" in known else "",
        writable,
        _positive(known["timeout"]) if "timeout" in known else App.timeout_s,
        _positive(known["grace"]) if "grace" in known else App.grace_s,
    )


def _absolute(text: str) -> str:
    if not text.startswith("/") or ".." in text.split("/"):
        raise InputError(f"{text!r} is no absolute path")
    return text


def _target(text: str) -> str:
    """A path, and a query where there is one, ready for a request line."""
    if not text.startswith("/") or any(c <= " " or c == "\x7f" or not c.isascii() for c in text):
        raise InputError(f"{text!r} is no path of a URL", hint="it begins with /, and is percent-encoded: /caf%C3%A9")
    return text


def _schema(node: Node, open_file: Open) -> Schema:
    known = node.table(("path", "file"))
    path = known["path"].read(_target) if "path" in known else Schema.path
    if "file" not in known:
        return Schema(path)
    stored = known["file"].read(lambda text: parse_json(open_file(text)))
    if not isinstance(stored, dict) or "paths" not in stored:
        raise known["file"].fault(f"{known['file'].value} is no OpenAPI document")
    return Schema(path, stored, known["file"].text())


def _request(node: Node, number: int, common: _Common) -> Request:
    known = node.table(_REQUEST)
    if "path" not in known:
        raise node.fault("path is missing")
    given = [name for name in ("json", "body", "file") if name in known]
    if len(given) > 1:
        raise known[given[1]].fault(f"{given[0]} and {given[1]} are two bodies: give one")
    headers = common.headers | (_headers(known["headers"]) if "headers" in known else {})
    body = _body(known, common.open, headers) if given else b""
    method = known["method"].text().upper() if "method" in known else "POST" if given else "GET"
    if method not in METHODS:
        raise known["method"].fault(f"unknown method {method!r}", hint=f"one of {', '.join(METHODS)}")
    path = known["path"].read(_target)
    return Request(
        known["name"].word() if "name" in known else f"{method} {path}" + (f" ({number + 1})" if number else ""),
        method, path, headers, body,
        _expect(known["expect"], common) if "expect" in known else _plain_expect(common),
        _latency(known["latency"], common.latency) if "latency" in known else common.latency,
        _positive(known["timeout"]) if "timeout" in known else common.timeout_s,
        node.line,
    )  # fmt: skip


def _body(known: Mapping[str, Node], open_file: Open, headers: dict[str, str]) -> bytes:
    if "json" in known:
        headers.setdefault("content-type", "application/json")
        return _encoded(known["json"])
    if "body" in known:
        headers.setdefault("content-type", "text/plain; charset=utf-8")
        return known["body"].text().encode("utf-8", "surrogatepass")
    headers.setdefault("content-type", "application/octet-stream")
    return known["file"].read(open_file)


def _encoded(node: Node) -> bytes:
    pending = [node]
    while pending:
        one = pending.pop()
        if isinstance(one.value, Anything | OfType | Matches):
            raise one.fault("a request needs a value here, not a placeholder")
        if isinstance(one.value, dict | list):
            pending += one.value.values() if isinstance(one.value, dict) else one.value
    return json.dumps(node.plain(), ensure_ascii=False).encode("utf-8", "surrogatepass")


def _plain_expect(common: _Common) -> Expect:
    return Expect(tolerances=common.tolerances, ignore=common.ignore)


def _expect(node: Node, common: _Common) -> Expect:
    known = node.table(_EXPECT)
    bodies = [name for name in ("json", "text", "digest") if name in known]
    if len(bodies) > 1:
        raise known[bodies[1]].fault(f"{bodies[0]} and {bodies[1]} are two bodies: give one")
    base = next((how for where, how in reversed(common.tolerances) if not where.steps), Tolerance())
    own = _tolerances(known["tolerance"], base) if "tolerance" in known else ()
    return Expect(
        _statuses(known["status"]) if "status" in known else (),
        {name.lower(): _text(one) for name, one in known["headers"].mapping().items()} if "headers" in known else {},
        known["json"].plain() if "json" in known else None,
        "json" in known,
        _text(known["text"]) if "text" in known else None,
        known["digest"].read(_digest) if "digest" in known else "",
        (*common.tolerances, *own),
        (*common.ignore, *(_patterns(known["ignore"]) if "ignore" in known else ())),
        _patterns(known["unordered"]) if "unordered" in known else (),
        known["additional"].boolean() if "additional" in known else False,
        known["schema"].boolean() if "schema" in known else True,
    )


def _statuses(node: Node) -> tuple[int, ...]:
    listed = node.sequence() if isinstance(node.value, list) else [node]
    return tuple(one.integer(100, 599) for one in listed)


def _text(node: Node) -> str | Matches:
    if isinstance(node.value, Anything):
        return Matches("")
    return node.value if isinstance(node.value, Matches) else node.word()


def _digest(text: str) -> str:
    algorithm, _, hex_text = text.partition(":")
    if algorithm != "sha256" or len(hex_text) != 64 or not all(c in "0123456789abcdef" for c in hex_text):
        raise InputError(f"{text!r} is no digest", hint="sha256: and 64 hexadecimal digits, as sha256sum prints them")
    return text
