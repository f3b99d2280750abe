"""examples/mlops: a model serves once it has passed the gate, and no other does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.container_lab import eventually
from tests.integration.example_lab import ExampleProject
from tests.integration.lesson import Lesson, is_alone

pytestmark = pytest.mark.requires("root", "runc", "nft", "mmdebstrap", "mirror", "pypi")

VIRGINICA = {"sepal_length": 6.9, "sepal_width": 3.1, "petal_length": 5.4, "petal_width": 2.1}


@pytest.fixture(scope="module")
def mlops(lesson: Lesson) -> Iterator[ExampleProject]:
    project = ExampleProject(lesson, "mlops", "SERVE_PORT")
    try:
        yield project
    finally:
        project.compose("down", "--volumes", "--timeout", "5")
    assert project.states() == {}
    assert "mlops" not in lesson.must("volume", "ls", "-q") + lesson.must("network", "ls", "--format", "{{.Name}}")
    assert is_alone(lesson.root)


def model_of(project: ExampleProject) -> str:
    """The version of the model that serves."""
    status, facts = project.ask("/version")
    assert status == 200
    version: str = facts["model"]
    return version


def test_a_bad_model_is_stopped_by_the_gate_a_good_one_serves_and_a_worse_one_does_not_replace_it(
    mlops: ExampleProject,
) -> None:
    refused = mlops.compose("up", "--wait", FEATURES="sepal_width")
    said = refused.stdout + refused.stderr
    assert refused.returncode == 1, said
    assert 'service "evaluate" didn\'t complete successfully: exit 1' in said
    assert "is refused: its accuracy 0.622 is below 0.900" in said, "the error says why"
    assert mlops.states() == {"train": "exited", "evaluate": "exited", "serve": "created"}
    assert "is refused: its accuracy 0.622 is below 0.900" in mlops.must("logs", "evaluate")

    mlops.must("up", "--wait")
    assert mlops.states() == {"train": "exited", "evaluate": "exited", "serve": "running"}
    assert mlops.ask("/predict", VIRGINICA)[1]["species"] == "virginica"
    first = model_of(mlops)

    learned = mlops.must("run", "--rm", "train", "--features", "petal_length,petal_width", "--strength", "10")
    assert "learned from petal_length, petal_width on cpu" in learned
    assert "is accepted" in mlops.must("run", "--rm", "--no-deps", "evaluate")
    assert model_of(mlops) == first, "what serves has its model until it is started again"
    mlops.must("restart", "serve")
    eventually(lambda: is_up(mlops), "the service is back", 60)
    second = model_of(mlops)
    assert second != first

    mlops.must("run", "--rm", "train", "--features", "sepal_width")
    worse = mlops.compose("run", "--rm", "--no-deps", "evaluate")
    assert worse.returncode == 1
    assert "is refused" in worse.stderr
    mlops.must("restart", "serve")
    eventually(lambda: is_up(mlops), "the service is back", 60)
    assert model_of(mlops) == second
    kept = mlops.must("exec", "-T", "serve", "ls", "/models").split()
    assert {f"{first}.json", f"{second}.json", "current.json", "candidate.json"} <= set(kept)


def is_up(project: ExampleProject) -> bool:
    try:
        return project.ask("/healthz")[0] == 200
    except OSError:
        return False


def test_a_profile_chooses_where_the_training_runs(mlops: ExampleProject) -> None:
    assert sorted(mlops.must("config", "--services").split()) == ["evaluate", "serve", "train"]
    assert "train-gpu" in mlops.must("--profile", "gpu", "config", "--services").split()
    assert "train" not in mlops.must("--profile", "gpu", "config", "--services").split()


def test_a_release_is_in_the_tags_and_labels_of_all_three_images(mlops: ExampleProject) -> None:
    mlops.must("build", RELEASE="1.4.0")
    for name in ("train", "test", "serve"):
        label = '{{index .Config.Labels "org.opencontainers.image.version"}}'
        assert mlops.lesson.must("image", "inspect", "-f", label, f"iris-{name}:1.4.0") == "1.4.0\n"
    assert "scikit" not in mlops.lesson.must("run", "--rm", "iris-serve:1.4.0", "pip", "list")
