from quart import Quart, request

app = Quart(__name__)


@app.get("/ping")
async def ping() -> str:
    return "pong"


@app.get("/predict")
async def predict() -> dict[str, float]:
    return {"y": 2 * float(request.args["x"]) + 1}


if __name__ == "__main__":
    app.run()
