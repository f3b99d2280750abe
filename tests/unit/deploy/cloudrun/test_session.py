"""A deployment on Cloud Run, from nothing to nothing again, over a fake at our border."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.deploy.cloudrun.fake import FULL, IMAGE, PLAIN, THERE, FakeGcp, Told
from wherry.cancel import Cancel
from wherry.deploy.application import Application, Secret
from wherry.deploy.cloudrun.choice import Choice
from wherry.deploy.cloudrun.gcp import Entry
from wherry.deploy.cloudrun.session import CloudRunSession
from wherry.deploy.plan import Plan
from wherry.deploy.target import LogQuery
from wherry.errors import Cancelled, Conflict, NotFound, Unhealthy

VALUES = {"API_KEY": "s3cret"}


def session(gcp: FakeGcp, choice: Choice | None = None) -> CloudRunSession:
    def read(secret: Secret) -> str:
        return VALUES[secret.name]

    return CloudRunSession(gcp, choice or Choice(), read)


def deploy(gcp: FakeGcp, app: Application, choice: Choice | None = None) -> Plan:
    one = session(gcp, choice)
    plan = one.plan(app)
    one.apply(app, plan, Told(), Cancel())
    return plan


def actions(plan: Plan) -> list[str]:
    return [f"{step.action} {step.kind}" for step in plan.steps]


def test_an_image_from_elsewhere_is_pushed_to_a_repository_of_its_own() -> None:
    gcp = FakeGcp()
    app = replace(PLAIN, image=IMAGE)
    to = session(gcp).push_to(app)
    assert to is not None
    assert to.reference == f"europe-west1-docker.pkg.dev/proj-1/wherry-iris/iris:{'cd' * 6}"
    assert (to.username, to.password) == ("oauth2accesstoken", "a-token")
    assert "a-token" not in repr(to)
    session(gcp).make_registry(app, Told(), Cancel())
    assert gcp.repositories == {"wherry-iris": {"labels": {"wherry-application": "iris"}}}
    assert session(gcp).push_to(PLAIN) is None


def test_the_first_time_makes_everything_and_the_second_nothing() -> None:
    gcp = FakeGcp()
    session(gcp).make_registry(FULL, Told(), Cancel())
    assert actions(deploy(gcp, FULL)) == ["leave repository", "create secret", "create service"]
    assert gcp.values == {"wherry-iris-API_KEY": [b"s3cret"]}
    assert gcp.readers == {("wherry-iris-API_KEY", "")}
    deployed = session(gcp).wait(FULL, Told(), Cancel())
    assert (deployed.url, deployed.revision) == ("https://iris-x.a.run.app", "iris-00001")
    again = deploy(gcp, FULL)
    assert actions(again) == ["leave repository", "leave secret", "leave service"]
    assert again.is_empty
    assert gcp.values == {"wherry-iris-API_KEY": [b"s3cret"]}


def test_what_changes_is_told_without_values() -> None:
    gcp = FakeGcp()
    deploy(gcp, FULL)
    changed = replace(FULL, env={"LOG_LEVEL": "hunter2"}, memory_bytes=32 << 30, max_instances=5)
    step = session(gcp).plan(changed).steps[-1]
    assert step.action == "change"
    assert step.changes == (
        "scaling.maxInstanceCount: 3 → 5", "env: LOG_LEVEL changes", "resources.limits.memory: 16384Mi → 32768Mi",
    )  # fmt: skip


def test_a_new_value_of_a_secret_is_a_new_version(monkeypatch: pytest.MonkeyPatch) -> None:
    gcp = FakeGcp()
    session(gcp).make_registry(FULL, Told(), Cancel())
    deploy(gcp, FULL)
    monkeypatch.setitem(VALUES, "API_KEY", "another")
    plan = deploy(gcp, FULL)
    assert plan.steps[1].changes == ("its value, as a new version",)
    assert gcp.values == {"wherry-iris-API_KEY": [b"s3cret", b"another"]}
    assert plan.steps[-1].changes == ("restarted, to read the new secrets",)
    assert gcp.services["iris"]["latestCreatedRevision"] == "x/revisions/iris-00002"
    assert deploy(gcp, FULL).is_empty
    assert "another" not in plan.text() + str(plan.to_json()) + repr(plan)


def test_a_name_that_somebody_else_has_is_never_touched() -> None:
    gcp = FakeGcp()
    gcp.services["iris"] = {"labels": {"team": "them"}, "template": {}}
    with pytest.raises(Conflict, match="was not made by wherry"):
        session(gcp).plan(PLAIN)
    with pytest.raises(NotFound):
        session(gcp).plan_destroy("iris")
    with pytest.raises(NotFound):
        session(gcp).status("iris")
    gcp.services.clear()
    gcp.create_secret("wherry-iris-API_KEY", {"wherry-application": "other"})
    with pytest.raises(Conflict, match="secret wherry-iris-API_KEY"):
        session(gcp).plan(FULL)
    gcp.repositories["wherry-iris"] = {}
    with pytest.raises(Conflict, match="repository"):
        session(gcp).make_registry(PLAIN, Told(), Cancel())
    assert gcp.calls == []


def test_a_revision_that_fails_is_told_with_its_last_lines_and_taken_back() -> None:
    gcp = FakeGcp()
    deploy(gcp, PLAIN)
    gcp.becomes = "CONDITION_FAILED"
    gcp.lines = [Entry("2026-12-03T10:00:00Z", "1", "iris-00002", "ImportError: sklearn")]
    bad = replace(PLAIN, env={"A": "b"})
    one = session(gcp)
    one.apply(bad, one.plan(bad), Told(), Cancel())
    with pytest.raises(Unhealthy, match="the port is closed") as told:
        one.wait(bad, Told(), Cancel())
    assert told.value.reasons == ("Ready: the port is closed", "iris-00002: ImportError: sklearn")
    assert "iris-00001" in one.rollback(bad, Told(), Cancel())
    assert gcp.services["iris"]["traffic"] == [
        {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": "iris-00001", "percent": 100}
    ]
    gcp.becomes = "CONDITION_SUCCEEDED"
    assert session(gcp).plan(PLAIN).steps[-1].action == "change"  # back to the newest


def test_the_first_deployment_has_nothing_to_go_back_to() -> None:
    gcp = FakeGcp()
    gcp.becomes = "CONDITION_FAILED"
    one = session(gcp)
    one.apply(PLAIN, one.plan(PLAIN), Told(), Cancel())
    assert one.rollback(PLAIN, Told(), Cancel()) == ""
    assert session(gcp).plan(PLAIN).steps[-1].changes == ("its last revision failed: the same again",)


def test_going_back_is_to_what_had_the_requests() -> None:
    """The second one got ready, and failed its contract: it is ready still, and no place to go back to."""
    gcp = FakeGcp()
    deploy(gcp, PLAIN)
    for number in (2, 3):
        one, bad = session(gcp), replace(PLAIN, env={"NUMBER": str(number)})
        one.apply(bad, one.plan(bad), Told(), Cancel())
        one.wait(bad, Told(), Cancel())
        assert "iris-00001" in one.rollback(bad, Told(), Cancel())
        assert gcp.services["iris"]["traffic"][0]["revision"] == "iris-00001"


def test_what_was_not_changed_does_not_go_back() -> None:
    gcp = FakeGcp()
    deploy(gcp, PLAIN)
    deploy(gcp, replace(PLAIN, env={"A": "b"}))
    one = session(gcp)
    one.apply(PLAIN, Plan("iris", "cloudrun", one.where, ()), Told(), Cancel())
    assert "nothing to go back to" in one.rollback(PLAIN, Told(), Cancel())
    assert gcp.services["iris"]["traffic"][0]["type"].endswith("_LATEST")


def test_a_secret_can_be_read_before_the_service_reads_it() -> None:
    """Also one that an earlier deployment made, and broke off before it gave the right."""
    gcp = FakeGcp()
    gcp.create_secret("wherry-iris-API_KEY", {"wherry-application": "iris"})
    put = gcp.put_service

    def put_service(name: str, doc: dict[str, Any], *, is_new: bool) -> None:
        assert gcp.readers == {("wherry-iris-API_KEY", "")}
        put(name, doc, is_new=is_new)

    gcp.put_service = put_service  # type: ignore[method-assign]
    deploy(gcp, FULL)


def test_waiting_ends_when_it_is_told_to() -> None:
    gcp = FakeGcp()
    gcp.becomes = "CONDITION_RECONCILING"
    deploy(gcp, PLAIN)
    stop = Cancel()
    stop.set()
    with pytest.raises(Cancelled):
        session(gcp).wait(PLAIN, Told(), stop)
    with pytest.raises(Cancelled):
        session(gcp).apply(PLAIN, session(gcp).plan(replace(PLAIN, port=9000)), Told(), stop)


def test_destroying_removes_exactly_what_was_made() -> None:
    gcp = FakeGcp()
    gcp.services["theirs"] = {"labels": {}}
    gcp.create_secret("shared-token", {})
    session(gcp).make_registry(FULL, Told(), Cancel())
    deploy(gcp, FULL)
    gcp.calls.clear()
    plan = session(gcp).plan_destroy("iris")
    session(gcp).destroy(plan, Told(), Cancel())
    assert gcp.calls == ["delete service iris", "delete secret wherry-iris-API_KEY", "delete repository wherry-iris"]
    assert list(gcp.services) == ["theirs"]
    assert list(gcp.secret_labels) == ["shared-token"]
    with pytest.raises(NotFound):
        session(gcp).plan_destroy("iris")


def test_a_repository_that_the_user_names_must_be_there_and_stays() -> None:
    gcp = FakeGcp()
    with pytest.raises(NotFound, match="no repository team"):
        session(gcp, Choice(repository="team")).make_registry(PLAIN, Told(), Cancel())
    gcp.repositories["team"] = {}
    session(gcp, Choice(repository="team")).make_registry(PLAIN, Told(), Cancel())
    to = session(gcp, Choice(repository="team")).push_to(replace(PLAIN, image=IMAGE))
    assert to is not None
    assert "/proj-1/team/iris:" in to.reference
    assert THERE  # the other one's place


def test_a_private_service_is_not_verified_from_here() -> None:
    gcp = FakeGcp()
    deploy(gcp, PLAIN)
    deployed = session(gcp).wait(PLAIN, Told(), Cancel())
    with session(gcp).reach(PLAIN, deployed) as url:
        assert url == "https://iris-x.a.run.app"
    with session(gcp, Choice(is_private=True)).reach(PLAIN, deployed) as url:
        assert url == ""


def test_status_and_logs() -> None:
    gcp = FakeGcp()
    deploy(gcp, PLAIN)
    status = session(gcp).status("iris")
    assert (status.state, status.url, status.revision) == ("running", "https://iris-x.a.run.app", "iris-00001")
    assert status.image == THERE
    gcp.lines = [
        Entry(f"2026-12-03T10:00:0{second}Z", str(second), "iris-00001", f"line {second}") for second in range(5)
    ]
    told = [line.text for line in session(gcp).logs("iris", LogQuery(tail=2), Cancel())]
    assert told == ["line 3", "line 4"]
    assert len(list(session(gcp).logs("iris", LogQuery(), Cancel()))) == 5
    assert list(session(gcp).logs("iris", LogQuery(tail=0), Cancel())) == []


def test_following_tells_each_line_once() -> None:
    gcp = FakeGcp()
    deploy(gcp, PLAIN)
    gcp.lines = [Entry("2026-12-03T10:00:00Z", "a", "r", "one"), Entry("2026-12-03T10:00:01Z", "b", "r", "two")]

    class Twice(Cancel):
        turns = 0

        def wait(self, timeout_s: float) -> bool:
            self.turns += 1
            gcp.lines.append(Entry("2026-12-03T10:00:01Z", "c", "r", "three"))
            return self.turns > 1

    told = [line.text for line in session(gcp).logs("iris", LogQuery(follow=True), Twice())]
    assert told == ["one", "two", "three"]
