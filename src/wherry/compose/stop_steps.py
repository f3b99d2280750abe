"""The steps that end a container. Pure."""

from __future__ import annotations

from wherry.compose.plan import Cause, ContainerRef, Planner, RunHook, StopContainer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.compose.model import Service
    from wherry.compose.observe import ObservedContainer

__all__ = ["reference", "stop_steps"]


def reference(container: ObservedContainer) -> ContainerRef:
    return ContainerRef(container.name, container.id, container.service, container.number)


def stop_steps(
    planner: Planner,
    container: ObservedContainer,
    service: Service | None,
    cause: Cause,
    needs: Sequence[int],
    timeout_s: int | None,
) -> tuple[int, ...]:
    """Its pre_stop hooks and its stop; what is to be waited for: `needs` when it does not run."""
    if not container.is_running:
        return tuple(needs)
    one, last = reference(container), tuple(needs)
    for place in range(len(service.pre_stop) if service is not None else 0):
        last = (planner.add(RunHook(one, "pre_stop", place), Cause("hook", "before it stops"), last),)
    return (planner.add(StopContainer(one, timeout_s), cause, last),)
