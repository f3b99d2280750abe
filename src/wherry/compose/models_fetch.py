"""Where the models of a project are: paths are looked at, images and artifacts pulled."""

from __future__ import annotations

import os
import posixpath
import re

from wherry.compose import models
from wherry.compose.model_parts import Mount
from wherry.compose.progress import DONE, ERROR, WORKING, Event
from wherry.errors import InputError, NotFound, WherryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from wherry.cancel import Cancel
    from wherry.compose.model import Project
    from wherry.compose.progress import Progress
    from wherry.engine import Engine

__all__ = ["choose_file", "settle"]

_SHARD = re.compile(r"-(\d{5})-of-\d{5}\.gguf$")


def settle(engine: Engine, project: Project, progress: Progress, cancel: Cancel) -> Project:
    """The project with its models as services (`models.expand`), what they need of registries fetched.

    Raises: InputError, and what a pull raises.
    """
    places = {}
    for key in models.used(project):
        id = f"Model {key}"
        try:
            places[key] = _place(engine, project, key, progress, cancel)
        except WherryError as fault:
            progress.event(Event(id, ERROR, "Error", str(fault)))
            raise
    return models.expand(project, places)


def _place(engine: Engine, project: Project, key: str, progress: Progress, cancel: Cancel) -> models.Place:
    path = models.local_path(project, project.models[key])
    if path is not None:
        return _local(path, key)
    reference = project.models[key].model
    if found := _image(engine, reference):
        return found
    return _pulled(engine, key, reference, progress, cancel)


def _local(path: str, key: str) -> models.Place:
    path = os.path.realpath(path)
    if os.path.isdir(path):
        return models.Place(_mount("bind", path), choose_file(models.FOLDER, os.listdir(path)))
    if not os.path.isfile(path):
        raise InputError(f"models.{key}.model: {path} is not there", hint="a model is a file, a folder or an artifact")
    target = posixpath.join(models.FOLDER, os.path.basename(path))
    return models.Place(_mount("bind", path, target), target)


def _image(engine: Engine, reference: str) -> models.Place | None:
    """An image or a model of the store, whose files are the model's."""
    if (model := engine.models.find(reference)) is not None:
        from wherry.models.pack import files_of

        files = [file.name for file in files_of(engine.models.manifest(model), reference)]
        return models.Place(_mount("image", reference), choose_file(models.FOLDER, files))
    try:
        image = engine.images.resolve(reference)
    except NotFound:
        return None
    names = {name for layer in image.layers for name in os.listdir(engine.layers.path(layer))}
    return models.Place(_mount("image", reference), choose_file(models.FOLDER, names))


def _pulled(engine: Engine, key: str, text: str, progress: Progress, cancel: Cancel) -> models.Place:
    from wherry.engine.artifact_volume import fetch
    from wherry.engine.pull import PullRequest, pull
    from wherry.oci.reference import Reference

    id, reference = f"Model {key}", Reference.parse(text)
    progress.event(Event(id, WORKING, "Pulling"))
    watch = progress.transfer(id)
    artifact = fetch(engine, reference, watch, cancel)
    if artifact is None:
        pull(engine, PullRequest(reference), watch, cancel)
    progress.event(Event(id, DONE, "Pulled"))
    if artifact is None:
        found = _image(engine, text)
        if found is None:
            raise NotFound(f"image {text} went away while it was pulled")
        return found
    name = models.service_name(key)
    names = (name for name in os.listdir(artifact.folder) if not name.startswith("."))
    return models.Place(_mount("volume", name), choose_file(models.FOLDER, names), artifact.volume)


def _mount(kind: str, source: str, target: str = models.FOLDER) -> Mount:
    return Mount(type=kind, source=source, target=target, read_only=True)


def choose_file(folder: str, names: Iterable[str]) -> str:
    """The one GGUF file (of several parts the first), else the folder itself: a server of other formats reads that."""
    files = sorted(name for name in names if name.endswith(".gguf") and not name.startswith(("mmproj", "lora")))
    files = [name for name in files if (part := _SHARD.search(name)) is None or part[1] == "00001"]
    return posixpath.join(folder, files[0]) if len(files) == 1 else folder
