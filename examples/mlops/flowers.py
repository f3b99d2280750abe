"""The data: flowers to learn from, and flowers that only the evaluation sees. The same split each time."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
_SEED = 7


def _split() -> list[np.ndarray]:
    data = load_iris()
    return train_test_split(data.data, data.target, test_size=0.3, random_state=_SEED, stratify=data.target)


def to_learn() -> tuple[np.ndarray, np.ndarray]:
    """Rows and kinds; the columns are FEATURES, a kind is a place in `species()`."""
    rows, _, kinds, _ = _split()
    return rows, kinds


def to_judge() -> tuple[np.ndarray, np.ndarray]:
    _, rows, _, kinds = _split()
    return rows, kinds


def species() -> list[str]:
    return [str(name) for name in load_iris().target_names]
