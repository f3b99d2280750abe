from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def healthz(request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


async def predict(request: Request) -> JSONResponse:
    return JSONResponse({"y": 2 * float(request.query_params["x"]) + 1})


app = Starlette(routes=[Route("/healthz", healthz), Route("/predict", predict)])
