"""How the application is started."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from wherry.lint.python.final import Started, environment, image, scripts, started
from wherry.lint.rule import Hit, rule
from wherry.lint.shell import parse_commands
from wherry.lint.subject import Subject

__all__ = ["development_server", "downloads", "localhost", "reloads", "unbuffered", "without_exec", "workers"]

_LOCAL = re.compile(r"(127\.0\.0\.1|localhost|\[?::1\]?)(:\d+)?")
_TRUE = frozenset({"1", "true", "yes", "on"})
_PYTHON = re.compile(r"python[0-9.]*")
_GPU_IMAGE = re.compile(r"cuda|nvidia|nvcr|pytorch/pytorch|rocm|vllm|-gpu", re.IGNORECASE)
_SERVERS = ("uvicorn", "gunicorn", "hypercorn", "fastapi", "flask", "celery", "streamlit", "waitress-serve", "daphne")


@rule("PY008", "warning", "Several worker processes share one GPU")
def workers(subject: Subject) -> Iterator[Hit]:
    what = started(subject)
    facts = subject.facts
    on_gpu = bool(_GPU_IMAGE.search(image(subject))) or bool(facts and (facts.gpu.is_used or facts.gpu.is_optional))
    if what is None or not on_gpu or what.program not in ("uvicorn", "gunicorn", "hypercorn", "fastapi"):
        return
    flags = ("-w", "--workers") if what.program != "uvicorn" else ("--workers",)
    text = what.value(*flags) or environment(subject).get("WEB_CONCURRENCY", "")
    if not (text.isascii() and text.isdecimal() and 1 < int(text[:9]) < 10_000):
        return
    said = f"Each of the {text} processes loads the model onto the GPU again"
    if "--preload" in what.args:
        said += ", and with --preload they inherit a CUDA context that no child may use"
    yield Hit(what.span, f"{said}: one process, and more containers where more is needed")


@rule("PY009", "warning", "A shell is process 1, and SIGTERM does not reach the application")
def without_exec(subject: Subject) -> Iterator[Hit]:
    """`["sh", "-c", "..."]`, and scripts of the project that end without exec."""
    what = started(subject)
    if what is None:
        return
    if what.shell:
        last = parse_commands(what.shell)[-1]
        if not re.search(r"\bexec\b", what.shell) and last.name not in ("exit", "wait", "true"):
            text = f"The shell stays and gets the SIGTERM: exec {last.name} ... puts the application into its place"
            edits = (
                subject.edit(what.span, what.shell, f"exec {what.shell}")
                if len(parse_commands(what.shell)) == 1
                else ()
            )
            yield Hit(what.span, text, edits)
    elif script := _script(subject, what):
        lines = [line.strip() for line in script.splitlines()]
        code = [line for line in lines if line and not line.startswith("#")]
        if code and not any(re.search(r"\bexec\b", line) for line in code):
            name = posixpath.basename(what.program)
            yield Hit(what.span, f'{name} starts the application without exec: it gets no SIGTERM. exec "$@"')


def _script(subject: Subject, what: Started) -> str:
    """The text of the shell script of the project that is started, "" when it is none."""
    import os

    if not what.program.endswith(".sh") and not what.program.endswith("entrypoint"):
        return ""
    for path in subject.listing:
        if posixpath.basename(path) == what.program:
            try:
                with open(os.path.join(subject.folder, path), "rb") as file:
                    text = file.read(65_536).decode(errors="replace")
            except OSError:
                return ""
            return text if re.match(r"#!.*\b(ba|da|a)?sh\b", text) else ""
    return ""


@rule("PY017", "info", "A model is downloaded each time a container starts")
def downloads(subject: Subject) -> Iterator[Hit]:
    facts, what = subject.facts, started(subject)
    if facts is None or what is None:
        return
    env = environment(subject)
    runs = " ".join(script.text for script in subject.scripts)
    is_fetched = re.search(r"from_pretrained|snapshot_download|hf_hub_download|huggingface-cli|\bhf download", runs)
    if is_fetched or env.keys() & {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HOME", "TORCH_HOME", "HF_HUB_CACHE"}:
        return
    for one in facts.downloads:
        if one.at_import and not (one.name and one.name in runs):
            what_for = one.name or "a model"
            yield Hit(what.span, f"{one.where} fetches {what_for} on each start, before the container answers")
            return


@rule("PY018", "warning", "The server watches its files and restarts, or shows its insides to visitors")
def reloads(subject: Subject) -> Iterator[Hit]:
    what, env = started(subject), environment(subject)
    if what is None:
        return
    if "--reload" in what.args or "--debug" in what.args[:3]:
        flag = "--reload" if "--reload" in what.args else "--debug"
        yield Hit(what.span, f"{flag} is for the desk: it watches files that do not change here, and costs a process")
    elif what.program == "fastapi" and what.args[:1] == ("dev",):
        yield Hit(what.span, "fastapi dev is for the desk: fastapi run")
    elif name := next((one for one in ("FLASK_DEBUG", "UVICORN_RELOAD") if env.get(one, "").lower() in _TRUE), ""):
        yield Hit(what.span, f"{name} is on in the image: a visitor who meets an error may run code")
    elif _runs_app(subject, what) and subject.facts and subject.facts.app and subject.facts.app.reload:
        yield Hit(what.span, f"{subject.facts.app.reload} turns reload or debug mode on")


@rule("PY019", "warning", "The development server serves the application")
def development_server(subject: Subject) -> Iterator[Hit]:
    what = started(subject)
    if what is None:
        return
    text = "handles little, and its authors say not to deploy it: gunicorn, or uvicorn for ASGI"
    if what.program == "flask" and "run" in what.args:
        yield Hit(what.span, f"flask run {text}")
    elif "runserver" in what.args:
        yield Hit(what.span, f"runserver {text}")
    elif _runs_app(subject, what) and subject.facts and subject.facts.app and subject.facts.app.framework == "flask":
        yield Hit(what.span, f"app.run() of {subject.facts.app.file} {text}")


@rule("PY020", "error", "The application listens on localhost: nothing outside its container reaches it")
def localhost(subject: Subject) -> Iterator[Hit]:
    what = started(subject)
    if what is None:
        return
    facts = subject.facts
    if _runs_app(subject, what):
        if facts and facts.app and facts.app.bound_to:
            yield Hit(what.span, f"{facts.app.bound_to} binds to localhost, which nothing outside reaches: 0.0.0.0")
        return
    place = _bound(subject, what)
    if place is not None and _LOCAL.fullmatch(place):
        yield Hit(what.span, f"{what.program} listens on {place}, which nothing outside the container reaches: 0.0.0.0")


def _bound(subject: Subject, what: Started) -> str | None:
    """Where it listens by its flags, variables or its default; None when that can't be told."""
    env, args = environment(subject), what.args
    if what.program == "uvicorn":
        if any(arg.startswith(("--uds", "--fd")) for arg in args):
            return None
        return what.value("--host") or env.get("UVICORN_HOST", "127.0.0.1")
    if what.program in ("gunicorn", "hypercorn"):
        found = what.value("-b", "--bind")
        has_more = what.value("-c", "--config") is not None or {"GUNICORN_CMD_ARGS", "PORT"} & env.keys()
        if found is None and not has_more and "gunicorn.conf.py" not in subject.listing:
            found = "127.0.0.1:8000"
        return found
    if what.program == "flask" and "run" in args:
        return what.value("-h", "--host") or env.get("FLASK_RUN_HOST", "127.0.0.1")
    if what.program == "fastapi":
        return what.value("--host") or ("127.0.0.1" if args[:1] == ("dev",) else None)
    if "runserver" in args:
        following = [arg for arg in args[args.index("runserver") + 1 :] if not arg.startswith("-")]
        return following[0] if following and ":" in following[0] else "127.0.0.1:8000"
    if what.program == "mlflow" and args[:1] in (("server",), ("ui",), ("models",)):
        return what.value("-h", "--host") or env.get("MLFLOW_HOST", "127.0.0.1")
    if what.program in ("jupyter", "jupyter-lab", "jupyter-notebook"):
        return what.value("--ip", "--ServerApp.ip", "--NotebookApp.ip") or "localhost"
    return None


def _runs_app(subject: Subject, what: Started) -> bool:
    """`python FILE`, and FILE is the application that the project has."""
    if not subject.facts or not subject.facts.app or not _PYTHON.fullmatch(what.program):
        return False
    names = {posixpath.basename(arg) for arg in what.args if arg.endswith(".py")}
    return posixpath.basename(subject.facts.app.file) in names


@rule("PY022", "style", "What the application prints comes late: PYTHONUNBUFFERED is not set")
def unbuffered(subject: Subject) -> Iterator[Hit]:
    what = started(subject)
    if what is None or "PYTHONUNBUFFERED" in environment(subject):
        return
    is_python = bool(_PYTHON.fullmatch(what.program)) or what.program in _SERVERS
    if is_python and "-u" not in what.args and not any("PYTHONUNBUFFERED" in one.text for one in scripts(subject)):
        yield Hit(what.span, "Output waits in a buffer, and is lost when the process is killed: ENV PYTHONUNBUFFERED=1")
