"""Where text stands for a number or a boolean: `privileged: ${PRIVILEGED}` is true when the variable says so."""

from __future__ import annotations

from wherry.compose.tree import HERE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["CASTS"]

_INTEGER = r"[-+]?[0-9]+"
_NUMBER = r"[-+]?(\d+\.?\d*([eE][-+]?\d+)?|\.\d+([eE][-+]?\d+)?|(?i:inf|infinity|nan))"


def _is(pattern: str, text: str) -> bool:
    import re

    return re.fullmatch(pattern, text, re.ASCII) is not None


def _int(name: str) -> Callable[[str, Callable[[str], None]], int]:
    def cast(text: str, warn: Callable[[str], None]) -> int:
        if not _is(_INTEGER, text):
            raise ValueError(f'strconv.{name}: parsing "{text}": invalid syntax')
        if len(text) > 30 or not -(1 << 63) <= (value := int(text)) < 1 << 63:
            raise ValueError(f'strconv.{name}: parsing "{text}": value out of range')
        return value

    return cast


def _float(text: str, warn: Callable[[str], None]) -> float:
    if not _is(_NUMBER, text):
        raise ValueError(f'strconv.ParseFloat: parsing "{text}": invalid syntax')
    return float(text)


def _single(text: str, warn: Callable[[str], None]) -> float:
    """docker-compose keeps `cpus` in four bytes."""
    from ctypes import c_float

    return c_float(_float(text, warn)).value


def _bool(text: str, warn: Callable[[str], None]) -> bool:
    word = text.lower()
    if word in {"true", "false"}:
        return word == "true"
    if word in {"y", "yes", "on", "n", "no", "off"}:
        value = word in {"y", "yes", "on"}
        warn(f'"{text}" for boolean is not supported by YAML 1.2, please use `{"true" if value else "false"}`')
        return value
    raise ValueError(f"invalid boolean: {text}")


def _spoken(text: str, warn: Callable[[str], None]) -> bool | str:
    """Where text may stay text: docker-compose reads it later, and warns of YAML 1.1's words all the same."""
    return _bool(text, warn) if text.lower() in {"y", "yes", "on", "n", "no", "off"} else text


_SERVICE: dict[str, Any] = {
    "attach": _spoken,
    "build.no_cache": _spoken,
    "build.privileged": _spoken,
    "build.pull": _spoken,
    "configs.[].mode": _int("Atoi"),
    "cpu_count": _int("ParseInt"),
    "cpu_percent": _float,
    "cpu_period": _int("ParseInt"),
    "cpu_quota": _int("ParseInt"),
    "cpu_rt_period": _int("ParseInt"),
    "cpu_rt_runtime": _int("ParseInt"),
    "cpu_shares": _int("ParseInt"),
    "cpus": _single,
    "deploy.placement.max_replicas_per_node": _int("Atoi"),
    "deploy.replicas": _int("Atoi"),
    "deploy.restart_policy.max_attempts": _int("Atoi"),
    "deploy.rollback_config.max_failure_ratio": _float,
    "deploy.rollback_config.parallelism": _int("Atoi"),
    "deploy.update_config.max_failure_ratio": _float,
    "deploy.update_config.parallelism": _int("Atoi"),
    "depends_on.*.restart": _spoken,
    "env_file.[].required": _spoken,
    "healthcheck.disable": _bool,
    "healthcheck.retries": _int("Atoi"),
    "init": _bool,
    "oom_kill_disable": _bool,
    "oom_score_adj": _int("ParseInt"),
    "pids_limit": _int("ParseInt"),
    "ports.[].target": _int("Atoi"),
    "post_start.[].privileged": _spoken,
    "pre_stop.[].privileged": _spoken,
    "privileged": _bool,
    "read_only": _bool,
    "scale": _int("Atoi"),
    "secrets.[].mode": _int("Atoi"),
    "stdin_open": _bool,
    "tty": _bool,
    "ulimits.*": _int("Atoi"),
    "ulimits.*.hard": _int("Atoi"),
    "ulimits.*.soft": _int("Atoi"),
    "volumes.[].bind.create_host_path": _spoken,
    "volumes.[].read_only": _bool,
    "volumes.[].volume.nocopy": _bool,
}
_RESOURCES: dict[str, Any] = {
    "configs.*.external": _bool,
    "networks.*.attachable": _bool,
    "networks.*.enable_ipv4": _bool,
    "networks.*.enable_ipv6": _bool,
    "networks.*.external": _bool,
    "networks.*.internal": _bool,
    "secrets.*.external": _bool,
    "volumes.*.external": _bool,
}


def _nested(table: dict[str, Any]) -> dict[str | None, Any]:
    """The table as mappings within mappings by the parts of its paths; HERE has the cast of the place itself."""
    top: dict[str | None, Any] = {}
    for path, cast in table.items():
        at = top
        for part in path.split("."):
            at = at.setdefault(part, {})
        at[HERE] = cast
    return top


CASTS = _nested({**{f"services.*.{path}": cast for path, cast in _SERVICE.items()}, **_RESOURCES})
