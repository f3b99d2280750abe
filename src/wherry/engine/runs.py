"""Training runs of one root: found, looked at, removed. They are kept until then, whatever becomes of images."""

from __future__ import annotations

import os
from typing import BinaryIO, NamedTuple

from wherry.errors import Conflict, InputError, IntegrityError, NotFound, nearest
from wherry.track.folder import folders, open_inside, runs_home
from wherry.track.record import Record
from wherry.track.shape import is_start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from wherry.engine import Engine
    from wherry.store.images import ImageRecord

__all__ = ["Artifact", "Runs", "home", "open_artifact"]


class Artifact(NamedTuple):
    """A file of a run: `name` with slashes, `digest` as sha256:..., `path` where it is kept (read it only)."""

    name: str
    digest: str
    size: int
    path: str


def open_artifact(run: Record, one: Artifact) -> BinaryIO:
    """The file itself, to be sent elsewhere: a container had the folder in its hands. The caller closes it.

    Raises: NotFound (it is gone, or something else than a file), IntegrityError (another length).
    """
    try:
        fd = open_inside(run.folder, f"artifacts/sha256/{one.digest.rpartition(':')[2]}", os.O_RDONLY)
    except OSError as fault:
        raise NotFound(f"artifact {one.name} of run {run.id[:12]} is not there any more: {fault.strerror}") from None
    size = os.fstat(fd).st_size
    if size != one.size:
        os.close(fd)
        raise IntegrityError(f"artifact {one.name} was changed after the run kept it", expected=f"{one.size} bytes",
                             actual=f"{size}")  # fmt: skip
    return open(fd, "rb")


def home(engine: Engine) -> str:
    """$WHERRY_RUNS, else `runs` in the root."""
    return runs_home({**engine.settings.env, "WHERRY_ROOT": engine.settings.paths.root})


class Runs:
    """`engine.runs`. A run is its folder (docs/adr/0270-run-folder.md); its `.document` says all."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def home(self) -> str:
        return home(self._engine)

    def list(self) -> Sequence[Record]:
        """The newest first. Reads nothing but what each was begun with; a folder with a broken run.json is no run.

        Of one id the one that lies least deep: what a container writes below its run takes nobody's place.
        """
        found = [one for one in map(Record, folders(self.home)) if is_start(one.start)]
        found.sort(key=lambda one: -one.folder.count("/"))
        known = list({one.id: one for one in found}.values())
        for one in known:
            if "container" in one.start:
                from wherry.engine.runs_container import settle

                settle(self._engine, one)
        return sorted(known, key=lambda one: (one.started_ms, one.id), reverse=True)

    def find(self, text: str) -> Record:
        """By id, the start of an id (4 letters or more), name, or "latest". Raises: NotFound, Conflict."""
        known = self.list()
        if text == "latest" and known:
            return known[0]
        found = [one for one in known if one.id == text]
        found = found or [one for one in known if one.document["name"] == text]
        found = found or [one for one in known if len(text) >= 4 and one.id.startswith(text)]
        if not found:
            close = nearest(text, [str(one.start.get("name", "")) for one in known])
            raise NotFound(f"No such run: {text}", hint=f"did you mean {close}?" if close else "wherry runs ls")
        if len(found) > 1:
            ids = ", ".join(one.id[:12] for one in found[:5])
            raise Conflict(f"{len(found)} runs are called {text}: {ids}", hint="name it by its id")
        return found[0]

    def artifacts(self, run: Record) -> Sequence[Artifact]:
        """By name."""
        place = run.folder + "/artifacts/sha256/"
        return [
            Artifact(one["name"], one["digest"], int(one["size"]), place + one["digest"].rpartition(":")[2])
            for one in run.document["artifacts"]
        ]

    def points(self, run: Record, metric: str) -> Iterator[tuple[int, float, float]]:
        """(step, seconds since 1970, value). Raises: NotFound."""
        self.check_metric(run, metric)
        return run.points(metric)

    def check_metric(self, run: Record, metric: str) -> None:
        """Raises: NotFound."""
        known = run.document["metrics"]
        if metric not in known:
            close = nearest(metric, list(known))
            hint = f"did you mean {close}?" if close else f"it has {', '.join(sorted(known)[:10]) or 'none'}"
            raise NotFound(f"run {run.document['name']} has no metric {metric}", hint=hint)

    def image(self, run: Record) -> ImageRecord | None:
        """What it ran in, when that is still here."""
        id = run.document.get("image", {}).get("id")
        try:
            return self._engine.image_store.resolve(id) if id else None
        except NotFound:
            return None

    def of_image(self, id: str) -> Sequence[Record]:
        """Runs in this image that are over, the newest first."""
        found = [one for one in self.list() if one.start.get("image", {}).get("id") == id]
        return [one for one in found if one.document["status"] != "running"]

    def add(
        self, document: Mapping[str, Any], points: Iterable[tuple[str, int, float, float]],
        artifacts: Iterable[Artifact] = (),
    ) -> Record:  # fmt: skip
        """A run from elsewhere; see `wherry.engine.runs_add.add`."""
        from wherry.engine.runs_add import add

        return add(self.home, document, points, artifacts)

    def remove(self, run: Record, *, force: bool = False) -> None:
        """With its artifacts. Raises: Conflict when it goes on, unless `force`."""
        from wherry.fs.remove import remove_tree

        if run.document["status"] == "running" and not force:
            raise Conflict(f"run {run.document['name']} goes on", hint="stop it first, or force its removal: -f")
        if not run.folder.startswith(self.home + "/"):
            raise InputError(f"{run.folder} is not below {self.home}")
        remove_tree(run.folder)
