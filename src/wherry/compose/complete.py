"""What is said for what a merged tree leaves out, and what it may not say: defaults, single objects, normal form.

Everything here works on the canonical tree, in place, with compose-go's order and words.
"""

from __future__ import annotations

from wherry.compose.go_values import clean_path
from wherry.compose.source import fault_in
from wherry.compose.tree import Map

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from wherry.compose.tree import Tree

__all__ = ["VALUE", "check_objects", "normalize", "put_defaults", "take_environment"]

VALUE = "x-#value"
"""The key that holds a secret's value, which came from the environment and is never written."""


def _services(tree: Tree) -> dict[str, dict[str, Any]]:
    services = tree.get("services")
    if not isinstance(services, dict):
        return {}
    return {name: service for name, service in services.items() if isinstance(service, dict)}


def put_defaults(tree: Tree) -> None:
    """Say what the long forms leave out: a build's context, a secret's target, a port's protocol, all devices."""
    for service in _services(tree).values():
        build = service.get("build")
        if isinstance(build, dict):
            build.setdefault("context", ".")
        for secret in _maps(service.get("secrets")):
            secret.setdefault("target", f"/run/secrets/{secret.get('source')}")
        for port in _maps(service.get("ports")):
            port.setdefault("protocol", "tcp")
            port.setdefault("mode", "ingress")
        for device in _device_requests(service):
            if "count" not in device and "device_ids" not in device:
                device["count"] = "all"


def _maps(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _reserved(service: dict[str, Any]) -> Any:
    value: Any = service
    for key in ("deploy", "resources", "reservations", "devices"):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _device_requests(service: dict[str, Any]) -> list[dict[str, Any]]:
    return _maps(service.get("gpus")) + _maps(_reserved(service))


def check_objects(tree: Tree) -> None:
    """
    Check each object by itself.

    Raises:
        ComposeError: an external volume with options, a secret with two sources, a device request with two counts.
    """
    for name, volume in (tree.get("volumes") or {}).items():
        _check_external(tree, name, volume)
    for kind, keys in (("configs", ("file", "environment", "content")), ("secrets", ("file", "environment"))):
        for name, each in (tree.get(kind) or {}).items():
            _check_file_object(tree, (kind, name), each, keys)
    for name, service in _services(tree).items():
        _check_service(tree, name, service)


def _check_external(tree: Tree, name: str, volume: Any) -> None:
    if not isinstance(volume, dict) or volume.get("external") is not True:
        return
    for key in volume:
        if key not in {"name", "external"} and not key.startswith("x-"):
            message = f'volumes.{name}: conflicting parameters "external" and "{key}" specified'
            raise fault_in(tree, ("volumes", name, key), message, key=True)


def _check_file_object(tree: Tree, path: tuple[str, str], each: Any, keys: tuple[str, ...]) -> None:
    given = [key for key in keys if isinstance(each, dict) and key in each]
    dotted, choice = ".".join(path), "|".join(keys)
    if len(given) > 1:
        raise fault_in(tree, (*path, given[1]), f"{dotted}: {choice} attributes are mutually exclusive", key=True)
    if not given and (not isinstance(each, dict) or ("driver" not in each and "external" not in each)):
        raise fault_in(tree, path, f"{dotted}: one of {choice} must be set", key=True)


def _check_service(tree: Tree, name: str, service: dict[str, Any]) -> None:
    path = ("services", name)
    develop = service.get("develop")
    watch = develop.get("watch") if isinstance(develop, dict) else None
    for at, rule in enumerate(_maps(watch)):
        if rule.get("path") == "":
            where = (*path, "develop", "watch", at, "path")
            raise fault_in(tree, where, f"services.{name}.develop.watch.[].path: value can't be blank")
    for key, value in (("gpus", service.get("gpus")), ("deploy.resources.reservations.devices", _reserved(service))):
        for at, request in enumerate(_maps(value)):
            if "count" in request and "device_ids" in request:
                message = f'services.{name}.{key}.[]: "count" and "device_ids" attributes are exclusive'
                raise fault_in(tree, (*path, *key.split("."), at), message)


def take_environment(tree: Tree, environment: Mapping[str, str]) -> None:
    """Read what secrets, configs and the lists of services take from the environment."""
    for service in _services(tree).values():
        given = service.get("environment")
        if isinstance(given, list):
            given[:] = [f"{each}={environment[each]}" if each in environment else each for each in given]
    for kind, key in (("secrets", VALUE), ("configs", "content")):
        for each in (tree.get(kind) or {}).values():
            name = each.get("environment") if isinstance(each, dict) else None
            if isinstance(name, str) and name in environment:
                each[key] = environment[name]


def normalize(tree: Tree, project: str, environment: Mapping[str, str]) -> None:
    """Say what is implied: the default network, dependencies, values from the environment, names of resources."""
    _imply_networks(tree)
    for service in _services(tree).values():
        if service.get("pull_policy") == "if_not_present":
            service["pull_policy"] = "missing"
        build = service.get("build")
        if isinstance(build, dict):
            if build.get("context") is None:
                build["context"] = "."
            if build.get("dockerfile") is None and build.get("dockerfile_inline") is None:
                build["dockerfile"] = "Dockerfile"
            if "args" in build:
                build["args"] = _valued(build["args"], environment, keep=False)
        if "environment" in service:
            service["environment"] = _valued(service["environment"], environment, keep=True)
        for volume in _maps(service.get("volumes")):
            volume["target"] = clean_path(volume.get("target") or ".")
        _imply_dependencies(service)
    _name_resources(tree, project)


def _imply_networks(tree: Tree) -> None:
    is_used = False
    for service in _services(tree).values():
        if "network_mode" in service:
            continue
        if not service.get("networks"):
            service["networks"] = Map({"default": None})
        is_used = is_used or "default" in service["networks"]
    networks = tree.get("networks")
    if networks is None:
        networks = Map()
    if is_used and "default" not in networks:
        networks["default"] = None
    if networks:
        tree["networks"] = networks


def _valued(given: Any, environment: Mapping[str, str], *, keep: bool) -> Any:
    """Give names without a value the environment's; without one there they stay (`keep`) or go."""
    if isinstance(given, dict):
        valued = {name: environment.get(name) if value is None else value for name, value in given.items()}
        return {name: value for name, value in valued.items() if keep or value is not None}
    if not isinstance(given, list):
        return given
    made = []
    for each in given:
        if isinstance(each, str) and "=" not in each:
            if each in environment:
                made.append(f"{each}={environment[each]}")
            elif keep:
                made.append(each)
        elif isinstance(each, str):
            made.append(each)
    return made


def _imply_dependencies(service: dict[str, Any]) -> None:
    depends_on = service.get("depends_on")
    if not isinstance(depends_on, dict):
        depends_on = Map()

    def imply(name: str, *, restart: bool) -> None:
        depends_on.setdefault(name, {"condition": "service_started", "restart": restart, "required": True})

    for link in service.get("links") or ():
        parts = str(link).split(":")
        imply(parts[0] if len(parts) == 2 else str(link), restart=True)
    for key in ("network_mode", "ipc", "pid", "uts", "cgroup"):
        mode = service.get(key)
        if isinstance(mode, str) and mode.startswith("service:"):
            imply(mode.removeprefix("service:"), restart=True)
    for source in service.get("volumes_from") or ():
        if not str(source).startswith("container:"):
            imply(str(source).split(":")[0], restart=False)
    if depends_on:
        service["depends_on"] = depends_on


def _name_resources(tree: Tree, project: str) -> None:
    for kind in ("networks", "volumes", "configs", "secrets"):
        resources = tree.get(kind)
        for key in list(resources) if isinstance(resources, dict) else ():
            resource = resources[key]
            if resource is None:
                resource = resources[key] = Map()
            if resource.get("name") is None:
                is_external = str(resource.get("external", "")).lower() in {"true", "1", "t"}
                resource["name"] = key if is_external else f"{project}_{key}"
