"""OpenAPI documents as they come from outside: any part of them may be of another shape, or mean harm."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.contract.call import Answer
from wherry.contract.model import Request
from wherry.contract.openapi import Api, breaking
from wherry.errors import InputError

REQUEST = Request("one", "GET", "/p")
ANSWER = Answer(200, {"content-type": "application/json"}, b'{"a": 1}')
REMOTE = {"$ref": "http://127.0.0.1:9/x.json"}
LOCAL = {"$ref": "file:///etc/passwd"}


def document(schema: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    loop = {"$ref": "#/components/schemas/Loop"}
    return {"openapi": "3.1.0", "components": {"schemas": {"Loop": loop}},
            "paths": {"/p": {"get": {"responses": {"200": {"content": content}}}}}}  # fmt: skip


@pytest.mark.parametrize("schema", [REMOTE, LOCAL])
def test_a_reference_out_of_the_document_is_not_fetched(schema: Any) -> None:
    found = Api(document(schema)).check(REQUEST, ANSWER)
    assert [one.message for one in found] == [
        f"schema: the OpenAPI document makes no sense here: Unresolvable: {schema['$ref']}"
    ]


@pytest.mark.parametrize(
    "schema",
    [{"$ref": "#/components/schemas/Loop"}, {"type": "nope"}, {"patternProperties": {"(": {}}}, {"required": 5},
     {"properties": []}, {"properties": {"a": {"minimum": "x"}}}, {"enum": 5}, "text"],
    ids=str,
)  # fmt: skip
def test_a_schema_that_is_none_is_a_fault_of_the_answer(schema: Any) -> None:
    (fault,) = Api(document(schema)).check(REQUEST, ANSWER)
    assert fault.message.startswith("schema: the OpenAPI document ")


@pytest.mark.parametrize("item", [5, {"get": 5}, {"get": {"responses": {"200": {"content": {"application/json": 7}}}}}])
def test_paths_of_another_shape_are_told(item: Any) -> None:
    broken = {"openapi": "3.1.0", "paths": {"/p": item}}
    assert "makes no sense here" in Api(broken).check(REQUEST, ANSWER)[0].message
    with pytest.raises(InputError, match="makes no sense here"):
        breaking(broken, broken)
