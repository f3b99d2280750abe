"""`wherry runs promote`: the serving image of a run's artifact, with links both ways."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import NamedTuple

from wherry.errors import Conflict, HostError, InputError, IntegrityError, NotFound
from wherry.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wherry.build.options import BuildOptions
    from wherry.build.progress import Progress
    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.engine.builds import BuildRequest
    from wherry.runs.promotion import Chosen
    from wherry.store.images import ImageRecord
    from wherry.track.record import Record

__all__ = ["Promotion", "promote"]


class Promotion(NamedTuple):
    """`image` is what the artifacts are put on ("": the image that the run ran in). With `context` (a folder) its
    Dockerfile (`dockerfile`: another one) is built instead, which takes artifacts by `COPY --from=run NAME TARGET`.

    `artifacts` as `wherry.runs.promotion.choose` takes them; with `context`, none are all. `force` takes a run that
    did not finish well.
    """

    to: Reference
    artifacts: Sequence[str] = ()
    image: str = ""
    context: str = ""
    dockerfile: str = ""
    labels: Mapping[str, str] = {}
    force: bool = False


def promote(engine: Engine, run: Record, wanted: Promotion, progress: Progress, cancel: Cancel) -> ImageRecord:
    """Raises: Conflict (the run failed, or goes on), NotFound (an artifact, an image), InputError, and what a build
    raises; nothing is named or linked then.
    """
    from wherry.runs.promotion import choose, labels

    document = run.document
    if document["status"] != "finished" and not wanted.force:
        raise Conflict(f"run {document['name']} is {document['status']}", hint="to promote it all the same: --force")
    if wanted.context and wanted.image:
        raise InputError("--image and --build are two ways to make the image", hint="leave one of them out")
    wishes = tuple(wanted.artifacts)
    if wanted.context and not wishes:
        wishes = tuple(one["name"] for one in document["artifacts"])
    chosen = choose(document, wishes)
    with ExitStack() as stack:
        folder = stack.enter_context(engine.scratch.folder("promote"))
        request = _request(engine, run, wanted, chosen, folder)
        found = {**_stale(engine, request), **labels(document, chosen), **wanted.labels}
        options = request.options._replace(labels=found)
        image = engine.builds.build(request._replace(options=options), progress, cancel)
    _link(run, wanted, chosen, image)
    return image


def _request(engine: Engine, run: Record, wanted: Promotion, chosen: Sequence[Chosen], folder: str) -> BuildRequest:
    from wherry.build.named_context import NamedContext
    from wherry.engine.builds import BuildRequest
    from wherry.fs.atomic import replace_file
    from wherry.runs.promotion import dockerfile

    own = folder + "/run"
    _place(run, [one.name if wanted.context else str(number) for number, one in enumerate(chosen)], chosen, own)
    contexts = {"run": NamedContext("folder", own)}
    if wanted.context:
        return BuildRequest(wanted.context, _options(contexts), wanted.dockerfile, tags=(wanted.to,))
    contexts["base"] = NamedContext("image", _base(engine, run, wanted))
    replace_file(folder + "/Dockerfile", dockerfile(chosen).encode(), 0o644, durable=False)
    return BuildRequest(own, _options(contexts), folder + "/Dockerfile", tags=(wanted.to,))


def _stale(engine: Engine, request: BuildRequest) -> dict[str, str]:
    """Empty values for what the base image says of the run that it serves itself."""
    from wherry.runs.promotion import LABEL

    base = request.options.contexts.get("base")
    try:
        config = engine.images.config(engine.images.resolve(base.value).id) if base else None
    except NotFound:  # fetched by the build
        return {}
    return {name: "" for name in (config.config.labels if config else {}) if name.startswith(LABEL + ".")}


def _options(contexts: Mapping[str, object]) -> BuildOptions:
    from wherry.build.options import BuildOptions
    from wherry.oci.platform import Platform

    host = Platform.of("linux", os.uname().machine)
    return BuildOptions(contexts=contexts, host_platform=host)  # type: ignore[arg-type]


def _base(engine: Engine, run: Record, wanted: Promotion) -> str:
    """Raises: NotFound."""
    if wanted.image:
        return wanted.image
    image = run.document.get("image", {})
    if not image:
        raise NotFound(f"run {run.document['name']} ran in no image", hint="the image to put it on: --image IMAGE")
    try:
        return str(engine.images.resolve(str(image.get("id", ""))).id)
    except NotFound:
        raise NotFound(f"the image of run {run.document['name']}, {image.get('name', '')}, is not here any more",
                       hint="pull it, or name another one: --image IMAGE") from None  # fmt: skip


def _place(run: Record, names: Sequence[str], chosen: Sequence[Chosen], folder: str) -> None:
    """A tree with the artifacts, each with the digest that the run recorded."""
    os.mkdir(folder)
    for name, one in zip(names, chosen, strict=True):
        source, target = run.artifact(one.name), os.path.normpath(f"{folder}/{name}")
        if not target.startswith(f"{folder}/") or "\0" in name:
            raise InputError(f"artifact {one.name[:80]!r} can't be a file in a folder")
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise InputError(f"artifact {one.name[:80]!r} is in a folder that another artifact is") from None
        try:
            digest = _copy(run.folder, source, target)
        except FileNotFoundError:
            raise NotFound(f"artifact {one.name} is missing in {run.folder}") from None
        except OSError as fault:
            raise HostError(f"artifact {one.name} of run {run.document['name']}: {fault.strerror}") from None
        if digest != one.digest:
            raise IntegrityError(f"artifact {one.name}", expected=one.digest, actual=digest)


def _copy(folder: str, source: str, target: str) -> str:
    """A clone where the file system can. A container may have written to the folder: its digest is looked at again."""
    from wherry.track.artifacts import copied
    from wherry.track.folder import open_inside

    fd = open_inside(folder, os.path.relpath(source, folder), os.O_RDONLY)
    try:
        to = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        try:
            return "sha256:" + copied(fd, to)[0]
        finally:
            os.close(to)
    finally:
        os.close(fd)


def _link(run: Record, wanted: Promotion, chosen: Sequence[Chosen], image: ImageRecord) -> None:
    """From the run to the image; the labels lead the other way."""
    from wherry.track import folder as folders

    value = {"image": {"name": wanted.to.familiar, "id": str(image.id)}, "at_ms": int(time.time() * 1000),
             "artifacts": {one.name: one.digest for one in chosen}}  # fmt: skip
    folders.append(run.folder, {"type": "promoted", "value": value})
