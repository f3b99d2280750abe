"""A contract as YAML that `read` takes back: what is recorded is written by this."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from wherry.contract.document import plain
from wherry.contract.model import App, Contract, Expect, Latency, Request, Tolerance
from wherry.contract.read import VERSION
from wherry.contract.values import Anything, Json, Matches, OfType, parse_json
from wherry.durations import duration_text
from wherry.errors import InputError

__all__ = ["write"]


def write(contract: Contract, note: str = "") -> bytes:
    """`note` becomes comments at the top. Bodies of requests stand in it when they are JSON or text, else they are
    named by `Request.name`.bin, which the caller writes beside it (`files`).
    """
    top: dict[str, Any] = {"version": VERSION}
    if app := _app(contract.app):
        top["app"] = app
    if contract.schema:
        top["schema"] = {"path": contract.schema.path} | (
            {"file": contract.schema.file} if contract.schema.file else {}
        )
    top["requests"] = [_request(number, one) for number, one in enumerate(contract.requests)]
    comments = "".join(f"# {line}\n" for line in note.splitlines())
    return comments.encode() + _dump(top)


def files(contract: Contract) -> dict[str, bytes]:
    """The bodies that YAML can't hold, by the file names that `write` gives them."""
    return {
        _file_name(number): one.body
        for number, one in enumerate(contract.requests)
        if one.body and "file" in _body(number, one)
    }


def _app(app: App) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("port", "ready", "memory", "cpus", "user"):
        if value := getattr(app, name):
            found[name] = value
    if app.env:
        found["env"] = dict(app.env)
    if app.writable:
        found["writable"] = list(app.writable)
    return found


def _request(number: int, one: Request) -> dict[str, Any]:
    found: dict[str, Any] = {"name": one.name, "method": one.method, "path": one.path}
    body = _body(number, one) if one.body else {}
    implied = {"json": "application/json", "body": "text/plain; charset=utf-8", "file": "application/octet-stream"}
    headers = {name: value for name, value in one.headers.items()
               if not (name == "content-type" and body and value == implied[next(iter(body))])}  # fmt: skip
    if headers:
        found["headers"] = headers
    found |= body
    if latency := _latency(one.latency):
        found["latency"] = latency
    if one.timeout_s != Request.timeout_s:
        found["timeout"] = duration_text(int(one.timeout_s * 1e9))
    found["expect"] = _expect(one.expect)
    return found


def _body(number: int, one: Request) -> dict[str, Any]:
    kind = one.headers.get("content-type", "")
    if kind.startswith("application/json"):
        try:
            value = parse_json(one.body)
        except InputError:
            pass
        else:
            # Only when the same bytes, but for blanks, will be sent again
            if is_writable(value) and json.dumps(value).encode() == _compact(one.body):
                return {"json": value}
    try:
        text = one.body.decode()
    except UnicodeDecodeError:
        return {"file": _file_name(number)}
    return {"body": text} if is_writable(text) and len(text) < 1 << 16 else {"file": _file_name(number)}


def _compact(data: bytes) -> bytes:
    return json.dumps(json.loads(data)).encode()


def _file_name(number: int) -> str:
    return f"request-{number + 1}.bin"


def _latency(latency: Latency) -> dict[str, Any]:
    pairs = (("p50", latency.p50_s), ("p95", latency.p95_s), ("max", latency.max_s))
    found: dict[str, Any] = {name: duration_text(int(bound * 1e9)) for name, bound in pairs if bound is not None}
    if latency.repeat != 1:
        found["repeat"] = latency.repeat
    if latency.warm_up:
        found["warm-up"] = latency.warm_up
    return found


def _expect(expect: Expect) -> dict[str, Any]:
    statuses = list(expect.statuses)
    found: dict[str, Any] = {"status": statuses[0] if len(statuses) == 1 else statuses} if statuses else {}
    if expect.headers:
        found["headers"] = dict(expect.headers)
    if expect.has_json:
        found["json"] = expect.json
    elif expect.text is not None:
        found["text"] = expect.text
    elif expect.digest:
        found["digest"] = expect.digest
    if tolerance := _tolerances(expect):
        found["tolerance"] = tolerance
    for name in ("ignore", "unordered"):
        if patterns := getattr(expect, name):
            found[name] = [one.text for one in patterns]
    if expect.additional:
        found["additional"] = True
    if not expect.schema:
        found["schema"] = False
    return found


def _tolerances(expect: Expect) -> dict[str, Any]:
    found: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for where, how in expect.tolerances:
        if how == Tolerance():
            continue
        bounds = {"abs": how.absolute, "rel": how.relative}
        if where.steps:
            paths[where.text] = bounds
        else:
            found |= bounds
    return found | ({"paths": paths} if paths else {})


def is_writable(value: Json) -> bool:
    """Whether YAML can hold it: no halves of surrogate pairs, no numbers of thousands of digits."""
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            pending += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            pending += one
        elif isinstance(one, str):
            if any("\ud800" <= c <= "\udfff" for c in one):
                return False
        elif isinstance(one, int) and one.bit_length() > 12_000:
            return False
    return True


def _dump(value: Mapping[str, Any]) -> bytes:
    import yaml

    class Dumper(yaml.SafeDumper):  # type: ignore[misc,unused-ignore]
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: Any, data: str) -> Any:
        # What 1.2's core schema would take for something else gets quotes; PyYAML only thinks of 1.1's
        # Line ends of other kinds than \n are folded in any style but this
        style = '"' if not data.isprintable() else "'" if not isinstance(plain(data), str) else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    def number(dumper: Any, data: float) -> Any:
        if math.isfinite(data):
            shown = repr(data)
            return dumper.represent_scalar(
                "tag:yaml.org,2002:float", shown if "." in shown else shown.replace("e", ".0e")
            )
        return dumper.represent_float(data)

    Dumper.add_representer(str, text)
    Dumper.add_representer(float, number)
    Dumper.add_representer(Anything, lambda dumper, data: dumper.represent_scalar("!any", "", style="'"))
    Dumper.add_representer(OfType, lambda dumper, data: dumper.represent_scalar("!type", data.name))
    Dumper.add_representer(Matches, lambda dumper, data: dumper.represent_scalar("!regex", data.pattern, style='"'))
    dumped: str = yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110)
    return dumped.encode()
