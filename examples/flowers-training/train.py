"""Softmax regression on Fisher's irises: python train.py RATE"""

import csv
import os
import sys
from pathlib import Path

import numpy
from safetensors.numpy import save_file

from wherry import track

SPECIES = ("setosa", "versicolor", "virginica")
HERE = Path(__file__).parent


def measurements() -> tuple[numpy.ndarray, numpy.ndarray]:
    with open(HERE / "iris.csv") as file:
        rows = list(csv.DictReader(file))
    columns = [name for name in rows[0] if name != "species"]
    found = numpy.array([[float(row[name]) for name in columns] for row in rows], dtype=numpy.float32)
    return found, numpy.array([SPECIES.index(row["species"]) for row in rows])


def main(rate: float, steps: int = 400) -> None:
    measured, species = measurements()
    held = numpy.arange(len(species)) % 5 == 0
    mean, scale = measured[~held].mean(0), measured[~held].std(0)
    inputs, wanted = (measured - mean) / scale, numpy.eye(3, dtype=numpy.float32)[species]
    weight, bias = numpy.zeros((4, 3), numpy.float32), numpy.zeros(3, numpy.float32)
    with track.run("flowers", params={"rate": rate, "steps": steps}) as run:
        run.data(HERE / "iris.csv", "irises")
        for step in range(steps):
            scores = numpy.exp(inputs @ weight + bias)
            likely = scores / scores.sum(1, keepdims=True)
            error = (likely - wanted)[~held] / (~held).sum()
            weight -= rate * inputs[~held].T @ error
            bias -= rate * error.sum(0)
            run.log(loss=-float(numpy.log((likely * wanted)[~held].sum(1)).mean()), step=step)
        right = (likely[held].argmax(1) == species[held]).mean()
        run.log(accuracy=float(right))
        path = os.path.join(os.environ.get("TMPDIR", "/tmp"), "model.safetensors")
        save_file({"mean": mean, "scale": scale, "weight": weight, "bias": bias}, path)
        run.artifact(path)
        print(f"rate {rate}: accuracy {right:.3f}")


main(float(sys.argv[1]))
