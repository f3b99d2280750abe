from sanic import Request, Sanic, json
from sanic.response import HTTPResponse

app = Sanic("shop")


@app.get("/healthz")
async def healthz(request: Request) -> HTTPResponse:
    return json({"status": "ok"})


@app.get("/predict")
async def predict(request: Request) -> HTTPResponse:
    return json({"y": 2 * float(request.args.get("x")) + 1})


if __name__ == "__main__":
    app.run(host="0.0.0.0", port=8000)
