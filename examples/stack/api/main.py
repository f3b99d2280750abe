"""The iris service with a memory: a prediction is answered once it is stored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import psycopg
from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from model import train
from storage import Predictions

model, species, accuracy = train()
predictions = Predictions()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    predictions.open()
    yield
    predictions.close()


app = FastAPI(title="Iris", description="Which iris is it? And which were they?", lifespan=lifespan)


class Flower(BaseModel):
    """All in centimetres."""

    model_config = ConfigDict(extra="forbid")

    sepal_length: float = Field(gt=0, lt=30, examples=[5.1])
    sepal_width: float = Field(gt=0, lt=30, examples=[3.5])
    petal_length: float = Field(gt=0, lt=30, examples=[1.4])
    petal_width: float = Field(gt=0, lt=30, examples=[0.2])


class Prediction(BaseModel):
    id: int
    species: str
    probabilities: dict[str, float]


class StoredPrediction(Prediction):
    made_at: datetime
    measurements: dict[str, float]


@app.exception_handler(psycopg.OperationalError)
def no_database(_: Request, fault: psycopg.OperationalError) -> JSONResponse:
    """Not a 500: nothing is wrong with the request, and it may be sent again."""
    return JSONResponse({"detail": f"the database can't be reached: {fault}"}, 503, {"Retry-After": "2"})


@app.get("/")
def root() -> dict[str, str]:
    return {"message": "POST a flower to /predict, see all at /predictions, or try it at /docs"}


@app.get("/healthz")
def health() -> dict[str, str | float]:
    predictions.ping()
    return {"status": "ok", "accuracy": round(accuracy, 3)}


@app.post("/predict")
def predict(flower: Flower) -> Prediction:
    measurements = flower.model_dump()
    chances = [round(float(chance), 4) for chance in model.predict_proba([list(measurements.values())])[0]]
    kind = species[chances.index(max(chances))]
    probabilities = dict(zip(species, chances, strict=True))
    id = predictions.add(measurements, kind, probabilities)
    return Prediction(id=id, species=kind, probabilities=probabilities)


@app.get("/predictions")
def listing(limit: int = Query(20, ge=1, le=1000)) -> list[StoredPrediction]:
    """The newest first."""
    return [StoredPrediction(**stored._asdict()) for stored in predictions.newest(limit)]
