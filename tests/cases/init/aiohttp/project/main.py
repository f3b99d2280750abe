import os

from aiohttp import web


async def predict(request: web.Request) -> web.Response:
    return web.json_response({"y": 2 * float(request.query["x"]) + 1})


async def health(request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


def make_app() -> web.Application:
    app = web.Application()
    app.router.add_get("/predict", predict)
    app.router.add_get("/health", health)
    return app


if __name__ == "__main__":
    web.run_app(make_app(), port=int(os.environ.get("PORT", "8080")))
