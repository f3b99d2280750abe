"""What of a project has to cross an air gap: its files, and the images and models that it runs."""

from __future__ import annotations

import os
import posixpath

from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import NamedTuple

    from wherry.compose.load import LoadRequest
    from wherry.compose.model import Project
    from wherry.compose.tree import Tree
    from wherry.engine.airgap_project import ProjectFiles
else:
    from wherry.lean import NamedTuple

__all__ = ["Needed", "needed"]

_MOST_FILES = 10_000


class Needed(NamedTuple):
    """`names` are of images and models, each once."""

    names: tuple[str, ...]
    files: ProjectFiles


def needed(request: LoadRequest, warn: Callable[[str], None]) -> Needed:
    """
    What the active services of the project need. `warn` is told what stays behind.

    Raises:
        ComposeError: as `load`.
        InputError: a file of the project lies outside of its folder.
    """
    from wherry.compose.load import load, load_tree

    project = load(request, warn=warn)
    loaded = load_tree(request.replace(services=()))
    found = _Files(project.working_dir, warn)
    for path in project.files:
        found.add(path, "a compose file")
    for path in sorted({*_sources(loaded.tree), *_env_files(project, loaded.tree)}):
        found.add(path, "a file of the project")
    _add_mounts(project, found)
    from wherry.engine.airgap_project import ProjectFiles

    names = [posixpath.relpath(path, project.working_dir) for path in project.files]
    files = ProjectFiles(project.name, tuple(names), found.paths, tuple(sorted(found.folders - found.parents())))
    return Needed(tuple(_images(project, warn)), files)


class _Files:
    """Files by their place below the project's folder."""

    def __init__(self, folder: str, warn: Callable[[str], None]) -> None:
        self._folder, self._warn = folder, warn
        self.paths: dict[str, str] = {}
        self.folders: set[str] = set()

    def leave(self, text: str) -> None:
        """Say what stays here."""
        self._warn(text)

    def inside(self, path: str) -> str | None:
        """Where it is below the project's folder, None when it is elsewhere."""
        place = posixpath.relpath(path, self._folder)
        return None if place == ".." or place.startswith("../") else place

    def add(self, path: str, what: str) -> None:
        """Raises: InputError."""
        if path == "-":
            raise InputError("a compose file from standard input can't be bundled", hint="-f FILE")
        place = self.inside(path)
        if place is None:
            raise InputError(
                f"{path} is {what}, and lies outside of {self._folder}",
                hint="move it into the project's folder, or give that with --project-directory",
            )
        self.paths[place] = path
        if len(self.paths) > _MOST_FILES:
            raise InputError(
                f"the project mounts more than {_MOST_FILES} files of {self._folder}",
                hint="pack them: as a volume, in an image, or as a model",
            )

    def add_tree(self, path: str, what: str) -> None:
        """A file, or a folder with all in it. What leads out of the project's folder is left to the other machine."""
        if self.inside(path) is None:
            self._warn(f"{what} is a path of this machine ({path}): it is not in the bundle")
        elif os.path.isfile(path):
            self.add(path, what)
        elif os.path.isdir(path):
            self._walk(path, what)
        elif os.path.lexists(path):
            self._warn(f"{what} is neither a file nor a folder ({path}): it is not in the bundle")

    def _walk(self, path: str, what: str) -> None:
        self.folders.add(self.inside(path) or ".")
        for top, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if name != ".git")
            self.folders |= {self.inside(f"{top}/{name}") or "." for name in folders}
            for name in sorted(names):
                one = f"{top}/{name}"
                if not os.path.isfile(one) or self._leads_out(one):
                    self._warn(f"{one} of {what} is no file of the project: it is not in the bundle")
                else:
                    self.add(one, what)

    def _leads_out(self, path: str) -> bool:
        real = os.path.realpath(path)
        return os.path.islink(path) and not real.startswith(os.path.realpath(self._folder) + "/")

    def parents(self) -> set[str]:
        """Folders that have something in them, and so appear by themselves."""
        found = {"."}
        for place in (*self.paths, *self.folders):
            while "/" in place:
                place = posixpath.dirname(place)
                found.add(place)
        return found


def _sources(tree: Tree) -> Iterator[str]:
    """The files that the tree's entries were written in: those that were included or extended too."""
    seen = set()
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        marks = getattr(node, "marks", None) or ()
        for mark in marks.values() if isinstance(marks, dict) else marks:
            if mark is not None and mark.source.name not in seen:
                seen.add(mark.source.name)
                yield mark.source.name
        waiting += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()


def _env_files(project: Project, tree: Tree) -> Iterator[str]:
    """What variables and labels are read from; `.env` beside each compose file, as `include` reads it."""
    for folder in {project.working_dir, *(posixpath.dirname(name) for name in _sources(tree))}:
        if os.path.isfile(f"{folder}/.env"):
            yield f"{folder}/.env"
    for name in project.services:
        service = tree["services"][name]
        for one in service.get("env_file") or ():
            path = one["path"] if isinstance(one, dict) else one
            if os.path.exists(path := posixpath.join(project.working_dir, path)):
                yield path
        labels = service.get("label_file") or ()
        for path in [labels] if isinstance(labels, str) else labels:
            yield posixpath.join(project.working_dir, path)


def _add_mounts(project: Project, found: _Files) -> None:
    from wherry.compose import models

    for name, service in project.services.items():
        for mount in service.volumes:
            if mount.type == "bind":
                found.add_tree(mount.source, f"a mount of service {name}")
    for name, config in project.configs.items():
        if config.file:
            found.add_tree(posixpath.join(project.working_dir, config.file), f"config {name}")
    for name, secret in project.secrets.items():
        if secret.file:
            found.leave(f"secret {name} is not in the bundle: put {secret.file} there")
    for key in models.used(project):
        if (path := models.local_path(project, project.models[key])) is not None:
            found.add_tree(path, f"model {key}")


def _images(project: Project, warn: Callable[[str], None]) -> list[str]:
    from wherry.compose import models

    found: dict[str, None] = {}
    for name, service in models.implied(project).services.items():
        if service.provider is None:
            found[service.image_name(project.name)] = None
        if service.pull_policy not in ("", "missing", "if_not_present", "never", "build") and service.provider is None:
            warn(f"service {name} has the pull policy {service.pull_policy}: without a network, `up --pull missing`")
        found |= dict.fromkeys(mount.source for mount in service.volumes if mount.type == "image")
    for key in models.used(project):
        if models.local_path(project, project.models[key]) is None:
            found[project.models[key].model] = None
    return list(found)
