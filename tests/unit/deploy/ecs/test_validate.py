from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.deploy.ecs_cases import CASES, IMAGE, PLAIN
from wherry.deploy.application import Application, Gpu, Health, Secret, Weights
from wherry.deploy.ecs.choice import Choice
from wherry.deploy.ecs.sizes import PAIRS, Size, disk_gib, fitting, is_sold
from wherry.deploy.ecs.validate import size_of, validate
from wherry.oci.platform import Platform

GIB = 1 << 30
ARM = Platform("linux", "arm64")


@pytest.mark.parametrize("case", sorted(CASES))
def test_good_applications_have_no_problems(case: str) -> None:
    assert validate(*CASES[case]) == []


def test_every_pair_that_fargate_sells_is_taken() -> None:
    assert len([1 for memories in PAIRS.values() for _ in memories]) == 3 + 4 + 7 + 13 + 23 + 12 + 12
    for cpu, memories in PAIRS.items():
        for memory in memories:
            app = replace(PLAIN, cpu_m=round(cpu * 1000 / 1024), memory_bytes=memory << 20)
            assert size_of(app) == (cpu, memory)
            assert validate(app, Choice()) == []


def test_what_fits_is_the_smallest_that_is_sold() -> None:
    assert fitting(Size(1, 1)) == (256, 512)
    assert fitting(Size(300, 5000)) == (1024, 5120)
    assert fitting(Size(16384, 122881)) is None
    assert not is_sold(Size(256, 4096))


def test_a_disk_holds_the_image_twice() -> None:
    assert disk_gib(1 * GIB) == 20
    assert disk_gib(8 * GIB) == 21
    assert disk_gib(30 * GIB) == 65


BAD: list[tuple[str, Application, Choice, str]] = [
    ("memory", replace(PLAIN, memory_bytes=1 * GIB), Choice(), "1 GB: with 1 vCPU it sells 2 to 8 GB"),
    ("cpu", replace(PLAIN, cpu_m=1500), Choice(), "it sells 0.25 to 16 vCPU"),
    ("memory", replace(PLAIN, memory_bytes=200 * GIB), Choice(), "nothing as large as 1 vCPU, 200 GB"),
    ("image", replace(PLAIN, image=replace(IMAGE, platform=Platform("linux", "arm", "v7"))), Choice(), "linux/arm/v7"),
    ("image", replace(PLAIN, image=replace(IMAGE, size_bytes=150 * GIB)), Choice(), "150 GiB"),
    ("port", replace(PLAIN, port=70000), Choice(), "70000"),
    ("health", replace(PLAIN, health=Health("health")), Choice(), "'health'"),
    ("grace", replace(PLAIN, grace_s=300), Choice(), "at most 120 s"),
    ("min", replace(PLAIN, min_instances=0), Choice(), "never wakes up from 0"),
    ("gpu", replace(PLAIN, gpu=Gpu(1)), Choice(), "Fargate has no GPUs"),
    ("weights", replace(PLAIN, weights=(Weights("m:1", "/m"),)), Choice(), "can't mount a model artifact"),
    ("secret", replace(PLAIN, env={"A": "1"}, secrets=(Secret("A", "env", "A"),)), Choice(), "both"),
    ("secret", replace(PLAIN, secrets=(Secret("A", "ref", "arn:aws:s3:::x"),)), Choice(), "arn:aws:s3:::x"),
    ("region", PLAIN, Choice(region="europe"), "'europe' is no AWS region"),
    ("vpc", PLAIN, Choice(vpc="default"), "no VPC's id"),
    ("subnet", PLAIN, Choice(subnets=("a", "subnet-0a1b2c3d")), "'a' is no subnet's id"),
    ("subnet", PLAIN, Choice(subnets=("subnet-0a1b2c3d",)), "two availability zones"),
    ("certificate", PLAIN, Choice(certificate="cert"), "no certificate of ACM"),
    ("task-role", PLAIN, Choice(task_role="admin"), "no role's ARN"),
    ("log-days", PLAIN, Choice(log_days=15), "15 days"),
    ("domain", PLAIN, Choice(domain="a.example"), "needs the certificate"),
    ("internal", PLAIN, Choice(is_express=True, is_internal=True), "exclude each other"),
    ("image", replace(PLAIN, image=replace(IMAGE, platform=ARM)), Choice(is_express=True), "arm64"),
    ("entrypoint", replace(PLAIN, entrypoint=("x",)), Choice(is_express=True), "entrypoint"),
    ("image", replace(PLAIN, image=replace(IMAGE, size_bytes=9 * GIB)), Choice(is_express=True), "20 GiB"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "app", "choice", "said"), BAD, ids=[f"{one[0]}-{one[3][:12]}" for one in BAD])
def test_what_fargate_would_refuse(field: str, app: Application, choice: Choice, said: str) -> None:
    (problem,) = validate(app, choice)
    assert problem.field == field
    assert said in problem.message


def test_a_size_that_is_not_sold_comes_with_the_flags_of_one_that_is() -> None:
    (problem,) = validate(replace(PLAIN, cpu_m=1500, memory_bytes=3 * GIB), Choice())
    assert problem.hint.endswith("--cpu 2 --memory 4096m")


def test_all_problems_are_said_at_once() -> None:
    app = replace(PLAIN, gpu=Gpu(1), port=0, min_instances=0)
    assert [one.field for one in validate(app, Choice(log_days=2))] == ["port", "min", "gpu", "log-days"]
