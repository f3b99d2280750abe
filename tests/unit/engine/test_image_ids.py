"""Names of images and their ids, without what reads images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.engine import Engine
from wherry.engine.image_ids import look_up
from wherry.errors import InvalidReference
from wherry.host.fake import FakeHost
from wherry.oci.config import ContainerConfig, ImageConfig
from wherry.oci.platform import Platform
from wherry.oci.reference import Reference
from wherry.settings import Paths, Settings


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    settings = Settings(Paths(f"{tmp_path}/root", f"{tmp_path}/run"), {}, 1000, "/")
    with Engine(settings, FakeHost()) as made:
        yield made


def add(engine: Engine, word: str, *names: str) -> str:
    config = ImageConfig(Platform("linux", "amd64"), ContainerConfig(labels={"w": word}), ())
    return str(engine.image_store.create(config, [Reference.parse(name) for name in names]).id)


def test_names_and_ids_mean_what_images_resolve_says(engine: Engine) -> None:
    app, base = add(engine, "a", "shop/app:1", "cafe"), add(engine, "b", "ghcr.io/acme/base")
    hexadecimal = app.removeprefix("sha256:")
    asked = ["shop/app:1", "docker.io/shop/app:1", "cafe", "ghcr.io/acme/base:latest", app, hexadecimal[:20], "nope"]
    found = look_up(engine, asked)
    assert {name: id for name, (id, _) in found.items()} == {
        "shop/app:1": app, "docker.io/shop/app:1": app, "cafe": app, "ghcr.io/acme/base:latest": base, app: app,
        hexadecimal[:20]: app,
    }  # fmt: skip
    assert all(added == engine.images.resolve(name).added_ns for name, (_, added) in found.items())


def test_a_name_that_is_none_is_refused(engine: Engine) -> None:
    with pytest.raises(InvalidReference):
        look_up(engine, ["No Name"])
