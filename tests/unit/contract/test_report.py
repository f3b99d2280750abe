"""Runs over a fake caller, and what is written of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from xml.etree import ElementTree

from wherry.contract.beside import beside
from wherry.contract.call import Answer, Call, NoAnswer
from wherry.contract.compare import Drift
from wherry.contract.model import Contract, Expect, Latency, Request
from wherry.contract.openapi import Api, breaking
from wherry.contract.report import FAILED, WARNED, Check, document, junit
from wherry.contract.run import Result, run

JSON = {"content-type": "application/json"}


class Played:
    """A Caller that answers from a function; the n-th call is its argument."""

    def __init__(self, answer: Callable[[int], Answer]) -> None:
        self.calls: list[Call] = []
        self._answer = answer

    def call(self, call: Call) -> Answer:
        self.calls.append(call)
        return self._answer(len(self.calls))


def one(answer: Callable[[int], Answer], **wishes: object) -> Result:
    request = Request("r", "GET", "/", expect=Expect(json={"a": 1}, has_json=True), **wishes)  # type: ignore[arg-type]
    return run(Contract((request,)), Played(answer), lambda result: None)[0]


def good(took_s: float = 0.01) -> Answer:
    return Answer(200, JSON, b'{"a": 1}', took_s)


def test_warm_up_is_asked_and_not_measured() -> None:
    bounds = Latency(p95_s=0.02, repeat=10, warm_up=2)
    found = one(lambda number: good(9.0 if number <= 2 else 0.01), latency=bounds)
    assert found.is_good
    assert (found.times.count, found.times.max_s) == (10, 0.01)


def test_a_bound_that_is_not_kept_is_a_fault() -> None:
    found = one(lambda number: good(number / 100), latency=Latency(p50_s=0.05, p95_s=0.05, max_s=0.2, repeat=10))
    assert [str(fault) for fault in found.faults] == ["p95 latency 100ms is over 50ms (10 measured)"]


def test_an_answer_that_differs_later_is_judged_too() -> None:
    found = one(lambda number: good() if number != 4 else Answer(500, {}, b"boom"), latency=Latency(repeat=5))
    assert [str(fault) for fault in found.faults] == ["request 4 of 5: expected status 2xx, got 500; it says 'boom'"]


def test_no_answer_is_a_fault_and_not_an_end() -> None:
    def gone(number: int) -> Answer:
        raise NoAnswer("the connection broke")

    found = one(gone)
    assert (found.status, str(found.faults[0])) == (0, "the connection broke")


def test_a_redirect_says_where_to() -> None:
    found = one(lambda number: Answer(302, {"location": "/login"}, b""))
    assert str(found.faults[0]) == "expected status 2xx, got 302, to /login (redirects are not followed)"


def test_two_places_are_compared_within_the_contracts_tolerances() -> None:
    first = one(lambda number: Answer(200, JSON, b'{"a": 0.5}'))
    near = one(lambda number: Answer(200, JSON, b'{"a": 0.50001}'))
    far = one(lambda number: Answer(200, JSON, b'{"a": 0.6}'))
    assert beside([first], [near])[0].is_good
    pair = beside([first], [far])[0]
    assert not pair.is_good
    assert pair.drift.path == "$.a"


def test_junit_is_xml_whatever_is_in_it() -> None:
    result = one(lambda number: Answer(500, {}, b'<&"\x00\x1b]]>'))
    text = junit('a"<b>', [result], [Check("stop", FAILED, "late\nvery"), Check("user", WARNED, "root")], [], "t", 1.5)
    suite = ElementTree.fromstring(text)[0]
    assert suite.attrib["tests"] == "3"
    assert suite.attrib["failures"] == "2"
    assert [case.attrib["name"] for case in suite] == ["r", "stop", "user"]
    assert suite[1][0].text == "late\nvery"


def test_json_has_no_numbers_that_json_lacks() -> None:
    result = Result(Request("r", "GET", "/"), 200, (), Drift(float("inf"), float("inf"), "$", 1))
    found = document({}, [result], [])
    assert json.loads(json.dumps(found, allow_nan=False))["requests"][0]["drift"]["absolute"] == "Infinity"
    assert found["passed"] is True


API = {
    "openapi": "3.1.0",
    "paths": {"/predict/{id}": {"post": {
        "requestBody": {"required": True, "content": {"application/json": {"schema": {
            "type": "object", "required": ["x"], "properties": {"x": {"type": "number"}}}}}},
        "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/P"}}}}},
    }}},
    "components": {"schemas": {"P": {"type": "object", "required": ["y"], "properties": {"y": {"type": "integer"}}}}},
}  # fmt: skip


def changed(edit: Callable[[dict], None]) -> list[str]:  # type: ignore[type-arg]
    new = json.loads(json.dumps(API))
    edit(new)
    return breaking(API, new)


def test_what_breaks_clients_is_named_and_what_does_not_is_not() -> None:
    def schema(new: dict) -> dict:  # type: ignore[type-arg]
        found: dict = new["paths"]["/predict/{id}"]["post"]["requestBody"]["content"]["application/json"]["schema"]  # type: ignore[type-arg]
        return found

    assert changed(lambda new: None) == []
    assert changed(lambda new: schema(new)["properties"].update(z={"type": "string"})) == []
    assert changed(lambda new: new["components"]["schemas"]["P"]["properties"].update(z={})) == []
    assert changed(lambda new: schema(new)["required"].append("z")) == [
        "POST /predict/{id}: the request's $.z must be given now"
    ]
    assert changed(lambda new: new["components"]["schemas"]["P"].update(properties={}, required=[])) == [
        "POST /predict/{id}: the answer's (200) $.y is gone"
    ]
    assert changed(lambda new: new["components"]["schemas"]["P"]["properties"].update(y={"type": "string"})) == [
        "POST /predict/{id}: the answer's (200) $.y was integer, and is string"
    ]
    assert changed(lambda new: new["paths"].clear()) == ["POST /predict/{id} is gone"]


def test_an_answer_is_held_against_the_schema() -> None:
    request = Request("r", "POST", "/predict/7?x=1")
    assert Api(API).check(request, Answer(200, JSON, b'{"y": 3}')) == []
    assert [str(one) for one in Api(API).check(request, Answer(200, JSON, b'{"y": "3"}'))] == [
        "$.y: schema: '3' is not of type 'integer'"
    ]
    unknown = Api(API).check(request, Answer(418, JSON, b"{}"))
    assert str(unknown[0]) == "schema: POST /predict/{id} says nothing of status 418"


def test_openapi_30_may_be_null_where_it_says_nullable() -> None:
    old = json.loads(json.dumps(API))
    old["openapi"] = "3.0.3"
    old["components"]["schemas"]["P"]["properties"]["y"]["nullable"] = True
    assert Api(old).check(Request("r", "POST", "/predict/7"), Answer(200, JSON, b'{"y": null}')) == []
