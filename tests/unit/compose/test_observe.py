"""A project as its labels tell it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.compose import labels
from wherry.compose.observe import ObservedContainer, depends_on, observe, projects
from wherry.engine import Engine, containers_rows
from wherry.host.fake import FakeHost
from wherry.settings import Paths, Settings

IMAGE = "sha256:" + "0" * 64


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    settings = Settings(Paths(f"{tmp_path}/root", f"{tmp_path}/run"), {}, 1000, "/")
    with Engine(settings, FakeHost()) as made:
        with made.db.write() as write:
            write.execute(
                "INSERT INTO image (id, manifest, created_ns, size, added_ns) VALUES (?, '', 1, 1, 1)", (IMAGE,)
            )
        yield made


def add(engine: Engine, name: str, options: str = "{}", **given: str) -> str:
    """A container with compose's labels; its id begins with the count of those there."""
    count = engine.db.read().execute("SELECT count(*) FROM container").fetchone()[0]
    has = {f"com.docker.compose.{key}": value for key, value in {"config-hash": "h", **given}.items() if value}
    id = f"{count:x}" * 64
    row = containers_rows.ContainerRow(
        id, name, IMAGE, "image", count + 1, "ready", "", ("x",), has, (), False, options
    )  # fmt: skip
    containers_rows.insert(engine.db, row)
    return id


def test_only_containers_of_the_project_with_a_service_are_seen(engine: Engine) -> None:
    add(engine, "shop-web-2", project="shop", service="web", **{"container-number": "2", "config-hash": "abc"})
    add(engine, "shop-web-1", project="shop", service="web", **{"container-number": "1"})
    add(engine, "other-web-1", project="shopping", service="web", **{"container-number": "1"})
    add(engine, "liar", note='"com.docker.compose.project": "shop"', service="web")
    add(engine, "bare", project="shop")
    add(engine, "plain")
    add(engine, "run-of-a-built-image", project="shop", service="web", **{"config-hash": ""})
    found = observe(engine, "shop")
    assert [(one.name, one.number, one.status) for one in found.containers] == [
        ("shop-web-1", 1, "created"),
        ("shop-web-2", 2, "created"),
    ]
    assert found.containers[1].config_hash == "abc"
    assert found.services == ("web",)
    assert not found.is_empty
    assert observe(engine, "sho").is_empty


def test_names_that_json_escapes_are_found(engine: Engine) -> None:
    add(engine, "one", project='café "1"', service="web")
    assert [one.name for one in observe(engine, 'café "1"').containers] == ["one"]


def test_one_offs_are_told_from_replicas(engine: Engine) -> None:
    add(engine, "shop-web-run-1", project="shop", service="web", oneoff="True", slug="ab" * 32)
    add(engine, "shop-web-1", project="shop", service="web", oneoff="False", **{"container-number": "x"})
    found = observe(engine, "shop")
    assert [one.name for one in found.of_service("web", one_off=True)] == ["shop-web-run-1"]
    assert [(one.name, one.number) for one in found.of_service("web")] == [("shop-web-1", 0)]


def test_networks_are_those_it_is_on_or_is_to_be_on(engine: Engine) -> None:
    first = add(engine, "a", '{"network": "shop_default"}', project="shop", service="a")
    add(engine, "b", json.dumps({"network": "x", "networks": [{"network": "x"}, {"network": "y"}]}), project="shop",
        service="b")  # fmt: skip
    add(engine, "c", '{"network": "container:abc"}', project="shop", service="c")
    add(engine, "d", project="shop", service="d")
    with engine.db.write() as write:
        write.execute(
            "INSERT INTO network (number, id, name, subnet, gateway, labels, created_ns) VALUES (7, 'id7', 'shop_new',"
            " '10.0.0.0/24', '10.0.0.1', ?, 1)",
            (json.dumps({labels.PROJECT: "shop", labels.NETWORK: "new", labels.CONFIG_HASH: "h"}),),
        )
        write.execute("INSERT INTO sandbox (container_id) VALUES (?)", (first,))
        write.execute(
            "INSERT INTO joint (container_id, network, address, mac) VALUES (?, 7, '10.0.0.2', 'm')", (first,)
        )
    found = observe(engine, "shop")
    assert [one.networks for one in found.containers] == [("shop_new",), ("x", "y"), (), ("bridge",)]
    assert [one.key for one in found.own_networks] == ["new"]
    assert found.networks["shop_new"].config_hash == "h"
    assert {"bridge", "host", "none"} < found.networks.keys()


def test_volumes_are_seen_with_their_users(engine: Engine) -> None:
    id = add(engine, "a", project="shop", service="a")
    with engine.db.write() as write:
        for name, is_anonymous, has in (
            ("shop_data", 0, {labels.PROJECT: "shop", labels.VOLUME: "data"}), ("f" * 64, 1, {}), ("mine", 0, {}),
        ):  # fmt: skip
            write.execute(
                "INSERT INTO volume VALUES (?, ?, '{}', 1, ?)", (name, json.dumps(has), is_anonymous)
            )  # fmt: skip
        uses = (("/data", "shop_data", 1), ("/cache", "f" * 64, 0))
        for target, volume, is_named in uses:
            write.execute("INSERT INTO volume_use VALUES (?, ?, ?, 0, ?)", (id, target, volume, is_named))
    found = observe(engine, "shop")
    assert found.containers[0].volumes == (("/cache", "f" * 64, True), ("/data", "shop_data", False))
    assert [one.name for one in found.own_volumes] == ["shop_data"]
    assert "mine" in found.volumes


def test_others_on_a_network_and_at_a_volume_are_known(engine: Engine) -> None:
    own, other = add(engine, "a", project="shop", service="a"), add(engine, "foreign", project="x", service="y")
    with engine.db.write() as write:
        write.execute(
            "INSERT INTO network (number, id, name, subnet, gateway, labels, created_ns) VALUES (7, 'id7', 'shop_new',"
            " '10.0.0.0/24', '10.0.0.1', '{}', 1)"
        )
        write.execute("INSERT INTO volume VALUES ('shop_data', '{}', '{}', 1, 0)")
        for place, id in enumerate((own, other), 2):
            write.execute("INSERT INTO sandbox (container_id) VALUES (?)", (id,))
            write.execute(
                "INSERT INTO joint (container_id, network, address, mac) VALUES (?, 7, ?, 'm')", (id, f"10.0.0.{place}")
            )
            write.execute("INSERT INTO volume_use VALUES (?, '/d', 'shop_data', 0, 1)", (id,))
    found = observe(engine, "shop")
    assert found.networks["shop_new"].others == (other,)
    assert found.volumes["shop_data"].others == (other,)


def test_dependencies_are_read_from_the_label() -> None:
    one = ObservedContainer(
        "i", "n", "s", labels={labels.DEPENDS_ON: "db:service_healthy:true,mq:service_started:false,x"}
    )
    assert depends_on(one) == {
        "db": ("service_healthy", True), "mq": ("service_started", False), "x": ("service_started", False),
    }  # fmt: skip
    assert depends_on(one._replace(labels={})) == {}


def test_projects_are_listed_with_their_containers(engine: Engine) -> None:
    add(engine, "b-1", project="b", service="x")
    add(engine, "a-1", project="a", service="x")
    add(engine, "a-2", project="a", service="x")
    assert {name: [row.name for row, _ in rows] for name, rows in projects(engine).items()} == {
        "a": ["a-2", "a-1"],
        "b": ["b-1"],
    }
