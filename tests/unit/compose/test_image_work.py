"""Which images `build`, `pull` and `push` are about, and in which order."""

from __future__ import annotations

import pytest

from wherry.compose.build_request import built_from
from wherry.compose.image_work import _build_plan, chosen
from wherry.compose.model import Project, Service
from wherry.compose.model_build import Build
from wherry.compose.model_parts import Dependency
from wherry.errors import InputError


def service(name: str, *needs: str, of: tuple[str, ...] = (), built: bool = True) -> Service:
    build = Build(context="/", additional_contexts={one: f"service:{one}" for one in of}) if built else None
    return Service(name=name, build=build, depends_on={one: Dependency() for one in needs})


def project(*services: Service) -> Project:
    return Project(name="p", working_dir="/", services={one.name: one for one in services})


def test_all_or_those_that_are_named_with_what_they_depend_on() -> None:
    shop = project(service("web", "db"), service("db", "disk"), service("disk"), service("other"))
    assert [one.name for one in chosen(shop, [], with_dependencies=False)] == ["db", "disk", "other", "web"]
    assert [one.name for one in chosen(shop, ["web"], with_dependencies=False)] == ["web"]
    assert [one.name for one in chosen(shop, ["web"], with_dependencies=True)] == ["db", "disk", "web"]


def test_what_a_build_takes_images_of_is_built_first_and_once() -> None:
    shop = project(service("a", of=("base",)), service("b", of=("base",)), service("base"), service("n", built=False))
    plan = _build_plan(shop, list(shop.services.values()), built_from)
    assert plan.text().splitlines() == [
        "1  build image p-base: it is asked for",
        "2  build image p-a: it is asked for (after 1)",
        "3  build image p-b: it is asked for (after 1)",
    ]


def test_builds_of_each_other_are_refused_with_their_way() -> None:
    shop = project(service("a", of=("b",)), service("b", of=("a",)))
    with pytest.raises(InputError, match="a -> b -> a"):
        _build_plan(shop, [shop.services["a"]], built_from)
