"""The language, by what docker 26.1 printed for the same templates on the same data
(tests/compat/test_templates.py asks it again). A case is [template, "out" or "error", text].
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wherry.gotemplate import Template, TemplateError

CASES = Path(__file__).parents[2] / "cases" / "gotemplate"
# As a Go program has them that decodes JSON: all numbers are floats
DATA = json.loads((CASES / "data.json").read_text(), parse_int=float)
LANGUAGE = [json.loads(line) for line in (CASES / "language.jsonl").read_text().splitlines()]
# What docker was asked with; the columns in messages count it
WRAPPED = "{{with .Metadata.Metadata.AdditionalFields.D}}%s{{end}}"


def outcome(template: str, value: Any, **options: Any) -> list[str]:
    try:
        text = Template.parse(template).execute(value, **options)
    except TemplateError as fault:
        return ["error", fault.message]
    return ["out", text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")]


@pytest.mark.parametrize(("template", "kind", "text"), LANGUAGE, ids=[case[0][:60] for case in LANGUAGE])
def test_a_template_gives_what_docker_gives(template: str, kind: str, text: str) -> None:
    value = {"Name": "data", "Metadata": {"Metadata": {"AdditionalFields": {"D": DATA}}}}
    assert outcome(WRAPPED % template, value) == [kind, text]


def test_there_are_hundreds_of_cases_of_both_sorts() -> None:
    kinds = [kind for _, kind, _ in LANGUAGE]
    assert min(kinds.count("out"), kinds.count("error")) > 200


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{.a.b}}", "1"),
        ("{{index . \"x\"}}", "<no value>"),
        ("{{.x}}", 'template: :1:2: executing "" at <.x>: map has no entry for key "x"'),
        ("{{.a.x}}", 'template: :1:4: executing "" at <.a.x>: map has no entry for key "x"'),
        ("{{with index . \"x\"}}{{else}}none{{end}}", "none"),
    ],
)  # fmt: skip
def test_strict_refuses_a_key_that_is_not_there(template: str, text: str) -> None:
    assert outcome(template, {"a": {"b": 1}}, strict=True)[1] == text


def test_a_message_is_about_the_line_and_byte_where_it_stands() -> None:
    assert outcome("äß\né{{.a.b.c}}", {"a": {"b": 1}})[1].startswith("template: :2:6: ")


def test_the_name_of_a_template_is_in_its_messages() -> None:
    with pytest.raises(TemplateError, match=r'^template: version:1: function "f" not defined$'):
        Template.parse("{{f}}", name="version")


def test_defined_templates_see_what_they_are_given() -> None:
    text = '{{define "row"}}<{{.n}}{{with $}}{{.m}}{{end}}>{{end}}{{range .}}{{template "row" .}}{{end}}'
    assert outcome(text, [{"n": 1, "m": 2}, {"n": 3, "m": 4}]) == ["out", "<12><34>"]
    assert outcome('{{define "x"}}{{.a.b}}{{end}}{{template "x" .}}', {"a": 1})[1] == (
        'template: :1:18: executing "x" at <.a.b>: can\'t evaluate field b in type interface {}'
    )
    assert outcome('{{define "x"}}a{{end}}{{define "x"}}b{{end}}', {})[0] == "error"


def test_what_is_wrong_names_what_is_there() -> None:
    with pytest.raises(TemplateError) as caught:
        Template.parse("{{.a.Nmae}}").execute({"a": {"Name": 1, "Other": 2}}, strict=True)
    assert caught.value.hint == "there are: .Name .Other"
