"""Which iris is it? A model of four numbers behind an API."""

import numpy
from fastapi import FastAPI
from pydantic import BaseModel, Field
from safetensors.numpy import load_file

SPECIES = ("setosa", "versicolor", "virginica")
model = load_file("model.safetensors")
app = FastAPI(title="flowers")


class Flower(BaseModel):
    """Lengths in centimetres."""

    sepal_length: float = Field(gt=0)
    sepal_width: float = Field(gt=0)
    petal_length: float = Field(gt=0)
    petal_width: float = Field(gt=0)


@app.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/predict")
def predict(flower: Flower) -> dict[str, object]:
    measured = numpy.array(list(flower.model_dump().values()), dtype=numpy.float32)
    scores = (measured - model["mean"]) / model["scale"] @ model["weight"] + model["bias"]
    likely = numpy.exp(scores - scores.max())
    likely = likely / likely.sum()
    return {
        "species": SPECIES[int(likely.argmax())],
        "probabilities": {name: round(float(one), 4) for name, one in zip(SPECIES, likely, strict=True)},
    }
