"""The iris service, with the model that passed the gate."""

from __future__ import annotations

import os
from pathlib import Path

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

from model import CURRENT, read

model = read(Path("/models") / CURRENT)
app = FastAPI(title="Iris", description="Which iris is it?")


class Flower(BaseModel):
    """All in centimetres."""

    model_config = ConfigDict(extra="forbid")

    sepal_length: float = Field(gt=0, lt=30, examples=[5.1])
    sepal_width: float = Field(gt=0, lt=30, examples=[3.5])
    petal_length: float = Field(gt=0, lt=30, examples=[1.4])
    petal_width: float = Field(gt=0, lt=30, examples=[0.2])


class Prediction(BaseModel):
    species: str
    probabilities: dict[str, float]
    version: str


@app.get("/healthz")
def health() -> dict[str, str]:
    return {"status": "ok", "version": model.version}


@app.get("/version")
def version() -> dict[str, str]:
    """What serves: the release of the program, the version of the model, and what is known of that."""
    return {"release": os.environ["RELEASE"], "model": model.version} | model.facts


@app.post("/predict")
def predict(flower: Flower) -> Prediction:
    chances = model.probabilities(flower.model_dump())
    return Prediction(species=max(chances, key=chances.__getitem__), probabilities=chances, version=model.version)
