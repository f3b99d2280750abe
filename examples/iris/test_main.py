"""pip install -r requirements-test.txt && pytest"""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from main import app

client = TestClient(app)
SETOSA = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
VIRGINICA = {"sepal_length": 6.9, "sepal_width": 3.1, "petal_length": 5.4, "petal_width": 2.1}


@pytest.mark.parametrize(("flower", "species"), [(SETOSA, "setosa"), (VIRGINICA, "virginica")])
def test_a_typical_flower_is_known(flower: dict[str, float], species: str) -> None:
    answer = client.post("/predict", json=flower)
    assert answer.status_code == 200
    assert answer.json()["species"] == species
    assert sum(answer.json()["probabilities"].values()) == pytest.approx(1, abs=0.001)


@pytest.mark.parametrize(
    "wrong",
    [{"petal_width": -1}, {"petal_width": "wide"}, {"petal_width": None}, {"petal_width": 1e9}, {"colour": "blue"}],
)
def test_a_wrong_measurement_is_refused_and_named(wrong: dict[str, object]) -> None:
    answer = client.post("/predict", json=SETOSA | wrong)
    assert answer.status_code == 422
    assert next(iter(wrong)) in answer.text


def test_a_missing_measurement_is_refused() -> None:
    assert client.post("/predict", json={}).status_code == 422


def test_the_service_says_that_it_is_well() -> None:
    assert client.get("/healthz").json()["status"] == "ok"
    assert client.get("/healthz").json()["accuracy"] > 0.9
    assert client.get("/").status_code == 200
