"""The gate: judge the candidate by flowers that it has not seen. Good enough: it becomes the current model, which is
served, and this exits 0. Else everything stays as it is, and this exits 1; what waits for it does not start."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import flowers
from model import CANDIDATE, CURRENT, Model, read, write

MODELS = Path("/models")


def accuracy(model: Model) -> float:
    rows, kinds = flowers.to_judge()
    right = 0
    for row, kind in zip(rows, kinds, strict=True):
        chances = model.probabilities(dict(zip(flowers.FEATURES, map(float, row), strict=True)))
        right += max(chances, key=chances.__getitem__) == model.species[kind]
    return right / len(kinds)


def main() -> int:
    least = float(os.environ.get("MIN_ACCURACY") or 0.9)
    model = read(MODELS / CANDIDATE)
    found = accuracy(model)
    model = model._replace(facts=model.facts | {"accuracy": f"{found:.3f}"})
    print(json.dumps({"version": model.version, "accuracy": round(found, 3), "least": least}))
    if found < least:
        print(f"model {model.version} is refused: its accuracy {found:.3f} is below {least:.3f}", file=sys.stderr)
        return 1
    write(MODELS / f"{model.version}.json", model)
    write(MODELS / CURRENT, model)
    print(f"model {model.version} is accepted: accuracy {found:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
