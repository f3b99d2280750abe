"""A Compose project, as a thing to talk to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from wherry.api.container import Container
from wherry.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from wherry.api.engine import Engine
    from wherry.compose.model import Project
    from wherry.compose.observe import ObservedContainer
    from wherry.compose.progress import Progress

__all__ = ["Compose"]


class Compose:
    """One project of an engine: what `wherry compose` does with it. Used with `with`, it is taken down at the end.

    `project` is what its files say (`wherry.compose.model.Project`). Each verb asks anew what is there.
    """

    def __init__(self, engine: Engine, project: Project) -> None:
        self._engine, self.project = engine, project

    def __repr__(self) -> str:
        return f"<wherry.Compose {self.name}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down(timeout_s=0)

    @property
    def name(self) -> str:
        return self.project.name

    def up(
        self, services: Sequence[str] = (), *, wait: bool = True, build: bool = False, force_recreate: bool = False,
        timeout_s: int | None = None, progress: Progress | None = None,
    ) -> Self:  # fmt: skip
        """`compose up -d`, of these services with what they depend on, or of all. With `wait` it returns once they are
        healthy (or run, without a health check), in `timeout_s` at most. Idempotent.

        Raises: NotFound (a service, an image), BuildError, ConditionFailed (a dependency, or one that is waited for),
        Conflict (a port), RuntimeFailure.
        """
        from wherry.cancel import Cancel
        from wherry.compose.decide import ReconcileOptions
        from wherry.compose.image_plan import ImageOptions
        from wherry.compose.progress import Quiet
        from wherry.compose.selection import select
        from wherry.compose.up import UpOptions, up

        project = select(self.project, services, with_dependencies=True) if services else self.project
        options = UpOptions(
            ReconcileOptions(tuple(services), recreate="force" if force_recreate else "diverged"),
            ImageOptions(build=build),
            quiet_pull=progress is None,
            wait=wait,
            wait_timeout_s=timeout_s,
        )
        cancel = Cancel()
        try:
            up(self._engine, project, options, progress or Quiet(), cancel)
        except KeyboardInterrupt:
            cancel.set()
            raise
        return self

    def down(
        self, *, volumes: bool = False, remove_orphans: bool = False, timeout_s: int | None = None,
        progress: Progress | None = None,
    ) -> None:  # fmt: skip
        """Containers and networks go; with `volumes` the project's volumes, too. Idempotent."""
        from wherry.cancel import Cancel
        from wherry.compose.down import DownRequest, down
        from wherry.compose.progress import Quiet

        request = DownRequest(volumes=volumes, remove_orphans=remove_orphans, timeout_s=timeout_s)
        down(self._engine, self.name, self.project, request, progress or Quiet(), Cancel())

    def ps(self, *services: str, all: bool = False) -> list[Container]:
        """Those that run, or all, by service and number."""
        return [Container(self._engine, one.id) for one in self._observed(services, all=all)]

    def container(self, service: str, index: int = 0) -> Container:
        """The one of this service that runs (the first, or that with this number). Raises: NotFound."""
        from wherry.compose.choose import one_of
        from wherry.compose.observe import observe

        return Container(self._engine, one_of(observe(self._engine, self.name), service, index=index).id)

    def exec(self, service: str, command: str | Sequence[str], **more: Any) -> Any:
        """`container(service).exec(command)`: see there."""
        return self.container(service).exec(command, **more)

    def logs(self, *services: str, tail: int = -1) -> str:
        """What the containers wrote, one behind the other, each line behind its container's name."""
        from wherry.compose.logs import source_of

        found = []
        for one in self._observed(services, all=True):
            text = Container(self._engine, one.id).logs(tail=tail)
            name = source_of(one, self.name).name
            found += [f"{name} | {line}" for line in text.splitlines()]
        return "\n".join(found)

    def _observed(self, services: Sequence[str], *, all: bool) -> list[ObservedContainer]:
        from wherry.compose.choose import containers
        from wherry.compose.observe import observe

        unknown = [name for name in services if name not in self.project.all_services()]
        if unknown:
            raise NotFound(f"no such service: {unknown[0]}")
        return containers(observe(self._engine, self.name), services, all=all)
