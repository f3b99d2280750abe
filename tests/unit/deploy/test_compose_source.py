"""A service of a compose file as wishes: what a platform can run, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from wherry.compose.load import LoadRequest, load
from wherry.compose.model import Project
from wherry.deploy.application import Gpu, Weights
from wherry.deploy.compose_source import of_service, pick
from wherry.deploy.wishes import Wishes
from wherry.errors import InputError, NotFound


def project(folder: Path, text: str) -> Project:
    (folder / "compose.yaml").write_text(text)
    return load(LoadRequest(current_dir=str(folder), environment={}, files=["compose.yaml"]))


def wishes(folder: Path, service: str) -> tuple[Wishes, list[str]]:
    lines = "\n".join(f"    {line}" for line in service.splitlines())
    said: list[str] = []
    found = project(folder, f"name: shop\nservices:\n  api_v1:\n{lines}\n")
    return of_service(found, pick(found, ""), said.append), said


def test_what_a_platform_can_run_is_taken(tmp_path: Path) -> None:
    found, said = wishes(
        tmp_path,
        """\
image: iris:3
ports: ["127.0.0.1:80:8000", "53:53/udp"]
environment: {LOG_LEVEL: info, UNSET: }
command: ["serve", "--fast"]
cpus: 0.5
mem_limit: 512m
stop_grace_period: 1500ms
deploy: {replicas: 3, resources: {reservations: {devices: [{capabilities: [gpu], count: 2}]}}}
volumes: [{type: image, source: "r.example.com/iris:3", target: /models}]
""",
    )
    assert said == []
    assert found == Wishes(
        image="iris:3", name="api-v1", ports=(8000,), env={"LOG_LEVEL": "info"}, cpu_m=500, memory_bytes=512 << 20,
        gpu=Gpu(2), min_instances=3, command=("serve", "--fast"), weights=(Weights("r.example.com/iris:3", "/models"),),
        grace_s=2,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("check", "path"),
    [
        ("{test: curl -f http://localhost:8000/readyz}", "/readyz"),
        ('{test: ["CMD", "wget", "-q", "http://127.0.0.1:8000"]}', "/"),
        ("{test: pg_isready}", ""),
        ("{disable: true}", ""),
        ("{interval: 5s}", None),
    ],
)
def test_the_services_own_health_check_wins(tmp_path: Path, check: str, path: str | None) -> None:
    found, _ = wishes(tmp_path, f"image: iris:3\nhealthcheck: {check}\n")
    assert (found.ready, found.live) == (path, path)


def test_what_means_something_on_one_machine_only_is_said(tmp_path: Path) -> None:
    found, said = wishes(
        tmp_path,
        """\
image: iris:3
user: "1000"
privileged: true
labels: {traefik.http.routers.api.rule: "Host(`a.example.com`)"}
volumes: ["./data:/data"]
""",
    )
    assert said == [
        "service api_v1: privileged, user, labels are not deployed",
        "service api_v1: nothing is mounted at /data there: the disk of an instance is lost with it",
    ]
    assert found.labels is None


def test_all_gpus_are_no_number(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="asks for all GPUs"):
        wishes(tmp_path, "image: iris:3\ngpus: all\n")


def test_which_service_is_meant(tmp_path: Path) -> None:
    several = "services:\n  api: {build: ., image: a}\n  db: {image: b, ports: ['5432']}\n  cache: {image: c}\n"
    found = project(tmp_path, several)
    assert pick(found, "").name == "api"
    assert pick(found, "cache").name == "cache"
    with pytest.raises(NotFound, match="no such service") as told:
        pick(found, "cahce")
    assert told.value.hint == "did you mean cache?"
    with pytest.raises(InputError, match="several services"):
        pick(project(tmp_path, "services:\n  a: {image: a}\n  b: {image: b}\n"), "")
