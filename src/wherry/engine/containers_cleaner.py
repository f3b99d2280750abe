"""The cleaner: what a monitor becomes when its container is over and no attached client cleans up."""

from __future__ import annotations

import sys

from wherry import lean_json as json
from wherry.runtime.launch import python_argv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine

__all__ = ["cleaner_argv", "main"]


def cleaner_argv(engine: Engine, id: str) -> list[str]:
    settings = engine.settings
    world = {
        "root": settings.paths.root, "run": settings.paths.run, "uid": settings.uid, "runtime": settings.runtime,
        "env": engine.containers.tool_env, "id": id,
    }  # fmt: skip
    return [*python_argv("from wherry.engine.containers_cleaner import main; main()", site=True), json.dumps(world)]


def main() -> None:
    """The process's whole life: clean up after one container. Its argument is JSON, made by `cleaner_argv`."""
    from wherry.engine import Engine
    from wherry.engine import containers_remove as removal
    from wherry.errors import NotFound
    from wherry.host.linux import LinuxHost
    from wherry.settings import Paths, Settings

    world = json.loads(sys.argv[1])
    settings = Settings(Paths(world["root"], world["run"]), world["env"], world["uid"], "/", runtime=world["runtime"])
    with Engine(settings, LinuxHost(world["env"])) as engine:
        try:
            row = engine.containers.find(world["id"])
        except NotFound:
            return
        removal.finish(engine, row)
