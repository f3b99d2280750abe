from __future__ import annotations

from typing import Any

import pytest

from wherry.errors import InputError
from wherry.gotemplate import Template
from wherry.gotemplate.values import record

VALUE = {
    "Name": "torch", "Size": 5, "Ok": True, "None": None, "List": ["a", "b"], "Empty": [],
    "Map": {"Inner": {"Deep": "x"}}, "Rows": [{"Name": "one", "N": 1}, {"Name": "two", "N": 0}],
}  # fmt: skip


def render(template: str, value: Any) -> str:
    return Template.parse(template).execute(record(value, "document"), strict=True)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain", "plain"),
        ("{{.Name}}={{.Size}}", "torch=5"),
        ("{{ .Map.Inner.Deep }}", "x"),
        ("{{json .}}{{json .List}}", None),
        ("{{json .List}}", '["a","b"]'),
        ("{{.List}} {{.Map}} {{.Ok}} {{.None}}", "[a b] map[Inner:map[Deep:x]] true <no value>"),
        ("{{range .Rows}}{{.Name}}:{{.N}};{{end}}", "one:1;two:0;"),
        ("{{range .Rows}}{{$.Name}}{{end}}", "torchtorch"),
        ("{{range .Empty}}x{{else}}none{{end}}", "none"),
        ("{{range .Map}}{{.Deep}}{{end}}", "x"),
        ("{{range .Rows}}{{if .N}}{{.Name}}{{else}}-{{end}}{{end}}", "one-"),
        ("{{if eq .Size 4}}four{{else if eq .Size 5}}five{{else}}?{{end}}", "five"),
        ("{{if and .Ok (not .Empty)}}yes{{end}}", "yes"),
        ("{{with .Map.Inner}}{{.Deep}}{{end}}", "x"),
        ("{{with .Empty}}x{{else}}no{{end}}", "no"),
        ("{{len .List}} {{upper .Name}} {{join .List \", \"}} {{index .List 1}}", "2 TORCH a, b b"),
        ("{{.Name | upper | json}}", '"TORCH"'),
        ("{{println .Name .Size}}{{print `a` \"b\"}}", "torch 5\nab"),
        ("{{if gt .Size 3}}big{{end}}", "big"),
        ("{{(index .Rows 1).Name}} {{len (index .List 0)}}", "two 1"),
        ("a  {{- .Size -}}  b", "a5b"),
        ("{{/* a comment */}}x", "x"),
        ("{{.Name}}\t{{.Size}}\n", "torch\t5\n"),
        ('{{truncate .Name 2}}{{split "a-b" "-"}}', "to[a b]"),
    ],
)  # fmt: skip
def test_what_docker_users_write(template: str, text: str | None) -> None:
    if text is None:
        assert render(template, VALUE).startswith('{"Name":"torch"')
    else:
        assert render(template, VALUE) == text


@pytest.mark.parametrize(
    "template",
    [
        "{{.Name", "{{}}", "{{.Nope}}", "{{.Name.Deeper}}", "{{nope .Name}}", "{{if .Ok}}x", "{{end}}", "{{else}}",
        "{{range .Rows}}", "{{len .Size}}", "{{len}}", "{{(.Name}}", "{{.Name)}}", '{{"open}}', "{{.Name .Size}}",
        '{{"\\x"}}', "{{index .List 9}}", "{{if}}x{{end}}",
    ],
)  # fmt: skip
def test_what_is_no_template_is_said(template: str) -> None:
    with pytest.raises(InputError):
        render(template, VALUE)


def test_a_field_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(InputError) as caught:
        render("{{.Map.Other}}", VALUE)
    assert caught.value.hint == "there are: .Inner"


@pytest.mark.parametrize("template", ["{{range .Ok}}{{end}}", "{{range .Name}}{{end}}"])
def test_only_lists_and_maps_have_a_range(template: str) -> None:
    with pytest.raises(InputError):
        render(template, VALUE)
