from litestar import Litestar, get


@get("/ready")
async def ready() -> dict[str, str]:
    return {"status": "ok"}


@get("/predict")
async def predict(x: float) -> dict[str, float]:
    return {"y": 2 * x + 1}


app = Litestar([ready, predict])
