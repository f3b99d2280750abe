"""What can be started: every app object of the project as an `App`, ranked, with the reasons in words."""

from __future__ import annotations

from typing import NamedTuple

from wherry.scaffold.apps_find import Candidate, find, uncallable
from wherry.scaffold.apps_rank import Ranking
from wherry.scaffold.apps_run import Start, starts
from wherry.scaffold.facts import App, AppKind, Command, Port, Problem, Route, Server, Where
from wherry.scaffold.placement import Placement, placed
from wherry.scaffold.routes import Routes, health_route, predict_route
from wherry.scaffold.source import Module, Sketch, Sources
from wherry.scaffold.table_frameworks import FRAMEWORKS, TRIGGERS
from wherry.scaffold.values import Constants, constants

__all__ = ["Known", "app_problems", "find_apps"]

_SERVERS = {"asgi": ("uvicorn", "hypercorn", "granian", "daphne"), "wsgi": ("gunicorn", "waitress", "uwsgi")}
_BRINGS = {
    "uvicorn": ("fastapi[standard]", "fastapi[all]", "fastapi-cli", "uvicorn-worker"),
    "hypercorn": ("quart",),
}
_OWN_PORTS = {"flask": 5000, "quart": 5000, "dash": 8050, "sanic": 8000}


class Known(NamedTuple):
    """What the other readers say, as far as apps depend on it."""

    sources: Sources
    placement: Placement
    commands: tuple[Command, ...]
    entrypoint: str
    """[tool.fastapi] entrypoint, "" when there is none."""
    declared: frozenset[str]
    """Names of dependencies, "name[extra]" for their extras, and those of the lock."""
    mlflow_models: tuple[str, ...]


class _Parsed(NamedTuple):
    module: Module
    known: Constants
    starts: list[Start]


def find_apps(known: Known) -> list[App]:
    """The best first."""
    sketches = {one.path: one for one in known.sources.sketches}
    promising = {
        path: module
        for path, module in known.sources.modules.items()
        if {one.module.split(".")[0] for one in sketches[path].imports} & TRIGGERS or sketches[path].has_main
    }
    parsed = {}
    for path, module in promising.items():
        values = constants(module)
        parsed[path] = _Parsed(module, values, starts(module, values))
    candidates = _candidates(parsed, known)
    ranking = Ranking(known.commands, known.entrypoint, [one for each in parsed.values() for one in each.starts])
    apps = [_app(one, parsed, sketches, known, ranking) for one in candidates]
    apps += [_mlflow(folder, known) for folder in known.mlflow_models]
    apps = [one for one in apps if one]
    if not any(one.kind != "worker" for one in apps):
        apps += _jobs(known, ranking)
    handles = any(b"SIGTERM" in one.data for one in known.sources.sketches if not one.is_aside)
    apps = [one._replace(handles_term=handles) for one in apps]
    return sorted(apps, key=lambda one: (-one.score, one.file.count("/"), one.file, one.where.line))


def _candidates(parsed: dict[str, _Parsed], known: Known) -> list[Candidate]:
    factories: dict[str, str] = {}
    found: dict[str, list[Candidate]] = {}
    for _ in range(2):  # the second time with the factories of all files
        for path, one in parsed.items():
            found[path] = find(one.module, factories)
            name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            for each in found[path]:
                if each.is_factory:
                    parts = name.split(".")
                    factories.update({".".join([*parts[at:], each.name]): each.framework for at in range(len(parts))})
    whole = [one for each in found.values() for one in each if not one.is_router]
    for path, one in parsed.items():
        if not any(each.path == path for each in whole):
            whole += _by_use(path, one, known)
    objects = {one.framework for one in whole if not one.is_factory and one.name}
    return [one for one in whole if not (one.is_factory and one.framework in objects)]


def _by_use(path: str, one: _Parsed, known: Known) -> list[Candidate]:
    """Files that serve without an object of their own: Streamlit's and Chainlit's scripts, an http.server."""
    used = {name.split(".")[0] for name in one.module.names.values()}
    text = next(each.data for each in known.sources.sketches if each.path == path)
    if "streamlit" in used and "pages" not in path.split("/") and _is_imported_by_nobody(path, known):
        return [Candidate(path, "", "streamlit", one.module.tree.body[0])]
    if "chainlit" in used and b"on_message" in text:
        return [Candidate(path, "", "chainlit", one.module.tree.body[0])]
    for start in one.starts:
        if start.runner in FRAMEWORKS:
            return [Candidate(path, "", start.runner, one.module.tree.body[0])]
    return []


def _is_imported_by_nobody(path: str, known: Known) -> bool:
    stem = path.rpartition("/")[2].removesuffix(".py")
    return not any(
        one.module.rpartition(".")[2] == stem
        for each in known.sources.sketches
        if each.path != path
        for one in each.imports
    )


def _app(
    one: Candidate, parsed: dict[str, _Parsed], sketches: dict[str, Sketch], known: Known, ranking: Ranking
) -> App:
    framework = FRAMEWORKS[one.framework]
    here = parsed[one.path]
    folder, module = placed(sketches[one.path], known.placement)
    string = f"{module}:{one.name}" if one.name and framework.kind not in ("gradio", "streamlit", "chainlit") else ""
    mine = ranking.starts_of(one, string, here.module.names)
    routes = _routes(one, here, parsed, known)
    health = health_route(routes)
    where = Where(one.path, getattr(one.node, "lineno", 1))
    if framework.health and not health:
        health = Route(framework.health, ("GET",), where)
    score, reasons = ranking.score(one, string, framework.kind, sketches[one.path], len(routes), health is not None)
    name = framework.distribution or one.framework.removesuffix("-asgi")
    return App(
        framework.kind, name, one.path, one.name, one.is_factory, string, folder, where,
        _server(framework.kind, framework.serves or name, known.declared),
        _port(framework.kind, one.framework, mine),
        next((start.where for start in mine if start.is_local), None),
        next((start.where for start in mine if start.reload), None),
        routes, health, predict_route(routes), score, reasons,
    )  # fmt: skip


def _routes(one: Candidate, here: _Parsed, parsed: dict[str, _Parsed], known: Known) -> tuple[Route, ...]:
    def look(name: str, importer: str) -> tuple[Module, Constants] | None:
        found = known.placement.find(name, importer)
        if not found or found.path not in known.sources.modules:
            return None
        if found.path in parsed:
            return parsed[found.path].module, parsed[found.path].known
        module = known.sources.modules[found.path]
        return module, constants(module)

    if one.framework in ("django", "django-asgi"):
        urls = [each for path, each in known.sources.modules.items() if path.endswith("urls.py")]
        found = [route for each in urls for route in Routes(each, constants(each)).of("", look)]
    elif one.framework in ("gradio", "streamlit", "chainlit"):
        found = []
    else:
        owner = "" if one.is_factory or not one.name or one.framework == "litestar" else one.name
        routes = Routes(here.module, here.known)
        found = list(routes.of(owner, look))
        if not owner:
            for name in routes.includes:
                found += [route for route in routes.of(name, look) if route not in found]
    return tuple(sorted(dict.fromkeys(found), key=lambda route: (route.where.file != one.path, route.where)))


def _server(kind: AppKind, name: str, declared: frozenset[str]) -> Server | None:
    if kind not in _SERVERS:
        return Server(name, name, name in declared) if kind in ("streamlit", "chainlit", "bentoml", "mlflow") else None
    if name in ("sanic", "shiny"):
        return Server(name, name, name in declared)
    for one in _SERVERS[kind]:
        if one in declared or any(each in declared for each in _BRINGS.get(one, ())):
            return Server(one, one, True)
    return Server(_SERVERS[kind][0], _SERVERS[kind][0], False)


def _port(kind: AppKind, framework: str, mine: list[Start]) -> Port | None:
    if kind in ("worker", "job"):
        return None
    for start in mine:
        if start.port.value or start.port.variable:
            number = start.port.value or FRAMEWORKS[framework].port
            return Port(number, start.port.variable, start.where, f"{start.method} says so")
    for start in mine:
        if framework in _OWN_PORTS and start.method.endswith(".run()") and not start.runner:
            return Port(_OWN_PORTS[framework], "", start.where, f"the default of {start.method}")
    return Port(FRAMEWORKS[framework].port, "", None, f"the default of {framework}")


def _mlflow(folder: str, known: Known) -> App:
    where = Where(f"{folder}/MLmodel" if folder != "." else "MLmodel", 1)
    invocations, ping = Route("/invocations", ("POST",), where), Route("/ping", ("GET",), where)
    return App(
        "mlflow", "mlflow", folder, "", False, "", ".", where, _server("mlflow", "mlflow", known.declared),
        Port(5000, "", None, "the default of mlflow models serve"), None, None, (ping, invocations), ping, invocations,
        5, ("a model in MLflow's format",),
    )  # fmt: skip


def _jobs(known: Known, ranking: Ranking) -> list[App]:
    found = []
    for one in known.sources.sketches:
        name = one.path.rpartition("/")[2]
        if one.is_aside or name == "setup.py" or one.path not in known.sources.modules:
            continue
        if one.has_main or name in ("main.py", "app.py", "run.py", "__main__.py"):
            folder, _ = placed(one, known.placement)
            where = Where(one.path, 1)
            score, reasons = ranking.score_job(one)
            kind: AppKind = "worker" if b"while True" in one.data and _is_queue(one) else "job"
            found.append(
                App(kind, "", one.path, "", False, "", folder, where, None, None, None, None, (), None, None,
                    score, reasons)
            )  # fmt: skip
    return found


def _is_queue(sketch: Sketch) -> bool:
    roots = {one.module.split(".")[0] for one in sketch.imports}
    return not roots.isdisjoint(
        {"pika", "kafka", "confluent_kafka", "aiokafka", "redis", "boto3", "nats", "zmq", "rq", "paho"}
    )


def app_problems(apps: list[App], sources: Sources, notebooks: tuple[str, ...]) -> list[Problem]:
    """What is to be said about the choice: none, several, or one that code hides from others."""
    if not apps:
        return [_nothing(sources, notebooks)]
    best = apps[0]
    if best.kind in ("job", "worker"):
        return _hidden_factories(sources)
    least = max(best.score - 60, 0)
    serve = [one for one in apps[1:] if one.kind not in ("worker", "job", "mlflow") and one.framework != "django"]
    rivals = [one for one in serve if one.score > least]
    found = []
    if rivals:
        names = ", ".join(f"{one.name or 'the app'} ({one.where})" for one in rivals[:4])
        why = ", ".join(best.reasons) or "it comes first"
        text = f"{best.import_string or best.file} was chosen ({why}); there is also {names}"
        found.append(
            Problem("warning", "two-apps", best.where, text, "name the one you want: wherry init --app MODULE:NAME")
        )
    if best.bound_to and best.kind not in ("asgi", "wsgi"):
        text = "listens on 127.0.0.1, which nothing outside the container reaches"
        found.append(Problem("warning", "bound-to-localhost", best.bound_to, text, 'bind it to "0.0.0.0"'))
    return found


def _hidden_factories(sources: Sources) -> list[Problem]:
    """What would have been served, could a server call it."""
    hint = "give them defaults, or write a module with app = {name}(...)"
    return [
        Problem("warning", "factory-arguments", module.where(node),
                f"{name} makes an app, but needs arguments ({needed}), which no server gives it",
                hint.format(name=name))
        for path, module in sources.modules.items()
        if not next(one for one in sources.sketches if one.path == path).is_aside
        for name, needed, node in uncallable(module)
    ]  # fmt: skip


def _nothing(sources: Sources, notebooks: tuple[str, ...]) -> Problem:
    if notebooks:
        hint = f"jupyter nbconvert --to script {notebooks[0]!r}, then make it a module with an app"
        return Problem(
            "error", "notebooks-only", Where(notebooks[0]), "there are notebooks, and no program to start", hint
        )
    broken = [one for one in sources.problems if one.code in ("syntax-error", "python2", "undecodable")]
    if broken:
        text = f"there is nothing to start: {broken[0].where} {broken[0].text}"
        return Problem("error", "no-app", broken[0].where, text, broken[0].hint)
    hint = "write a main.py with an app (app = FastAPI()), or run wherry init in the folder that has it"
    return Problem("error", "no-app", None, "there is nothing to start: no app object and no script was found", hint)
