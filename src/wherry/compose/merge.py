"""One file's tree over another's, and one service over the one that it extends.

Mappings go into each other, lists grow, the rest is replaced; `_RULES` has what is otherwise. Either side may be in
short or long form. Compose specification, 13: https://github.com/compose-spec/compose-spec/blob/v2.1.0/13-merge.md
"""

from __future__ import annotations

from wherry.compose.scalars import go_text
from wherry.compose.source import fault
from wherry.compose.tree import HERE, Map, Mark, Path, Seq, dotted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from wherry.compose.tree import Tree

    Rules = dict[str | None, Any]
    Rule = Callable[[Tree, Tree, "_At"], Tree]

__all__ = ["merged", "merged_service"]

_MOST_PAIRS = 10_000  # of pools of addresses, each of which is compared with each


class _At:
    """A place of both trees: its path, what is known of places from here on, and where the upper side was written."""

    __slots__ = ("mark", "path", "rules")

    def __init__(self, path: Path, rules: Rules, mark: Mark | None) -> None:
        self.path, self.rules, self.mark = path, rules, mark

    def down(self, key: str, mark: Mark | None) -> _At:
        return _At((*self.path, key), self.rules.get(key) or self.rules.get("*") or {}, mark or self.mark)


def merged(base: Tree, over: Tree) -> Tree:
    """
    `over` merged into `base`, which is changed and given back.

    Raises:
        ComposeError: a mapping over a list, or the other way round.
    """
    return _merge(base, over, _At((), _RULES, None))


def merged_service(base: Tree, service: Tree, name: str) -> Tree:
    """`service` merged into its `base`, which is changed and given back. Raises as `merged`."""
    return _merge(base, service, _At(("services", name), _RULES["services"]["*"], None))


def _merge(base: Tree, over: Tree, at: _At) -> Tree:
    rule: Rule | None = at.rules.get(HERE)
    if rule is not None:
        return rule(base, over, at)
    if over is None:
        return base
    if isinstance(base, dict):
        if not isinstance(over, dict):
            raise _cannot(base, over, at)
        return _mappings(base, over, at)
    if isinstance(base, list):
        if not isinstance(over, list):
            raise _cannot(base, over, at)
        return _appended(base, over)
    return over


def _cannot(base: Tree, over: Tree, at: _At) -> Exception:
    shown = {dict: "a mapping", list: "a list"}
    was = next((name for kind, name in shown.items() if isinstance(base, kind)), "a single value")
    now = next((name for kind, name in shown.items() if isinstance(over, kind)), "a single value")
    return fault(at.mark, f"cannot override {dotted(at.path)}", hint=f"it is {was} before, and {now} here")


def _mappings(base: dict[str, Tree], over: dict[str, Tree], at: _At) -> dict[str, Tree]:
    marks = over.marks if isinstance(over, Map) else {}
    for key, value in over.items():
        mark = marks.get(key)
        if key in base and not key.startswith("x-"):
            base[key] = _merge(base[key], value, at.down(key, mark))
            if isinstance(base[key], dict | list):
                continue  # what a key holds of both stays where the first one is; the parts have places of their own
        else:
            base[key] = value
        if mark is not None and isinstance(base, Map):
            base.marks[key] = mark
    return base


def _appended(base: list[Tree], over: list[Tree]) -> Seq:
    return Seq([*base, *over], [*_marks(base), *_marks(over)])


def _marks(items: list[Tree]) -> list[Mark | None]:
    marks = items.marks if isinstance(items, Seq) else []
    return [*marks[: len(items)], *([None] * (len(items) - len(marks)))]


def _replace(base: Tree, over: Tree, at: _At) -> Tree:
    return over


def _sequences(base: Tree, over: Tree, at: _At) -> Tree:
    return _appended(_as_list(base, at), _as_list(over, at))


def _hosts(base: Tree, over: Tree, at: _At) -> Tree:
    known, new = _as_list(base, at), _as_list(over, at)
    texts = {item for item in known if isinstance(item, str)}
    added = [(item, mark) for item, mark in zip(new, _marks(new), strict=True) if not _is_in(item, texts)]
    return _appended(known, Seq([item for item, _ in added], [mark for _, mark in added]))


def _is_in(item: Tree, texts: set[str]) -> bool:
    return isinstance(item, str) and item in texts


def _as_list(value: Tree, at: _At) -> Seq:
    """A mapping as its KEY=VALUE lines in order, one text as a list of it."""
    if isinstance(value, dict):
        marks = value.marks if isinstance(value, Map) else {}
        lines = []
        for key, one in value.items():
            texts = [key] if one is None else [f"{key}={_text(v)}" for v in (one if isinstance(one, list) else [one])]
            lines += [(text, marks.get(key) or at.mark) for text in texts]
        lines.sort(key=lambda line: line[0])
        return Seq([text for text, _ in lines], [mark for _, mark in lines])
    if isinstance(value, list):
        return value if isinstance(value, Seq) else Seq(value, _marks(value))
    return Seq([value], [at.mark]) if isinstance(value, str) else Seq()


def _text(value: Tree) -> str:
    return str(value) if isinstance(value, dict | list) else go_text(value)


def _keyed(value: Tree, at: _At, default: dict[str, Tree] | None) -> dict[str, Tree]:
    """A list of names as a mapping of them."""
    if isinstance(value, dict):
        return value
    made = Map()
    if isinstance(value, list):
        for name, mark in zip(value, _marks(value), strict=True):
            if not isinstance(name, str):
                raise fault(mark or at.mark, f"{dotted(at.path)}: names are text")
            made[name] = None if default is None else Map(default)
            if mark:
                made.marks[name] = mark
    return made


def _build(base: Tree, over: Tree, at: _At) -> Tree:
    return _both(_as_build(base, at), _as_build(over, at), at)


def _as_build(value: Tree, at: _At) -> Tree:
    if isinstance(value, str):
        return Map({"context": value}, {"context": at.mark} if at.mark else {})
    return value


def _both(base: Tree, over: Tree, at: _At) -> Tree:
    """Mappings into each other, below a place that has its own rule."""
    if base is None or over is None:
        return over if base is None else base
    if not isinstance(base, dict) or not isinstance(over, dict):
        raise _cannot(base, over, at)
    return _mappings(base, over, at)


def _depends_on(base: Tree, over: Tree, at: _At) -> Tree:
    default = {"condition": "service_started", "required": True}
    return _mappings(_keyed(base, at, default), _keyed(over, at, default), at)


def _names(base: Tree, over: Tree, at: _At) -> Tree:
    return _mappings(_keyed(base, at, None), _keyed(over, at, None), at)


def _logging(base: Tree, over: Tree, at: _At) -> Tree:
    """Options belong to their driver: another driver takes none of them over."""
    if isinstance(base, dict) and isinstance(over, dict):
        drivers = base.get("driver"), over.get("driver")
        if "driver" in base and "driver" in over and drivers[0] != drivers[1]:
            return over
    return _both(base, over, at)


def _ipam(base: Tree, over: Tree, at: _At) -> Tree:
    """The pools of the later file, each over that of the same subnet."""
    if not isinstance(base, list) or not isinstance(over, list):
        return over if base is None else base
    if len(base) * len(over) > _MOST_PAIRS:
        raise fault(at.mark, f"{dotted(at.path)}: too many pools to merge")

    def subnet(pool: Tree) -> Tree:
        return pool.get("subnet") if isinstance(pool, dict) else None

    # Differs from docker: it takes each pool with each, so that the second of two has the gateway of the first
    pools = []
    for after in over:
        before = next((pool for pool in base if subnet(pool) == subnet(after)), None)
        pools.append(after if before is None else _both(before, after, at))
    return Seq(pools)


_RULES: Rules = {}
for _path, _rule in {
    "networks.*.ipam.config": _ipam,
    "networks.*.labels": _sequences,
    "volumes.*.labels": _sequences,
    "services.*.annotations": _sequences,
    "services.*.build": _build,
    "services.*.build.args": _sequences,
    "services.*.build.additional_contexts": _sequences,
    "services.*.build.extra_hosts": _hosts,
    "services.*.build.labels": _sequences,
    "services.*.command": _replace,
    "services.*.depends_on": _depends_on,
    "services.*.deploy.labels": _sequences,
    "services.*.dns": _sequences,
    "services.*.dns_opt": _sequences,
    "services.*.dns_search": _sequences,
    "services.*.entrypoint": _replace,
    "services.*.env_file": _sequences,
    "services.*.label_file": _sequences,
    "services.*.environment": _sequences,
    "services.*.extra_hosts": _hosts,
    "services.*.healthcheck.test": _replace,
    "services.*.labels": _sequences,
    "services.*.logging": _logging,
    "services.*.models": _names,
    "services.*.networks": _names,
    "services.*.sysctls": _sequences,
    "services.*.tmpfs": _sequences,
    "services.*.ulimits.*": _replace,
}.items():
    _place = _RULES
    for _part in _path.split("."):
        _place = _place.setdefault(_part, {})
    _place[HERE] = _rule
