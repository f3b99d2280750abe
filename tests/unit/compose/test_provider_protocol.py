"""Words to a provider, and lines from it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.compose.model import Project, Service
from wherry.compose.model_parts import Dependency, Provider
from wherry.compose.provider_protocol import Message, arguments, parse_message, parse_metadata, with_variables
from wherry.errors import InputError, InvalidSpec

PROVIDER = Provider(type="cloud", options={"type": ["mysql"], "tag": ["a", "b"], "secret": ["x"]})
METADATA = json.dumps(
    {
        "description": "clouds",
        "up": {"parameters": [{"name": "type", "required": True, "type": "string"}, {"name": "tag"}]},
        "down": {"parameters": [{"name": "tag", "required": False}]},
    }
).encode()


def test_each_value_of_an_option_is_a_word() -> None:
    assert arguments("demo", "up", "db", PROVIDER, None) == [
        "compose", "--project-name=demo", "up", "--type=mysql", "--tag=a", "--tag=b", "--secret=x", "db",
    ]  # fmt: skip


def test_a_provider_that_says_what_it_knows_gets_no_more() -> None:
    metadata = parse_metadata(METADATA)
    assert arguments("demo", "up", "db", PROVIDER, metadata)[3:] == ["--type=mysql", "--tag=a", "--tag=b", "db"]
    assert arguments("demo", "down", "db", PROVIDER, metadata)[3:] == ["--tag=a", "--tag=b", "db"]


def test_a_missing_parameter_is_named() -> None:
    with pytest.raises(InputError, match='required parameter "type" is missing from provider "cloud" definition'):
        arguments("demo", "up", "db", Provider(type="cloud"), parse_metadata(METADATA))


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[]", b"null", b"usage: cloud", b'{"up": 3}', b'{"up": {"parameters": [1]}}']
)
def test_metadata_that_says_nothing_counts_as_none(text: bytes) -> None:
    assert parse_metadata(text) is None


def test_lines_become_messages() -> None:
    assert parse_message(b'{"type":"info","message":"pulling"}', "p") == Message("info", "pulling")
    assert parse_message(b'{"type":"setenv","message":"URL=http://x?a=b"}', "p").variable == ("URL", "http://x?a=b")


@pytest.mark.parametrize(
    "line",
    [
        b"hello", b"[]", b"3", b"{}", b"\xff", b"[" * 100_000,
        b'{"type":"other","message":"x"}', b'{"type":"info","message":3}', b'{"type":["info"]}',
        b'{"type":"setenv","message":"URL"}', b'{"type":"setenv","message":"=x"}',
        b'{"type":"setenv","message":"A=\\u0000"}',
    ],
)  # fmt: skip
def test_what_it_may_not_say_is_refused(line: bytes) -> None:
    with pytest.raises(InvalidSpec, match="invalid response from provider p"):
        parse_message(line, "p")


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_refused(line: bytes) -> None:
    try:
        parse_message(line, "p")
        parse_metadata(line)
    except InvalidSpec:
        pass


def test_those_that_depend_on_it_get_its_variables() -> None:
    web = Service(name="web", environment={"A": "1"}, depends_on={"my-db": Dependency()})
    services = {"web": web, "other": Service(name="other"), "my-db": Service(name="my-db", provider=PROVIDER)}
    found = with_variables(Project(name="demo", working_dir="/", services=services), "my-db", {"URL": "x"})
    assert found.services["web"].environment == {"A": "1", "MY_DB_URL": "x"}
    assert found.services["other"].environment == {}
