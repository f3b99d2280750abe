from pathlib import Path

import lightgbm
from flask import Flask, request

app = Flask(__name__)
model = lightgbm.Booster(model_file=Path(__file__).with_name("model.txt"))


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/predict")
def predict() -> dict[str, float]:
    return {"y": round(float(model.predict([[float(request.args["x"])]])[0]), 3)}
