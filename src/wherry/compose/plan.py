"""A plan: what is to be done to a project, in which order, and why. Plain values: making one changes nothing.

`reconcile` and `images` make plans, `execute` runs them, and `--dry-run` prints them:

    1  create network shop_default: it is missing
    2  create container shop-db-1: it is missing (after 1)
    3  start container shop-db-1: it does not run (after 2)

A step may begin once all that it `needs` are done; those that do not need each other may run side by side.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import NamedTuple, TypeAlias
else:
    from wherry.lean import NamedTuple

__all__ = [
    "BuildImage", "Cause", "ContainerRef", "CreateContainer", "CreateNetwork", "CreateVolume", "KillContainer",
    "Operation", "PauseContainer", "Plan",
    "Planner", "PullImage", "RemoveContainer", "RemoveImage", "RemoveNetwork", "RemoveVolume",
    "RenameContainer", "RunHook", "RunProvider", "StartContainer", "Step", "StopContainer",
    "UnpauseContainer", "WaitFor",
]  # fmt: skip

STARTED, HEALTHY, COMPLETED = "service_started", "service_healthy", "service_completed_successfully"
"""Conditions of depends_on, as WaitFor has them."""


class Cause(NamedTuple):
    """Why a step is there. `kind` is for programs, `text` for people: one clause, without a full stop.

    Kinds: "missing", "config", "image", "forced", "parent", "network", "volume", "scale", "surplus", "orphan",
    "leftover" (of a recreation that was killed), "recreate" (a piece of one), "start", "depends", "hook", "down",
    "policy" (of pulling), "provider".
    """

    kind: str
    text: str


class ContainerRef(NamedTuple):
    """A container by its name at the time of the step. `id` "" is one that an earlier step of the same plan creates.

    `number` is its com.docker.compose.container-number.
    """

    name: str
    id: str = ""
    service: str = ""
    number: int = 0

    @property
    def handle(self) -> str:
        """What the engine finds it by, at the time of the step."""
        return self.id or self.name


class CreateNetwork(NamedTuple):
    """`key` in the model's networks; `name` on the host."""

    key: str
    name: str

    def __str__(self) -> str:
        return f"create network {self.name}"


class RemoveNetwork(NamedTuple):
    """`if_unused`: it stays when a container is on it, which is no failure ("Resource is still in use")."""

    name: str
    id: str
    if_unused: bool = False

    def __str__(self) -> str:
        return f"remove network {self.name}"


class CreateVolume(NamedTuple):
    """`key` in the model's volumes; `name` on the host."""

    key: str
    name: str

    def __str__(self) -> str:
        return f"create volume {self.name}"


class RemoveVolume(NamedTuple):
    """`if_unused` as RemoveNetwork's."""

    name: str
    if_unused: bool = False

    def __str__(self) -> str:
        return f"remove volume {self.name}"


class CreateContainer(NamedTuple):
    """Create `container` (its `name` is that at creation) for number `container.number` of `container.service`.

    `final_name` is what it is called once all is done: labels and DNS names are made of that. `replaces` is the id of
    the container that it takes the place of (the label com.docker.compose.replace), `inherited` are the anonymous
    volumes of that one: (target, name). `shares` says with which container of another service it shares what the model
    says: (service, number); the one of that number that replaces another counts.
    """

    container: ContainerRef
    final_name: str
    replaces: str = ""
    inherited: tuple[tuple[str, str], ...] = ()
    shares: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        as_name = "" if self.container.name == self.final_name else f" as {self.container.name}"
        return f"create container {self.final_name}{as_name}"


class StartContainer(NamedTuple):
    container: ContainerRef

    def __str__(self) -> str:
        return f"start container {self.container.name}"


class StopContainer(NamedTuple):
    """`timeout_s` None is the container's own stop_grace_period."""

    container: ContainerRef
    timeout_s: int | None = None

    def __str__(self) -> str:
        return f"stop container {self.container.name}"


class RemoveContainer(NamedTuple):
    """`volumes`: its anonymous volumes go with it. `force`: though it may run."""

    container: ContainerRef
    volumes: bool = False
    force: bool = False

    def __str__(self) -> str:
        return f"remove container {self.container.name}"


class KillContainer(NamedTuple):
    """`signal` as the user wrote it: "SIGKILL", "TERM", "9"."""

    container: ContainerRef
    signal: str = "SIGKILL"

    def __str__(self) -> str:
        return f"kill container {self.container.name} with {self.signal}"


class PauseContainer(NamedTuple):
    container: ContainerRef

    def __str__(self) -> str:
        return f"pause container {self.container.name}"


class UnpauseContainer(NamedTuple):
    container: ContainerRef

    def __str__(self) -> str:
        return f"unpause container {self.container.name}"


class RenameContainer(NamedTuple):
    container: ContainerRef
    new_name: str

    def __str__(self) -> str:
        return f"rename container {self.container.name} to {self.new_name}"


class RunHook(NamedTuple):
    """Run the hook number `place` (from 0) of the service's `hook`, "post_start" or "pre_stop", in a container."""

    container: ContainerRef
    hook: str
    place: int

    def __str__(self) -> str:
        return f"run {self.hook} hook {self.place + 1} in container {self.container.name}"


class WaitFor(NamedTuple):
    """Wait until all `containers` of `service` fulfil `condition`. When one can't any more, that is an error if
    `is_required`, else a warning."""

    service: str
    condition: str
    containers: tuple[ContainerRef, ...]
    is_required: bool = True

    def __str__(self) -> str:
        what = {STARTED: "to be started", HEALTHY: "to be healthy", COMPLETED: "to complete successfully"}
        return f"wait for service {self.service} {what.get(self.condition, self.condition)}"


class PullImage(NamedTuple):
    """`or_build`: a service with a build section, whose image is built when it can't be pulled."""

    service: str
    image: str
    or_build: bool = False

    def __str__(self) -> str:
        return f"pull image {self.image}"


class BuildImage(NamedTuple):
    service: str
    image: str

    def __str__(self) -> str:
        return f"build image {self.image}"


class RemoveImage(NamedTuple):
    """`if_unused` as RemoveNetwork's."""

    image: str
    if_unused: bool = True

    def __str__(self) -> str:
        return f"remove image {self.image}"


class RunProvider(NamedTuple):
    """Let the service's provider do `command`, "up" or "down"."""

    service: str
    command: str

    def __str__(self) -> str:
        return f"run provider of service {self.service}: {self.command}"


Operation: TypeAlias = (
    "CreateNetwork | RemoveNetwork | CreateVolume | RemoveVolume | CreateContainer | StartContainer | StopContainer | "
    "RemoveContainer | RenameContainer | RunHook | WaitFor | PullImage | BuildImage | "
    "RemoveImage | RunProvider | KillContainer | PauseContainer | UnpauseContainer"
)


class Step(NamedTuple):
    """`id` counts from 1, in an order that could be run as it stands; `needs` are lower ids, ascending."""

    id: int
    operation: Operation
    cause: Cause
    needs: tuple[int, ...] = ()

    def __str__(self) -> str:
        after = f" (after {', '.join(map(str, self.needs))})" if self.needs else ""
        return f"{self.operation}: {self.cause.text}{after}"


class Plan(NamedTuple):
    """The steps in order. `warnings` are for the user before anything is done; `unchanged` are the containers that are
    as they should be and run already (docker-compose shows them as "Running")."""

    steps: tuple[Step, ...] = ()
    warnings: tuple[str, ...] = ()
    unchanged: tuple[ContainerRef, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.steps

    def text(self) -> str:
        """One line for each step, as --dry-run prints it; "" when there is nothing to do."""
        width = len(str(len(self.steps)))
        return "".join(f"{step.id:>{width}}  {step}\n" for step in self.steps)

    def then(self, other: Plan) -> Plan:
        """Both, the steps of `other` numbered on from these; each of them is done when all of these are."""
        base = len(self.steps)
        moved = (
            step._replace(id=step.id + base, needs=tuple(need + base for need in step.needs)) for step in other.steps
        )
        return Plan((*self.steps, *moved), (*self.warnings, *other.warnings), (*self.unchanged, *other.unchanged))

    def only(self, wanted: Callable[[Operation], bool]) -> Plan:
        """The steps whose operation is wanted, numbered anew; a need of one left out becomes needs of what that
        needed."""
        planner, through = Planner(), dict[int, tuple[int, ...]]()
        for step in self.steps:
            needs = tuple(new for old in step.needs for new in through[old])
            through[step.id] = (planner.add(step.operation, step.cause, needs),) if wanted(step.operation) else needs
        return planner.plan(self.warnings, self.unchanged)


class Planner:
    """Steps are added in an order that could be run: what one needs is there before it, so there can be no cycle."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._behind: list[int] = [0]
        """By id, the steps that it comes behind, directly or not: a bit for each."""

    def add(self, operation: Operation, cause: Cause, needs: Iterable[int] = ()) -> int:
        """The new step's id. What a need needs itself is not kept as another need."""
        id = len(self._steps) + 1
        kept, behind = [], 0
        for need in sorted(set(needs), reverse=True):
            if not 0 < need < id:
                raise ValueError(f"step {id} needs {need}")
            if not behind >> need & 1:
                kept.append(need)
                behind |= self._behind[need] | 1 << need
        self._behind.append(behind)
        self._steps.append(Step(id, operation, cause, tuple(reversed(kept))))
        return id

    def plan(self, warnings: tuple[str, ...] = (), unchanged: tuple[ContainerRef, ...] = ()) -> Plan:
        return Plan(tuple(self._steps), warnings, unchanged)
