"""Which containers of a project a command means."""

from __future__ import annotations

import pytest

from wherry.compose.choose import containers, one_of
from wherry.compose.observe import Observed, ObservedContainer
from wherry.errors import NotFound

SHOP = Observed(
    "shop",
    (
        ObservedContainer("1", "shop-db-1", "db", 1),
        ObservedContainer("2", "shop-web-1", "web", 1, status="exited"),
        ObservedContainer("3", "shop-web-2", "web", 2),
        ObservedContainer("4", "shop-web-3", "web", 3, status="paused"),
        ObservedContainer("5", "shop-web-run-ab", "web", 1, one_off=True),
        ObservedContainer("6", "shop-task-run-cd", "task", 1, one_off=True),
    ),
)


def names(**wish: object) -> list[str]:
    return [one.id for one in containers(SHOP, **wish)]  # type: ignore[arg-type]


def test_those_that_run_and_are_of_up() -> None:
    assert names() == ["1", "3", "4"]
    assert names(services=["web"]) == ["3", "4"]
    assert names(services=["web"], all=True) == ["2", "3", "4"]
    assert names(services=["web"], all=True, one_off=True) == ["2", "3", "4", "5"]
    assert names(index=2) == ["3"]


def test_the_one_that_a_command_enters() -> None:
    assert one_of(SHOP, "web").id == "3"
    assert one_of(SHOP, "web", index=3).id == "4"
    assert one_of(SHOP, "web", all=True).id == "2"
    assert one_of(SHOP, "task").id == "6"


@pytest.mark.parametrize(
    ("service", "index", "said"),
    [("wbe", 0, 'service "wbe" is not running'), ("web", 9, 'service "web" is not running container #9'),
     ("web", 1, "")],
)  # fmt: skip
def test_what_does_not_run_is_said_with_what_does(service: str, index: int, said: str) -> None:
    if not said:
        assert one_of(SHOP, service, index=index).id == "5"
        return
    with pytest.raises(NotFound) as found:
        one_of(SHOP, service, index=index)
    assert str(found.value) == said
    assert (found.value.hint or "").startswith("running: db") == (service == "wbe")
