"""A deployment's whole life against moto's server, through boto3 and HTTP.

moto starts no tasks (a service's running count stays 0) and has no autoscaling in its stacks: what is held here is the
stack's life and every call's shape, not that AWS runs the tasks.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.deploy.ecs_cases import PLAIN
from wherry.cancel import Cancel
from wherry.deploy.application import Application, Secret
from wherry.deploy.ecs.boto import BotoAws, connect
from wherry.deploy.ecs.choice import Choice
from wherry.deploy.ecs.session import EcsSession
from wherry.deploy.plan import Step
from wherry.deploy.target import Deployed, PushTo
from wherry.errors import Conflict, NotFound

pytestmark = [pytest.mark.requires("moto"), pytest.mark.filterwarnings("ignore")]
VALUES = {"API_KEY": "first"}
APP = replace(PLAIN, secrets=(Secret("API_KEY", "env", "API_KEY"),))


class Quiet:
    def __init__(self) -> None:
        self.done_steps: list[str] = []

    def begin(self, step: Step) -> None: ...
    def done(self, step: Step) -> None:
        self.done_steps.append(step.name)

    def waiting(self, text: str) -> None: ...
    def note(self, line: str) -> None: ...


class Moto(BotoAws):
    """moto gives a list parameter back as Python writes a list; AWS as it was sent, with commas."""

    def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        answer = super().call(service, operation, **parameters)
        for stack in answer.get("Stacks", []):
            for one in stack.get("Parameters", []):
                one["ParameterValue"] = one["ParameterValue"].strip("[]").replace("'", "").replace(", ", ",")
        return answer


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[BotoAws]:
    from moto.server import ThreadedMotoServer

    warnings.simplefilter("ignore")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "test",
                        "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    import urllib.request

    urllib.request.urlopen(urllib.request.Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()
    found = connect(Choice(region="eu-central-1"), {})
    made = Moto(found._session, found._config)
    yield made
    made.close()
    server.stop()


def deploy(aws: BotoAws, app: Application) -> tuple[Deployed, Quiet]:
    session, watch, cancel = EcsSession(aws, Choice(), lambda secret: VALUES[secret.where]), Quiet(), Cancel()
    session.make_registry(app, watch, cancel)
    plan = session.plan(app)
    session.apply(app, plan, watch, cancel)
    return session.wait(app, watch, cancel), watch


def task_definition(aws: BotoAws, revision: str) -> dict[str, Any]:
    found: dict[str, Any] = aws._session.client("ecs").describe_task_definition(taskDefinition=revision)
    return dict(found["taskDefinition"])


def test_a_deployment_from_its_making_to_its_end(aws: BotoAws) -> None:
    session = EcsSession(aws, Choice(), lambda secret: VALUES[secret.where])
    to = session.push_to(APP)
    assert isinstance(to, PushTo)
    assert to.reference.startswith("123456789012.dkr.ecr.eu-central-1.amazonaws.com/wherry/iris:cdcd")
    assert {step.action for step in session.plan(APP).steps} == {"create"}

    deployed, _ = deploy(aws, APP)
    assert deployed.url.startswith("http://wherry")
    assert task_definition(aws, deployed.revision)["containerDefinitions"][0]["image"] == APP.image.reference
    assert session.plan(APP).is_empty
    assert session.status("iris").image == APP.image.reference

    other = APP.with_image("123456789012.dkr.ecr.eu-central-1.amazonaws.com/wherry/iris", "sha256:" + "ef" * 32)
    changed = [step.name for step in session.plan(other).steps if step.action == "change"]
    assert changed == ["Task", "Service"]
    deploy(aws, other)
    # moto makes the new revision, loses what its containers are, and does not pass it on to the service
    assert task_definition(aws, "wherry-iris")["revision"] == 2
    assert session.status("iris").image == other.image.reference

    session.destroy(session.plan_destroy("iris"), Quiet(), Cancel())
    with pytest.raises(NotFound):
        session.status("iris")
    with pytest.raises(NotFound):
        session.plan_destroy("iris")


def test_a_new_value_of_a_secret_is_a_new_version_and_never_in_a_document(aws: BotoAws) -> None:
    deploy(aws, APP)
    session = EcsSession(aws, Choice(), lambda secret: "second-value")
    plan = session.plan(APP)
    assert next(step.name for step in plan.steps if step.action == "change") == "wherry/iris/API_KEY"
    assert "second-value" not in plan.text()
    session.apply(APP, plan, Quiet(), Cancel())
    body = aws.call("cloudformation", "get_template", StackName="wherry-iris", TemplateStage="Original")
    assert "second-value" not in str(body)
    assert session.plan(APP).is_empty


def test_somebody_elses_stack_repository_and_secret_are_left_alone(aws: BotoAws) -> None:
    session = EcsSession(aws, Choice(), lambda secret: "x")
    aws.call("ecr", "create_repository", repositoryName="wherry/iris")
    with pytest.raises(Conflict, match="ECR repository"):
        session.make_registry(APP, Quiet(), Cancel())
    aws.call("ecr", "delete_repository", repositoryName="wherry/iris", force=True)
    aws.call("secretsmanager", "create_secret", Name="wherry/iris/API_KEY", SecretString="theirs")
    with pytest.raises(Conflict, match="the secret"):
        session.plan(APP)
    template = '{"Resources": {"L": {"Type": "AWS::Logs::LogGroup"}}}'
    aws.call("cloudformation", "create_stack", StackName="wherry-iris", TemplateBody=template)
    for refused in (lambda: session.plan(PLAIN), lambda: session.plan_destroy("iris"), lambda: session.status("iris")):
        with pytest.raises(Conflict, match="the stack"):
            refused()
