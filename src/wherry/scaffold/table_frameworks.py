"""What makes an app: constructors by their qualified names, and what their frameworks do without being told."""

from __future__ import annotations

from typing import NamedTuple

from wherry.scaffold.facts import AppKind

__all__ = ["FRAMEWORKS", "MAKERS", "RUNNERS", "TRIGGERS", "Framework", "Maker"]


class Framework(NamedTuple):
    kind: AppKind
    port: int
    """Its default; of asgi and wsgi that of the server that is written for it."""
    health: str = ""
    """A path that answers GET by itself."""
    distribution: str = ""
    """When it is not called as the framework."""
    serves: str = ""
    """The program that serves it when it is not the one of its kind."""


FRAMEWORKS = {
    "fastapi": Framework("asgi", 8000),
    "starlette": Framework("asgi", 8000),
    "litestar": Framework("asgi", 8000),
    "quart": Framework("asgi", 8000),
    "sanic": Framework("asgi", 8000, serves="sanic"),
    "blacksheep": Framework("asgi", 8000),
    "connexion": Framework("asgi", 8000),
    "falcon-asgi": Framework("asgi", 8000, distribution="falcon"),
    "django-asgi": Framework("asgi", 8000, distribution="django"),
    "python-socketio": Framework("asgi", 8000),
    "python-fasthtml": Framework("asgi", 8000),
    "shiny": Framework("asgi", 8000, serves="shiny"),
    "responder": Framework("asgi", 8000),
    "flask": Framework("wsgi", 8000),
    "bottle": Framework("wsgi", 8000),
    "falcon": Framework("wsgi", 8000),
    "pyramid": Framework("wsgi", 8000),
    "django": Framework("wsgi", 8000),
    "dash": Framework("wsgi", 8050),
    "gradio": Framework("gradio", 7860, health="/"),
    "streamlit": Framework("streamlit", 8501, health="/_stcore/health"),
    "chainlit": Framework("chainlit", 8000),
    "bentoml": Framework("bentoml", 3000, health="/livez"),
    "mlflow": Framework("mlflow", 5000, health="/ping"),
    "aiohttp": Framework("script", 8080),
    "tornado": Framework("script", 8888),
    "robyn": Framework("script", 8080),
    "litserve": Framework("script", 8000, health="/health"),
    "nicegui": Framework("script", 8080),
    "mcp": Framework("script", 8000),
    "fastmcp": Framework("script", 8000),
    "panel": Framework("script", 5006),
    "http.server": Framework("script", 8000, distribution=""),
    "grpcio": Framework("script", 50051),
    "ray": Framework("script", 8000),
    "celery": Framework("worker", 0, serves="celery"),
    "dramatiq": Framework("worker", 0, serves="dramatiq"),
    "huey": Framework("worker", 0, serves="huey_consumer"),
    "rq": Framework("worker", 0, serves="rq"),
    "arq": Framework("worker", 0, serves="arq"),
    "taskiq": Framework("worker", 0, serves="taskiq"),
    "faust-streaming": Framework("worker", 0, serves="faust"),
}


class Maker(NamedTuple):
    framework: str
    router: bool = False
    """It groups routes and is no app by itself."""


_MAKERS = """
fastapi: fastapi.FastAPI fastapi.applications.FastAPI gradio.mount_gradio_app gradio.routes.mount_gradio_app
starlette: starlette.applications.Starlette
litestar: litestar.Litestar litestar.app.Litestar litestar.create_app
quart: quart.Quart quart.app.Quart
sanic: sanic.Sanic sanic.app.Sanic
blacksheep: blacksheep.Application blacksheep.server.Application
connexion: connexion.AsyncApp connexion.FlaskApp connexion.App connexion.FlaskApp
falcon-asgi: falcon.asgi.App
falcon: falcon.App falcon.API
django: django.core.wsgi.get_wsgi_application
django-asgi: django.core.asgi.get_asgi_application channels.routing.ProtocolTypeRouter
python-socketio: socketio.ASGIApp
python-fasthtml: fasthtml.common.FastHTML fasthtml.FastHTML fasthtml.common.fast_app
shiny: shiny.App
responder: responder.API
flask: flask.Flask flask.app.Flask flask_openapi3.OpenAPI apiflask.APIFlask
bottle: bottle.Bottle bottle.default_app
pyramid: pyramid.config.Configurator.make_wsgi_app
dash: dash.Dash
gradio: gradio.Blocks gradio.Interface gradio.ChatInterface gradio.TabbedInterface gradio.load
aiohttp: aiohttp.web.Application
tornado: tornado.web.Application
robyn: robyn.Robyn
litserve: litserve.LitServer
mcp: mcp.server.fastmcp.FastMCP
fastmcp: fastmcp.FastMCP
celery: celery.Celery
huey: huey.RedisHuey huey.SqliteHuey huey.Huey
taskiq: taskiq_redis.ListQueueBroker taskiq.InMemoryBroker taskiq_redis.RedisStreamBroker
faust-streaming: faust.App
"""
_ROUTERS = """
fastapi: fastapi.APIRouter fastapi.routing.APIRouter
starlette: starlette.routing.Router
flask: flask.Blueprint apiflask.APIBlueprint
quart: quart.Blueprint
sanic: sanic.Blueprint sanic.blueprints.Blueprint
litestar: litestar.Router
aiohttp: aiohttp.web.RouteTableDef
"""


def _table(text: str, router: bool) -> dict[str, Maker]:
    found = {}
    for line in text.strip().splitlines():
        framework, _, names = line.partition(": ")
        found.update({name: Maker(framework, router) for name in names.split()})
    return found


MAKERS = {**_table(_MAKERS, False), **_table(_ROUTERS, True)}

RUNNERS = {
    "uvicorn.run": "uvicorn",
    "uvicorn.Config": "uvicorn",
    "granian.Granian": "granian",
    "hypercorn.asyncio.serve": "hypercorn",
    "waitress.serve": "waitress",
    "aiohttp.web.run_app": "aiohttp",
    "gevent.pywsgi.WSGIServer": "gevent",
    "wsgiref.simple_server.make_server": "wsgiref",
    "werkzeug.serving.run_simple": "werkzeug",
    "nicegui.ui.run": "nicegui",
    "bottle.run": "bottle",
    "http.server.HTTPServer": "http.server",
    "http.server.ThreadingHTTPServer": "http.server",
    "socketserver.TCPServer": "http.server",
    "ray.serve.run": "ray",
    "grpc.server": "grpcio",
    "grpc.aio.server": "grpcio",
    "panel.serve": "panel",
    "rq.Worker": "rq",
    "rq.worker.Worker": "rq",
    "arq.run_worker": "arq",
}
"""Functions and classes that serve what they are given, and who they belong to."""

# A file that imports none of these, and does not start by itself, can hold no app
TRIGGERS = frozenset(
    {name.split(".")[0] for name in [*MAKERS, *RUNNERS]}
    | {"streamlit", "chainlit", "bentoml", "mlflow", "nicegui", "panel", "django", "dramatiq", "rq", "arq", "channels"}
)
