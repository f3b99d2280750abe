"""Filters that several lists share, and those of networks and volumes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.engine import Engine
from wherry.engine.containers_filter import parse_filters as parse_containers
from wherry.engine.filters import boolean, by_key, matches, parse_filters
from wherry.engine.networks_filter import KEYS as NETWORK_KEYS
from wherry.engine.networks_filter import chosen
from wherry.engine.volumes_filter import KEYS as VOLUME_KEYS
from wherry.engine.volumes_filter import filtered
from wherry.errors import InputError
from wherry.host.fake import FakeHost
from wherry.network.model import Network
from wherry.settings import Paths, Settings


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine(Settings(Paths(f"{tmp_path}/root", f"{tmp_path}/run"), {}, 1000, "/"), FakeHost()) as made:
        yield made


def network(name: str, **labels: str) -> Network:
    return Network(f"{name}0123", name, 1, "", "10.0.0.0/24", "10.0.0.1", labels=labels, created_ns=1)


def test_values_of_one_key_are_kept_in_order_and_an_empty_filter_is_none() -> None:
    found = by_key(parse_filters(["name=a", "", "label=x", "name=b"], ("name", "label")))
    assert found == {"name": ["a", "b"], "label": ["x"]}


def test_a_yes_given_twice_is_one_and_a_yes_with_a_no_is_none() -> None:
    assert boolean("dangling", ["1", "true"])
    assert not boolean("dangling", ["0"])
    for values in (["1", "false"], ["perhaps"], []):
        with pytest.raises(InputError, match="invalid filter 'dangling="):
            boolean("dangling", values)


def test_a_name_is_a_text_or_an_expression_and_a_bad_expression_fits_nothing() -> None:
    assert matches(["we"], "web")
    assert matches(["^web$"], "web")
    assert matches(["x(", "web"], "web")
    assert not matches(["x("], "web")
    assert matches(["x("], "x(")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("exited=soon", "invalid filter 'exited=soon': strconv.Atoi: parsing \"soon\": invalid syntax"),
        ("health=fair", "unrecognized filter value for health: fair"),
        ("is-task=perhaps", "invalid filter 'is-task=[perhaps]'"),
        ("publish=1:2", "filter for 'publish' should not contain ':': 1:2"),
        ("publish=a", 'error while looking up for publish a: strconv.ParseUint: parsing "a": invalid syntax'),
        ("expose=70000", 'error while looking up for expose 70000: strconv.ParseUint: parsing "70000": '
         "value out of range"),
        ("expose=9-8", "error while looking up for expose 9-8: invalid range specified for port: 9-8"),
    ],
)  # fmt: skip
def test_wrong_values_of_ps_are_told_as_docker_does(word: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_containers([word])
    assert caught.value.message == message


def test_networks_pass_by_any_name_and_all_labels(engine: Engine) -> None:
    back, front = network("back", tier="db", x=""), network("front", tier="web")

    def passing(*words: str) -> list[str]:
        test = chosen(engine, parse_filters(words, NETWORK_KEYS))
        return [one.name for one in (back, front, network("host")) if test(one)]

    assert passing() == ["back", "front", "host"]
    assert passing("name=ack", "name=ont") == ["back", "front"]
    assert passing("label=tier", "label=x") == ["back"]
    assert passing("label=tier=db", "label=tier=web") == []
    assert passing("type=custom") == ["back", "front"]
    assert passing("type=custom", "type=builtin", "driver=host") == ["host"]
    assert passing("scope=swarm") == []
    assert passing("id=^front") == ["front"]
    for word in ("type=odd", "dangling=perhaps"):
        with pytest.raises(InputError):
            passing(word)


def test_volumes_pass_by_use_name_driver_and_all_labels(engine: Engine) -> None:
    engine.volumes.create("data", {"a": "1", "b": ""})
    engine.volumes.create("logs", {"a": "2"})

    def passing(*words: str) -> list[str]:
        found = filtered(engine, engine.volumes.list(), parse_filters(words, VOLUME_KEYS))
        return [one.name for one in found]

    assert passing() == passing("driver=local") == passing("dangling=true") == ["data", "logs"]
    assert passing("driver=nfs") == passing("dangling=0") == []
    assert passing("driver=nfs", "driver=local", "label=a=2") == ["logs"]
    assert passing("label=a", "label=b") == ["data"]
    assert passing("name=og", "name=nothing") == ["logs"]
    with pytest.raises(InputError):
        passing("dangling=perhaps")
