"""Whatever a template and its data are: a text, or a TemplateError; in bounded time and space."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.gotemplate import Template, TemplateError
from wherry.gotemplate.template import Limits

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=12,
)
WORDS = st.sampled_from((
    ".", "$", ".a", ".b.c", "$x", "$x:=", "$x=", "|", "(", ")", '"s"', "`r`", "'c'", "1", "-2", "3.5", "nil",
    "true", "if", "else", "else-if", "range", "with", "end", "define", "block", "template", "break", "continue",
    "index", "slice", "len", "printf", '"%5.2f_%v_%q_%x_%*d_%[2]d"', "print", "println", "html", "js",
    "urlquery", "json", "eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not", "call", "split", "join",
    "title", "lower", "upper", "pad", "truncate", ",", "$i,$e:=",
))  # fmt: skip
ACTION = st.lists(WORDS, max_size=6).map(lambda words: "{{" + " ".join(words) + "}}")
TEXT = st.lists(ACTION | st.sampled_from(("x", " ", "\n", "{{-", "-}}", "{{/*", "*/}}")), max_size=8).map("".join)


def survives(template: str, value: Any) -> None:
    try:
        Template.parse(template, limits=Limits(steps=20_000, output=100_000)).execute(value)
    except TemplateError as fault:
        assert fault.message.startswith("template: ")  # noqa: PT017  # it may succeed as well


@given(TEXT, JSON)
def test_actions_of_random_words_never_crash(template: str, value: Any) -> None:
    survives(template, value)


@given(st.text(st.sampled_from("{}-/*\"'`.$|()=:,%\\ \n" + string.ascii_letters + "09é\x00"), max_size=40), JSON)
def test_random_characters_never_crash(text: str, value: Any) -> None:
    survives("{{" + text, value)
    survives("{{" + text + "}}", value)


@given(st.text(max_size=20), st.lists(JSON, max_size=3))
def test_any_format_of_printf_prints_something(format: str, values: list[Any]) -> None:
    survives("{{printf .f (index .v 0) (index .v 1)}}{{printf .f .v}}", {"f": format, "v": [*values, 0, 0]})


@given(st.sampled_from(("printf", "index", "slice", "eq", "lt", "join", "pad", "html", "json", "len")),
       st.lists(JSON, max_size=4))  # fmt: skip
def test_functions_take_anything(name: str, values: list[Any]) -> None:
    arguments = " ".join(f"(index . {i})" for i in range(len(values)))
    survives(f"{{{{{name} {arguments}}}}}", values)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{" + "(" * 3000, "maximum nesting depth"),
        ("{{if 1}}" * 3000, "maximum nesting depth"),
        ("{{range .}}" * 3000 + "{{end}}" * 3000, "maximum nesting depth"),
        ('{{define "a"}}{{template "a"}}{{end}}{{template "a"}}', "maximum template depth"),
        ('{{define "a"}}{{template "b"}}{{end}}{{define "b"}}{{template "a"}}{{end}}{{template "a"}}', "depth"),
        ("{{range 1000000000}}{{end}}", "gave up after"),
        ('{{range 1000000000}}{{printf "%9000d" 1}}{{end}}', "the output is longer"),
        ('{{$x := "aaaaaaaa"}}{{range 100}}{{$x = print $x $x}}{{end}}', "longer than"),
        ('{{$x := "a"}}{{range 100}}{{$x = printf "%s%s" $x $x}}{{end}}', "longer than"),
        ('{{$x := "\\""}}{{range 100}}{{$x = js $x}}{{end}}', "longer than"),
        ('{{$x := "a"}}{{range 100}}{{$x = json $x}}{{end}}', "longer than"),
        ('{{pad "x" 999999999 1}}', "longer than"),
        ('{{len (split (printf "%900000d" 1) "")}}{{pad "x" 1 999999999}}', "longer than"),
        ("x" * (1 << 21), "longer than"),
    ],
    ids=lambda value: value[:40],
)  # fmt: skip
def test_what_would_eat_the_machine_is_refused(template: str, words: str) -> None:
    with pytest.raises(TemplateError, match=words):
        Template.parse(template, limits=Limits(steps=60_000, output=1 << 20, value=1 << 20)).execute({})


def test_deep_data_is_refused_not_a_crash() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    for template in ("{{.}}", "{{json .}}", '{{printf "%v" .}}', "{{eq . .}}", "{{html .}}", '{{printf "%#v" .}}'):
        with pytest.raises(TemplateError):
            Template.parse(template).execute(deep)


def test_a_template_reaches_nothing_but_the_data() -> None:
    class Secret(dict):  # type: ignore[type-arg]
        hidden = "no"

    for template in ("{{.hidden}}", "{{.__class__}}", "{{.keys}}", "{{.get}}"):
        assert Template.parse(template).execute(Secret(a=1)) == "<no value>"
    with pytest.raises(TemplateError, match="can't evaluate field"):
        Template.parse("{{.upper}}").execute("text")
