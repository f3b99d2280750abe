"""A container as a training run: `wherry run --track`.

The run's folder is mounted at RUN_TARGET, and `wherry.track` at PYTHON_TARGET behind the image's own PYTHONPATH: as a
namespace package, so that an installed wherry wins. The monitor holds the run's lock as long as the container runs; how
it ended is written by whoever cleans up after it, or by whoever looks first (docs/adr/0272-container-runs.md).
"""

from __future__ import annotations

import os

from wherry.engine.containers_rows import TRACKED
from wherry.engine.runs_record import Recording, Request, end
from wherry.engine.runs_seal import seal
from wherry.errors import Conflict, HostError, NotFound, WherryError
from wherry.lean import suppress
from wherry.runtime.options import MountRequest
from wherry.track import folder as folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.oci.config import ImageConfig
    from wherry.runtime.attach import Streams
    from wherry.runtime.launch import Monitor
    from wherry.runtime.options import RunOptions
    from wherry.runtime.state import ContainerState
    from wherry.store.images import ImageRecord
    from wherry.track.record import Record

__all__ = ["RUN_TARGET", "began", "over", "run", "settle"]

RUN_TARGET = "/.wherry/run"
PYTHON_TARGET = "/.wherry/python"


def run(
    engine: Engine, image: str, options: RunOptions, request: Request, streams: Streams | None, monitor: Monitor
) -> tuple[str, int | None]:
    """`Containers.run`, as the run that `request` describes."""
    from wherry.engine.containers_create import find_image
    from wherry.runtime.process import command

    record = find_image(engine, image)
    config = engine.images.config(record.id)
    start = {"image": _image(image, record, config), "container": {"name": options.name},
             "environment": _environment(engine, config, options)}  # fmt: skip
    # Whatever user the program is in the container; nobody else gets to the folder, which lies in a private one
    recording = Recording(engine, request, command(config, options), mode=0o777, **start)
    try:
        found = engine.containers.run(image, _with_run(options, config, recording.folder), streams, monitor)
    except BaseException as fault:
        if not os.path.exists(recording.folder + "/end.json"):
            code = fault.exit_code if isinstance(fault, WherryError) else 125
            recording.end(code if code in {126, 127} else 125, error=str(fault))
        raise
    finally:
        recording.leave()
    return found


def began(row: ContainerRow) -> None:
    """It is about to start, for the first time or again: the same run goes on."""
    folder = folder_of(row)
    if folder:
        # A full disk must not keep a container from starting, nor what it left in its folder
        with suppress(OSError):
            os.unlink(folder + "/end.json")
        with suppress(OSError):
            folders.append(folder, {"type": "container", "value": {"id": row.id, "name": row.name}})


def over(engine: Engine, row: ContainerRow) -> None:
    """It is over, and its records are still there. Idempotent."""
    folder = folder_of(row)
    if not folder or os.path.exists(folder + "/end.json"):
        return
    state = engine.containers.state(row.id)
    if state.is_running or state.status == "created":
        return
    error = "out of memory" if state.oom_killed else state.error
    # A full disk, a folder or image removed meanwhile, packages that nobody can read: nothing of it may keep the
    # container from going, nor one step the next
    with suppress(HostError):
        seal(folder)
    with suppress(WherryError, OSError):
        _add_packages(engine, row, folder)
    with suppress(HostError):
        end(folder, state.exit_code, is_killed=_is_killed(state), error=error, ended_ns=state.finished_ns)


def settle(engine: Engine, record: Record) -> None:
    """Write the end of a run whose container ended with nobody there to write it."""
    if "container" not in record.start or os.path.exists(record.folder + "/end.json"):
        return
    if folders.is_held(record.folder):
        return
    said = [one.get("value") for one in folders.events(record.folder) if one.get("type") == "container"]
    ids = [str(one.get("id", "")) for one in said if isinstance(one, dict)]
    with suppress(NotFound, Conflict):
        if ids:
            over(engine, engine.containers.find(ids[-1]))


def folder_of(row: ContainerRow) -> str:
    """The folder of the run that a container is; "" for others. An image's labels make none."""
    if TRACKED not in row.labels:
        return ""
    mounts = [one for one in row.options().mounts if one.target == RUN_TARGET and one.type == "bind"]
    return mounts[0].source if mounts and os.path.exists(mounts[0].source + "/run.json") else ""


def _is_killed(state: ContainerState) -> bool:
    """By a signal: the runtime's exit codes above 128. Without an exit record something killed it with its monitor."""
    return state.oom_killed or state.unrecorded or 128 < state.exit_code <= 128 + 64


def _with_run(options: RunOptions, config: ImageConfig, folder: str) -> RunOptions:
    import wherry.track

    package = os.path.dirname(os.path.abspath(wherry.track.__file__))
    mounts = (MountRequest("bind", folder, RUN_TARGET),
              MountRequest("bind", package, f"{PYTHON_TARGET}/wherry/track", read_only=True))  # fmt: skip
    path = _env(config, options).get("PYTHONPATH", "")
    env = (f"WHERRY_RUN={RUN_TARGET}", f"PYTHONPATH={path + ':' if path else ''}{PYTHON_TARGET}")
    return options._replace(mounts=(*options.mounts, *mounts), env=(*options.env, *env),
                            labels={**options.labels, TRACKED: os.path.basename(folder)})  # fmt: skip


def _env(config: ImageConfig, options: RunOptions) -> dict[str, str]:
    pairs = [one.partition("=") for one in (*config.config.env, *options.env)]
    return {name: value for name, _, value in pairs}


def _image(name: str, record: ImageRecord, config: ImageConfig) -> dict[str, Any]:
    """With the commit that it says it was built from."""
    labels = config.config.labels
    digests = [one.rpartition("@")[2] for one in record.digests]
    found = {"name": name, "id": str(record.id), "digest": digests[0] if digests else str(record.manifest),
             "revision": labels.get("org.opencontainers.image.revision", ""),
             "source": labels.get("org.opencontainers.image.source", "")}  # fmt: skip
    return {key: value for key, value in found.items() if value}


def _environment(engine: Engine, config: ImageConfig, options: RunOptions) -> dict[str, Any]:
    """The machine's; of Python what the image says. A program that uses `wherry.track` says the rest itself."""
    from wherry.track.facts import environment

    env = _env(config, options)
    chosen = {name: engine.settings.env[name] for name in ("WHERRY_TRACK_ENV",) if name in engine.settings.env}
    found = environment({**env, **chosen})
    for key in ("python", "implementation", "executable", "packages", "os", "cuda"):
        found.pop(key, None)
    said = {"python": env.get("PYTHON_VERSION", ""), "cuda": env.get("CUDA_VERSION", "")}
    return {**found, **{key: value for key, value in said.items() if value}}


def _add_packages(engine: Engine, row: ContainerRow, folder: str) -> None:
    """What the image has installed, when nothing inside said what it had. Raises: NotFound and others, OSError."""
    from wherry.image.packages.merged import Merged
    from wherry.oci.digest import Digest
    from wherry.track.record import read

    known = read(folder).get("environment", {})
    if "packages" in known:
        return
    image = engine.image_store.get(Digest(row.image_id))
    with Merged([engine.layers.path(one) for one in image.layers]) as merged:
        packages = {one.package.name: one.package.version for one in merged.installed()}
    folders.append(folder, {"type": "environment", "value": {**known, "packages": dict(sorted(packages.items()))}})
