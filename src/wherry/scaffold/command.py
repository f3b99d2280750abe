"""How an application is started in its container: the command in exec form, its port, its health check."""

from __future__ import annotations

import json
import posixpath
from typing import NamedTuple

from wherry.errors import InputError
from wherry.scaffold.facts import App, Facts, Problem, Server

__all__ = ["GRACE_S", "Start", "exec_form", "module_folder", "start"]

GRACE_S = 25
"""Less than the 30 s that ECS, Cloud Run and Kubernetes wait between SIGTERM and SIGKILL."""

# In its container: what publishes the port decides who reaches it
_ALL = "0.0.0.0"  # noqa: S104
# What ends in order by SIGTERM though `python FILE` starts it; of Python alone process 1 does not hear that signal
_HEARS_TERM = frozenset({"aiohttp", "nicegui", "litserve", "mcp", "fastmcp", "celery", "rq", "arq", "dramatiq", "huey"})
_PORTS = {"gradio": 7860, "streamlit": 8501, "bentoml": 3000, "mlflow": 5000}


class Start(NamedTuple):
    """`port` is 0 for what listens nowhere. `env` is what only this kind of application needs."""

    command: tuple[str, ...]
    port: int
    health_path: str
    """ "" when no route is known: then it is only asked whether the port answers."""
    env: tuple[tuple[str, str], ...]
    server: Server | None
    """What serves it and is not among the dependencies, so that it has to be added."""
    why: tuple[str, ...]
    """Comments for the command's line."""
    stop_signal: str
    """SIGINT for what a SIGTERM does not end when it is process 1."""
    notices: tuple[Problem, ...]


def start(facts: Facts, app: App, port: int = 0) -> Start:
    """`port` 0 is the application's own. Raises: InputError for a port that its code decides alone."""
    number = _port(app, port)
    command, why = _command(app, number)
    return Start(
        command=command,
        port=number,
        health_path=app.health.path if app.health and _is_plain(app.health.path) and app.framework != "django" else "",
        env=_env(app, number),
        server=app.server if app.server and not app.server.is_declared else None,
        why=why,
        stop_signal="SIGTERM" if _hears_term(app) else "SIGINT",
        notices=_notices(app, facts),
    )


def exec_form(command: tuple[str, ...]) -> str:
    return json.dumps(command, ensure_ascii=False)


def _port(app: App, asked: int) -> int:
    """Raises: InputError."""
    if app.kind in ("worker", "job"):
        if asked:
            raise InputError(f"--port: {app.file} listens on no port", hint="leave --port out")
        return 0
    if asked and app.kind == "script" and not (app.port and app.port.variable):
        raise InputError(
            f"--port: {app.file} decides its port itself",
            hint=f"have it read an environment variable: port=int(os.environ.get('PORT', '{asked}'))",
            where=str(app.port.where) if app.port and app.port.where else app.file,
        )
    return asked or (app.port.number if app.port else _PORTS.get(app.kind, 8000))


def _hears_term(app: App) -> bool:
    """The kernel gives process 1 only signals that it handles: Python itself handles SIGINT, and no SIGTERM."""
    if app.kind == "wsgi":
        return not (app.server and app.server.name == "waitress")
    by_file = app.kind in ("gradio", "script", "worker", "job")
    return not by_file or app.handles_term or app.framework in _HEARS_TERM


def _is_plain(path: str) -> bool:
    """Whether it can be asked for as it stands: no parameters, nothing that would end the text around it."""
    return path.startswith("/") and path.isascii() and path.isprintable() and not set(path) & set("{}<>'\"\\ ")


def _command(app: App, port: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if app.kind == "asgi":
        return _asgi(app, port), ()
    if app.kind == "wsgi":
        return _wsgi(app, port)
    if app.kind == "streamlit":
        return ("streamlit", "run", app.file, f"--server.address={_ALL}", f"--server.port={port}",
                "--server.headless=true", "--server.fileWatcherType=none",
                "--browser.gatherUsageStats=false"), ()  # fmt: skip
    if app.kind == "chainlit":
        return ("chainlit", "run", app.file, "--host", _ALL, "--port", str(port), "--headless"), ()
    if app.kind == "bentoml":
        return ("bentoml", "serve", app.import_string or ".", "--host", _ALL, "--port", str(port)), ()
    if app.kind == "mlflow":
        return ("mlflow", "models", "serve", "--model-uri", app.file, "--env-manager", "local",
                "--host", _ALL, "--port", str(port)), ()  # fmt: skip
    if app.kind == "worker" and app.framework == "celery" and app.import_string:
        return ("celery", "--app", app.import_string, "worker", "--loglevel=INFO"), ()
    return ("python", app.file), ()


def _asgi(app: App, port: int) -> tuple[str, ...]:
    server = app.server.name if app.server else "uvicorn"
    if server == "hypercorn":
        target = f"{app.import_string}()" if app.is_factory else app.import_string
        return ("hypercorn", "--bind", f"0.0.0.0:{port}", "--graceful-timeout", str(GRACE_S), target)
    if server == "daphne":
        return ("daphne", "--bind", _ALL, "--port", str(port), app.import_string)
    if server == "sanic":
        factory = ("--factory",) if app.is_factory else ()
        # One process: sanic's own manager would start others, each with a model of its own
        return ("sanic", app.import_string, *factory, "--host=0.0.0.0", f"--port={port}", "--single-process")
    factory = ("--factory",) if app.is_factory else ()
    return ("uvicorn", app.import_string, *factory, "--host", _ALL, "--port", str(port),
            "--timeout-graceful-shutdown", str(GRACE_S))  # fmt: skip


def _wsgi(app: App, port: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    target = f"{app.import_string}()" if app.is_factory else app.import_string
    if app.server and app.server.name == "waitress":
        call = ("--call",) if app.is_factory else ()
        return ("waitress-serve", "--host=0.0.0.0", f"--port={port}", *call, app.import_string), ()
    return (
        ("gunicorn", "--bind", f"0.0.0.0:{port}", "--threads", "8", "--worker-tmp-dir", "/dev/shm",
         "--graceful-timeout", str(GRACE_S), "--access-logfile", "-", target),
        ("One process with threads: each worker process would load a model of its own. --worker-tmp-dir: gunicorn's",
         "heartbeat is a file, and must not wait for a disk."),
    )  # fmt: skip


def _env(app: App, port: int) -> tuple[tuple[str, str], ...]:
    if app.kind == "gradio":
        return (("GRADIO_SERVER_NAME", _ALL), ("GRADIO_SERVER_PORT", str(port)),
                ("GRADIO_ANALYTICS_ENABLED", "False"))  # fmt: skip
    if app.kind == "bentoml":
        return (("BENTOML_HOME", "/tmp/bentoml"),)
    if app.kind == "script" and app.port and app.port.variable and port != app.port.number:
        return ((app.port.variable, str(port)),)
    return ()


def _notices(app: App, facts: Facts) -> tuple[Problem, ...]:
    found = []
    is_told = any(one.code == "server-missing" for one in facts.problems)
    if app.server and not app.server.is_declared and not is_told:
        manifest = facts.packages.manifest.file if facts.packages.manifest else "the dependencies"
        found.append(
            Problem("warning", "server-added", app.where,
                    f"{app.server.name} serves the application and is no dependency of it: the image gets it anyway",
                    f"add {app.server.distribution} to {manifest}")
        )  # fmt: skip
    if not _hears_term(app) and app.kind != "job":
        what = "waitress" if app.kind == "wsgi" else app.file
        found.append(
            Problem("note", "no-sigterm", app.where,
                    f"{what} does not end by SIGTERM: the image asks for SIGINT, which Cloud Run for one does not send",
                    "serve it by gunicorn" if app.kind == "wsgi" else "signal.signal(signal.SIGTERM, ...) in the code")
        )  # fmt: skip
    if app.kind not in ("worker", "job", "streamlit", "gradio", "chainlit") and not app.health:
        found.append(
            Problem("note", "no-health", app.where,
                    "no route tells the application's health: the check only connects to the port",
                    "add one, as GET /health, that answers once the model is loaded")
        )  # fmt: skip
    return tuple(found)


def module_folder(app: App) -> str:
    """The folder that has to be on sys.path, in the container; "" when it is the working folder."""
    return "" if app.folder in ("", ".") else posixpath.join("/app", app.folder)
