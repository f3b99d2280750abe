"""Keyword arguments as the words of a command line: there is one reader of both, with one set of messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from wherry.cli import flags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.runtime.options import RunOptions
    from wherry.settings import Settings

__all__ = ["Command", "RunWishes", "run_options", "words_of"]

Command = str | Sequence[str]
"""Words, or one line that is split as a shell would split it."""


class RunWishes(TypedDict, total=False):
    """What `run`, `start` and `create` take. A port or a volume is what stands behind -p and -v; `flags` are others."""

    name: str
    env: Mapping[str, str]
    ports: Sequence[str | int]
    volumes: Sequence[str]
    network: str
    user: str
    workdir: str
    entrypoint: str
    labels: Mapping[str, str]
    gpus: str
    memory: str
    pull: str
    platform: str
    flags: Sequence[str]


_SAME = ("name", "network", "user", "workdir", "entrypoint", "gpus", "memory", "pull", "platform")


def words_of(command: Command) -> list[str]:
    """Raises: ValueError for a line with an open quote."""
    if isinstance(command, str):
        import shlex

        return shlex.split(command)
    return list(command)


def run_options(image: str, command: Command, wishes: RunWishes, settings: Settings) -> RunOptions:
    """Raises: FlagError in docker's words."""
    from wherry.cli import run

    argv = [f"--{name}={wishes.get(name)}" for name in _SAME if wishes.get(name)]
    argv += [f"--env={name}={value}" for name, value in wishes.get("env", {}).items()]
    argv += [f"--label={name}={value}" for name, value in wishes.get("labels", {}).items()]
    argv += [f"--publish={one}" for one in wishes.get("ports", ())]
    argv += [f"--volume={one}" for one in wishes.get("volumes", ())]
    argv += wishes.get("flags", ())
    args = flags.parse("wherry run", run.VERB, [*argv, "--", image, *words_of(command)])
    from wherry.cli.run_flags import options

    return options(args, settings)
