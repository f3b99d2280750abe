import joblib
from fastapi import FastAPI

app = FastAPI()
model = joblib.load("model.joblib")


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/predict")
def predict(x: float) -> dict[str, float]:
    return {"y": round(float(model.predict([[x]])[0]), 6)}
