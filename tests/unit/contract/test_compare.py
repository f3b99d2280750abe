"""Comparisons as data, and what must hold for all JSON."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.contract import record, write
from wherry.contract.call import Answer
from wherry.contract.compare import compare
from wherry.contract.judge import judge
from wherry.contract.model import App, Expect, Tolerance
from wherry.contract.paths import Pattern
from wherry.contract.read import read
from wherry.contract.values import distance
from wherry.errors import InputError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(), below, max_size=4),
    max_leaves=12,
)

# what `expect` says, as YAML; the answer's JSON; what the first fault says ("": none)
CASES = [
    ("json: {a: 1}", '{"a": 1}', ""),
    ("json: {a: 1}", '{"a": 1.0}', ""),
    ("json: {a: 1}", '{"a": 2}', "$.a: expected 1 exactly, got 2"),
    ("json: {a: 1}", '{"a": true}', "$.a: expected integer 1, got boolean true"),
    ("json: {a: 1}", '{"a": "1"}', '$.a: expected integer 1, got string "1"'),
    ("json: {a: 1}", "{}", "$.a: missing"),
    ("json: {a: 1}", '{"a": 1, "b": 2}', "$.b: not in the contract: 2"),
    ("{json: {a: 1}, additional: true}", '{"a": 1, "b": 2}', ""),
    ("json: {a: 0.5}", '{"a": 0.50001}', ""),
    ("json: {a: 0.5}", '{"a": 0.51}', "$.a: expected 0.5 within 1e-06 or 0.0001 of it, got 0.51"),
    ("{json: {a: 0.5}, tolerance: {abs: 0.02}}", '{"a": 0.51}', ""),
    ("{json: {a: 0.5}, tolerance: {paths: {$.a: {abs: 0.02}}}}", '{"a": 0.51}', ""),
    ("{json: {a: [0.5]}, tolerance: {paths: {$.a: {abs: 0.02}}}}", '{"a": [0.51]}', ""),
    ("{json: {a: 0.5}, tolerance: {paths: {$.b: {abs: 0.02}}}}", '{"a": 0.51}', "$.a: expected 0.5"),
    ("{json: {n: 100}, tolerance: {abs: 1}}", '{"n": 101}', ""),
    ("{json: {n: 100}, tolerance: {rel: 0.001}}", '{"n": 101}', "$.n: expected 100 within"),
    ("json: [.nan, .inf, -.inf]", "[NaN, Infinity, -Infinity]", ""),
    ("json: [.inf]", "[-Infinity]", "$[0]: expected Infinity"),
    ("json: [.nan]", "[0]", "$[0]: expected NaN"),
    ("json: [12345678901234567890123]", "[12345678901234567890123]", ""),
    ("json: [12345678901234567890123]", "[12345678901234567890124]", "$[0]: expected 12345678901234567890123 exactly"),
    ("json: {id: !any '', n: !type integer, s: !regex '^v\\d'}", '{"id": null, "n": 3, "s": "v1"}', ""),
    ("json: {n: !type integer}", '{"n": 3.5}', "$.n: expected a value of type integer, got number 3.5"),
    ("json: {n: !type number}", '{"n": 3}', ""),
    ("json: {s: !regex '^v\\d'}", '{"s": "x"}', "$.s: expected a text that matches"),
    ("{json: {id: 1, at: x}, ignore: [$.at]}", '{"id": 1, "at": "y"}', ""),
    ("{json: {id: 1, at: x}, ignore: [$.at]}", '{"id": 1}', ""),
    ("{json: {a: {at: 1}}, ignore: [$..at]}", '{"a": {"at": 2}}', ""),
    ("{json: [1, 2, 3], unordered: [$]}", "[3, 1, 2]", ""),
    ("{json: [0.5, 0.9], unordered: [$]}", "[0.900001, 0.500001]", ""),
    ("{json: [1, 2, 3], unordered: [$]}", "[3, 1, 4]", "$[1]: expected 2 exactly, got 4"),
    ("json: [1, 2]", "[2, 1]", "$[0]: expected 1"),
    ("json: [1, 2]", "[1]", "$: expected 2 elements, got 1"),
    ("json: {a: no}", '{"a": "no"}', ""),
    ("json: {a: 12:30}", '{"a": "12:30"}', ""),
    ("json: [é, 🚢]", '["\\u00e9", "🚢"]', ""),
    ("json: null", "null", ""),
    ("json: null", "0", "$: expected null, got integer 0"),
    ("json: {}", "<html>", "the answer is no JSON (application/json)"),
    ("json: {}", "[" * 5000, "the answer is no JSON"),
    ("{json: {}, status: 201}", "{}", "expected status 201, got 200"),
    ("{json: {}, headers: {X-Model: v1}}", "{}", "header x-model is missing"),
    ("{json: {}, headers: {Content-Type: !regex ^application/}}", "{}", ""),
    ("text: !regex ship", "a ship", ""),
    ("text: ship", "a ship", "expected the text 'ship', got 'a ship'"),
    (f"digest: sha256:{'0' * 64}", "x", "expected the bytes sha256:000000000000"),
]


@pytest.mark.parametrize(("expect", "answer", "fault"), CASES)
def test_an_answer_is_judged(expect: str, answer: str, fault: str) -> None:
    inner = expect if expect.startswith("{") else "{" + expect + "}"
    text = f"version: 1\nrequests:\n- path: /\n  expect: {inner}\n"
    contract = read(text.encode(), "c.yaml", lambda name: b"")
    got = judge(Answer(200, {"content-type": "application/json"}, answer.encode()), contract.requests[0].expect)
    first = str(got.faults[0]) if got.faults else ""
    assert first.startswith(fault) if fault else not first


@settings(max_examples=80, deadline=None)
@given(JSON)
def test_an_answer_keeps_the_contract_that_was_recorded_from_it(value: object) -> None:
    body = json.dumps(value).encode()
    answer = Answer(200, {"content-type": "application/json"}, body)
    seen = record.Exchange("POST", "/predict", {"content-type": "application/json"}, body, answer, answer)
    made, notes = record.contract_of([seen], App())
    again = read(write.write(made), "c.yaml", lambda name: write.files(made)[name])
    assert not judge(answer, again.requests[0].expect).faults
    if not notes:
        assert json.dumps(json.loads(again.requests[0].body)) == json.dumps(json.loads(body))


@settings(max_examples=80, deadline=None)
@given(JSON, JSON, st.floats(0, 2), st.floats(0, 1))
def test_it_makes_no_difference_which_one_is_expected(one: object, other: object, absolute: float, part: float) -> None:
    rules = Expect(tolerances=((Pattern.parse("$"), Tolerance(absolute, part, exact_integers=False)),))
    there, back = compare(one, other, rules), compare(other, one, rules)
    assert bool(there.faults) == bool(back.faults)
    assert (there.drift.absolute, there.drift.relative) == (back.drift.absolute, back.drift.relative)


@given(st.floats() | st.integers(), st.floats() | st.integers())
def test_a_distance_is_never_nan(one: float, other: float) -> None:
    assert not any(math.isnan(part) for part in distance(one, other))


def test_numbers_beyond_floats_are_compared_exactly() -> None:
    assert distance(10**400, 10**400 + 1)[0] == 1.0
    assert distance(10**400, 1) == (math.inf, 1.0)


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("$", (), True), ("$.a", ("a",), True), ("$.a", ("a", "b"), False), ("$.a[*].b", ("a", 3, "b"), True),
        ("$['odd name'][0]", ("odd name", 0), True), ("$..score", ("a", 1, "score"), True), ("$.*", ("x",), True),
        ("$..score", ("score", "x"), False), ("$.a[1]", ("a", "1"), False), ('$["a\\"b"]', ('a"b',), True),
    ],
)  # fmt: skip
def test_a_pattern_fits_its_paths(pattern: str, path: tuple[str | int, ...], fits: bool) -> None:
    assert Pattern.parse(pattern).fits(path) is fits
    assert Pattern.of(path).fits(path)


@pytest.mark.parametrize("text", ["a", "$a", "$.", "$[", "$[-1]", "$.a[?(@.b)]", "$[1:2]"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no JSON path"):
        Pattern.parse(text)
