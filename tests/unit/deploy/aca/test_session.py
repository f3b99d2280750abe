"""A deployment on Container Apps, from nothing to nothing again, over a fake at our border."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.deploy.aca.world import ELSEWHERE, FULL, HERE, LOCAL, OWN, PLAIN, SUB, FakeAzure, World
from tests.unit.deploy.cloudrun.fake import Told
from wherry.cancel import Cancel
from wherry.deploy.aca import names
from wherry.deploy.aca.azure import Entry
from wherry.deploy.aca.choice import Choice
from wherry.deploy.aca.session import AcaSession
from wherry.deploy.application import Application, Gpu, Secret
from wherry.deploy.plan import Plan
from wherry.deploy.target import LogQuery
from wherry.errors import Cancelled, Conflict, InputError, NotFound, Unhealthy

VALUES = {"API_KEY": "s3cret"}
GROUP = "wherry-iris"
APP = names.app_id(SUB, GROUP, "iris")


def session(world: World | FakeAzure, choice: Choice = HERE) -> AcaSession:
    azure = world if isinstance(world, FakeAzure) else FakeAzure(world)

    def read(secret: Secret) -> str:
        return VALUES[secret.name]

    def login(host: str) -> tuple[str, str] | None:
        return ("me", "registry-pass") if host == "ghcr.io" else None

    return AcaSession(azure, choice, read, login, poll_s=0)


def deploy(world: World | FakeAzure, app: Application = PLAIN, choice: Choice = HERE) -> Plan:
    one = session(world, choice)
    one.make_registry(app, Told(), Cancel())
    plan = one.plan(app)
    one.apply(app, plan, Told(), Cancel())
    return plan


def actions(plan: Plan) -> list[str]:
    return [f"{step.action} {step.kind}" for step in plan.steps]


def app_of(world: World) -> dict[str, Any]:
    found = world.get(APP)
    assert found is not None
    return found


def test_everything_is_made_where_there_is_nothing() -> None:
    world = World()
    assert actions(session(world).plan(LOCAL)) == [
        "create resource group", "create registry", "create environment", "create identity", "create role",
        "create app",
    ]  # fmt: skip
    assert world.things == {}
    deploy(world)
    again = session(world).plan(PLAIN)
    assert again.is_empty
    assert {one["tags"]["wherry-application"] for one in world.things.values() if "tags" in one} == {"iris"}


def test_the_login_of_a_registry_that_is_not_there_yet_is_asked_for_when_it_is() -> None:
    world = World()
    before = session(world).push_to(LOCAL)
    assert before is not None
    assert (before.reference, before.username) == (f"{OWN}.azurecr.io/iris:{'cd' * 6}", "")
    session(world).make_registry(LOCAL, Told(), Cancel())
    after = session(world).push_to(LOCAL)
    assert after is not None
    assert (after.reference, after.password) == (before.reference, f"token-of-{OWN}.azurecr.io")
    assert "token-of" not in repr(after)
    assert session(world).push_to(PLAIN) is None


def test_the_app_pulls_by_its_own_identity_and_knows_its_secrets() -> None:
    world = World()
    deploy(world, FULL)
    known = app_of(world)["properties"]
    identity = names.identity_id(SUB, GROUP, "wherry-iris")
    assert known["configuration"]["registries"] == [{"server": f"{OWN}.azurecr.io", "identity": identity}]
    assert world.values == {"api-key": "s3cret"}
    (role,) = [one for name, one in world.things.items() if "/roleassignments/" in name]
    assert role["properties"]["roleDefinitionId"].endswith(names.ACR_PULL)
    assert role["properties"]["principalId"] == "99999999-8888-7777-6666-555555555555"


def test_an_identity_that_is_not_known_everywhere_yet_is_waited_for() -> None:
    azure = FakeAzure(World())
    azure.refuse_roles = 3
    deploy(azure)
    assert any("/roleassignments/" in name for name in azure.world.things)


def test_another_registry_is_known_by_a_secret_of_the_app() -> None:
    world = World()
    deploy(world, ELSEWHERE)
    known = app_of(world)
    assert known["properties"]["configuration"]["registries"] == [
        {"server": "ghcr.io", "username": "me", "passwordSecretRef": "wherry-registry"}
    ]
    assert world.values == {"wherry-registry": "registry-pass"}
    assert known["identity"] == {"type": "None"}
    assert not any("registries" in name for name in world.things)
    assert session(world).plan(ELSEWHERE).is_empty


def test_what_changes_is_told_without_values() -> None:
    world = World()
    deploy(world, FULL)
    changed = replace(FULL, env={"LOG_LEVEL": "hunter2"}, cpu_m=4000, memory_bytes=8 << 30, max_instances=5)
    step = session(world).plan(changed).steps[-1]
    assert step.action == "change"
    assert step.changes == (
        "resources.cpu: 2.0 → 4.0", "resources.memory: 4Gi → 8Gi", "env: LOG_LEVEL changes", "env: ODD goes",
        "scale.maxReplicas: 3 → 5",
    )  # fmt: skip


def test_a_new_value_of_a_secret_makes_a_new_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    deploy(world, FULL)
    assert session(world).plan(FULL).is_empty
    monkeypatch.setitem(VALUES, "API_KEY", "another")
    plan = deploy(world, FULL)
    assert plan.steps[-1].changes == ("env: WHERRY_SECRETS is new", "secret api-key: a new value")
    assert world.values == {"api-key": "another"}
    assert app_of(world)["properties"]["latestRevisionName"] == "iris--0000002"
    assert session(world).plan(FULL).is_empty
    assert "another" not in plan.text() + str(plan.to_json()) + repr(plan)
    world.hides_secrets = True
    assert "written again" in session(world).plan(FULL).steps[-1].changes[-1]


@pytest.mark.parametrize("kind", ["app", "environment", "identity", "registry", "resource group"])
def test_a_name_that_somebody_else_has_is_never_touched(kind: str) -> None:
    world = World()
    where = {
        "app": APP,
        "environment": names.environment_id(SUB, GROUP, "wherry-iris"),
        "identity": names.identity_id(SUB, GROUP, "wherry-iris"),
        "registry": names.registry_id(SUB, GROUP, OWN),
        "resource group": names.group_id(SUB, GROUP),
    }[kind]
    world.foreign(where)
    with pytest.raises(Conflict, match=f"the {kind} .* is there, and was not made by wherry"):
        session(world).plan(FULL)
    with pytest.raises(NotFound):
        session(world).plan_destroy("iris")
    with pytest.raises(NotFound):
        session(world).status("iris")
    assert world.calls == []


def test_what_the_user_names_must_be_there() -> None:
    world = World()
    with pytest.raises(InputError, match="no location"):
        session(world, Choice()).plan(PLAIN)
    with pytest.raises(NotFound, match="no resource group team"):
        session(world, Choice(group="team")).plan(PLAIN)
    world.foreign(names.group_id(SUB, "team"))
    with pytest.raises(NotFound, match="no environment shared"):
        session(world, Choice(group="team", environment="shared")).plan(PLAIN)
    with pytest.raises(NotFound, match="no identity puller"):
        session(world, Choice(group="team", identity="puller")).plan(PLAIN)
    with pytest.raises(NotFound, match=r"no registry team\.azurecr\.io"):
        session(world, Choice(group="team", registry="team.azurecr.io")).plan(LOCAL)


def test_what_the_user_names_is_used_and_stays() -> None:
    world = World()
    world.foreign(names.group_id(SUB, "team"))
    profile = {"name": "gpus", "workloadProfileType": "Consumption-GPU-NC8as-T4"}
    world.foreign(names.environment_id(SUB, "team", "shared"), workloadProfiles=[profile])
    world.foreign(names.identity_id(SUB, "team", "puller"))
    choice = Choice(group="team", environment="shared", identity="puller")
    app = replace(
        PLAIN, gpu=Gpu(1), image=replace(PLAIN.image, id="", reference=f"team.azurecr.io/i@{PLAIN.image.digest}")
    )
    plan = deploy(world, app, choice)
    assert actions(plan) == ["create app"]
    known = world.get(names.app_id(SUB, "team", "iris"))
    assert known is not None
    assert known["properties"]["workloadProfileName"] == "gpus"
    assert known["properties"]["configuration"]["registries"][0]["identity"].endswith("/puller")
    with pytest.raises(InputError, match="has no workload profile big"):
        session(world, replace(choice, profile="big")).plan(app)
    destroy = session(world, choice).plan_destroy("iris")
    assert actions(destroy) == ["delete app"]


def test_waiting_ends_when_every_instance_is_ready() -> None:
    world = World()
    app = replace(PLAIN, min_instances=2, max_instances=2)
    deploy(world, app)
    deployed = session(world).wait(app, Told(), Cancel())
    assert deployed == ("https://iris.nice-1.westeurope.azurecontainerapps.io", "iris--0000001")
    with session(world).reach(app, deployed) as url:
        assert url == deployed.url
    with session(world, replace(HERE, is_internal=True)).reach(app, deployed) as url:
        assert url == ""
    status = session(world).status("iris")
    assert (status.state, status.wanted, status.ready) == ("running", 2, 2)


@pytest.mark.parametrize(("becomes", "said"), [("failed", "the port 8000 is closed"), ("slow", "")])
def test_a_revision_that_fails_is_told_with_its_last_lines(becomes: str, said: str) -> None:
    world = World()
    azure = FakeAzure(world)
    deploy(world)
    world.becomes = becomes
    bad = replace(PLAIN, env={"A": "b"})
    deploy(world, bad)
    azure.lines["iris--0000002"] = [Entry("2026-12-03T10:00:00", "ImportError: sklearn")]
    if not said:
        with pytest.raises(Cancelled):
            session(azure).wait(bad, Told(), Cancel(0.01))
        return
    with pytest.raises(Unhealthy, match=said) as told:
        session(azure).wait(bad, Told(), Cancel())
    assert told.value.reasons[-1] == "iris--0000002-0 | ImportError: sklearn"
    azure.fault = "Operation expired"
    with pytest.raises(Unhealthy, match="Operation expired"):
        session(azure).wait(bad, Told(), Cancel())


@pytest.mark.parametrize(("becomes", "said"), [("crash", "CrashLoopBackOff"), ("pull", "ImagePullBackOff")])
def test_what_looks_final_is_given_a_minute(becomes: str, said: str) -> None:
    world = World()
    world.becomes = becomes
    deploy(world)

    class Clock(Cancel):
        def wait(self, timeout_s: float) -> bool:
            waited.append(timeout_s)
            return False

    waited: list[float] = []
    one = AcaSession(FakeAzure(world), HERE, lambda secret: "", lambda host: None, poll_s=7)
    with pytest.raises(Unhealthy, match=said) as told:
        one.wait(PLAIN, Told(), Clock())
    assert 50 <= sum(waited) <= 70
    assert "restarted 5 times" in told.value.reasons[0]
    assert one.status("iris").state == "failed"


def test_going_back_deploys_the_template_of_before_again() -> None:
    world = World()
    deploy(world)
    world.becomes = "failed"
    deploy(world, replace(PLAIN, env={"A": "b"}))
    one, second = session(world), replace(PLAIN, env={"A": "c"})  # a second try that fails too
    one.apply(second, one.plan(second), Told(), Cancel())
    world.becomes = "ready"
    assert "iris--0000001" in one.rollback(PLAIN, Told(), Cancel())
    known = app_of(world)["properties"]
    assert known["template"] == world.made[-1]["properties"]["template"]
    assert known["latestReadyRevisionName"] == "iris--0000004"
    assert session(world).plan(PLAIN).is_empty


def test_an_app_that_was_left_alone_does_not_go_back() -> None:
    """The tag with the revision before is of an earlier deployment: that one was replaced for good."""
    world = World()
    deploy(world)
    deploy(world, replace(PLAIN, env={"A": "b"}))
    calls = list(world.calls)
    assert "nothing to go back to" in session(world).rollback(PLAIN, Told(), Cancel())
    assert world.calls == calls


def test_the_first_deployment_has_nothing_to_go_back_to() -> None:
    world = World()
    world.becomes = "failed"
    one = session(world)
    one.make_registry(PLAIN, Told(), Cancel())
    one.apply(PLAIN, one.plan(PLAIN), Told(), Cancel())
    assert one.rollback(PLAIN, Told(), Cancel()) == ""
    assert session(world).plan(PLAIN).steps[-1].changes == ("its state is Failed: the same again",)


def test_a_right_that_is_not_known_everywhere_yet_is_no_failure() -> None:
    """The first pull by a new identity may be refused."""
    world = World()
    one = session(world)
    world.becomes = "failed"
    one.apply(PLAIN, one.plan(PLAIN), Told(), Cancel())
    world.becomes = "ready"
    world.made[0]["properties"]["template"] = {}
    world.things[APP.lower()]["properties"]["template"] = {"scale": {}}
    assert one.wait(PLAIN, Told(), Cancel()).revision == "iris--0000002"


def test_it_ends_when_it_is_told_to_and_goes_on_from_there() -> None:
    world = World()
    stop = Cancel()
    stop.set()
    one = session(world)
    with pytest.raises(Cancelled):
        one.apply(PLAIN, one.plan(PLAIN), Told(), stop)

    class Third(Told):
        def done(self, step: object) -> None:
            if len(self.steps) == 3:
                half.set()

    half = Cancel()
    with pytest.raises(Cancelled):
        one.apply(PLAIN, one.plan(PLAIN), Third(), half)
    assert actions(deploy(world))[:4] == [
        "leave resource group",
        "leave registry",
        "leave environment",
        "create identity",
    ]
    world.things[APP.lower()]["properties"]["provisioningState"] = "InProgress"
    with pytest.raises(Cancelled):
        one.apply(PLAIN, one.plan(replace(PLAIN, port=9000)), Told(), Cancel(0.01))


def test_destroying_removes_exactly_what_was_made() -> None:
    world = World()
    theirs = names.registry_id(SUB, "other", "team")
    world.foreign(theirs, loginServer="team.azurecr.io")
    deploy(world, FULL)
    world.calls.clear()
    plan = session(world).plan_destroy("iris")
    assert actions(plan) == ["delete app", "delete role", "delete identity", "delete environment", "delete registry",
                             "delete resource group"]  # fmt: skip
    session(world).destroy(plan, Told(), Cancel())
    assert list(world.things) == [theirs.lower()]
    with pytest.raises(NotFound):
        session(world).plan_destroy("iris")


def test_a_resource_group_with_something_else_in_it_stays() -> None:
    world = World()
    deploy(world)
    world.foreign(f"{names.group_id(SUB, GROUP)}/providers/Microsoft.Storage/storageAccounts/theirs")
    assert "delete resource group" not in actions(session(world).plan_destroy("iris"))


def test_logs_are_told_in_the_order_of_their_times_and_once() -> None:
    azure = FakeAzure(World())
    deploy(azure, replace(PLAIN, min_instances=1))
    lines = azure.lines["iris--0000001"] = [Entry(f"2026-12-03T10:00:0{n}.5", f"line {n}") for n in range(5)]

    class Twice(Cancel):
        turns = 0

        def wait(self, timeout_s: float) -> bool:
            self.turns += 1
            lines.append(Entry("2026-12-03T10:00:09", "late"))
            return self.turns > 1

    one = session(azure)
    assert [line.text for line in one.logs("iris", LogQuery(tail=2), Cancel())] == ["line 3", "line 4"]
    assert list(one.logs("iris", LogQuery(tail=0), Cancel())) == []
    told = [line.text for line in one.logs("iris", LogQuery(follow=True), Twice())]
    assert told == ["line 0", "line 1", "line 2", "line 3", "line 4", "late"]
