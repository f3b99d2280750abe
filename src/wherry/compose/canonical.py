"""A merged tree's short forms made long, and what is left out said: `settle` after each file, `finish` after all.

Trees are changed in place, so that their entries still know where they were written. The order of steps is
compose-go's: merging a second file depends on what the first one was made into.
"""

from __future__ import annotations

from wherry.compose.short_forms import parse_device, parse_port, parse_volume
from wherry.compose.source import fault_in
from wherry.compose.tree import Map, Seq

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from wherry.compose.tree import Mark, Tree

    Warn = Callable[[str], None]

__all__ = ["canonical"]

_RESOURCES = ("volumes", "networks", "secrets", "configs")
_GO_TYPES = {str: "string", int: "int", float: "float64", bool: "bool", type(None): "<nil>"}


def canonical(tree: Tree, warn: Warn, *, lenient: bool = False) -> Tree:
    """
    Make short forms long, in place.

    Args:
        lenient: leave what can't be parsed: there are variables in it.
        warn: told of deprecated forms.

    Raises:
        ComposeError: a short form can't be read.
    """
    work = _Canonical(tree, warn, is_lenient=lenient)
    services = tree.get("services")
    for name, service in services.items() if isinstance(services, dict) else ():
        if isinstance(service, dict):
            work.service(service, ("services", name))
    for kind in _RESOURCES:
        resources = tree.get(kind)
        for name, resource in resources.items() if isinstance(resources, dict) else ():
            if isinstance(resource, dict):
                work.external(resource, (kind, name))
    return tree


def go_type(value: Any) -> str:
    """Name a value's type as Go's %T does."""
    if isinstance(value, dict):
        return "map[string]interface {}"
    if isinstance(value, list):
        return "[]interface {}"
    return next((name for kind, name in _GO_TYPES.items() if type(value) is kind), "string")


class _Canonical:
    def __init__(self, tree: Tree, warn: Warn, *, is_lenient: bool) -> None:
        self.tree, self.warn, self.is_lenient = tree, warn, is_lenient

    def fault(self, path: tuple[str | int, ...], message: str) -> Exception:
        return fault_in(self.tree, path, message)

    def service(self, service: dict[str, Any], path: tuple[str, ...]) -> None:
        for key, change in _SERVICE.items():
            if key in service:
                service[key] = change(self, service[key], (*path, key))
        if isinstance(service.get("dns"), list):
            _leave_out_empty(service["dns"])

    def external(self, resource: dict[str, Any], path: tuple[str, ...]) -> None:
        external = resource.get("external")
        if not isinstance(external, dict):
            return
        resource["external"] = True
        if "name" not in external:
            return
        dotted = ".".join(path)
        self.warn(f"{dotted}: external.name is deprecated. Please set name and external: true")
        if "name" in resource and resource["name"] != external["name"]:
            raise self.fault((*path, "name"), f"{dotted}: name and external.name conflict; only use name")
        resource["name"] = external["name"]

    def build(self, value: Any, path: tuple[str, ...]) -> Any:
        if isinstance(value, str):
            return Map({"context": value})
        if not isinstance(value, dict):
            raise self.fault(path, f"{'.'.join(path)}: invalid type {go_type(value)} for build")
        for key, change in _BUILD.items():
            if key in value:
                value[key] = change(self, value[key], (*path, key))
        return value

    def depends_on(self, value: Any, path: tuple[str, ...]) -> Any:
        if isinstance(value, list):
            marks = getattr(value, "marks", [])
            made: dict[str, Any] = {name: Map({"condition": "service_started", "required": True}) for name in value}
            return Map(made, {str(name): mark for name, mark in zip(value, marks, strict=False) if mark})
        if not isinstance(value, dict):
            raise self.fault(path, f"{'.'.join(path)}: invalid type {go_type(value)} for depend_on")
        for name, each in value.items():
            if not isinstance(each, dict):
                raise self.fault((*path, name), f"{'.'.join(path)}.{name}: unsupported value {each}")
            each.setdefault("condition", "service_started")
            each.setdefault("required", True)
        return value

    def env_file(self, value: Any, path: tuple[str, ...]) -> Any:
        if isinstance(value, str):
            value = Seq([value])
        if not isinstance(value, list):
            raise self.fault(path, f"{'.'.join(path)}: invalid type {go_type(value)} for env_file")
        for at, each in enumerate(value):
            if isinstance(each, str):
                value[at] = Map({"path": each, "required": True})
            elif isinstance(each, dict):
                each.setdefault("required", True)
        return value

    def strings(self, value: Any, _path: tuple[str, ...]) -> Any:
        return Seq([value]) if isinstance(value, str) else value

    def extends(self, value: Any, _path: tuple[str, ...]) -> Any:
        return Map({"service": value}) if isinstance(value, str) else value

    def gpus(self, value: Any, path: tuple[str, ...]) -> Any:
        if isinstance(value, str):
            return Seq([Map({"count": "all"})])
        if not isinstance(value, list):
            raise self.fault(path, f"{'.'.join(path)}: invalid type {go_type(value)} for gpus")
        return value

    def networks(self, value: Any, _path: tuple[str, ...]) -> Any:
        if not isinstance(value, list):
            return value
        marks = getattr(value, "marks", [])
        return Map(dict.fromkeys(value), {str(name): mark for name, mark in zip(value, marks, strict=False) if mark})

    def volumes(self, value: Any, path: tuple[str, ...]) -> Any:
        return self.each(value, path, parse_volume, "service volume mount")

    def devices(self, value: Any, path: tuple[str, ...]) -> Any:
        return self.each(value, path, parse_device, "service volume mount")

    def files(self, value: Any, path: tuple[str, ...]) -> Any:
        return self.each(value, path, lambda text: {"source": text}, "secret")

    def each(self, value: Any, path: tuple[str, ...], parse: Callable[[str], dict[str, Any]], what: str) -> Any:
        for at, entry in enumerate(value if isinstance(value, list) else ()):
            if isinstance(entry, str):
                try:
                    value[at] = Map(parse(entry))
                except ValueError as fault:
                    # Differs from docker: `config --no-interpolate` fails there when `${NAME:-x}` has a colon too many
                    if not self.is_lenient:
                        raise self.fault((*path, at), str(fault)) from None
            elif not isinstance(entry, dict):
                dotted = f"{'.'.join(path)}.[]"
                raise self.fault((*path, at), f"{dotted}: invalid type {go_type(entry)} for {what}")
        return value

    def ports(self, value: Any, path: tuple[str, ...]) -> Any:
        if not isinstance(value, list):
            raise self.fault(path, f"{'.'.join(path)}: invalid type {go_type(value)} for port")
        ports, marks = Seq(), list[Mark | None]() if TYPE_CHECKING else []
        known = getattr(value, "marks", [])
        for at, entry in enumerate(value):
            mark = known[at] if at < len(known) else None
            if isinstance(entry, dict):
                made: list[Any] = [entry]
            elif isinstance(entry, str) or type(entry) is int:
                try:
                    made = [Map(port) for port in parse_port(str(entry))]
                except ValueError as fault:
                    if self.is_lenient:
                        return value
                    raise self.fault((*path, at), str(fault)) from None
            else:
                raise self.fault((*path, at), f"{'.'.join(path)}: invalid type {go_type(entry)} for port")
            ports += made
            marks += [mark] * len(made)
        ports.marks = marks
        return ports

    def contexts(self, value: Any, path: tuple[str, ...]) -> Any:
        if not isinstance(value, list):
            return value
        made = Map()
        for at, entry in enumerate(value):
            name, is_pair, target = str(entry).partition("=")
            if not is_pair:
                if self.is_lenient:
                    return value
                message = f"{'.'.join(path)}: invalid value {entry}, expected key=value"
                raise self.fault((*path, at), message)
            made[name] = target
        return made

    def ssh(self, value: Any, path: tuple[str, ...]) -> Any:
        if not isinstance(value, list):
            return value
        made = Map()
        for at, entry in enumerate(value):
            if not isinstance(entry, str):
                raise self.fault((*path, at), f"invalid ssh key type {go_type(entry)}")
            name, is_pair, target = entry.partition("=")
            if not is_pair and name != "default":
                raise self.fault((*path, at), f'invalid ssh key "{entry}"')
            made[name] = target if is_pair else None
        return made

    def ulimits(self, value: Any, path: tuple[str, ...]) -> Any:
        for name, each in value.items() if isinstance(value, dict) else ():
            if not isinstance(each, dict) and type(each) is not int:
                dotted = f"{'.'.join(path)}.{name}"
                raise self.fault((*path, name), f"{dotted}: invalid type {go_type(each)} for external")
        return value


def _leave_out_empty(dns: list[Any]) -> None:
    dns[:] = [each for each in dns if each not in {None, ""}]


_SERVICE: dict[str, Callable[[_Canonical, Any, tuple[str, ...]], Any]] = {
    "build": _Canonical.build,
    "depends_on": _Canonical.depends_on,
    "env_file": _Canonical.env_file,
    "label_file": _Canonical.strings,
    "extends": _Canonical.extends,
    "gpus": _Canonical.gpus,
    "networks": _Canonical.networks,
    "volumes": _Canonical.volumes,
    "dns": _Canonical.strings,
    "devices": _Canonical.devices,
    "secrets": _Canonical.files,
    "configs": _Canonical.files,
    "ports": _Canonical.ports,
    "ulimits": _Canonical.ulimits,
}
_BUILD: dict[str, Callable[[_Canonical, Any, tuple[str, ...]], Any]] = {
    "secrets": _Canonical.files,
    "additional_contexts": _Canonical.contexts,
    "ssh": _Canonical.ssh,
    "ulimits": _Canonical.ulimits,
}
