"""A deployment as Kubernetes objects: golden documents, held against the schemas of Kubernetes itself."""

from __future__ import annotations

import dataclasses
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from wherry.deploy.application import Application, Gpu, Health, ImageFacts, Secret, Weights
from wherry.deploy.documents import dump_all
from wherry.deploy.kubernetes.documents import image_name, objects
from wherry.deploy.kubernetes.validate import problems
from wherry.deploy.target import Chosen
from wherry.oci.platform import Platform

CASES = Path(__file__).parents[3] / "cases" / "deploy" / "kubernetes"
AMD64 = Platform.of("linux", "amd64")
IMAGE = ImageFacts(f"registry.example.com/me/iris@sha256:{'0' * 64}", AMD64, user="10001", digest=f"sha256:{'0' * 64}")
SMALL = Application("iris", IMAGE, 8000)
FULL = Application(
    "iris", IMAGE, 8080, Health("/readyz", "/livez"), env={"LOG_LEVEL": "info", "FLAG": "yes"},
    secrets=(Secret("API_KEY", "env", "MY_KEY"), Secret("DB", "ref", "shared/url"), Secret("TOKEN", "ref", "tokens")),
    cpu_m=500, memory_bytes=4 << 30, gpu=Gpu(1), min_instances=2, max_instances=6, entrypoint=("/serve",),
    command=("--fast",), weights=(Weights(f"registry.example.com/w@sha256:{'1' * 64}", "/models"),),
    labels={"team": "ml"}, grace_s=40,
)  # fmt: skip
ALL = Chosen({"namespace": "models", "ingress": "iris.example.com", "ingress-class": "nginx", "pull-secret": ("hub",),
              "runtime-class": "nvidia"})  # fmt: skip


@pytest.mark.parametrize(("name", "app", "chosen"), [("small", SMALL, Chosen()), ("full", FULL, ALL)])
def test_documents_are_as_kept(name: str, app: Application, chosen: Chosen) -> None:
    assert dump_all(objects(app, chosen)) == (CASES / f"{name}.yaml").read_text()


@pytest.mark.requires("kubernetes-validate")
@pytest.mark.parametrize("version", ["1.32", "1.35", "1.37"])
@pytest.mark.parametrize(("app", "chosen"), [(SMALL, Chosen()), (FULL, ALL)])
def test_kubernetes_own_schemas_take_them(version: str, app: Application, chosen: Chosen) -> None:
    checker = import_module("kubernetes_validate")
    for one in objects(app, chosen):
        checker.validate(one, version, strict=True)


def test_a_secrets_source_is_in_no_document() -> None:
    text = dump_all(objects(FULL, ALL))
    assert "MY_KEY" not in text
    assert "kind: Secret" not in text


def test_a_text_that_yaml_would_take_for_a_bool_stays_text() -> None:
    deployment = next(one for one in yaml.safe_load_all(dump_all(objects(FULL, ALL))) if one["kind"] == "Deployment")
    env = {one["name"]: one.get("value") for one in deployment["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert (env["FLAG"], env["PORT"]) == ("yes", "8080")


def test_the_autoscaler_alone_says_how_many_there_are() -> None:
    kinds: dict[str, Any] = {one["kind"]: one for one in objects(FULL, ALL)}
    assert "replicas" not in kinds["Deployment"]["spec"]
    assert kinds["HorizontalPodAutoscaler"]["spec"]["maxReplicas"] == 6
    assert [one["kind"] for one in objects(SMALL, Chosen())] == ["Service", "Deployment"]


def test_what_is_below_the_registry_already_keeps_its_name() -> None:
    app = dataclasses.replace(SMALL, image=dataclasses.replace(IMAGE, reference="me/iris:3", id="sha256:1"))
    there = Chosen({"registry": "r.example.com/team/"})
    assert image_name(app, there) == "r.example.com/team/iris:3"
    assert image_name(SMALL, Chosen({"registry": "registry.example.com/me"})) == IMAGE.reference


def test_what_is_in_a_registry_and_not_here_is_pulled_from_there() -> None:
    """It is not pushed, so nothing is below --registry."""
    assert image_name(SMALL, Chosen({"registry": "r.example.com/team"})) == IMAGE.reference


@pytest.mark.parametrize("user", ["", "root", "0", "0:0", "app"])
def test_a_user_that_the_kubelet_refuses_is_told_before(user: str) -> None:
    app = dataclasses.replace(SMALL, image=dataclasses.replace(IMAGE, user=user))
    assert [one.field for one in problems(app, Chosen())] == ["image"]


@pytest.mark.parametrize(
    ("app", "chosen", "field"),
    [
        (dataclasses.replace(SMALL, min_instances=0), Chosen(), "min"),
        (dataclasses.replace(SMALL, labels={"a b": "c"}), Chosen(), "label"),
        (dataclasses.replace(SMALL, secrets=(Secret("A", "ref", "No/such/x"),)), Chosen(), "secret"),
        (SMALL, Chosen({"namespace": "Up"}), "namespace"),
        (SMALL, Chosen({"ingress": "a b"}), "ingress"),
        (SMALL, Chosen({"ingress-class": "nginx"}), "ingress-class"),
    ],
)
def test_what_a_cluster_refuses_is_told_before(app: Application, chosen: Chosen, field: str) -> None:
    assert [one.field for one in problems(app, chosen)] == [field]


def test_an_image_of_this_machine_alone_needs_a_registry() -> None:
    local = dataclasses.replace(IMAGE, reference="iris:3", id="sha256:1", digest="")
    app = dataclasses.replace(SMALL, image=local)
    assert [one.field for one in problems(app, Chosen())] == ["image"]
    assert not problems(app, Chosen({"registry": "r.example.com/team"}))
    assert not problems(SMALL, Chosen())
    assert not problems(FULL, ALL)
