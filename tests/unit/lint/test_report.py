"""Findings as text, JSON and SARIF."""

from __future__ import annotations

import jsonschema

from wherry.lint.choice import Choice
from wherry.lint.report import json_document, sarif, summary, text
from wherry.lint.ruleset import load
from wherry.lint.run import Finding, run
from wherry.lint.subject import Subject

# What SARIF 2.1.0 requires of the objects that are written here, and no key besides
MESSAGE = {"type": "object", "required": ["text"], "additionalProperties": False,
           "properties": {"text": {"type": "string"}}}  # fmt: skip
LEVEL = {"enum": ["none", "note", "warning", "error"]}
LINE = {"type": "integer", "minimum": 1}
RULE = {
    "type": "object", "required": ["id"], "additionalProperties": False,
    "properties": {"id": {"type": "string"}, "shortDescription": MESSAGE, "helpUri": {"type": "string"},
                   "defaultConfiguration": {"properties": {"level": LEVEL}}},
}  # fmt: skip
LOCATION = {
    "type": "object", "additionalProperties": False,
    "properties": {"physicalLocation": {
        "type": "object", "required": ["artifactLocation"], "additionalProperties": False,
        "properties": {
            "artifactLocation": {"properties": {"uri": {"type": "string", "pattern": "^[^ ]+$"}}},
            "region": {"additionalProperties": False, "required": ["startLine"],
                       "properties": dict.fromkeys(("startLine", "endLine", "startColumn", "endColumn"), LINE)},
        },
    }},
}  # fmt: skip
RESULT = {
    "type": "object", "required": ["message"], "additionalProperties": False,
    "properties": {"ruleId": {"type": "string"}, "ruleIndex": {"type": "integer", "minimum": 0}, "level": LEVEL,
                   "message": MESSAGE, "locations": {"type": "array", "items": LOCATION}},
}  # fmt: skip
SCHEMA = {
    "type": "object", "required": ["version", "runs"],
    "properties": {"version": {"const": "2.1.0"}, "runs": {"type": "array", "items": {
        "type": "object", "required": ["tool"],
        "properties": {
            "tool": {"required": ["driver"], "properties": {"driver": {
                "required": ["name"], "properties": {"rules": {"type": "array", "items": RULE, "uniqueItems": True}}}}},
            "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
            "results": {"type": "array", "items": RESULT},
        },
    }}},
}  # fmt: skip


def findings(source: str) -> tuple[Finding, ...]:
    return run(Subject.parse(source.encode(), "Dockerfile"), load(["buildkit"]), Choice())


TWO = "FROM a as b\nENV k v\n"


def test_text_counts_first_and_then_shows_each_place() -> None:
    lines = list(text(findings(TWO)))
    assert lines[0] == "Check complete, 2 warnings have been found!"
    assert lines[2] == "WARNING: FromAsCasing - https://docs.docker.com/go/dockerfile/rule/from-as-casing/"
    assert "   1 | >>> FROM a as b" in lines[4]
    assert next(text(findings("FROM a as b\n"))) == "Check complete, 1 warning has been found!"
    assert list(text(())) == ["Check complete, no warnings found."]


def test_a_builds_summary_is_a_line_each() -> None:
    assert list(summary(findings(TWO)))[2] == (
        " - FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)"
    )
    assert list(summary(())) == []


def test_json_has_hadolints_fields() -> None:
    (one, _) = json_document(findings(TWO), "x/Dockerfile")
    assert (one["file"], one["line"], one["level"], one["code"]) == ("x/Dockerfile", 1, "warning", "FromAsCasing")


def test_sarif_holds_what_the_standard_asks() -> None:
    for source in (TWO, "FROM a\n"):
        document = sarif(findings(source), "my folder/Dockerfile", "1")
        jsonschema.validate(document, SCHEMA)
    run_ = sarif(findings(TWO), "d", "1")["runs"][0]
    names = [rule["id"] for rule in run_["tool"]["driver"]["rules"]]
    assert all(names[one["ruleIndex"]] == one["ruleId"] for one in run_["results"])
    assert len(run_["results"]) == 2
