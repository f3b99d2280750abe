"""What is there of a project: its containers, networks and volumes, by docker-compose's labels alone.

No file is read, so `ps`, `down` and `ls` work without one. One look is five SELECTs, and two or three small files for
each container of the project; what a killed process left is put right on the way, as by `wherry ps`.
"""

from __future__ import annotations

from wherry import lean_json as json
from wherry.compose import labels

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NamedTuple

    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.runtime.state import ContainerState
else:
    from wherry.lean import NamedTuple

__all__ = ["Observed", "ObservedContainer", "ObservedNetwork", "ObservedVolume", "depends_on", "observe", "projects"]


class ObservedContainer(NamedTuple):
    """One container. `status` is docker's: created, running, paused, restarting, exited, removing or dead.

    `number` is its container-number, 0 when the label is no number. `networks` are the names of those that it is on;
    when it does not run, of those that it is to be on. `volumes` are (target, name of a volume, whether it is the
    container's own anonymous one). `options_json` is the engine's RunOptions, what the container was made of.
    """

    id: str
    name: str
    service: str
    number: int = 1
    one_off: bool = False
    status: str = "running"
    exit_code: int = 0
    health: str = ""
    """"starting", "healthy", "unhealthy", or "" without a health check."""
    image_id: str = ""
    labels: Mapping[str, str] = {}
    networks: tuple[str, ...] = ()
    volumes: tuple[tuple[str, str, bool], ...] = ()
    created_ns: int = 0
    options_json: str = "{}"

    @property
    def is_running(self) -> bool:
        """docker's State.Running: true while paused or waiting to be restarted, too."""
        return self.status in ("running", "paused", "restarting")

    @property
    def config_hash(self) -> str:
        return self.labels.get(labels.CONFIG_HASH, "")

    @property
    def made_from(self) -> str:
        """The id of the image that its service had when it was made: the label, which may be that of a manifest."""
        return self.labels.get(labels.IMAGE, "") or self.image_id

    @property
    def replaces(self) -> str:
        """The id of the container that it was made to take the place of, or ""."""
        return self.labels.get(labels.REPLACE, "")


class ObservedNetwork(NamedTuple):
    """`key` is that in the file, "" for one of no project. `config_hash` "": docker-compose 2.26 made it, and nobody
    can tell whether it drifted. `others` are the ids of running containers on it that are not the project's."""

    name: str
    id: str
    key: str = ""
    project: str = ""
    config_hash: str = ""
    others: tuple[str, ...] = ()


class ObservedVolume(NamedTuple):
    """As ObservedNetwork; `others` mount it, running or not."""

    name: str
    key: str = ""
    project: str = ""
    config_hash: str = ""
    others: tuple[str, ...] = ()


class Observed(NamedTuple):
    """`containers` by service, number and age. `networks` and `volumes` are all of this root by name: also those of
    others, which may be external ones of the project, or have a name that it wants. Its own have `project`."""

    project: str
    containers: tuple[ObservedContainer, ...] = ()
    networks: Mapping[str, ObservedNetwork] = {}
    volumes: Mapping[str, ObservedVolume] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing of the project is there."""
        return not (self.containers or self.own_networks or self.own_volumes)

    @property
    def own_networks(self) -> tuple[ObservedNetwork, ...]:
        return tuple(one for one in self.networks.values() if one.project == self.project)

    @property
    def own_volumes(self) -> tuple[ObservedVolume, ...]:
        return tuple(one for one in self.volumes.values() if one.project == self.project)

    def of_service(self, service: str, *, one_off: bool = False) -> tuple[ObservedContainer, ...]:
        return tuple(one for one in self.containers if one.service == service and one.one_off is one_off)

    @property
    def services(self) -> tuple[str, ...]:
        """The names of services that have containers, by name."""
        return tuple(sorted({one.service for one in self.containers}))


def depends_on(container: ObservedContainer) -> dict[str, tuple[str, bool]]:
    """The services that its service depended on when it was made: name to (condition, restart)."""
    found: dict[str, tuple[str, bool]] = {}
    for entry in container.labels.get(labels.DEPENDS_ON, "").split(","):
        service, _, rest = entry.partition(":")
        condition, _, restart = rest.partition(":")
        if service:
            found[service] = (condition or "service_started", restart == "true")
    return found


def observe(engine: Engine, project: str) -> Observed:
    """All that is there of `project`. What has its labels from an image that it built, and so no hash, is not."""
    from wherry.engine import labelled

    joined, mounted = labelled.joined(engine), labelled.mounted(engine)
    found = [
        _container(row, state, joined, mounted)
        for row, state in labelled.containers(engine, labels.PROJECT, project)
        if labels.SERVICE in row.labels and labels.CONFIG_HASH in row.labels
    ]
    found.sort(key=lambda one: (one.service, one.one_off, one.number, one.created_ns))
    own = {one.id for one in found}
    on = _users({id: names for id, names in joined.items() if id not in own})
    using = _users({id: [name for _, name, _ in some] for id, some in mounted.items() if id not in own})
    return Observed(project, tuple(found), _networks(engine, on), _volumes(engine, using))


def projects(engine: Engine) -> dict[str, list[tuple[ContainerRow, ContainerState]]]:
    """Every project that has containers, by name, with those."""
    found: dict[str, list[tuple[ContainerRow, ContainerState]]] = {}
    from wherry.engine import labelled

    for row, state in labelled.containers(engine, labels.PROJECT):
        found.setdefault(row.labels[labels.PROJECT], []).append((row, state))
    return dict(sorted(found.items()))


def _container(
    row: ContainerRow,
    state: ContainerState,
    joined: Mapping[str, list[str]],
    mounted: Mapping[str, list[tuple[str, str, bool]]],
) -> ObservedContainer:
    number = row.labels.get(labels.NUMBER, "")
    return ObservedContainer(
        row.id,
        row.name,
        row.labels[labels.SERVICE],
        int(number) if number.isascii() and number.isdecimal() else 0,
        row.labels.get(labels.ONE_OFF) == "True",
        state.status,
        state.exit_code,
        str((state.health or {}).get("Status", "")),
        row.image_id,
        row.labels,
        tuple(joined[row.id]) if row.id in joined else _wanted_networks(row),
        tuple(mounted.get(row.id, ())),
        row.created_ns,
        row.options_json,
    )


def _wanted_networks(row: ContainerRow) -> tuple[str, ...]:
    """Of the text of its options: reading them all costs more."""
    options: dict[str, Any] = json.loads(row.options_json)
    if (joins := options.get("networks")) is not None:
        return tuple(one["network"] for one in joins)
    mode = options.get("network", "")
    return () if mode.startswith("container:") else ("bridge" if mode in ("", "default") else mode,)


def _users(named: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    """Of {container: names}: {name: containers}."""
    found: dict[str, tuple[str, ...]] = {}
    for id, names in named.items():
        for name in dict.fromkeys(names):
            found[name] = (*found.get(name, ()), id)
    return found


def _networks(engine: Engine, others: Mapping[str, tuple[str, ...]]) -> dict[str, ObservedNetwork]:
    from wherry.engine import labelled

    found = {name: ObservedNetwork(name, name) for name in ("bridge", "host", "none")}
    for name, id, has in labelled.networks(engine):
        found[name] = ObservedNetwork(
            name, id, has.get(labels.NETWORK, ""), has.get(labels.PROJECT, ""), has.get(labels.CONFIG_HASH, ""),
            others.get(name, ()),
        )  # fmt: skip
    return found


def _volumes(engine: Engine, others: Mapping[str, tuple[str, ...]]) -> dict[str, ObservedVolume]:
    from wherry.engine import labelled

    found = {}
    for name, has in labelled.volumes(engine):
        found[name] = ObservedVolume(
            name, has.get(labels.VOLUME, ""), has.get(labels.PROJECT, ""), has.get(labels.CONFIG_HASH, ""),
            others.get(name, ()),
        )  # fmt: skip
    return found
