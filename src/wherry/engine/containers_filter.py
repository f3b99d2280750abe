"""The filters of `ps` and `container prune`, with docker's rules about how several go together.

Values of one key are alternatives (all labels must be there), and every key must hold; `publish` and `expose` are one.
"""

from __future__ import annotations

import time

from wherry.engine.filters import boolean, by_key, has_label, matches, parse_moment
from wherry.engine.filters import parse_filters as parse_words
from wherry.errors import InputError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.runtime.state import ContainerState

    Filters = Mapping[str, Sequence[str]]
    Test = Callable[[ContainerRow, ContainerState], bool]

__all__ = ["chosen", "parse_filters"]

_KNOWN = (
    "ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation", "label", "name", "network",
    "publish", "since", "status", "volume",
)  # fmt: skip
_PRUNE_KNOWN = ("label", "label!", "until")
_STATUSES = ("created", "restarting", "running", "removing", "paused", "exited", "dead")
_HEALTHS = ("none", "starting", "healthy", "unhealthy")


def parse_filters(words: Sequence[str], *, prune: bool = False) -> dict[str, list[str]]:
    """Of "KEY=VALUE" words. Raises: InputError for an unknown key or a value that can't be, as docker."""
    found = by_key(parse_words(words, _PRUNE_KNOWN if prune else _KNOWN))
    for value in found.get("status", ()):
        if value not in _STATUSES:
            raise InputError(f"invalid filter 'status={value}'", hint="known: " + ", ".join(_STATUSES))
    for value in found.get("health", ()):
        if value not in _HEALTHS:
            raise InputError(f"unrecognized filter value for health: {value}", hint="known: " + ", ".join(_HEALTHS))
    for value in found.get("exited", ()):
        if not (value.removeprefix("-").isdecimal() and len(value) < 20):
            raise InputError(f"invalid filter 'exited={value}': strconv.Atoi: parsing \"{value}\": invalid syntax")
    if "is-task" in found:
        boolean("is-task", found["is-task"])
    for key in ("publish", "expose"):
        for value in found.get(key, ()):
            _ports(key, value)
    for value in found.get("until", ()):
        parse_moment(value, time.time_ns())
    return found


def chosen(engine: Engine, filters: Filters) -> Test:
    """What tells whether a container passes. Raises: NotFound when a container that it is to be compared with is not
    there."""
    tests = [_simple(key, values) or _looked_up(engine, key, values) for key, values in filters.items()]
    if {"publish", "expose"} & filters.keys():
        tests.append(_by_port(engine, filters))
    return lambda row, state: all(test(row, state) for test in tests)


def _simple(key: str, values: Sequence[str]) -> Test | None:
    """What a row and its state tell."""
    if key == "label":
        return lambda row, _: all(has_label(row.labels, value) for value in values)
    if key == "label!":
        return lambda row, _: not any(has_label(row.labels, value) for value in values)
    if key == "name":
        return lambda row, _: matches(values, row.name, f"/{row.name}")
    if key == "id":
        return lambda row, _: matches(values, row.id)
    if key == "status":
        return lambda _, state: state.status in values
    if key == "exited":
        return lambda _, state: (
            not state.is_running and bool(state.started_ns) and state.exit_code in [int(value) for value in values]
        )
    if key == "health":
        return lambda _, state: (state.health or {}).get("Status", "none") in values
    if key == "until":
        moments = [parse_moment(value, time.time_ns()) for value in values]
        return lambda row, _: all(row.created_ns < moment for moment in moments)
    return None


def _looked_up(engine: Engine, key: str, values: Sequence[str]) -> Test:
    """What must be asked of other tables."""
    if key in ("before", "since"):
        limit = engine.containers.find(values[-1]).created_ns
        if key == "before":
            return lambda row, _: row.created_ns < limit
        return lambda row, _: row.created_ns > limit
    if key == "ancestor":
        return lambda row, _: any(_descends(engine, row, value) for value in values)
    if key == "volume":
        return lambda row, _: bool(set(values) & _mounted(engine, row))
    if key == "network":
        return lambda row, state: any(_is_on(engine, row, state, value) for value in values)
    if key == "is-task":
        # There is no swarm here
        wanted = boolean(key, values)
        return lambda row, _: not wanted
    return lambda row, _: True  # isolation, which is Windows's; ports are looked at together


def _by_port(engine: Engine, filters: Filters) -> Test:
    from wherry.engine.containers_list import exposed

    published = {port for value in filters.get("publish", ()) for port in _ports("publish", value)}
    open_to = {port for value in filters.get("expose", ()) for port in _ports("expose", value)}

    def test(row: ContainerRow, state: ContainerState) -> bool:
        attached = engine.networks.of(row.id) if state.is_running else None
        if attached is None or attached.endpoint is None:
            return False
        # As docker: `publish` means ports of the host
        outside = {f"{one.host_port}/{one.protocol}" for one in attached.published}
        inside = {f"{one.container_port}/{one.protocol}" for one in attached.published}
        return bool(published & outside or open_to & {*inside, *exposed(engine, row)})

    return test


def _ports(key: str, value: str) -> list[str]:
    """ "80", "80/udp" or "80-90" as the keys of docker's Ports. Raises: InputError."""
    if ":" in value:
        raise InputError(f"filter for '{key}' should not contain ':': {value}")
    numbers, _, protocol = value.partition("/")
    first, _, last = numbers.partition("-")
    problem = ""
    if not numbers:
        problem = "empty string specified for ports"
    for number in (first, last or first):
        if not problem and not (number.isdecimal() and len(number) < 6 and int(number) < 65536):
            why = "value out of range" if number.isdecimal() else "invalid syntax"
            problem = f'strconv.ParseUint: parsing "{number}": {why}'
    if not problem and last and int(last) < int(first):
        problem = f"invalid range specified for port: {numbers}"
    if problem:
        raise InputError(f"error while looking up for {key} {value}: {problem}")
    return [f"{number}/{protocol or 'tcp'}" for number in range(int(first), int(last or first) + 1)]


def _descends(engine: Engine, row: ContainerRow, image: str) -> bool:
    """From that image itself, or from one built on all of its layers."""
    from wherry.oci.digest import Digest

    try:
        ancestor = engine.images.resolve(image)
        mine = engine.image_store.get(Digest(row.image_id))
    except (NotFound, InputError):
        return False
    return ancestor.id == mine.id or (
        bool(ancestor.layers) and mine.layers[: len(ancestor.layers)] == ancestor.layers
    )  # fmt: skip


def _mounted(engine: Engine, row: ContainerRow) -> set[str]:
    """Names of volumes, folders of the host, and where they are in the container."""
    from wherry.engine.containers_mounts import settle

    found: set[str] = set()
    for one in settle(engine, row):
        found |= {one.volume or one.source, one.target}
    return found


def _is_on(engine: Engine, row: ContainerRow, state: ContainerState, wanted: str) -> bool:
    """By the network's name; a container that has run also by the beginning of its id."""
    from wherry.engine.containers_list import network_names

    names = network_names(row)
    if not wanted or wanted in names:
        return True
    if not (state.started_ns and names):
        return False
    return any(network.id.startswith(wanted) and network.name in names for network in engine.networks.all())
