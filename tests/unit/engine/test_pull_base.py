from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.engine.shelf import Registries, Shelf, encode
from tests.unit.engine.test_pull import APP, ARCH, BASE, add, fresh, index, platform
from wherry.bootstrap.recipe import LABEL
from wherry.build.progress import Quiet
from wherry.cancel import Cancel
from wherry.engine import Engine
from wherry.engine.pull_base import Bases
from wherry.errors import NotFound, Unreachable
from wherry.oci import mediatype
from wherry.oci.config import ContainerConfig, ImageConfig
from wherry.oci.platform import Platform
from wherry.oci.reference import Reference

HERE = Platform("linux", ARCH)


class Told(Quiet):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def start(self, key: str, name: str) -> None:
        self.lines.append(name)

    def failed(self, key: str, message: str) -> None:
        self.lines.append(f"failed: {message}")

    def note(self, text: str) -> None:
        self.lines.append(f"note: {text}")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with fresh(tmp_path) as made:
        yield made


@pytest.fixture
def shelf(engine: Engine) -> Shelf:
    made = Shelf()
    engine.__dict__["registries"] = Registries(home=made)
    return made


def keep(engine: Engine, name: str, *, stand_in: bool = False, arch: str = ARCH) -> None:
    labels = {LABEL: "made here"} if stand_in else {}
    config = ImageConfig(Platform("linux", arch), ContainerConfig(labels=labels))
    engine.image_store.create(config, [Reference.parse(name)])


def test_what_is_here_is_used_without_asking(engine: Engine, shelf: Shelf) -> None:
    keep(engine, "python:3.10", stand_in=True)
    told = Told()
    assert Bases(engine, False, told, Cancel())("python:3.10", HERE).layers == ()
    assert shelf.asked == []
    assert told.lines == ["note: python:3.10 is a stand-in that was made on this machine (made here)"]


def test_what_is_missing_is_pulled_once_for_a_build_as_a_step(engine: Engine, shelf: Shelf) -> None:
    add(shelf, BASE, APP, tag="latest")
    told = Told()
    bases = Bases(engine, False, told, Cancel())
    assert len(bases("app", HERE).layers) == 2
    asked = list(shelf.asked)
    bases("app", HERE)
    assert (shelf.asked, told.lines) == (asked, ["[internal] pull docker.io/library/app:latest"])


def test_pull_asks_for_a_newer_one(engine: Engine, shelf: Shelf) -> None:
    add(shelf, BASE, tag="latest")
    assert len(Bases(engine, True, Told(), Cancel())("app", HERE).layers) == 1
    add(shelf, BASE, APP, tag="latest")
    assert len(Bases(engine, False, Told(), Cancel())("app", HERE).layers) == 1
    assert len(Bases(engine, True, Told(), Cancel())("app", HERE).layers) == 2


def test_pull_without_a_registry_fails_but_for_a_stand_in(engine: Engine, shelf: Shelf) -> None:
    shelf.fault = Unreachable("cannot reach home")
    keep(engine, "app")
    with pytest.raises(Unreachable) as caught:
        Bases(engine, True, Told(), Cancel())("app", HERE)
    assert caught.value.hint == "without --pull the app that is here is used"
    keep(engine, "python:3.10", stand_in=True)
    told = Told()
    Bases(engine, True, told, Cancel())("python:3.10", HERE)
    assert "note: --pull: cannot reach home; the stand-in that is here is used" in told.lines


def test_pull_does_not_ask_for_an_id(engine: Engine, shelf: Shelf) -> None:
    keep(engine, "app")
    Bases(engine, True, Told(), Cancel())(engine.image_store.resolve("app").id.hex[:12], HERE)
    assert shelf.asked == []


def test_another_platform_is_fetched_and_when_it_can_not_be_the_plan_decides(engine: Engine, shelf: Shelf) -> None:
    entries = [add(shelf, one, tag="", arch=arch) | platform(arch) for one, arch in ((BASE, ARCH), (APP, "s390x"))]
    shelf.tag("latest", encode(index(*entries)), mediatype.INDEX)
    bases = Bases(engine, False, Told(), Cancel())
    assert bases("app", HERE).config.platform.architecture == ARCH
    assert bases("app", Platform("linux", "s390x")).config.platform.architecture == "s390x"
    shelf.fault = Unreachable("cannot reach home")
    assert bases("app", Platform("linux", "riscv64")).config.platform.architecture == "s390x"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("python:3.10", "make a stand-in on this machine: wherry bootstrap python:3.10"),
        ("webshpo", "did you mean webshop? (or bring the image here: wherry pull, wherry load)"),
        ("other/thing", "try again"),
    ],
)
def test_what_is_nowhere_says_why_and_what_to_do(engine: Engine, shelf: Shelf, name: str, hint: str) -> None:
    keep(engine, "webshop")
    shelf.fault = Unreachable("cannot reach home", hint="try again")
    told = Told()
    with pytest.raises(NotFound) as caught:
        Bases(engine, False, told, Cancel())(name, HERE)
    assert str(caught.value) == (
        f"the base image {name} is not on this machine, and could not be pulled: cannot reach home"
    )
    assert caught.value.hint == hint
    assert told.lines[-1] == "failed: cannot reach home"
