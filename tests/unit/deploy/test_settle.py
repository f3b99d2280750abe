"""From wishes and an image to the application; what is told before a platform is asked."""

from __future__ import annotations

import pytest

from wherry.deploy import settle, targets
from wherry.deploy.application import ImageFacts, plain_name
from wherry.deploy.plan import Plan, Step
from wherry.deploy.wishes import Wishes
from wherry.errors import InputError, NotFound
from wherry.oci.config import Healthcheck
from wherry.oci.platform import Platform

AMD64 = Platform.of("linux", "amd64")
IMAGE = ImageFacts("me/Iris_api:3".lower(), AMD64, exposed_ports=(8000,))


def test_an_image_alone_is_enough() -> None:
    app = settle.settle(Wishes(), IMAGE)
    assert (app.name, app.port, app.cpus, app.memory_mib) == ("iris-api", 8000, "1", 2048)
    assert (app.min_instances, app.max_instances, app.grace_s) == (1, 1, 30)


def test_two_exposed_ports_are_a_question() -> None:
    image = ImageFacts("api", AMD64, exposed_ports=(80, 9090))
    with pytest.raises(InputError, match="several ports") as told:
        settle.settle(Wishes(), image)
    assert "--port 80" in (told.value.hint or "")
    assert settle.settle(Wishes(port=9090), image).port == 9090


@pytest.mark.parametrize(
    ("least", "most", "found"),
    [(None, None, (1, 1)), (0, None, (0, 1)), (3, None, (3, 3)), (None, 5, (1, 5)), (0, 4, (0, 4))],
)
def test_instances_fill_each_other_in(least: int | None, most: int | None, found: tuple[int, int]) -> None:
    app = settle.settle(Wishes(min_instances=least, max_instances=most), IMAGE)
    assert (app.min_instances, app.max_instances) == found


@pytest.mark.parametrize(("least", "most"), [(3, 2), (0, 0), (None, 0)])
def test_contradicting_instances_are_refused(least: int | None, most: int | None) -> None:
    with pytest.raises(InputError):
        settle.settle(Wishes(min_instances=least, max_instances=most), IMAGE)


def test_the_health_path_is_read_from_the_images_own_check() -> None:
    check = Healthcheck(("CMD-SHELL", "curl -f http://localhost:8000/healthz || exit 1"))
    assert settle.settle(Wishes(), ImageFacts("api", AMD64, healthcheck=check)).health.ready == "/healthz"
    assert settle.health_of(ImageFacts("api", AMD64, healthcheck=Healthcheck(("CMD", "pg_isready")))).ready == ""
    assert settle.settle(Wishes(ready=""), ImageFacts("api", AMD64, healthcheck=check)).health.ready == ""


@pytest.mark.parametrize("name", ["Iris", "1iris", "iris-", "a--b", "x" * 33, "", "a_b"])
def test_names_that_some_platform_refuses_are_refused(name: str) -> None:
    with pytest.raises(InputError):
        plain_name(name)


@pytest.mark.parametrize("reference", ["a/b/1model:2", "x", "a/" + "y" * 60, "h:5000/_a__b", "h/a.b-c"])
def test_the_default_name_is_one_that_every_platform_takes(reference: str) -> None:
    plain_name(settle.default_name(reference.replace("/_", "/")))


def test_a_variable_that_looks_like_a_secret_is_found() -> None:
    app = settle.settle(Wishes(env={"API_KEY": "x", "DB_PASSWORD": "", "MONKEY": "1", "hf_token": "x"}), IMAGE)
    assert settle.suspicious(app) == ["API_KEY", "hf_token"]


def test_a_port_that_contradicts_the_variable_is_told() -> None:
    app = settle.settle(Wishes(env={"PORT": "80"}), IMAGE)
    assert [one.field for one in settle.common_problems(app)] == ["env"]


def test_a_plan_is_shown_with_its_costs_once() -> None:
    steps = (Step("create", "Service", "iris", cost="one load balancer"), Step("leave", "Role", "x"),
             Step("change", "Task", "iris", ("image: a → b",), "one load balancer"))  # fmt: skip
    text = Plan("iris", "ecs", "eu-west-1", steps).text()
    assert "1 to create, 1 to change, 1 to leave" in text
    assert text.count("one load balancer") == 1
    assert "      image: a → b" in text
    assert not Plan("iris", "ecs", "x", steps).is_empty
    assert Plan("iris", "ecs", "x", steps[1:2]).is_empty


def test_an_unknown_target_names_the_nearest() -> None:
    with pytest.raises(NotFound) as told:
        targets.find("kubernets", [])
    assert told.value.hint == "did you mean kubernetes?"
