"""Lists in which an entry takes the place of an earlier one: two volumes at one target, one variable twice."""

from __future__ import annotations

from wherry.compose.source import fault
from wherry.compose.tree import HERE, Map, Mark, Seq

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Any

    from wherry.compose.tree import Tree

    Index = Callable[[Tree, Mark | None, str], Hashable]

__all__ = ["made_unique"]


def made_unique(tree: Tree) -> Tree:
    """
    The tree, changed: in each list that has keys, of entries with one key the last one, where the first one stood.

    Raises:
        ComposeError: an entry that has no key.
    """
    return _walk(tree, None, "", _INDEXES)


def _walk(tree: Tree, mark: Mark | None, path: str, indexes: dict[str | None, Any]) -> Tree:
    if isinstance(tree, dict):
        marks = tree.marks if isinstance(tree, Map) else {}
        known = list(tree) if "*" in indexes else [key for key in tree if key in indexes]
        for key in known:
            deeper = indexes.get(key) or indexes.get("*")
            if deeper is not None:
                below = f"{path}.{key}" if path else key
                tree[key] = _walk(tree[key], marks.get(key, mark), below, deeper)
    elif isinstance(tree, list) and HERE in indexes:
        return _unique(tree, mark, path, indexes[HERE])
    return tree


def _unique(items: list[Tree], mark: Mark | None, path: str, index: Index) -> list[Tree]:
    marks = items.marks if isinstance(items, Seq) else []
    places: dict[Hashable, int] = {}
    made = Seq()
    for number, item in enumerate(items):
        at = marks[number] if number < len(marks) else None
        key = index(item, at or mark, f"{path}.[{number}]")
        place = places.setdefault(key, len(made))
        if place == len(made):
            made.append(item)
            made.marks.append(at)
        else:
            made[place], made.marks[place] = item, at
    return made if len(made) < len(items) else items


def _key(value: Tree, mark: Mark | None, path: str) -> str:
    if not isinstance(value, str):
        raise fault(mark, f"{path}: unexpected type {_go_type(value)}", hint="text is wanted here: put it in quotes")
    return value.partition("=")[0]


def _go_type(value: Tree) -> str:
    if value is None:
        return "<nil>"
    names = {bool: "bool", int: "int", float: "float64"}
    container = "map[string]interface {}" if isinstance(value, dict) else "[]interface {}"
    return names.get(type(value), container)


def _target(what: str, kind: str) -> Index:
    def index(value: Tree, mark: Mark | None, path: str) -> str:
        if isinstance(value, dict):
            target = value.get("target")
            if not isinstance(target, str):
                raise fault(mark, f"service {what} {path} is missing a mount target")
            return target
        return _short_target(value, kind) if isinstance(value, str) else ""

    return index


def _short_target(text: str, kind: str) -> str:
    parts = text.split(":")
    if kind == "volume" and len(parts[0]) == 1 and parts[0].isalpha() and parts[1:2] and parts[1][:1] in {"/", "\\"}:
        parts[:2] = [f"{parts[0]}:{parts[1]}"]  # C:\folder
    return parts[0] if len(parts) == 1 else parts[1]


def _expose(value: Tree, mark: Mark | None, path: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise fault(mark, f"{path}: unsupported expose value {value}")
    return str(value)


def _file(folder: str) -> Index:
    def index(value: Tree, mark: Mark | None, path: str) -> str:
        if isinstance(value, str):
            return f"{folder}/{value}"
        if not isinstance(value, dict):
            raise fault(mark, f"{path}: unsupported expose value {value}")
        target = value.get("target")
        return target if isinstance(target, str) else f"{folder}/{value.get('source')}"

    return index


def _port(value: Tree, mark: Mark | None, path: str) -> Hashable:
    if not isinstance(value, dict):
        return str(value)
    if "target" not in value:
        raise fault(mark, f"service ports {path} is missing a target port")
    host, protocol = value.get("host_ip", "0.0.0.0"), value.get("protocol", "tcp")  # noqa: S104 - docker's default
    return str(host), str(value.get("published")), str(value["target"]), str(protocol)


def _env_file(value: Tree, mark: Mark | None, path: str) -> Hashable:
    if isinstance(value, dict):
        if not isinstance(value.get("path"), str):
            raise fault(mark, f"environment path attribute {path} is missing")
        return str(value["path"])
    return value if isinstance(value, str) else ""


_INDEXES: dict[str | None, Any] = {}
for _path, _index in {
    "networks.*.labels": _key,
    "networks.*.ipam.options": _key,
    "services.*.annotations": _key,
    "services.*.build.args": _key,
    "services.*.build.additional_contexts": _key,
    "services.*.build.platform": _key,
    "services.*.build.tags": _key,
    "services.*.build.labels": _key,
    "services.*.cap_add": _key,
    "services.*.cap_drop": _key,
    "services.*.configs": _file(""),
    "services.*.deploy.labels": _key,
    "services.*.devices": _target("device", "device"),
    "services.*.dns": _key,
    "services.*.dns_opt": _key,
    "services.*.dns_search": _key,
    "services.*.environment": _key,
    "services.*.env_file": _env_file,
    "services.*.expose": _expose,
    "services.*.labels": _key,
    "services.*.links": _key,
    "services.*.networks.*.aliases": _key,
    "services.*.networks.*.link_local_ips": _key,
    "services.*.ports": _port,
    "services.*.profiles": _key,
    "services.*.secrets": _file("/run/secrets"),
    "services.*.sysctls": _key,
    "services.*.tmpfs": _key,
    "services.*.volumes": _target("volume", "volume"),
}.items():
    _place = _INDEXES
    for _part in _path.split("."):
        _place = _place.setdefault(_part, {})
    _place[HERE] = _index
