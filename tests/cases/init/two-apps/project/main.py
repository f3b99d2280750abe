from fastapi import FastAPI

app = FastAPI()


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/predict")
def predict(x: float) -> dict[str, float]:
    return {"y": 2 * x + 1}
