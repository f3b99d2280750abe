"""Which images are pulled, which are built, and in which order."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.compose.image_plan import ImageOptions, LocalImage, plan_images
from wherry.compose.model import Project, Service
from wherry.compose.model_build import Build
from wherry.errors import InputError

_DAY = 24 * 3600 * 10**9
_NOW = 100 * _DAY
_HERE = LocalImage("sha256:1", _NOW - 2 * _DAY)
_BUILD = Build(context="/src")


def _plan(here: dict[str, LocalImage], options: ImageOptions = ImageOptions(), **services: Any) -> list[str]:  # noqa: B008
    found = {name: Service(name=name, **keys) for name, keys in services.items()}
    project = Project(name="demo", working_dir="/", services=found)
    return plan_images(project, here, options, _NOW).text().splitlines()


def test_what_is_here_is_left_alone() -> None:
    assert _plan({"db:1": _HERE, "demo-web": _HERE}, db={"image": "db:1"}, web={"build": _BUILD}) == []


def test_what_is_missing_is_pulled_or_built() -> None:
    assert _plan({}, db={"image": "db:1"}, web={"build": _BUILD}) == [
        "1  pull image db:1: it is not here",
        "2  build image demo-web: it is not here",
    ]


def test_an_image_with_a_build_section_is_pulled_and_built_if_that_fails() -> None:
    assert _plan({}, web={"image": "web:1", "build": _BUILD}) == [
        "1  pull image web:1: it is not here",
        "2  build image web:1: in case that it can't be pulled (after 1)",
    ]


def test_two_services_of_one_image_pull_it_once() -> None:
    assert _plan({}, a={"image": "db:1"}, b={"image": "db:1"}) == ["1  pull image db:1: it is not here"]


@pytest.mark.parametrize(
    ("policy", "is_here", "pulls"),
    [
        ("always", True, True), ("missing", True, False), ("if_not_present", False, True), ("never", False, False),
        ("build", False, False), ("daily", True, True), ("weekly", True, False), ("every_36h", True, True),
        ("every_3d", True, False), ("every_1w", True, False), ("every_1d12h30m", True, True), ("daily", False, True),
    ],
)  # fmt: skip
def test_the_pull_policy_decides(policy: str, is_here: bool, pulls: bool) -> None:
    here = {"db:1": _HERE} if is_here else {}
    assert bool(_plan(here, db={"image": "db:1", "pull_policy": policy})) is pulls
    assert bool(_plan(here, ImageOptions(pull=policy), db={"image": "db:1", "pull_policy": "never"})) is pulls


def test_refresh_asks_again_after_the_time_that_the_service_says() -> None:
    for after, pulls in (("1d", True), ("3d", False)):
        keys = {"image": "db:1", "pull_policy": "refresh", "pull_refresh_after": after}
        assert bool(_plan({"db:1": _HERE}, db=keys)) is pulls
    with pytest.raises(InputError, match="needs pull_refresh_after"):
        _plan({}, db={"image": "db:1", "pull_policy": "refresh"})


@pytest.mark.parametrize("policy", ["nope", "every_", "every_x", "every_5", "every_h"])
def test_a_policy_that_there_is_not_is_an_error(policy: str) -> None:
    with pytest.raises(InputError, match=r"db|invalid --pull option"):
        _plan({}, db={"image": "db:1", "pull_policy": policy})


def test_build_builds_what_is_here_and_no_build_does_not() -> None:
    services: dict[str, Any] = {"web": {"build": _BUILD}, "db": {"image": "db:1"}}
    here = {"demo-web": _HERE, "db:1": _HERE}
    assert _plan(here, ImageOptions(build=True), **services) == ["1  build image demo-web: it is to be built"]
    assert _plan({"db:1": _HERE}, ImageOptions(no_build=True), **services) == []


def test_an_image_for_another_platform_is_asked_for_again() -> None:
    here = {"db:1": _HERE._replace(fits=False)}
    assert _plan(here, db={"image": "db:1"}) == ["1  pull image db:1: it is here for another platform"]


def test_what_a_build_takes_from_another_service_is_built_first() -> None:
    services: dict[str, Any] = {
        "app": {"build": Build(context="/a", additional_contexts={"base": "service:base"})},
        "base": {"build": _BUILD},
    }
    assert _plan({}, **services) == [
        "1  build image demo-base: it is not here",
        "2  build image demo-app: it is not here (after 1)",
    ]
