"""`ps`: rows and states as docker shows them. Its filters are in containers_filter."""

from __future__ import annotations

import time

from wherry import lean_json as json
from wherry.engine.containers_repair import repair_all
from wherry.errors import InputError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NamedTuple

    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.network.model import Published
    from wherry.runtime.state import ContainerState

    Filters = Mapping[str, Sequence[str]]
else:
    from wherry.lean import NamedTuple

__all__ = [
    "Filters",
    "Summary",
    "exposed",
    "image_size",
    "labelled",
    "network_names",
    "networks",
    "parse_filters",
    "ports",
    "published_places",
    "summaries",
]


class Summary(NamedTuple):
    """One line of `ps`. `command` is whole; `ports` are docker's texts; sizes in bytes, -1 when not asked for."""

    row: ContainerRow
    state: ContainerState
    image: str
    ports: tuple[str, ...]
    size: int = -1
    virtual_size: int = -1


def parse_filters(words: Sequence[str], *, prune: bool = False) -> dict[str, list[str]]:
    """Of "KEY=VALUE" words. Raises: InputError for an unknown key or a value that can't be, as docker."""
    if not words:
        return {}
    from wherry.engine import containers_filter

    return containers_filter.parse_filters(words, prune=prune)


def summaries(engine: Engine, filters: Filters | None, *, all: bool, size: bool) -> list[Summary]:
    """See Containers.list."""
    filters = filters or {}
    all = all or "status" in filters
    if filters:
        from wherry.engine.containers_filter import chosen

        passes = chosen(engine, filters)
    else:
        passes = _always
    rows = [(row, state) for row, state in repair_all(engine) if (all or state.is_running) and passes(row, state)]
    return _summaries(engine, rows, size=size)


def labelled(engine: Engine, key: str, value: str) -> list[Summary]:
    """Of the containers with this label, running or not, newest first: as `summaries` with that filter, and quicker."""
    from wherry.engine.labelled import containers

    return _summaries(engine, containers(engine, key, value), size=False)


def _summaries(
    engine: Engine, rows: Sequence[tuple[ContainerRow, ContainerState]], *, size: bool
) -> list[Summary]:  # fmt: skip
    exposing = _Exposing(engine)
    means = _Meaning(engine)
    return [_summary(engine, row, state, (means, exposing), size=size) for row, state in rows]


def _always(row: ContainerRow, state: ContainerState) -> bool:
    return True


def _summary(
    engine: Engine, row: ContainerRow, state: ContainerState, known: tuple[_Meaning, _Exposing], *, size: bool
) -> Summary:
    means, exposing = known
    own = whole = -1
    if size:
        from wherry.fs.tree import disk_usage

        own = disk_usage(f"{engine.containers.bundle(row.id)}/upper")
        whole = own + image_size(engine, row)
    texts = _port_texts(_published(engine, row.id), exposing.of(row)) if state.is_running else ()
    return Summary(row, state, _shown_image(row, means), texts, own, whole)


def networks(engine: Engine, row: ContainerRow, state: ContainerState) -> tuple[str, ...]:
    """The names of those that it is on, or is to be on."""
    attached = engine.networks.of(row.id) if state.is_running else None
    if attached:
        return tuple(one.network.name for one in attached.joined)
    return network_names(row)


def network_names(row: ContainerRow) -> tuple[str, ...]:
    """Those that it is to be on, as they were named."""
    options = row.options()
    if options.networks is not None:
        return tuple(one.network for one in options.networks)
    mode = options.network
    return () if mode.startswith("container:") else ("bridge" if mode in ("", "default") else mode,)


def image_size(engine: Engine, row: ContainerRow) -> int:
    from wherry.oci.digest import Digest

    try:
        return engine.image_store.get(Digest(row.image_id)).size
    except NotFound:
        return 0


class _Meaning:
    """Which image a name means now; many containers have one name."""

    def __init__(self, engine: Engine) -> None:
        self._references = dict(engine.db.read().execute("SELECT name, image_id FROM reference").fetchall())
        self._known: dict[str, str] = {}

    def of(self, name: str) -> str:
        """The image's id, "" for none. Raises: InputError."""
        if name not in self._known:
            from wherry.oci.reference import Reference

            self._known[name] = self._references.get(str(Reference.parse(name)), "")
        return self._known[name]


def _shown_image(row: ContainerRow, means: _Meaning) -> str:
    """The name as the user gave it, unless it means another image by now: then the id."""
    short = row.image_id.partition(":")[2][:12]
    if row.image_id.partition(":")[2].startswith(row.image_name.removeprefix("sha256:")):
        return short
    try:
        return row.image_name if means.of(row.image_name) == row.image_id else short
    except InputError:
        return short


def ports(engine: Engine, id: str) -> list[tuple[str, str]]:
    """("80/tcp", "0.0.0.0:8080"), IPv4 before IPv6, for what is published now."""
    found = []
    for one in _published(engine, id):
        found += [(f"{one.container_port}/{one.protocol}", f"{ip}:{one.host_port}") for ip in _host_ips(one)]
    return found


def _published(engine: Engine, id: str) -> tuple[Published, ...]:
    """Of the rows alone: `engine.networks` loads what makes networks, at 8 ms."""
    from wherry.network.ipam import AddressPlan

    return AddressPlan(engine.db, engine.settings.paths.tag).published(id)


def _host_ips(one: Published) -> tuple[str, ...]:
    if one.host_ip == "":
        return ("0.0.0.0", "[::]")  # noqa: S104 - what is shown, as docker does
    return (f"[{one.host_ip}]" if ":" in one.host_ip else one.host_ip,)


def published_places(engine: Engine, one: Summary) -> list[tuple[int, str, str, int]]:
    """(container port, protocol, host address or "", host port or 0) of one that runs, exposed ports included."""
    if not one.state.is_running:
        return []
    return _places(_published(engine, one.row.id), exposed(engine, one.row))


def _port_texts(published: Sequence[Published], exposed: Sequence[str]) -> tuple[str, ...]:
    return port_column(_places(published, exposed))


def _places(published: Sequence[Published], exposed: Sequence[str]) -> list[tuple[int, str, str, int]]:
    taken = {f"{one.container_port}/{one.protocol}" for one in published}
    places = [(one.container_port, one.protocol, ip, one.host_port) for one in published for ip in _host_ips(one)]
    for port in exposed:
        if port not in taken:
            number, _, protocol = port.partition("/")
            places.append((int(number), protocol, "", 0))
    return places


def port_column(places: Sequence[tuple[int, str, str, int]]) -> tuple[str, ...]:
    """docker's PORTS of (container port, protocol, host address or "", host port): ports that follow each other are one
    range when each has the same number on the host, the others come last."""
    runs: dict[tuple[str, str], list[int]] = {}
    done, others = [], []
    for port, protocol, ip, host_port in sorted(places, key=lambda one: (one[0], one[2], one[3], one[1])):
        if ip and host_port != port:
            others.append(f"{ip}:{host_port}->{port}/{protocol}")
            continue
        run = runs.get((ip, protocol))
        if run and port != run[1] + 1:
            done.append(_range_text(ip, protocol, *run))
            run = None
        runs[ip, protocol] = [run[0], port] if run else [port, port]
    return (*done, *(_range_text(ip, protocol, *run) for (ip, protocol), run in runs.items()), *others)


def _range_text(ip: str, protocol: str, first: int, last: int) -> str:
    text = str(first) if first == last else f"{first}-{last}"
    return f"{ip}:{text}->{text}/{protocol}" if ip else f"{text}/{protocol}"


class _Exposing:
    """What containers expose; an image's configuration is read once, however many run of it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._of_images: dict[str, tuple[str, ...]] = {}

    def of(self, row: ContainerRow) -> tuple[str, ...]:
        if row.image_id not in self._of_images:
            self._of_images[row.image_id] = self._of_image(row.image_id)
        # Most expose nothing of their own: their options need not be read
        own = row.options().expose if '"expose"' in row.options_json else ()
        ports = dict.fromkeys((*self._of_images[row.image_id], *own))
        return tuple(one if "/" in one else f"{one}/tcp" for one in ports)

    def _of_image(self, image_id: str) -> tuple[str, ...]:
        from wherry.oci.digest import Digest

        try:
            # Not the whole configuration, whose types load in 5 ms
            doc = json.loads(self._engine.blobs.read(Digest(image_id)))
        except NotFound:
            return ()
        return tuple(sorted((doc.get("config") or {}).get("ExposedPorts") or ()))


def exposed(engine: Engine, row: ContainerRow) -> tuple[str, ...]:
    """PORT/PROTOCOL of its image and its own."""
    return _Exposing(engine).of(row)


def status_text(state: ContainerState, ago: str) -> str:
    """docker's STATUS column; `ago` is the span since it started (when it runs) or ended."""
    if state.status in ("running", "paused"):
        note = " (Paused)" if state.status == "paused" else ""
        health = (state.health or {}).get("Status", "")
        if health and not note:
            note = " (health: starting)" if health == "starting" else f" ({health})"
        return f"Up {ago}{note}"
    if state.status == "restarting":
        return f"Restarting ({state.exit_code}) {ago} ago"
    if state.status == "exited":
        return f"Exited ({state.exit_code}) {ago} ago" if state.finished_ns else f"Exited ({state.exit_code})"
    return {"removing": "Removal In Progress", "dead": "Dead"}.get(state.status, "Created")


def age_s(state: ContainerState) -> float:
    """Seconds since the moment that the STATUS column counts from."""
    since = state.started_ns if state.status in ("running", "paused") else state.finished_ns
    return (time.time_ns() - since) / 1e9
