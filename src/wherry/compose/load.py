"""Compose files to a `Project`: the one door. Joins reading (YAML, interpolation, merge) and the model."""

from __future__ import annotations

from wherry.compose.record import EMPTY, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wherry.compose.model import Project

__all__ = ["LoadRequest", "load"]


class LoadRequest(Record):
    """What to load. All paths as the user wrote them, relative to `current_dir`."""

    current_dir: str
    """Absolute: the process's working directory."""
    environment: Mapping[str, str] = EMPTY
    """The shell's variables. COMPOSE_FILE, COMPOSE_PROFILES, ... count where the fields below say nothing."""
    files: Sequence[str] = ()
    """`-f`; empty: COMPOSE_FILE, else the nearest compose.yaml."""
    project_name: str = ""
    project_directory: str = ""
    env_files: Sequence[str] = ()
    profiles: Sequence[str] = ()
    services: Sequence[str] = ()
    """Those asked for; they enable their profiles. Empty: all that profiles enable."""
    with_dependencies: bool = True
    """False: `--no-deps`: only `services` stay active."""
    interpolate: bool = True
    normalize: bool = True
    resolve_paths: bool = True
    consistency: bool = True
    resolve_environment: bool = True
    """Read `env_file` and `label_file` into `environment` and `labels`; their keys go away then, as with docker."""
    compatibility: bool = False


def load(request: LoadRequest) -> Project:
    """
    Read, merge, check and complete the project of `request`.

    Raises:
        ComposeError: a file is missing, wrong or contradicts itself; the message has file, line and a caret.
    """
    raise NotImplementedError
