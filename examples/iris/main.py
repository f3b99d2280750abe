"""An iris service: POST four measurements to /predict, get the species."""

from __future__ import annotations

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

from model import train

app = FastAPI(title="Iris", description="Which iris is it?")
model, species, accuracy = train()


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


@app.get("/")
def root() -> dict[str, str]:
    return {"message": "POST a flower to /predict, or try it at /docs"}


@app.get("/healthz")
def health() -> dict[str, str | float]:
    return {"status": "ok", "accuracy": round(accuracy, 3)}


@app.post("/predict")
def predict(flower: Flower) -> Prediction:
    row = [flower.sepal_length, flower.sepal_width, flower.petal_length, flower.petal_width]
    chances = [round(float(chance), 4) for chance in model.predict_proba([row])[0]]
    return Prediction(
        species=species[chances.index(max(chances))], probabilities=dict(zip(species, chances, strict=True))
    )
