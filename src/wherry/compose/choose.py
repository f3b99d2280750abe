"""Which of a project's containers a command means: by service, index, and whether they run."""

from __future__ import annotations

from wherry.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from wherry.compose.observe import Observed, ObservedContainer

__all__ = ["containers", "one_of"]


def containers(
    observed: Observed, services: Collection[str] = (), *, all: bool = False, one_off: bool = False, index: int = 0
) -> list[ObservedContainer]:
    """By service and number. Only running ones unless `all`; those of `run` with `one_off`; `index` 0 is any."""
    return [
        one for one in observed.containers
        if (all or one.is_running) and (one_off or not one.one_off) and (not services or one.service in services)
        and index in (0, one.number)
    ]  # fmt: skip


def one_of(observed: Observed, service: str, *, index: int = 0, all: bool = False) -> ObservedContainer:
    """The container of a service that a command works on: the first that is no one-off. Raises: NotFound."""
    found = containers(observed, [service], all=all, one_off=True, index=index)
    if not found:
        of_service = containers(observed, [service], one_off=True)
        which = f" container #{index}" if index else ""
        known = ", ".join(sorted({one.service for one in containers(observed)}))
        hint = f"running: {known}" if known and not of_service else None
        raise NotFound(f'service "{service}" is not running{which}', hint=hint)
    return min(found, key=lambda one: (one.one_off, one.number))
