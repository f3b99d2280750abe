"""A deployment from one end to the other, over a session that does as it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import pytest

from wherry.cancel import Cancel
from wherry.deploy.application import Application, ImageFacts
from wherry.deploy.plan import Action, Plan, Step
from wherry.deploy.target import Deployed, LogLine, LogQuery, PushTo, Status, Watch
from wherry.deploy.work import Job, carry_out, preview
from wherry.engine import Engine
from wherry.errors import Cancelled, Unhealthy, Unreachable, UntrustedCertificate
from wherry.oci.platform import Platform

DIGEST = "sha256:" + "0" * 64
APP = Application(
    "iris", ImageFacts(f"r.example.com/iris@{DIGEST}", Platform.of("linux", "amd64"), digest=DIGEST), 8000
)


class Session:
    """`does` is what its plan says; rolling back is remembered."""

    where = "nowhere"

    def __init__(self, does: Action = "change") -> None:
        self.does, self.is_back = does, False
        self.going_back: Callable[[], str] = lambda: "it runs what ran before"

    def push_to(self, app: Application) -> PushTo | None:
        return None

    def make_registry(self, app: Application, watch: Watch, cancel: Cancel) -> None: ...

    def plan(self, app: Application) -> Plan:
        return Plan("iris", "fake", self.where, (Step(self.does, "Service", "iris"),))

    def apply(self, app: Application, plan: Plan, watch: Watch, cancel: Cancel) -> None: ...

    def wait(self, app: Application, watch: Watch, cancel: Cancel) -> Deployed:
        return Deployed("https://iris.example.com", "2")

    def reach(self, app: Application, deployed: Deployed) -> AbstractContextManager[str]:
        return nullcontext(deployed.url)

    def rollback(self, app: Application, watch: Watch, cancel: Cancel) -> str:
        self.is_back = True
        return self.going_back()

    def status(self, name: str) -> Status:
        raise AssertionError

    def logs(self, name: str, query: LogQuery, cancel: Cancel) -> Iterator[LogLine]:
        raise AssertionError

    def plan_destroy(self, name: str) -> Plan:
        raise AssertionError

    def destroy(self, plan: Plan, watch: Watch, cancel: Cancel) -> None: ...

    def close(self) -> None: ...


class Quiet:
    def begin(self, step: Step) -> None: ...
    def done(self, step: Step) -> None: ...
    def waiting(self, text: str) -> None: ...
    def note(self, line: str) -> None: ...


NO_ENGINE = cast("Engine", None)


def deploy(session: Session, verify: Callable[[str], str], verify_at: str = "") -> None:
    def no_push() -> Any:
        raise AssertionError

    job = Job(NO_ENGINE, session, Quiet(), no_push, verify, verify_at)
    carry_out(job, preview(NO_ENGINE, session, APP, Cancel()), Cancel())


def raising(fault: Exception) -> Callable[[str], str]:
    def verify(url: str) -> str:
        raise fault

    return verify


@pytest.mark.parametrize(
    "fault", [Unhealthy("it answers 7"), Unreachable("no answer"), UntrustedCertificate("it is over")], ids=repr
)
def test_what_can_not_be_verified_goes_back(fault: Exception) -> None:
    session = Session()
    with pytest.raises(Unhealthy, match="it runs what ran before") as told:
        deploy(session, raising(fault))
    assert str(fault) in told.value.message
    assert session.is_back


def test_where_nothing_was_changed_nothing_goes_back() -> None:
    session = Session("leave")
    with pytest.raises(Unhealthy, match="nothing was changed this time"):
        deploy(session, raising(Unhealthy("it answers 7")))
    assert not session.is_back


def test_an_interruption_while_it_verifies_says_what_to_do() -> None:
    with pytest.raises(Cancelled) as told:
        deploy(Session(), raising(Cancelled("canceled")))
    assert "wherry deploy destroy fake iris" in (told.value.hint or "")


def test_an_interruption_while_it_goes_back_is_one() -> None:
    session = Session()

    def interrupted() -> str:
        raise Cancelled("canceled")

    session.going_back = interrupted
    with pytest.raises(Cancelled):
        deploy(session, raising(Unhealthy("it answers 7")))


def test_where_a_url_is_given_no_tunnel_is_needed() -> None:
    session, asked = Session(), []

    def reach(app: Application, deployed: Deployed) -> AbstractContextManager[str]:
        raise Unreachable("no tunnels here")

    def verify(url: str) -> str:
        asked.append(url)
        return "good"

    session.reach = reach  # type: ignore[method-assign]
    deploy(session, verify, "https://iris.example.com/v1")
    assert asked == ["https://iris.example.com/v1"]
