"""What Cloud Run refuses, and the documents: golden files under tests/cases/deploy/cloudrun, one a case."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.deploy.cloudrun.fake import CASES, PLAIN
from wherry.deploy.application import Application, Gpu, Secret, Weights
from wherry.deploy.cloudrun.changes import changes
from wherry.deploy.cloudrun.choice import Choice
from wherry.deploy.cloudrun.knative import knative
from wherry.deploy.cloudrun.service import service
from wherry.deploy.cloudrun.validate import notes, validate
from wherry.oci.platform import Platform

GOLDEN = Path(__file__).parents[3] / "cases" / "deploy" / "cloudrun"


@pytest.mark.parametrize("case", CASES)
def test_documents_are_as_they_were_looked_over(case: str) -> None:
    app, choice = CASES[case]
    expected = json.loads((GOLDEN / f"{case}.json").read_text())
    assert service(app, choice) == expected["service"]
    assert knative(app, choice) == expected["knative"]
    assert validate(app, choice) == []


@pytest.mark.parametrize("case", CASES)
def test_what_is_as_wished_has_no_changes(case: str) -> None:
    wished = service(*CASES[case])
    assert changes({**wished, "uid": "1", "creator": "somebody"}, wished) == ()
    assert changes({}, wished)


def gib(size: float) -> int:
    return int(size * (1 << 30))


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "arm": ({"image": replace(PLAIN.image, platform=Platform("linux", "arm64"))}, {}, "image", "linux/amd64 only"),
    "3 cpus": ({"cpu_m": 3000}, {}, "cpu", "--cpu 4"),
    "much memory": ({"memory_bytes": gib(8)}, {}, "memory", "--cpu 2"),
    "too much": ({"memory_bytes": gib(64)}, {}, "memory", "deploy to kubernetes"),
    "little memory": ({"cpu_m": 4000, "memory_bytes": gib(1)}, {}, "memory", "--memory 2048m"),
    "half a cpu": ({"cpu_m": 500, "memory_bytes": gib(0.5)}, {}, "concurrency", "--concurrency 1"),
    "a tenth": ({"cpu_m": 100, "memory_bytes": gib(1), "concurrency": 1}, {}, "memory", "512 MiB at most"),
    "a fiftieth": ({"cpu_m": 20, "memory_bytes": gib(0.25), "concurrency": 1}, {}, "cpu", "0.08"),
    "h100": ({"gpu": Gpu(1, "nvidia-h100")}, {}, "gpu", "nvidia-l4"),
    "two gpus": ({"gpu": Gpu(2), "cpu_m": 4000, "memory_bytes": gib(16)}, {}, "gpu", "one GPU"),
    "gpu, 1 cpu": ({"gpu": Gpu(1), "memory_bytes": gib(16)}, {}, "cpu", "--cpu 4"),
    "gpu, 2 gib": ({"gpu": Gpu(1), "cpu_m": 4000}, {}, "memory", "--memory 16g"),
    "port": ({"port": 0}, {}, "port", "1 to 65535"),
    "port variable": ({"env": {"PORT": "1"}}, {}, "env", "set by Cloud Run"),
    "both": ({"env": {"A": "b"}, "secrets": (Secret("A", "env", "A"),)}, {}, "secret", "both"),
    "weights": ({"weights": (Weights("r/m", "/models"),)}, {}, "weights", "COPY"),
    "label": ({"labels": {"Team": "x"}}, {}, "label", "small letters"),
    "concurrency": ({"concurrency": 2000}, {}, "concurrency", "1 to 1000"),
    "project": ({}, {"project": "My Project"}, "project", "id"),
    "region": ({}, {"region": "Frankfurt"}, "region", "europe-west1"),
    "timeout": ({}, {"timeout_s": 9000}, "request-timeout", "3600"),
    "account": ({}, {"service_account": "x"}, "service-account", "iam.gserviceaccount.com"),
    "repository": ({}, {"repository": "a/b"}, "repository", "Artifact Registry"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cloud_run_refuses_is_refused_before_anything_is_done(case: str) -> None:
    changed, chosen, field, words = REFUSED[case]
    app: Application = replace(PLAIN, **changed)
    found = validate(app, Choice(**chosen))
    assert [(one.field, words in f"{one.message} {one.hint}") for one in found] == [(field, True)]


def test_a_long_goodbye_is_only_noted() -> None:
    assert notes(replace(PLAIN, grace_s=10)) == ()
    assert "10 s after SIGTERM" in notes(replace(PLAIN, grace_s=60))[0]
