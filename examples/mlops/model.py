"""A model is a JSON file: numbers and where they come from. Reading it can't run code, as reading a pickle can."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

CANDIDATE, CURRENT = "candidate.json", "current.json"


class Model(NamedTuple):
    """Softmax regression on scaled measurements. `weights` has a row for each species, a column for each feature."""

    species: list[str]
    features: list[str]
    mean: list[float]
    scale: list[float]
    weights: list[list[float]]
    bias: list[float]
    facts: dict[str, str]

    @property
    def version(self) -> str:
        """The same numbers have the same version, wherever and whenever they were learned."""
        numbers = json.dumps(self._replace(facts={}), sort_keys=True)
        return hashlib.sha256(numbers.encode()).hexdigest()[:12]

    def probabilities(self, measurements: Mapping[str, float]) -> dict[str, float]:
        row = np.array([measurements[name] for name in self.features])
        scores = np.array(self.weights) @ ((row - self.mean) / self.scale) + self.bias
        chances = np.exp(scores - scores.max())
        return {
            name: round(float(chance), 4) for name, chance in zip(self.species, chances / chances.sum(), strict=True)
        }


def read(path: Path) -> Model:
    return Model(**json.loads(path.read_text()))


def write(path: Path, model: Model) -> None:
    """Whole or not at all: who reads meanwhile sees the one before."""
    beside = path.with_suffix(".new")
    with beside.open("w") as file:
        json.dump(model._asdict(), file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
