"""What a rebuild touches, and what ends it."""

from __future__ import annotations

import time

from wherry.cancel import Cancel
from wherry.compose.model import Project, Service
from wherry.compose.model_parts import Dependency
from wherry.compose.plan import ContainerRef, CreateNetwork, RunHook, StartContainer
from wherry.compose.watch_acts import _concerns, _OfOneRebuild, share


def _project(**services: Service) -> Project:
    return Project(name="demo", working_dir="/", services=services)


def test_those_that_share_with_a_service_go_with_it() -> None:
    project = _project(
        web=Service(name="web"),
        proxy=Service(name="proxy", network_mode="service:web"),
        log=Service(name="log", volumes_from=("proxy:ro",)),
        tied=Service(name="tied", depends_on={"web": Dependency(restart=True)}),
        loose=Service(name="loose", depends_on={"web": Dependency()}),
        db=Service(name="db"),
    )
    assert share(project, "web") == {"web", "proxy", "log", "tied"}
    assert share(project, "db") == {"db"}


def test_steps_of_others_are_none_of_a_rebuilds_business() -> None:
    web, db = ContainerRef("demo-web-1", "1", "web", 1), ContainerRef("demo-db-1", "2", "db", 1)
    mine = frozenset({"web"})
    assert _concerns(StartContainer(web), mine)
    assert _concerns(RunHook(web, "post_start", 0), mine)
    assert not _concerns(StartContainer(db), mine)
    assert not _concerns(CreateNetwork("default", "demo_default"), mine)


def test_a_build_that_ends_its_own_steps_does_not_end_the_watch() -> None:
    whole = Cancel()
    one = _OfOneRebuild(whole)
    one.set("another step failed")
    assert one.is_set()
    assert not whole.is_set()


def test_the_end_of_the_watch_is_that_of_its_build_at_once() -> None:
    whole = Cancel()
    one = _OfOneRebuild(whole)
    assert not one.wait(0.0)
    whole.set("interrupted")
    began = time.monotonic()
    assert one.wait(60)
    assert time.monotonic() - began < 30
    assert one.reason == "interrupted"
