"""The filters of `network ls` and `network prune`, with docker's rules about how several go together."""

from __future__ import annotations

import time

from wherry.engine.filters import boolean, by_key, has_label, matches, parse_moment
from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wherry.engine import Engine
    from wherry.engine.filters import Filter
    from wherry.network.model import Network

__all__ = ["KEYS", "PRUNE_KEYS", "chosen", "driver", "scope"]

KEYS = ("dangling", "driver", "id", "label", "name", "scope", "type")
PRUNE_KEYS = ("label", "label!", "until")
_PREDEFINED = ("bridge", "host", "none")


def driver(network: Network) -> str:
    """docker's name for what makes it."""
    if network.config_only:
        return "null"
    return {"none": "null", "host": "host"}.get(network.name, "bridge")


def scope(network: Network) -> str:
    """ "local": there is no swarm."""
    return "local"


def chosen(engine: Engine, filters: Sequence[Filter]) -> Callable[[Network], bool]:
    """What tells whether a network passes: values of one key are alternatives (labels must all be there), every key
    must hold. Raises: InputError."""
    wanted = by_key(filters)
    tests = [_test(engine, key, values) for key, values in wanted.items()]
    return lambda network: all(test(network) for test in tests)


def _test(engine: Engine, key: str, values: Sequence[str]) -> Callable[[Network], bool]:
    if key == "label":
        return lambda one: all(has_label(one.labels, value) for value in values)
    if key == "label!":
        return lambda one: not any(has_label(one.labels, value) for value in values)
    if key == "until":
        moments = [parse_moment(value, time.time_ns()) for value in values]
        return lambda one: all(one.created_ns < moment for moment in moments)
    if key == "type":
        for value in values:
            if value not in ("builtin", "custom"):
                raise InputError(f"invalid filter: '{key}'='{value}'", hint="builtin or custom")
        return lambda one: ("builtin" if one.name in _PREDEFINED else "custom") in values
    if key == "dangling":
        if len({*values} & {"0", "1", "false", "true"}) != 1:
            raise InputError('invalid value for filter \'dangling\', must be "true" (or "1"), or "false" (or "0")')
        is_idle = boolean(key, values)
        return lambda one: one.name not in _PREDEFINED and bool(engine.networks.members(one)) != is_idle
    if key in ("driver", "scope"):
        of = driver if key == "driver" else scope
        return lambda one: of(one) in values
    return lambda one: matches(values, one.id if key == "id" else one.name)
