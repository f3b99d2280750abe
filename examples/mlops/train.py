"""Learn from the flowers, and leave the model as a candidate in /models: the evaluation decides whether it is used.

Each option has a variable, so that compose.yaml and CI can set it: --features is FEATURES, ...
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import flowers
from model import CANDIDATE, Model, write


def options(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="train", description="Learn to tell irises apart.")
    parser.add_argument("--features", default=os.environ.get("FEATURES") or ",".join(flowers.FEATURES),
                        help=f"what to learn from, some of {','.join(flowers.FEATURES)}")  # fmt: skip
    parser.add_argument("--strength", type=float, default=float(os.environ.get("STRENGTH") or 1.0),
                        help="how far the flowers outweigh the wish for small numbers (scikit-learn's C)")  # fmt: skip
    parser.add_argument("--models", type=Path, default=Path("/models"), help="the folder of models")
    found = parser.parse_args(argv)
    found.features = [name.strip() for name in found.features.split(",") if name.strip()]
    if unknown := [name for name in found.features if name not in flowers.FEATURES]:
        parser.error(f"no such feature: {', '.join(unknown)}; there are {', '.join(flowers.FEATURES)}")
    return found


def gpus() -> list[str]:
    """What a framework with CUDA would find. scikit-learn has no use for it: put torch here, nothing else changes."""
    return sorted(path.name for path in Path("/dev").glob("nvidia[0-9]*"))


def learn(features: list[str], strength: float) -> Model:
    rows, kinds = flowers.to_learn()
    rows = rows[:, [flowers.FEATURES.index(name) for name in features]]
    scaler = StandardScaler().fit(rows)
    fitted = LogisticRegression(C=strength, max_iter=500).fit(scaler.transform(rows), kinds)
    facts = {
        "trained": datetime.now(timezone.utc).isoformat(timespec="seconds"),  # noqa: UP017  # Python 3.10
        "release": os.environ.get("RELEASE", ""),
        "device": ", ".join(gpus()) or "cpu",
        "strength": str(strength),
        "flowers": str(len(rows)),
    }
    return Model(flowers.species(), features, scaler.mean_.tolist(), scaler.scale_.tolist(), fitted.coef_.tolist(),
                 fitted.intercept_.tolist(), facts)  # fmt: skip


def main() -> None:
    wanted = options()
    model = learn(wanted.features, wanted.strength)
    write(wanted.models / CANDIDATE, model)
    print(f"model {model.version}: learned from {', '.join(model.features)} on {model.facts['device']}")


if __name__ == "__main__":
    main()
