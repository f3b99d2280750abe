"""What holds for all texts: variables, env files, merging, and YAML that nobody would write."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from wherry.compose.dotenv import parse
from wherry.compose.interpolate import Variables, copied, interpolated
from wherry.compose.load import LoadRequest, load
from wherry.compose.merge import merged
from wherry.compose.scalars import go_text, resolve
from wherry.compose.source import Source
from wherry.compose.template import TemplateFault, substitute
from wherry.compose.tree import Map, Seq
from wherry.compose.unique import made_unique
from wherry.compose.yaml_reader import documents
from wherry.errors import WherryError

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,5}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
LINES = TEXTS.filter(lambda text: not any(char in text for char in "\u2028\u2029\x85"))
# Pieces that meet in interesting ways
PIECES = st.lists(
    st.sampled_from(["$", "{", "}", "A", "_b", "1", ":-", ":?", "+", "-", "?", " ", "\n", "é"]), max_size=25
)


def expand(text: str, values: dict[str, str]) -> str:
    return substitute(text, values.get, lambda _name: None)


@given(TEXTS)
def test_what_has_its_dollars_doubled_comes_back(text: str) -> None:
    assert expand(text.replace("$", "$$"), {}) == text


@given(TEXTS, NAMES, TEXTS, TEXTS)
def test_a_value_stands_where_its_name_was(before: str, name: str, value: str, after: str) -> None:
    before, after = before.replace("$", ""), after.replace("$", "")
    assert expand(f"{before}${{{name}}}{after}", {name: value}) == before + value + after


@given(NAMES, TEXTS.filter(lambda text: not set(text) & set("${}")), st.none() | TEXTS)
def test_operators_are_what_a_shell_says(name: str, word: str, value: str | None) -> None:
    values = {} if value is None else {name: value}
    assert expand(f"${{{name}-{word}}}", values) == (word if value is None else value)
    assert expand(f"${{{name}:-{word}}}", values) == (value or word)
    assert expand(f"${{{name}+{word}}}", values) == ("" if value is None else word)
    assert expand(f"${{{name}:+{word}}}", values) == (word if value else "")


@given(PIECES)
@example(["$", "{", "A", ":-"] * 300 + ["}"] * 300)
def test_any_text_expands_or_is_told(pieces: list[str]) -> None:
    with suppress(TemplateFault):
        expand("".join(pieces), {"A": "$A", "_b": ""})


@given(st.dictionaries(NAMES, LINES, max_size=5))
def test_single_quotes_of_an_env_file_keep_all(values: dict[str, str]) -> None:
    values = {name: value.replace("\\", "/") for name, value in values.items()}
    text = "".join(f"{name}='{value.replace(chr(39), chr(92) + chr(39))}'\n" for name, value in values.items())
    assert parse(Source(".env", text.encode()), {}.get, print) == values


@given(st.dictionaries(NAMES, LINES, max_size=5))
def test_double_quotes_of_an_env_file_keep_what_is_escaped(values: dict[str, str]) -> None:
    quoted = {n: v.replace("\\", r"\\").replace('"', r"\"").replace("$", r"\$") for n, v in values.items()}
    text = "".join(f'{name}="{value}" # comment\n' for name, value in quoted.items())
    assert parse(Source(".env", text.encode()), {}.get, print) == values


@given(st.binary(max_size=60) | st.text("A=#'\"\\$ {}\n\texport", max_size=60).map(str.encode))
def test_any_env_file_is_read_or_told(data: bytes) -> None:
    with suppress(WherryError):
        parse(Source(".env", data), {}.get, lambda _name: None)


VALUES = st.none() | st.booleans() | st.integers(0, 9) | st.sampled_from(["", "a", "b=c"])
TREES = st.recursive(
    VALUES,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: Seq(items, [None] * len(items)))
        | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3).map(Map)
    ),
    max_leaves=8,
)
SERVICE = st.fixed_dictionaries(
    {},
    optional={
        "environment": st.lists(st.sampled_from(["A=1", "A=2", "B"]), max_size=3)
        | st.dictionaries(st.sampled_from("AB"), st.sampled_from([None, 1, "x"]), max_size=2),
        "ports": st.lists(st.sampled_from(["80:80", "81:81", 5]), max_size=3),
        "depends_on": st.lists(st.sampled_from(["x", "y"]), unique=True, max_size=2),
        "command": st.sampled_from(["a", ["b", "c"]]),
        "labels": st.dictionaries(st.sampled_from("lm"), st.sampled_from(["1", "2"]), max_size=2),
        "deploy": st.fixed_dictionaries({}, optional={"replicas": st.integers(0, 3)}),
    },
)


def as_tree(value: object) -> object:
    if isinstance(value, dict):
        return Map({key: as_tree(each) for key, each in value.items()})
    if isinstance(value, list):
        return Seq(map(as_tree, value), [None] * len(value))
    return value


@given(TREES)
def test_a_copy_is_equal_and_shares_nothing(tree: object) -> None:
    copy = copied(tree)
    assert copy == tree
    assert copy is not tree or not isinstance(tree, dict | list)
    assert interpolated(tree, Variables({}, print)) == tree


@given(SERVICE)
def test_a_file_over_itself_changes_nothing(service: dict[str, object]) -> None:
    def file() -> object:
        return as_tree({"services": {"a": service}})

    once = made_unique(merged(Map(), file()))
    twice = made_unique(merged(copied(once), file()))
    thrice = made_unique(merged(copied(twice), file()))
    assert thrice == twice


@given(SERVICE)
def test_nothing_over_a_file_changes_nothing(service: dict[str, object]) -> None:
    tree = as_tree({"services": {"a": service}})
    assert merged(copied(tree), Map()) == tree
    assert merged(Map(), copied(tree)) == tree


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_that_is_written_as_go_does_reads_back(value: float) -> None:
    assert resolve(go_text(value)) == value


@given(st.text("0123456789_.eE+-xXoObB:", max_size=12))
def test_any_scalar_means_something(text: str) -> None:
    assert isinstance(resolve(text), str | int | float | None)


FRAGMENTS = [
    b"services:", b"a:", b" ", b"\n", b"  ", b"- ", b"image: x", b"&a ", b"*a", b"<<: ", b"[", b"]", b"{", b"}", b",",
    b": ", b"!reset ", b"!override ", b"!!int ", b"|", b">", b"'", b'"', b"#", b"---", b"$A", b"${A:?}", b"\t",
    b"\x00", b"\xff", b"extends: a", b"include: [x]", b"ports:", b"environment:", b"volumes:", b"build:", b"1",
    b"null", b"? ", b"%",
]  # fmt: skip


@given(st.binary(max_size=40) | st.lists(st.sampled_from(FRAGMENTS), max_size=25).map(b"".join))
def test_any_bytes_are_yaml_or_told(data: bytes) -> None:
    with suppress(WherryError):
        list(documents(Source("compose.yaml", data)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("project"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=25).map(b"".join))
def test_any_file_is_a_project_or_told(folder: str, data: bytes) -> None:
    request = LoadRequest(current_dir=folder, files=("-",), environment={})
    with suppress(WherryError):
        load(request, stdin=lambda: data)


KEYS = st.sampled_from(
    ["image", "build", "extends", "ports", "environment", "volumes", "depends_on", "networks", "env_file", "deploy",
     "x-a", "healthcheck", "secrets", "logging", "ulimits", "develop", "label_file", "profiles", "name",
     "configs", "command"]
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example({"depends_on": [""]}, "services")
@given(
    st.dictionaries(KEYS, TREES, max_size=4), st.sampled_from(["services", "networks", "volumes", "secrets", "include"])
)
def test_wrong_types_anywhere_are_told(folder: str, service: dict[str, object], kind: str) -> None:
    files = [{"services": {"a": service}}, {kind: {"a": service}}, {kind: [service]}]
    data = "\n---\n".join(json.dumps(file) for file in files)
    with suppress(WherryError):
        load(LoadRequest(current_dir=folder, files=("-",), environment={}), stdin=data.encode)
