"""`models`: a model becomes a service that serves it, and those that use it get its URL and its name. Pure.

Each model that an active service uses is served by a container of its own, `model-KEY`: an image that speaks OpenAI's
HTTP API, with the model mounted read-only. From there on it is a service like any other: it has logs, health and a
place in `ps`, and goes with `down`. Which image, and how it is called, says `x-wherry` of the model:

    models:
      llm:
        model: ./models/tiny.gguf
        x-wherry: {image: my/server, port: 8000, path: /v1/, command: [--model, "{model}"], gpus: all}

Spec: https://github.com/compose-spec/compose-spec/blob/v2.9.0/15-models.md
"""

from __future__ import annotations

import os
import re

from wherry.compose.model_build import DeviceRequest
from wherry.compose.model_parts import Dependency, Healthcheck, Mount, ServiceNetwork
from wherry.compose.model_service import Service
from wherry.compose.plan import HEALTHY, STARTED
from wherry.errors import InputError, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NamedTuple

    from wherry.compose.model import Model, Project
    from wherry.compose.model_parts import ServiceModel
else:
    from wherry.lean import NamedTuple

__all__ = ["FOLDER", "Place", "Server", "expand", "implied", "local_path", "server", "service_name", "used"]

FOLDER = "/model"
"""Where a server finds its model."""

# llama.cpp's server: what most models of today's registries (GGUF) are made for, on any CPU
_IMAGE = "ghcr.io/ggml-org/llama.cpp:server"
_COMMAND = ("--model", "{model}", "--alias", "{name}", "--host", "0.0.0.0", "--port", "{port}")  # noqa: S104
_HEALTH = ("CMD", "curl", "-fsS", "http://localhost:{port}/health")
_SIZE = ("--ctx-size", "{context_size}")
_SECOND_NS = 1_000_000_000


class Server(NamedTuple):
    """What serves a model: `x-wherry`. Of the words of `command` and `healthcheck`, {model}, {name}, {port} and
    {context_size} are replaced; runtime_flags follow the command."""

    image: str = _IMAGE
    port: int = 8080
    path: str = "/v1/"
    command: tuple[str, ...] = ()
    healthcheck: tuple[str, ...] = ()
    gpus: bool = False


class Place(NamedTuple):
    """Where a model's files are: `mount` brings them into the server, `path` is the model there.

    `volume` is the engine's name of a volume that has them, "" where they are not in one.
    """

    mount: Mount
    path: str
    volume: str = ""


def used(project: Project) -> tuple[str, ...]:
    """The keys of the models that active services use, in order."""
    return tuple(sorted({key for service in project.services.values() for key in service.models}))


def local_path(project: Project, model: Model) -> str | None:
    """The model's absolute path when it is a path (./, ../, /, ~/), None when it is an artifact's name."""
    text = model.model
    if text.startswith("~/"):
        text = project.environment.get("HOME", "") + text[1:]
    if text in (".", "..") or text.startswith(("/", "./", "../")):
        return os.path.normpath(os.path.join(project.working_dir, text))
    return None


def service_name(key: str) -> str:
    """The service that serves the model: also its name in DNS."""
    return "model-" + re.sub(r"[^a-z0-9-]", "-", key.lower())


def server(project: Project, key: str) -> Server:
    """The model's `x-wherry`, over the `models` of the project's. Raises: InputError."""
    where = f"models.{key}.x-wherry"
    shared = project.extensions.get("x-wherry") or {}
    general = shared.get("models") if isinstance(shared, dict) else None
    wishes = {**_mapping(general or {}, "x-wherry.models")}
    wishes |= _mapping(project.models[key].extensions.get("x-wherry") or {}, where)
    for name in wishes:
        if name not in Server._fields:
            close = nearest(name, Server._fields)
            raise InputError(
                f"{where}: unknown key {name!r}",
                hint=f"did you mean {close}?" if close else "known: " + ", ".join(Server._fields),
            )
    port, path = wishes.get("port", 8080), wishes.get("path", "/v1/")
    if not isinstance(port, int) or not 0 < port < 1 << 16:
        raise InputError(f"{where}.port: {port!r} is no port")
    if not isinstance(path, str) or not path.startswith("/"):
        raise InputError(f"{where}.path: {path!r} does not begin with /")
    gpus = wishes.get("gpus", False)
    if gpus not in (True, False, "all"):
        raise InputError(f"{where}.gpus: only `all` is known")
    image = wishes.get("image", _IMAGE)
    if not isinstance(image, str) or not image:
        raise InputError(f"{where}.image: {image!r} is no name of an image")
    return Server(
        image, port, path, _words(wishes, "command", where), _words(wishes, "healthcheck", where), gpus in (True, "all")
    )


def _mapping(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{where} must be a mapping")
    return value


def _words(wishes: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    found = wishes.get(name) or ()
    if not isinstance(found, list | tuple):
        raise InputError(f"{where}.{name} must be a list of words")
    return tuple(str(word) for word in found)


def expand(project: Project, places: Mapping[str, Place]) -> Project:
    """The project with a service for each model, and its address and name in the services that use it. Idempotent: they
    have no `models` any more.

    Raises: InputError (a name that is taken, a service that can't reach another by name, a wrong x-wherry).
    """
    keys = used(project)
    if not keys:
        return project
    services, volumes = dict(project.services), dict(project.volumes)
    for key in keys:
        place, name, wishes = places[key], service_name(key), server(project, key)
        if name in project.all_services() or name in services:
            raise InputError(
                f'model "{key}" is served by a service {name}, and there is one', hint="rename one of them"
            )
        services[name] = _server_service(project, key, wishes, place)
        if place.volume:
            from wherry.compose.model import Volume

            volumes[place.mount.source] = Volume(name=place.volume, external=True)
        for user, service in project.services.items():
            if key in service.models:
                services[user] = _told(services[user], _model_id(project, key), key, wishes)
    return project.replace(services=services, volumes=volumes)


def _server_service(project: Project, key: str, wishes: Server, place: Place) -> Service:
    model = project.models[key]
    users = [service for service in project.services.values() if key in service.models]
    networks: dict[str, ServiceNetwork] = {}
    for service in users:
        if service.network_mode:
            raise InputError(
                f'service "{service.name}" uses model "{key}" and has network_mode {service.network_mode}',
                hint="a model is reached by its name on a network of the project",
            )
        networks |= dict.fromkeys(service.networks, ServiceNetwork())
    is_ours = wishes.image == _IMAGE
    command = wishes.command or (*_COMMAND, *(_SIZE if model.context_size else ()))
    health = wishes.healthcheck or (_HEALTH if is_ours else ())
    facts: dict[str, str] = {
        "{model}": place.path, "{name}": _model_id(project, key), "{port}": str(wishes.port),
        "{context_size}": str(model.context_size or ""),
    }  # fmt: skip
    return Service(
        name=service_name(key),
        image=wishes.image,
        command=[_filled(word, facts) for word in (*command, *model.runtime_flags)],
        environment={"MODEL_PATH": place.path, "MODEL_NAME": facts["{name}"], "MODEL_PORT": str(wishes.port)},
        volumes=(place.mount,),
        networks=networks,
        healthcheck=_healthcheck([_filled(word, facts) for word in health]) if health else None,
        gpus=(DeviceRequest(capabilities=("gpu",), count=-1),) if wishes.gpus else (),
    )


def _healthcheck(test: list[str]) -> Healthcheck:
    """A large model takes minutes to be read; one that is there is to be seen within a second."""
    return Healthcheck(
        test=test, interval=10 * _SECOND_NS, timeout=5 * _SECOND_NS, start_period=600 * _SECOND_NS,
        start_interval=_SECOND_NS,
    )  # fmt: skip


def _filled(word: str, facts: Mapping[str, str]) -> str:
    return re.sub("|".join(map(re.escape, facts)), lambda found: facts[found[0]], word)


def _model_id(project: Project, key: str) -> str:
    """What a client says it wants: the artifact's name, as with docker; of a path the key, which says more."""
    model = project.models[key]
    return key if local_path(project, model) is not None else model.model


def _told(service: Service, model_id: str, key: str, wishes: Server) -> Service:
    given: ServiceModel | None = service.models[key]
    prefix = key.upper().replace("-", "_")
    url = (given and given.endpoint_var) or f"{prefix}_URL"
    name = (given and given.model_var) or f"{prefix}_MODEL"
    environment = {
        **service.environment,
        url: f"http://{service_name(key)}:{wishes.port}{wishes.path}",
        name: model_id,
    }
    condition = HEALTHY if wishes.healthcheck or wishes.image == _IMAGE else STARTED
    depends = {**service.depends_on, service_name(key): Dependency(condition=condition)}
    others = {name: one for name, one in service.models.items() if name != key}
    return service.replace(environment=environment, depends_on=depends, models=others)


def implied(project: Project) -> Project:
    """As `expand`, without a look at anything: for --dry-run, and for names. Raises: InputError."""
    places = {}
    for key in used(project):
        path = local_path(project, project.models[key])
        kind, source = ("bind", path) if path is not None else ("image", project.models[key].model)
        places[key] = Place(Mount(type=kind, source=source, target=FOLDER, read_only=True), FOLDER)
    return expand(project, places)
