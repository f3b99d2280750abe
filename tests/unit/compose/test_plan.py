"""Plans as values and as text."""

from __future__ import annotations

import pytest

from wherry.compose.plan import (
    Cause,
    ContainerRef,
    CreateContainer,
    CreateNetwork,
    Plan,
    Planner,
    PullImage,
    StartContainer,
    WaitFor,
)

MISSING, START, DEPENDS = Cause("missing", "it is missing"), Cause("start", "it does not run"), Cause("depends", "web")


def _plan() -> Plan:
    planner = Planner()
    db, web = ContainerRef("shop-db-1", "", "db", 1), ContainerRef("shop-web-1", "", "web", 1)
    network = planner.add(CreateNetwork("default", "shop_default"), MISSING)
    made_db = planner.add(CreateContainer(db, db.name), MISSING, [network])
    made_web = planner.add(CreateContainer(web, web.name), MISSING, [network])
    started = planner.add(StartContainer(db), START, [made_db])
    waited = planner.add(WaitFor("db", "service_healthy", (db,)), DEPENDS, [started])
    planner.add(StartContainer(web), START, [waited, made_web, made_web])
    return planner.plan()


def test_the_text_says_what_why_and_after_what() -> None:
    assert _plan().text() == (
        "1  create network shop_default: it is missing\n"
        "2  create container shop-db-1: it is missing (after 1)\n"
        "3  create container shop-web-1: it is missing (after 1)\n"
        "4  start container shop-db-1: it does not run (after 2)\n"
        "5  wait for service db to be healthy: web (after 4)\n"
        "6  start container shop-web-1: it does not run (after 3, 5)\n"
    )


def test_an_empty_plan_has_no_text() -> None:
    assert Plan().is_empty
    assert Plan().text() == ""


def test_what_comes_after_a_plan_is_numbered_on() -> None:
    """`up --dry-run` had two steps 1 when an image was missing, and nobody could tell which of them `after 1` meant."""
    images = Planner()
    images.add(PullImage("web", "nginx"), MISSING)
    text = images.plan().then(_plan()).text().splitlines()
    assert [line.split()[0] for line in text] == list("1234567")
    assert text[0] == "1  pull image nginx: it is missing"
    assert text[6] == "7  start container shop-web-1: it does not run (after 4, 6)"


def test_a_step_left_out_hands_its_needs_on() -> None:
    plan = _plan().only(lambda operation: not isinstance(operation, WaitFor | CreateNetwork))
    assert plan.text() == (
        "1  create container shop-db-1: it is missing\n"
        "2  create container shop-web-1: it is missing\n"
        "3  start container shop-db-1: it does not run (after 1)\n"
        "4  start container shop-web-1: it does not run (after 2, 3)\n"
    )


@pytest.mark.parametrize("needs", [(1,), (0,), (-1,), (7,)])
def test_a_step_can_only_need_what_was_added_before(needs: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="needs"):
        Planner().add(CreateNetwork("default", "shop_default"), MISSING, needs)


def test_what_a_need_needs_is_not_named_again() -> None:
    planner = Planner()
    one = planner.add(CreateNetwork("a", "a"), MISSING)
    two = planner.add(CreateNetwork("b", "b"), MISSING, [one])
    three = planner.add(CreateNetwork("c", "c"), MISSING)
    planner.add(CreateNetwork("d", "d"), MISSING, [one, two, three])
    assert planner.plan().steps[-1].needs == (two, three)
