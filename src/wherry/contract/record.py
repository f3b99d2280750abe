"""From requests and answers that were seen to a contract: secrets left out, what changes each time let go."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from wherry.contract.beside import expected_of
from wherry.contract.call import Answer
from wherry.contract.model import App, Contract, Expect, Request, Schema, Tolerance
from wherry.contract.paths import Path, Pattern, shown
from wherry.contract.values import Json, Matches, OfType, distance, is_number, parse_json, type_of
from wherry.contract.write import is_writable
from wherry.errors import InputError

__all__ = ["SECRET_HEADERS", "Exchange", "contract_of", "keep", "kept_headers"]

# What a client adds to each request by itself, or what belongs to the connection
_PASSING = frozenset({
    "host", "connection", "content-length", "transfer-encoding", "accept-encoding", "user-agent", "keep-alive", "te",
    "upgrade", "trailer", "proxy-connection", "expect", "x-forwarded-for", "x-forwarded-proto", "x-request-id",
    "traceparent", "tracestate", "date", "origin", "referer", "dnt", "priority", "cache-control", "pragma",
    "accept-language", "forwarded", "via",
})  # fmt: skip
SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
_SECRET = re.compile(r"(?i)(api[-_]?key|token|secret|passw(or)?d|credential|session|signature|\bkey$|^sig$|auth)")
_LARGEST_TEXT = 16 << 10
_RELATIVE = 1e-4


@dataclass(frozen=True)
class Exchange:
    """A request as a client sent it, its answer, and the answer to the same request a second time (None: not asked)."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    answer: Answer
    again: Answer | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """The same for requests that ask the same."""
        return self.method, self.path, sha256(_canonical(self.body)).hexdigest()


def _canonical(body: bytes) -> bytes:
    try:
        return json.dumps(parse_json(body), sort_keys=True).encode()
    except InputError:
        return body


def kept_headers(headers: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """(those that belong into a contract, the names of those left out because they hold a secret)."""
    kept, secret = {}, []
    for name, value in headers.items():
        if name in SECRET_HEADERS or _SECRET.search(name):
            secret.append(name)
        elif name not in _PASSING and not name.startswith("sec-") and not (name == "accept" and value == "*/*"):
            kept[name] = value
    return kept, tuple(secret)


def secret_query(path: str) -> tuple[str, tuple[str, ...]]:
    """(the path without parameters of its query that hold a secret, their names)."""
    bare, mark, query = path.partition("?")
    pieces = query.split("&") if mark else []
    secret = [one for one in pieces if _SECRET.search(one.partition("=")[0])]
    rest = "&".join(one for one in pieces if one not in secret)
    return bare + (f"?{rest}" if rest else ""), tuple(one.partition("=")[0] for one in secret)


def contract_of(exchanges: Iterable[Exchange], app: App, schema: Schema | None = None) -> tuple[Contract, list[str]]:
    """In the order in which they came, the same request once; and words about what was left out."""
    merged: dict[tuple[str, str, str], list[Exchange]] = {}
    notes: dict[str, None] = {}
    for one in exchanges:
        path, names = secret_query(one.path)
        for name in (*names, *kept_headers(one.headers)[1]):
            notes[f"{name} was sent, and is not written: give it to verify with --header or --token-env"] = None
        clean = replace(one, path=path, body=_without_secrets(one.body, notes))
        merged.setdefault(clean.key, []).append(clean)
    requests, names_taken = [], dict[str, int]()
    for same in merged.values():
        name = f"{same[0].method} {same[0].path.partition('?')[0]}"
        names_taken[name] = names_taken.get(name, 0) + 1
        number = names_taken[name]
        requests.append(keep(same, f"{name} ({number})" if number > 1 else name))
    return Contract(tuple(requests), app, schema), list(notes)


def _without_secrets(body: bytes, notes: dict[str, None]) -> bytes:
    """Values of members such as "password" become "REDACTED"."""
    try:
        value = parse_json(body)
    except InputError:
        return body
    found: list[str] = []
    cleaned = _redacted(value, found)
    for name in found:
        notes[f"the value of {name} in a body is not written: REDACTED stands there"] = None
    return json.dumps(cleaned, ensure_ascii=False).encode("utf-8", "surrogatepass") if found else body


def _redacted(value: Json, found: list[str]) -> Json:
    if isinstance(value, list):
        return [_redacted(one, found) for one in value]
    if not isinstance(value, dict):
        return value
    cleaned = {}
    for name, one in value.items():
        is_secret = isinstance(one, str) and _SECRET.search(name) is not None
        found += [name] * is_secret
        cleaned[name] = "REDACTED" if is_secret else _redacted(one, found)
    return cleaned


def keep(same: Sequence[Exchange], name: str) -> Request:
    """One request of all that asked the same; what differs between their answers is not promised."""
    first = same[0]
    answers = [answer for one in same for answer in (one.answer, one.again) if answer is not None]
    headers, _ = kept_headers(first.headers)
    return Request(name, first.method, first.path, headers, first.body, _expect(answers))


def _expect(answers: Sequence[Answer]) -> Expect:
    first = answers[0]
    statuses = tuple(dict.fromkeys(one.status for one in answers))
    promised = {"content-type": first.headers["content-type"]} if first.content_type else {}
    if len(statuses) > 1:
        return Expect(statuses, {})
    found = expected_of(first, Expect())
    base = replace(found, statuses=statuses, headers=promised)
    if base.has_json and is_writable(base.json):
        return _json(base, [parse_json(one.body) for one in answers[1:] if _is_json(one)])
    if any(one.body != first.body for one in answers[1:]):
        return Expect(statuses, promised)
    if isinstance(base.text, str) and is_writable(base.text) and len(base.text) <= _LARGEST_TEXT:
        return base
    return replace(base, json=None, has_json=False, text=None, digest=f"sha256:{sha256(first.body).hexdigest()}")


def _is_json(answer: Answer) -> bool:
    try:
        parse_json(answer.body)
    except InputError:
        return False
    return answer.is_json


def _json(base: Expect, others: Sequence[Json]) -> Expect:
    """Numbers that moved a little get a tolerance of what was seen, twice; what else moved is held to its type."""
    loose: dict[Path, float] = {}
    value = base.json
    for other in others:
        value = _loosened((), value, other, loose)
    tolerances = [(Pattern.of(path), Tolerance(absolute, _RELATIVE, exact_integers=False))
                  for path, absolute in sorted(loose.items(), key=lambda item: shown(item[0]))]  # fmt: skip
    return replace(base, json=value, tolerances=tuple(tolerances))


def _loosened(path: Path, value: Json, other: Json, loose: dict[Path, float]) -> Json:
    if isinstance(value, OfType | Matches):
        return value
    if isinstance(value, dict) and isinstance(other, dict) and value.keys() == other.keys():
        return {name: _loosened((*path, name), one, other[name], loose) for name, one in value.items()}
    if isinstance(value, list) and isinstance(other, list) and len(value) == len(other):
        return [_loosened((*path, number), one, other[number], loose) for number, one in enumerate(value)]
    if is_number(value) and is_number(other):
        absolute, relative = distance(value, other)
        if not absolute:
            return value
        if relative <= 0.01 and isinstance(value, float):
            loose[path] = max(loose.get(path, 0.0), 2 * absolute)
            return value
        return OfType("integer" if type_of(value) == type_of(other) == "integer" else "number")
    if type(value) is type(other) and value == other:
        return value
    from wherry.contract.values import Anything

    kind = type_of(value)
    return OfType(kind) if kind == type_of(other) else Anything()
