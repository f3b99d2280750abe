"""A project as docker-compose writes it: records to plain values in the order of Go's structs.

Fields stand in the order in which their records declare them. A field is left out where Go's `omitempty` leaves it out:
when it is empty, zero or false; what is a pointer there is None here when it is absent.
"""

from __future__ import annotations

from wherry.compose.go_values import natural_order
from wherry.compose.model import Config, Network, Secret, Service
from wherry.compose.model_build import (
    Build,
    Deploy,
    GenericResource,
    Placement,
    Resource,
    RestartPolicy,
    SshKey,
    Ulimit,
    UpdateConfig,
    WatchRule,
)
from wherry.compose.model_parts import (
    Dependency,
    EnvFile,
    Healthcheck,
    Hook,
    ThrottleDevice,
    TmpfsOptions,
    WeightDevice,
)
from wherry.compose.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from wherry.compose.model import Project

    Write = Callable[["Present", Any], Any]

__all__ = ["Present", "plain_project"]


class Present:
    """Writes records for YAML, or for JSON (`as_json`): they differ in what is left out and how maps are ordered."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.order: Callable[[Any], list[str]] = sorted if as_json else natural_order

    def value(self, value: Any) -> Any:
        """Write any value of the model."""
        if isinstance(value, Record):
            special = _WHOLE.get(type(value))
            return special(self, value) if special else self.record(value)
        if isinstance(value, tuple | list):
            if not value and self.as_json and isinstance(value, list):
                return None  # As docker's, in `x-` keys: an empty list of a file is none
            return [self.value(each) for each in value]
        if isinstance(value, dict) or hasattr(value, "keys"):
            return self.map(value)
        return value

    def map(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """Write a mapping in the order of its names."""
        return {name: self.value(value[name]) for name in self.order(value)}

    def record(self, value: Record, leave_out: frozenset[str] = frozenset()) -> dict[str, Any]:
        """Write a record's fields, then (YAML) its `x-` keys."""
        kind = type(value)
        given = value.__dict__
        special, always, pointers = _FIELDS.get(kind, {}), _ALWAYS.get(kind, frozenset()), _pointers(kind)
        structs = _STRUCTS.get(kind, frozenset()) if self.as_json else frozenset()
        made: dict[str, Any] = {}
        for name in kind._order:
            is_given = name in given
            if name in leave_out or not (is_given or name in always or name in structs):
                continue
            field = given[name] if is_given else getattr(value, name)
            if not field and name not in always and name not in structs and (field is None or name not in pointers):
                continue
            write = special.get(name)
            written = write(self, field) if write else self.value(field)
            if written != {} or name in structs or name in pointers or name == "extensions":
                made[name] = written
        extensions = made.pop("extensions", None)
        if extensions and not self.as_json:
            made.update(extensions)
        return made

    def service(self, service: Service, leave_out: frozenset[str] = frozenset()) -> dict[str, Any]:
        """Write a service; JSON has always its command and its entrypoint."""
        made = self.record(service, leave_out | {"name"})
        if not self.as_json or {"command", "entrypoint"} <= made.keys():
            return made
        complete: dict[str, Any] = {}
        for name in Service._order:
            if name in made or name in {"command", "entrypoint"}:
                complete[name] = made.get(name)
        return complete


def _pointers(kind: type[Record]) -> frozenset[str]:
    """Fields that are None when they are absent: a zero was said."""
    known = _POINTERS.get(kind)
    if known is None:
        named = frozenset(name for name in kind._order if getattr(kind, name, "") is None)
        known = _POINTERS[kind] = named - _NO_POINTERS.get(kind, set())
    return known


_POINTERS: dict[type[Record], frozenset[str]] = {}


def _size(_present: Present, value: int) -> str:
    return str(value)


def _duration(_present: Present, value: int) -> str:
    from wherry.durations import duration_text

    return duration_text(value)


def _hosts(_present: Present, value: Mapping[str, Any]) -> list[str]:
    return sorted(f"{name}={address}" for name, addresses in value.items() for address in addresses)


def _ssh(_present: Present, key: SshKey) -> str:
    # Differs from docker: its JSON of a key with a path is none, and `config --format json` fails
    return f"{key.id}: {key.path}" if key.path else key.id


def _env_file(present: Present, file: EnvFile) -> Any:
    if file.required:
        return file.path
    made = {"path": file.path, "required": False}
    return {**made, "format": file.format} if present.as_json and file.format else made


def _ulimit(present: Present, limit: Ulimit) -> Any:
    if limit.single:
        return limit.single
    made = {"soft": limit.soft, "hard": limit.hard}
    return {name: value for name, value in made.items() if value} if present.as_json else made


def _rated(present: Present, device: ThrottleDevice | WeightDevice) -> dict[str, Any]:
    """These have no names for JSON: Go takes its own."""
    made = present.record(device)
    return {name.title(): value for name, value in made.items()} if present.as_json else made


def _generic(present: Present, resource: GenericResource) -> dict[str, Any]:
    made: dict[str, Any] = {"discrete_resource_spec": {"kind": resource.kind, "value": resource.value}}
    return made if present.as_json else {**made, **present.map(resource.extensions)}


def _preferences(_present: Present, value: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"spread": each} if each else {} for each in value]


def _hook(present: Present, hook: Hook | None) -> dict[str, Any]:
    made = present.record(hook) if hook is not None else {}
    return {"command": made.pop("command", None), **made} if present.as_json else made


_WHOLE: dict[type[Record], Write] = {
    Service: Present.service,
    SshKey: _ssh,
    EnvFile: _env_file,
    Ulimit: _ulimit,
    ThrottleDevice: _rated,
    WeightDevice: _rated,
    GenericResource: _generic,
    Hook: _hook,
}
_FIELDS: dict[type[Record], dict[str, Write]] = {
    Service: {
        **dict.fromkeys(("mem_limit", "mem_reservation", "memswap_limit", "mem_swappiness", "shm_size"), _size),
        "stop_grace_period": _duration,
        "extra_hosts": _hosts,
    },
    Build: {"shm_size": _size, "extra_hosts": _hosts},
    Resource: {"memory": _size},
    ThrottleDevice: {"rate": _size},
    TmpfsOptions: {"size": _size},
    Healthcheck: dict.fromkeys(("timeout", "interval", "start_period", "start_interval"), _duration),
    UpdateConfig: {"delay": _duration, "monitor": _duration},
    RestartPolicy: {"delay": _duration, "window": _duration},
    Placement: {"preferences": _preferences},
    WatchRule: {"exec": _hook},
}
_ALWAYS: dict[type[Record], frozenset[str]] = {
    ThrottleDevice: frozenset({"path", "rate"}),
    WeightDevice: frozenset({"path", "weight"}),
    Dependency: frozenset({"required"}),
    WatchRule: frozenset({"path", "action"}),
}
"""Fields without `omitempty`."""
_STRUCTS: dict[type[Record], frozenset[str]] = {
    Deploy: frozenset({"resources", "placement"}),
    Network: frozenset({"ipam"}),
    WatchRule: frozenset({"exec"}),
}
"""Fields that JSON has also when they are empty."""
_NO_POINTERS: dict[type[Record], set[str]] = {Secret: {"content"}, Config: {"content"}}


def plain_project(project: Project, *, as_json: bool) -> dict[str, Any]:
    """Give a project as plain values, in the order in which docker-compose writes it."""
    present = Present(as_json=as_json)
    made: dict[str, Any] = {"name": project.name, "services": present.map(project.services)}
    for kind in ("networks", "volumes", "secrets", "configs", "models"):
        values = getattr(project, kind)
        if kind in {"secrets", "configs"}:
            values = {name: _without_value(each) for name, each in values.items()}
        if values:
            made[kind] = present.map(values)
    made.update(present.map(project.extensions))
    return dict(sorted(made.items())) if as_json else made


def _without_value(each: Secret | Config) -> Secret | Config:
    """A secret's value is never shown, nor what a config took from the environment."""
    return each.replace(content=None) if each.environment or isinstance(each, Secret) else each
