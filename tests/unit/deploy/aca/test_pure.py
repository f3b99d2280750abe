"""What Container Apps refuses, and the documents: golden files under tests/cases/deploy/aca, one folder a case."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.deploy.aca.world import CASES, ELSEWHERE, HERE, LOCAL, PLAIN, SUB
from wherry.deploy.aca import arm, names
from wherry.deploy.aca.app import Wiring, container_app
from wherry.deploy.aca.changes import changes
from wherry.deploy.aca.choice import Choice
from wherry.deploy.aca.place import place
from wherry.deploy.aca.validate import notes, validate
from wherry.deploy.application import Application, Gpu, Secret, Weights
from wherry.oci.platform import Platform

GOLDEN = Path(__file__).parents[3] / "cases" / "deploy" / "aca"
Doc = dict[str, Any]


@pytest.mark.parametrize("case", CASES)
def test_documents_are_as_they_were_looked_over(case: str) -> None:
    app, choice = CASES[case]
    assert validate(app, choice) == []
    for name, text in (("containerapp.yaml", arm.yaml(app, choice)), ("template.json", arm.template(app, choice))):
        golden = GOLDEN / case / name
        if os.environ.get("WRITE_GOLDEN"):
            golden.parent.mkdir(parents=True, exist_ok=True)
            golden.write_text(text)
        assert text == golden.read_text()


@pytest.mark.parametrize("case", CASES)
def test_both_documents_say_the_same_of_the_container(case: str) -> None:
    app, choice = CASES[case]
    there = json.loads(arm.template(app, choice))["resources"][-1]["properties"]["template"]
    here = yaml.safe_load(arm.yaml(app, choice))["properties"]["template"]
    for one in (there, here):
        del one["containers"][0]["image"]
    assert json.loads(json.dumps(there).replace('"[[', '"[')) == here


def test_what_a_user_wrote_is_no_expression_of_arm() -> None:
    made = json.loads(arm.template(*CASES["full"]))
    variables = {one["name"]: one.get("value") for one in
                 made["resources"][-1]["properties"]["template"]["containers"][0]["env"]}  # fmt: skip
    assert variables["ODD"] == "[[resourceGroup().location]"
    assert variables["LOG_LEVEL"] == "info"


@pytest.mark.parametrize("case", CASES)
def test_every_parameter_that_a_template_uses_is_declared_and_no_secret_has_a_value(case: str) -> None:
    text = arm.template(*CASES[case])
    made = json.loads(text)
    assert set(re.findall(r"parameters\('([^']+)'\)", text)) == made["parameters"].keys()
    for one in made["resources"][-1]["properties"]["configuration"]["secrets"]:
        assert "keyVaultUrl" in one or one["value"] == f"[parameters('{one['name']}')]"
        assert "keyVaultUrl" in one or made["parameters"][one["name"]]["type"] == "secureString"


@pytest.mark.parametrize("case", CASES)
def test_what_is_as_wished_has_no_changes(case: str) -> None:
    app, choice = CASES[case]
    wished = container_app(app, choice, Wiring("westeurope", f"/subscriptions/{SUB}/e", f"/subscriptions/{SUB}/i"))
    answered = json.loads(json.dumps(wished).replace("auto", "Auto").replace("westeurope", "West Europe"))
    answered["properties"]["environmentId"] = answered["properties"]["environmentId"].upper()
    answered["properties"]["outboundIpAddresses"] = ["1.2.3.4"]
    assert changes(answered, wished) == ()
    assert changes({}, wished)


def gib(size: float) -> int:
    return int(size * (1 << 30))


TWO = (Secret("A_B", "env", "A"), Secret("a_b", "env", "B"))
REFUSED: dict[str, tuple[Doc, Doc, str, str]] = {
    "arm": ({"image": replace(PLAIN.image, platform=Platform("linux", "arm64"))}, {}, "image", "linux/amd64 only"),
    "one letter": ({"name": "i"}, {}, "name", "2 letters"),
    "1 cpu with 4 GiB": ({"memory_bytes": gib(4)}, {}, "memory", "--cpu 2 --memory 4096m"),
    "1 cpu with 1 GiB": ({"memory_bytes": gib(1)}, {}, "memory", "--cpu 1 --memory 2048m"),
    "a tenth": ({"cpu_m": 100, "memory_bytes": gib(0.25)}, {}, "memory", "--cpu 0.25 --memory 512m"),
    "8 cpus": ({"cpu_m": 8000, "memory_bytes": gib(16)}, {}, "cpu", "--workload-profile"),
    "64 GiB": ({"memory_bytes": gib(64)}, {}, "memory", "--workload-profile"),
    "h100": ({"gpu": Gpu(1, "nvidia-h100")}, {}, "gpu", "nvidia-t4"),
    "two gpus": ({"gpu": Gpu(2)}, {}, "gpu", "one GPU"),
    "gpu, 16 cpus": ({"gpu": Gpu(1), "cpu_m": 16000}, {}, "cpu", "--cpu 8"),
    "gpu, 64 GiB": ({"gpu": Gpu(1), "memory_bytes": gib(64)}, {}, "memory", "--memory 56g"),
    "max": ({"max_instances": 2000}, {}, "max", "1000"),
    "grace": ({"grace_s": 700}, {}, "grace", "--grace 600s"),
    "reserved": ({"env": {"CONTAINER_APP_NAME": "x"}}, {}, "env", "set by the platform"),
    "two of a name": ({"secrets": TWO}, {}, "secret", "a-b"),
    "our own name": ({"secrets": (Secret("WHERRY_REGISTRY", "env", "A"),)}, {}, "secret", "wherry-registry"),
    "no vault": ({"secrets": (Secret("A", "ref", "mine"),)}, {}, "secret", "A=ref:https://VAULT"),
    "weights": ({"weights": (Weights("r/m", "/models"),)}, {}, "weights", "COPY"),
    "label": ({"labels": {"a/b": "x"}}, {}, "label", "a/b"),
    "subscription": ({}, {"subscription": "my subscription"}, "subscription", "az account list"),
    "group": ({}, {"group": "a/b"}, "resource-group", "a/b"),
    "location": ({}, {"location": "West Europe"}, "location", "westeurope"),
    "registry": ({}, {"registry": "https://x"}, "registry", "HOST/PREFIX"),
    "environment": ({}, {"environment": "a b"}, "environment", "a b"),
    "identity": ({}, {"identity": "/subscriptions/x"}, "identity", "/subscriptions/x"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_azure_refuses_is_refused_before_anything_is_done(case: str) -> None:
    changed, chosen, field, words = REFUSED[case]
    app: Application = replace(PLAIN, **changed)
    found = validate(app, Choice(**chosen))
    assert [(one.field, words in f"{one.message} {one.hint}") for one in found] == [(field, True)]


def test_a_dedicated_profile_sells_what_its_nodes_have() -> None:
    assert validate(replace(PLAIN, cpu_m=8000, memory_bytes=gib(64)), Choice(profile="big")) == []


def test_every_pair_of_the_consumption_plan_is_taken() -> None:
    for quarters in range(1, 17):
        app = replace(PLAIN, cpu_m=quarters * 250, memory_bytes=quarters * 512 << 20)
        assert validate(app, Choice()) == []


def test_where_the_image_goes() -> None:
    def to(app: Application, choice: Choice) -> str:
        return place(app, choice, SUB, "wherry-iris").push_to(app)

    own = names.own_registry(SUB, "wherry-iris", "iris")
    assert re.fullmatch(r"[a-z0-9]{5,50}", own)
    assert to(LOCAL, HERE) == f"{own}.azurecr.io/iris:{'cd' * 6}"
    assert to(LOCAL, Choice(registry="team.azurecr.io/apps")) == f"team.azurecr.io/apps/iris:{'cd' * 6}"
    assert to(LOCAL, Choice(registry="ghcr.io/team")) == f"ghcr.io/team/iris:{'cd' * 6}"
    tagged = replace(LOCAL, image=replace(LOCAL.image, reference="team.azurecr.io/iris:3"))
    assert to(tagged, HERE) == "team.azurecr.io/iris:3"
    assert to(PLAIN, HERE) == ""
    assert to(ELSEWHERE, HERE) == ""


def test_a_key_vault_is_noted() -> None:
    assert notes(PLAIN, HERE) == ()
    (note,) = notes(CASES["full"][0], HERE)
    assert "wherry-iris needs the role Key Vault Secrets User" in note
    assert "TOKEN" in note
