"""wherry deploy, as it is typed: documents, refusals, and a whole deployment to ECS as moto's server has it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.fake_kubernetes import running
from tests.integration.container_lab import Wherry

pytestmark = pytest.mark.requires("root", "busybox")

DOCKERFILE = """FROM scratch
COPY busybox /bin/busybox
USER 1000
EXPOSE 8000
CMD ["/bin/busybox", "httpd", "-f", "-p", "8000"]
"""


@pytest.fixture
def image(wherry: Wherry, tmp_path: Path) -> str:
    context = tmp_path / "context"
    context.mkdir()
    found = shutil.which("busybox")
    assert found
    shutil.copy(found, context / "busybox")
    (context / "Dockerfile").write_text(DOCKERFILE)
    wherry("build", "-q", "-t", "iris:3", str(context))
    return "iris:3"


def test_documents_are_written_for_each_target(wherry: Wherry, image: str, tmp_path: Path) -> None:
    out = tmp_path / "ecs"
    done = wherry("deploy", "ecs", "--image", image, "--output", str(out))
    assert done.stdout.split() == [str(out / "template.yaml"), str(out / "task-definition.json")]
    assert yaml.safe_load((out / "template.yaml").read_text())["Resources"]["Service"]["Type"] == "AWS::ECS::Service"
    out = tmp_path / "cloudrun"
    wherry("deploy", "cloudrun", "--image", image, "--output", str(out), "--min", "0", "--max", "3")
    assert yaml.safe_load((out / "service.yaml").read_text())["kind"] == "Service"
    out = tmp_path / "aca"
    wherry("deploy", "aca", "--image", image, "--output", str(out), "--location", "westeurope")
    assert yaml.safe_load((out / "containerapp.yaml").read_text())["location"] == "westeurope"
    assert json.loads((out / "template.json").read_text())["resources"][-1]["name"] == "iris"
    out = tmp_path / "machine"
    wherry("deploy", "compose-ssh", "--image", image, "--output", str(out), "--host", "gpu1")
    assert yaml.safe_load((out / "compose.yaml").read_text())["services"]["app"]["cap_drop"] == ["ALL"]
    out = tmp_path / "kubernetes"
    wherry("deploy", "kubernetes", "--image", image, "--registry", "r.example.com/team", "--output", str(out))
    found = [kind for path in out.iterdir() for kind in yaml.safe_load_all(path.read_text())]
    assert {"Deployment", "Service"} <= {one["kind"] for one in found}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["ecs"], 1, "no image to deploy"),
        (["ecs", "--image", "nothing:1"], 1, "nothing:1"),
        (["ecs", "--image", "iris:3", "--cpu", "3"], 1, "Fargate does not sell"),
        (["cloudrun", "--image", "iris:3", "--memory", "64g"], 1, "cloudrun can't run iris"),
        (["aca", "--image", "iris:3", "--memory", "3g"], 1, "--cpu 1.5 --memory 3072m"),
        (["compose-ssh", "--image", "iris:3", "--host", "-oProxyCommand=x"], 1, "is no [USER@]HOST"),
        (["kubernetes", "--image", "iris:3"], 1, "on this machine only"),
        (["to", "acme", "--image", "iris:3"], 1, "no such deployment target: acme"),
        (["status", "to-nowhere", "iris"], 1, "no such deployment target"),
        (["ecs", "--image", "iris:3", "--format", "yaml"], 1, "--format takes json alone"),
        (["ecs", "--compose", "nowhere.yaml"], 1, "no such file or directory"),
        (["ecs", "--image", "iris:3", "--timeout", "-5s", "--yes"], 1, "--timeout must be more than nothing"),
        (["status", "kubernetes", "../x"], 1, "'../x' is no name for a deployment"),
        (["destroy", "compose-ssh", "..", "--host", "gpu1"], 1, "is no name for a deployment"),
        (["logs", "ecs", "iris", "--tail", "9" * 5000], 1, "--tail takes a number or all"),
        (["logs", "ecs", "iris", "--since", "yesterday"], 1, "yesterday"),
        (["ecs", "--image", "iris:3", "--contract", "nowhere.yaml", "--yes"], 1, "cannot read"),
        (["ecs", "--image", "iris:3", "--verify-url", "https://u:secret@a.example.com"], 1, "takes no credentials"),
        (["status", "ecs", "../iris"], 1, "is no name for a deployment"),
        (["ecs", "--nonsense"], 125, "unknown flag: --nonsense"),
    ],
)  # fmt: skip
def test_a_wrong_wish_is_one_clear_error(wherry: Wherry, image: str, words: list[str], code: int, said: str) -> None:
    done = wherry("deploy", *words, code=code)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_was_deployed_yet(wherry: Wherry) -> None:
    assert wherry("deploy", "ls").stdout.split() == ["NAME", "TARGET", "WHERE", "DEPLOYED", "URL"]
    assert wherry("deploy", "ls", "--format", "json").stdout == ""  # a line each, as docker's lists


@pytest.mark.requires("kubernetes")
def test_what_fails_is_found_again_and_can_be_removed(wherry: Wherry, image: str, tmp_path: Path) -> None:
    with running(tmp_path) as (fake, kubeconfig):
        fake.put("services", {"kind": "Service", "metadata": {"name": "iris"}, "spec": {}})
        words = ("deploy", "kubernetes", "--kubeconfig", str(kubeconfig), "--image", "iris:3", "--yes")
        assert "wherry did not make it" in wherry(*words, "--registry", "r.example.com", code=1).stderr
        assert "iris" not in wherry("deploy", "ls").stdout
        del fake.objects["services", "iris"]
        # What answers there is no registry
        nowhere = fake.url.partition("://")[2]
        assert nowhere in wherry(*words, "--registry", nowhere, code=1).stderr
        # Its kubeconfig is known now, without being said again
        assert "context lab, namespace models" in wherry("deploy", "ls").stdout
        assert "no deployment iris" in wherry("deploy", "destroy", "kubernetes", "iris", "--yes", code=1).stderr
        assert "iris" not in wherry("deploy", "ls").stdout
