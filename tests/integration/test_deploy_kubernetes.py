"""The kubernetes target with the real client package, against an API server of ours (tests/fake_kubernetes.py)."""

from __future__ import annotations

import base64
import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.fake_kubernetes import FakeKubernetes, running
from wherry.cancel import Cancel
from wherry.deploy.application import Application, ImageFacts, Secret
from wherry.deploy.kubernetes import KubernetesTarget
from wherry.deploy.kubernetes.session import KubernetesSession
from wherry.deploy.plan import Plan, Step
from wherry.deploy.target import Chosen, Deployed, LogQuery, Surroundings
from wherry.deploy.work import Job, carry_out, preview
from wherry.engine import Engine
from wherry.errors import Cancelled, Conflict, DeployError, NotFound, NotSignedIn, Unhealthy
from wherry.host.fake import FakeHost
from wherry.oci.platform import Platform
from wherry.settings import Paths, Settings

pytestmark = pytest.mark.requires("kubernetes")

IMAGE = ImageFacts(f"r.example.com/iris@sha256:{'0' * 64}", Platform.of("linux", "amd64"), user="10001")
APP = Application("iris", IMAGE, 8000, min_instances=2, max_instances=2)
LABELS = "wherry.dev/application"


class Watch:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def begin(self, step: Step) -> None:
        self.lines.append(step.text)

    def done(self, step: Step) -> None:
        pass

    def waiting(self, text: str) -> None:
        self.lines.append(text)

    def note(self, line: str) -> None:
        self.lines.append(line)


class Lab(NamedTuple):
    fake: FakeKubernetes
    kubeconfig: Path
    engine: Engine
    around: Surroundings

    def session(self, **options: str) -> KubernetesSession:
        chosen = Chosen({"kubeconfig": str(self.kubeconfig), **options})
        found = KubernetesTarget().connect(chosen, self.around)
        found._poll_s, found._stuck_s = 0.01, 0.03
        found._cluster.api._pause_s = 0.001
        return found

    def deploy(self, app: Application = APP, verify: Callable[[str], str] | None = None, **options: str) -> Deployed:
        session = self.session(**options)
        job = Job(self.engine, session, Watch(), lambda: pytest.fail("nothing is to be pushed"), verify,
                  healthy_within_s=20)  # fmt: skip
        return carry_out(job, preview(self.engine, session, app, Cancel()), Cancel()).deployed

    def plan(self, app: Application = APP, **options: str) -> Plan:
        return self.session(**options).plan(app)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    env = {"API": "hunter2", "HOME": str(tmp_path)}
    host = FakeHost()
    engine = Engine(Settings(Paths.for_user({}, os.geteuid(), str(tmp_path / "root")), env, 0, str(tmp_path)), host)
    with running(tmp_path) as (fake, kubeconfig):
        yield Lab(fake, kubeconfig, engine, Surroundings(env, str(tmp_path), host, engine))


def image(name: str) -> Application:
    return dataclasses.replace(APP, image=dataclasses.replace(IMAGE, reference=f"r.example.com/{name}:1"))


def test_the_second_time_there_is_nothing_to_do(lab: Lab) -> None:
    assert [one.action for one in lab.plan().steps] == ["create"] * 3
    assert lab.fake.kinds() == []
    assert lab.deploy(ingress="iris.example.com") == Deployed("http://iris.example.com", "1")
    assert lab.fake.kinds() == ["deployments/iris", "ingresses/iris", "poddisruptionbudgets/iris", "services/iris"]
    assert lab.plan(ingress="iris.example.com").is_empty


def test_a_change_says_what_changes_and_what_is_not_wanted_goes(lab: Lab) -> None:
    lab.deploy(ingress="iris.example.com")
    app = dataclasses.replace(APP, env={"MODE": "fast"}, min_instances=1, max_instances=1)
    plan = lab.plan(app)
    assert {step.text for step in plan.steps if step.action != "leave"} == {
        "~ change Deployment iris", "- delete Ingress iris", "- delete PodDisruptionBudget iris"}  # fmt: skip
    changes = next(step.changes for step in plan.steps if step.kind == "Deployment")
    assert "spec.replicas: 2 → 1" in changes
    assert any("MODE" in one and "fast" in one for one in changes)
    lab.deploy(app)
    assert lab.fake.kinds() == ["deployments/iris", "services/iris"]


def test_what_somebody_else_made_is_never_touched(lab: Lab) -> None:
    theirs = {"kind": "Service", "metadata": {"name": "iris"}, "spec": {"ports": []}}
    lab.fake.put("services", theirs)
    with pytest.raises(Conflict, match="wherry did not make it"):
        lab.deploy()
    assert lab.fake.kinds() == ["services/iris"]
    with pytest.raises(NotFound):
        lab.session().plan_destroy("iris")


def test_destroy_removes_exactly_what_was_made(lab: Lab) -> None:
    lab.fake.put("services", {"kind": "Service", "metadata": {"name": "other", "labels": {LABELS: "other"}}})
    lab.deploy(dataclasses.replace(APP, secrets=(Secret("KEY", "env", "API"),)))
    session = lab.session()
    session.destroy(session.plan_destroy("iris"), Watch(), Cancel())
    assert lab.fake.kinds() == ["services/other"]


def test_a_secret_goes_to_the_cluster_alone_and_a_new_value_starts_new_pods(lab: Lab) -> None:
    app = dataclasses.replace(APP, secrets=(Secret("KEY", "env", "API"),))
    plan = lab.plan(app)
    assert "hunter2" not in plan.text() + str(plan.to_json()) + repr(plan)
    lab.deploy(app)
    secret = lab.fake.objects["secrets", "iris-secrets"]
    assert base64.b64decode(secret["data"]["KEY"]) == b"hunter2"
    assert lab.plan(app).is_empty
    other = dataclasses.replace(lab.around, env={**lab.around.env, "API": "another"})
    changed = lab._replace(around=other)
    assert [one.text for one in changed.plan(app).steps if one.action == "change"] == [
        "~ change Secret iris-secrets", "~ change Deployment iris"]  # fmt: skip
    assert changed.deploy(app).revision == "2"
    assert changed.plan(app).is_empty


def test_what_never_gets_healthy_is_rolled_back_with_reasons(lab: Lab) -> None:
    lab.deploy(image("good"))
    lab.fake.bad_images["bad"] = "ImagePullBackOff"
    with pytest.raises(Unhealthy, match="ImagePullBackOff") as told:
        lab.deploy(image("bad"))
    assert "rolled back to revision 1 (r.example.com/good:1)" in str(told.value)
    assert any("why: ImagePullBackOff" in one for one in told.value.reasons)
    assert any("hello of iris-2-0" in one for one in told.value.reasons)
    now = lab.fake.objects["deployments", "iris"]["spec"]["template"]["spec"]["containers"][0]["image"]
    assert now == "r.example.com/good:1"


def test_the_first_one_that_fails_is_left_for_a_look(lab: Lab) -> None:
    lab.fake.bad_images["bad"] = "CrashLoopBackOff"
    with pytest.raises(Unhealthy, match="nothing ran before"):
        lab.deploy(image("bad"))
    status = lab.session().status("iris")
    assert (status.state, status.ready, status.instances[0].state) == ("failed", 0, "CrashLoopBackOff")


def test_a_deployment_that_broke_off_is_finished_by_the_next_one(lab: Lab) -> None:
    session = lab.session()
    plan = session.plan(APP)
    session.apply(APP, dataclasses.replace(plan, steps=plan.steps[:1]), Watch(), Cancel())
    assert lab.fake.kinds() == ["services/iris"]
    lab.deploy()
    assert "deployments/iris" in lab.fake.kinds()


def test_an_interruption_says_what_to_do(lab: Lab) -> None:
    session, cancel = lab.session(), Cancel()
    seen = preview(lab.engine, session, APP, Cancel())
    cancel.set("canceled")
    with pytest.raises(Cancelled) as told:
        carry_out(Job(lab.engine, session, Watch(), lambda: pytest.fail("no push")), seen, cancel)
    assert "wherry deploy destroy kubernetes iris" in (told.value.hint or "")


def test_throttling_is_waited_out(lab: Lab) -> None:
    lab.fake.throttle = 3
    lab.deploy()
    lab.fake.throttle = 100
    with pytest.raises(DeployError) as told:
        lab.plan()
    assert told.value.retryable
    lab.fake.throttle = 0


def test_throttling_is_waited_out_though_the_cluster_says_at_once(lab: Lab) -> None:
    """Retry-After: 0 six times is a moment; a cluster is throttled for seconds."""
    waited: list[float] = []

    class Clock(Cancel):
        def wait(self, timeout_s: float) -> bool:
            waited.append(timeout_s)
            return False

    session = lab.session()
    session._cluster.api._pause_s, session._cluster.api.cancel = 1.0, Clock()
    lab.fake.throttle = 5
    session.plan(APP)
    assert waited == [1, 2, 4, 8, 16]


def test_a_connection_that_is_lost_is_made_again(lab: Lab) -> None:
    session = lab.session()
    session.plan(APP)
    lab.fake.drop = 2
    assert len(session.plan(APP).steps) == 3
    assert lab.fake.drop == 0


@pytest.mark.parametrize(
    ("code", "reason", "said"),
    [(403, "Forbidden", "exceeded quota"), (404, "NotFound", 'namespaces "models" not found'), (422, "Invalid", "bad")],
)
def test_refusals_are_told_before_anything_is_done(lab: Lab, code: int, reason: str, said: str) -> None:
    lab.fake.refusals.append((code, reason, said))
    with pytest.raises(DeployError, match=said) as told:
        lab.deploy()
    assert (told.value.status, told.value.platform_code) == (code, reason)
    assert lab.fake.kinds() == []


def test_fields_of_another_manager_are_taken_as_the_plan_says(lab: Lab) -> None:
    """An autoscaler that was asked for once has set the replicas: without force, no deployment would ever end that."""
    lab.deploy()
    lab.fake.conflicts.add("iris")
    more = dataclasses.replace(APP, min_instances=3, max_instances=3)
    assert "spec.replicas: 2 → 3" in lab.plan(more).text()
    lab.deploy(more)
    assert lab.fake.objects["deployments", "iris"]["spec"]["replicas"] == 3


def test_an_autoscaler_begins_with_what_runs(lab: Lab) -> None:
    lab.deploy(dataclasses.replace(APP, min_instances=4, max_instances=4))
    lab.deploy(dataclasses.replace(APP, min_instances=2, max_instances=8))
    assert lab.fake.objects["deployments", "iris"]["spec"]["replicas"] == 4


def fails(url: str) -> str:
    raise Unhealthy("it answers 7")


def serving(lab: Lab) -> str:
    image: str = lab.fake.objects["deployments", "iris"]["spec"]["template"]["spec"]["containers"][0]["image"]
    return image


def test_going_back_is_to_what_this_deployment_replaced(lab: Lab) -> None:
    """Not to whatever has the next lower revision: after an earlier way back, that is what failed."""
    lab.deploy(image("first"), ingress="iris.example.com")
    with pytest.raises(Unhealthy, match=r"revision 1 \(r\.example\.com/first:1\)"):
        lab.deploy(image("second"), fails, ingress="iris.example.com")
    with pytest.raises(Unhealthy, match=r"revision 3 \(r\.example\.com/first:1\)"):
        lab.deploy(image("third"), fails, ingress="iris.example.com")
    assert serving(lab) == "r.example.com/first:1"
    # Its pods stay the same, so there is no other version that would be better
    more = dataclasses.replace(image("first"), min_instances=3, max_instances=3)
    with pytest.raises(Unhealthy, match="nothing to go back to"):
        lab.deploy(more, fails, ingress="iris.example.com")
    assert serving(lab) == "r.example.com/first:1"
    lab.deploy(image("fourth"), ingress="iris.example.com")


def test_what_is_not_wanted_any_more_goes_when_the_rest_is_healthy(lab: Lab) -> None:
    """Going back to pods that read a Secret which is gone would help nobody."""
    lab.deploy(dataclasses.replace(image("good"), secrets=(Secret("KEY", "env", "API"),)))
    lab.fake.bad_images["bad"] = "CrashLoopBackOff"
    with pytest.raises(Unhealthy):
        lab.deploy(image("bad"))
    assert "secrets/iris-secrets" in lab.fake.kinds()
    lab.deploy(image("good"))
    assert "secrets/iris-secrets" not in lab.fake.kinds()


def test_bad_logins_are_told_apart(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(NotSignedIn, match="Unauthorized"):
        lab.plan(context="late")
    with pytest.raises(NotSignedIn, match="no context 'gone'") as told:
        lab.plan(context="gone")
    assert "lab" in (told.value.hint or "")
    with pytest.raises(NotSignedIn, match="no cluster is configured"):
        lab.plan(kubeconfig=str(tmp_path / "gone"))


def test_a_cluster_that_is_away_is_named(lab: Lab) -> None:
    text = lab.kubeconfig.read_text().replace(lab.fake.url, "http://127.0.0.1:1")
    lab.kubeconfig.write_text(text)
    with pytest.raises(DeployError, match=r"127\.0\.0\.1:1 can't be reached"):
        lab.plan()


def test_status_and_logs(lab: Lab) -> None:
    lab.deploy()
    session = lab.session()
    status = session.status("iris")
    assert (status.state, status.ready, status.wanted, len(status.instances)) == ("running", 2, 2, 2)
    assert [line.text for line in session.logs("iris", LogQuery(tail=5), Cancel())] == [
        "hello of iris-1-0", "hello of iris-1-1"]  # fmt: skip
    with pytest.raises(NotFound):
        session.status("other")


@pytest.mark.parametrize(
    "data", [b"clusters: 3\n", b"a: [", b"\xff\xfe\x00", b"[]", b"apiVersion: v1\ncontexts: [{name: 3}]\n"]
)
def test_a_kubeconfig_that_is_none_is_told_in_one_line(lab: Lab, data: bytes) -> None:
    lab.kubeconfig.write_bytes(data)
    with pytest.raises(NotSignedIn) as told:
        lab.session()
    assert "\n" not in told.value.message
    assert "--kubeconfig" in str(told.value.hint)
