"""contract.yaml: what is refused, and with which words and line."""

from __future__ import annotations

import pytest

from wherry.contract.document import parse
from wherry.contract.model import Latency
from wherry.contract.read import read
from wherry.errors import InputError

# the file behind "version: 1\n"; where; what is said; the hint
WRONG = [
    ("requets: []\n", "2", "unknown key 'requets'", "did you mean requests?"),
    ("requests: []\n", "1", "a contract without requests says nothing", "requests:"),
    ("requests:\n- {path: /, expct: {}}\n", "3", "requests[0]: unknown key 'expct'", "did you mean expect?"),
    ("requests:\n- path: x\n", "3", "requests[0].path: 'x' is no path of a URL", "it begins with /"),
    ("requests:\n- method: POST\n", "3", "requests[0]: path is missing", ""),
    ("requests:\n- path: /\n  method: BREW\n", "4", "requests[0].method: unknown method 'BREW'", "one of GET"),
    ("requests:\n- path: /\n  json: 1\n  body: x\n", "5", "json and body are two bodies", ""),
    ("requests:\n- path: /\n  json: {a: !any ''}\n", "4", "a request needs a value here", ""),
    ("requests:\n- path: /\n  expect:\n    status: 2000\n", "5", "must be a whole number from 100 to 599", ""),
    ("requests:\n- path: /\n  expect: {json: !any2 x}\n", "4", "unknown tag !any2", "!any, !regex PATTERN"),
    ("requests:\n- path: /\n  expect: {json: !type int}\n", "4", "unknown type 'int'", "one of null"),
    ("requests:\n- path: /\n  expect: {json: !regex '('}\n", "4", "is no regular expression", ""),
    ("requests:\n- path: /\n  expect: {ignore: [at]}\n", "4", "'at' is no JSON path", "it begins with $"),
    ("requests:\n- path: /\n  expect: {digest: md5:1}\n", "4", "'md5:1' is no digest", "sha256:"),
    ("requests:\n- path: /\n  latency: {p95: 50}\n", "4", 'missing unit in duration', ""),
    ("requests:\n- path: /\n  latency: {p95: -5ms}\n", "4", "is less than nothing", ""),
    ("requests:\n- path: /\n  headers: {a: \"x\\ny\"}\n", "4", "no HTTP header can hold that", ""),
    ("requests:\n- {path: /, name: a}\n- {path: /, name: a}\n", "4", "is taken by the request in line 3", ""),
    ("requests:\n- path: /\n  path: /\n", "4", "key 'path' stands here twice", ""),
    ("requests: {path: /}\n", "2", "requests: must be a list, not a mapping", ""),
    ("requests:\n- path: [\n", "4", "not YAML", ""),
    ("app: {port: 0}\nrequests: [{path: /}]\n", "2", "app.port: must be a whole number from 1 to 65535, not 0", ""),
    ("app: {writable: [tmp]}\nrequests: [{path: /}]\n", "2", "'tmp' is no absolute path", ""),
    ("tolerance: {abs: -1}\nrequests: [{path: /}]\n", "2", "must be a number of 0 or more", ""),
    ("schema: {file: x.json}\n", "2", "is no OpenAPI document", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "message", "hint"), WRONG)
def test_a_fault_is_named_with_its_line(text: str, line: str, message: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        read(f"version: 1\n{text}".encode(), "c.yaml", lambda name: b"{}")
    assert caught.value.where == f"c.yaml:{line}"
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "message"), [("requests: []", "version is missing"), ("version: 2", "reads version 1")]
)
def test_the_version_must_be_known(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(text.encode(), "c.yaml", lambda name: b"")


def test_the_top_of_the_file_is_for_all_requests() -> None:
    text = (
        b"version: 1\nheaders: {X-Tenant: a}\nlatency: {p95: 50ms, repeat: 5}\nignore: [$.at]\ntimeout: 3s\n"
        b"requests:\n- path: /predict\n  json: {a: 1}\n  latency: {p95: 1s}\n- {path: /x, file: picture}\n"
    )
    first, second = read(text, "c.yaml", lambda name: name.encode()).requests
    assert (first.method, first.body, first.timeout_s) == ("POST", b'{"a": 1}', 3.0)
    assert first.headers == {"x-tenant": "a", "content-type": "application/json"}
    assert first.latency == Latency(p95_s=1.0, repeat=5)
    assert [one.text for one in first.expect.ignore] == ["$.at"]
    assert (second.body, second.name, second.latency.p95_s) == (b"picture", "POST /x (2)", 0.05)


def test_aliases_that_stand_for_millions_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{one}: &a{one} [{', '.join([f'*a{one - 1}'] * 10)}]" for one in range(1, 8)]
    with pytest.raises(InputError, match="stand for more than can be meant"):
        parse("\n".join(lines).encode(), "bomb.yaml")


def test_aliases_that_are_meant_stay() -> None:
    root = parse(b"common: &common [1, 2]\nrequests: [*common, *common]\n", "contract.yaml")
    assert root.mapping()["requests"].plain() == [[1, 2], [1, 2]]
