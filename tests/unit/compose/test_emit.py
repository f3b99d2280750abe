"""YAML and JSON as Go writes them, and Go's order of keys."""

from __future__ import annotations

import json
from random import Random

import pytest
import yaml

from wherry.compose.emit_json import compact, indented
from wherry.compose.emit_yaml import emit
from wherry.compose.go_values import format_float, natural_order, shortest32
from wherry.compose.source import Source
from wherry.compose.yaml_reader import documents

ALPHABET = "aZ0 19._-:#?,[]{}&*!|>'\"%@`\n\t~\\/=<$é\u00a0日\u2029🙂\x07\x7f\x85"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({}, "{}\n"),
        ({"a": None, "b": True, "c": 1, "d": 1.5, "e": [], "f": {}}, "a: null\nb: true\nc: 1\nd: 1.5\ne: []\nf: {}\n"),
        ({"a": ["x", {"b": 1, "c": [2]}, [3, [4]], {}, []]},
         "a:\n  - x\n  - b: 1\n    c:\n      - 2\n  - - 3\n    - - 4\n  - {}\n  - []\n"),
        ({"y": "on", "1": "1", "a b": "a: b"}, '"y": "on"\n"1": "1"\na b: \'a: b\'\n'),
        ({"a": "one\ntwo\n"}, "a: |\n  one\n  two\n"),
        ({"a": 1e6, "b": 1234567.5, "c": 0.00001, "d": 100000.0}, "a: 1e+06\nb: 1.2345675e+06\nc: 1e-05\nd: 100000\n"),
    ],
)  # fmt: skip
def test_yaml(value: dict[str, object], text: str) -> None:
    assert emit(value) == text


def test_a_long_key_is_marked_as_one() -> None:
    assert emit({"k" * 129: "v"}) == f"? {'k' * 129}\n: v\n"


@pytest.mark.parametrize("seed", range(300))
def test_texts_are_read_back_as_they_were(seed: int) -> None:
    random = Random(seed)
    texts = ["".join(random.choices(ALPHABET, k=random.randint(0, 8))) for _ in range(20)]
    # go-yaml loses a line break at the start of a text, writes a tab there that no reader takes, indents behind U+2029
    kept = [text for text in texts if text[:1] not in {"\n", "\t"} and "\u2029" not in text]
    written = emit({"a": kept, "b": {f"k{at}": text for at, text in enumerate(kept)}})
    (document,) = documents(Source("x", written.encode()))
    assert document.tree["a"] == kept
    assert list(document.tree["b"].values()) == kept
    if not any("\x7f" in text or "\x85" in text for text in kept):
        assert [str(each) for each in yaml.load(written, yaml.BaseLoader)["a"]] == kept


def test_json() -> None:
    value = {"a": ["<&>", None, True, 1, 0.5, 1e21, 1e-7, 1e6], "b": {}, "c": [], "é": "\u2028"}
    text = '{"a":["\\u003c\\u0026\\u003e",null,true,1,0.5,1e+21,1e-7,1000000],"b":{},"c":[],"é":"\\u2028"}'
    assert compact(value) == text
    assert json.loads(indented(value)) == value
    assert indented({"a": [1], "b": {}}) == '{\n  "a": [\n    1\n  ],\n  "b": {}\n}'


def test_keys_are_in_natural_order() -> None:
    assert natural_order(["a10", "a9", "B", "a", "_", "a1", "A_B", "AB", "10", "9"]) == [
        "_", "9", "10", "A_B", "AB", "B", "a", "a1", "a9", "a10",
    ]  # fmt: skip


def test_single_precision_has_its_shortest_digits() -> None:
    assert shortest32(0.10000000149011612) == 0.1
    assert format_float(-0.0) == "-0"
