"""YAML as compose files have it: trees, places, and what is refused."""

from __future__ import annotations

import pytest

from wherry.compose.source import Source
from wherry.compose.tree import find
from wherry.compose.yaml_reader import documents
from wherry.errors import ComposeError


def trees(text: str | bytes) -> list[object]:
    data = text.encode() if isinstance(text, str) else text
    return [document.tree for document in documents(Source("compose.yaml", data))]


def fault(text: str | bytes) -> ComposeError:
    with pytest.raises(ComposeError) as caught:
        trees(text)
    return caught.value


def test_a_tree_is_plain_mappings_and_lists() -> None:
    assert trees("a: 1\nb: [x, {c: true}]\n") == [{"a": 1, "b": ["x", {"c": True}]}]


def test_each_document_of_a_file_is_a_tree() -> None:
    assert trees("a: 1\n---\nb: 2\n---\n") == [{"a": 1}, {"b": 2}, None]


def test_an_empty_file_has_no_document() -> None:
    assert trees("") == trees("# nothing\n") == []


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert trees("\ufeffa: 1") == [{"a": 1}]


def test_entries_know_where_they_stand() -> None:
    (tree,) = trees("services:\n  web:\n    ports:\n      - 80:80\n      - 81:81\n")
    mark = find(tree, ("services", "web", "ports", 1))
    assert mark is not None
    assert (mark.line, mark.column) == (5, 9)
    mark = find(tree, ("services", "web", "image"))  # not there: the nearest above
    assert mark is not None
    assert (mark.key_line, mark.key_column, mark.line, mark.column) == (2, 3, 3, 5)


def test_a_key_twice_names_both_lines() -> None:
    wrong = fault("services:\n  web: {image: a}\n  db: {image: b}\n  web: {image: c}\n")
    assert str(wrong) == 'yaml: line 4: mapping key "web" already defined at line 2'
    assert wrong.where == "compose.yaml:4:3"
    assert "   4 | >>>   web: {image: c}" in wrong.source
    assert "     |       ^^^" in wrong.source


def test_a_merge_key_gives_what_is_missing() -> None:
    (tree,) = trees("x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz:\n  <<: [*x, *y]\n  a: 0\n")
    assert tree["z"] == {"a": 0, "b": 2, "c": 4}  # type: ignore[index]


def test_a_merge_key_in_quotes_is_a_key() -> None:
    assert trees('"<<": 1') == [{"<<": 1}]


@pytest.mark.parametrize(
    ("text", "message", "where"),
    [
        ("a: [1", "yaml: line 2: did not find expected ',' or ']'", "1"),
        ("a: b: c", "yaml: line 1: mapping values are not allowed in this context", "1:5"),
        ("a: *b", "yaml: unknown anchor 'b' referenced", "1:4"),
        ("a: &a [*a]", "yaml: anchor 'a' value contains itself", "1:8"),
        ("a: {<<: 1}", "yaml: map merge requires map or sequence of maps as the value", "1:9"),
        ("1: x", "Non-string key at top level: 1", "1:1"),
        ("a:\n  2: x", "Non-string key in a: 2", "2:3"),
        ("? [a]\n: x", "a key must be text: this is a list or a mapping", "1:3"),
        ("a: !!int b", "yaml: cannot decode !!str `b` as a !!int", "1:4"),
        ("[" * 1000, "yaml: exceeded max depth of 200", "1:201"),
        ("a: \x07", "yaml: control characters are not allowed", "1:4"),
        (b"a: \xff", "yaml: invalid leading UTF-8 octet", "1:4"),
    ],
)
def test_a_fault_has_the_words_and_the_place(text: str | bytes, message: str, where: str) -> None:
    wrong = fault(text)
    assert str(wrong).startswith(message)
    assert wrong.where is not None
    assert wrong.where.startswith(f"compose.yaml:{where}")


def test_a_tab_as_indentation_gets_a_hint() -> None:
    wrong = fault("services:\n\tweb:\n")
    assert wrong.where == "compose.yaml:2:1"
    assert wrong.hint == "YAML takes no tab for indentation: use spaces"


def bomb(width: int, levels: int) -> str:
    lines = ["x0: &x0 [" + ", ".join("a" * width) + "]"]
    lines += [f"x{n}: &x{n} [" + ", ".join([f"*x{n - 1}"] * width) + "]" for n in range(1, levels)]
    return "\n".join(lines)


def test_aliases_of_aliases_end_before_they_are_millions() -> None:
    assert str(fault(bomb(9, 12))) == "yaml: document contains excessive aliasing"


def test_mappings_merged_again_and_again_end_too() -> None:
    lines = ["x0: &x0 {" + ", ".join(f"k{i}: 1" for i in range(100)) + "}"]
    lines += [f"x{n}: &x{n} {{<<: [" + ", ".join([f"*x{n - 1}"] * 9) + "]}" for n in range(1, 30)]
    assert str(fault("\n".join(lines))) == "yaml: document contains excessive aliasing"


def test_many_aliases_of_one_small_anchor_are_fine() -> None:
    text = "x: &x {restart: always}\nservices:\n" + "".join(f"  s{i}: *x\n" for i in range(2000))
    (tree,) = trees(text)
    assert len(tree["services"]) == 2000  # type: ignore[index]
