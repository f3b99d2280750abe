"""What a project says about its rules: [lint] of wherry.toml, and hadolint's own file.

[lint]
ignore = ["DL3008"]
only = []
failure-threshold = "warning"
trusted-registries = ["registry.example.com"]

Reference: https://github.com/hadolint/hadolint/blob/v2.12.0/README.md#configure
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from wherry.errors import InputError, nearest
from wherry.lint.rule import LEVELS, Level

__all__ = ["THRESHOLDS", "Settings", "Threshold", "check_names", "parse_hadolint", "parse_toml", "threshold"]

Threshold = Literal["error", "warning", "info", "style", "none"]
THRESHOLDS: tuple[Threshold, ...] = ("error", "warning", "info", "style", "none")
"""The least bad level that makes lint fail; "none" never does."""

_KEYS = ("failure-threshold", "ignore", "only", "trusted-registries")


class Settings(NamedTuple):
    """`failure_threshold` "" when nothing is said of it. `levels` are hadolint's `override`."""

    ignore: frozenset[str] = frozenset()
    only: frozenset[str] = frozenset()
    failure_threshold: Threshold | Literal[""] = ""
    trusted_registries: tuple[str, ...] = ()
    levels: Mapping[str, Level] = {}
    labels: Mapping[str, str] = {}
    strict_labels: bool = False
    obeys_pragmas: bool = True

    def over(self, other: Settings) -> Settings:
        """This one's words win; rules that either ignores are ignored."""
        return Settings(
            self.ignore | other.ignore,
            self.only or other.only,
            self.failure_threshold or other.failure_threshold,
            self.trusted_registries or other.trusted_registries,
            {**other.levels, **self.levels},
            {**other.labels, **self.labels},
            self.strict_labels or other.strict_labels,
            self.obeys_pragmas and other.obeys_pragmas,
        )


def threshold(text: str, what: str) -> Threshold:
    """Raises: InputError."""
    word = "none" if text.lower() == "ignore" else text.lower()
    for one in THRESHOLDS:
        if word == one:
            return one
    raise InputError(f"{what} must be one of {', '.join(THRESHOLDS)}, not {text[:80]!r}")


def check_names(names: Iterable[str], known: Iterable[str], where: str) -> None:
    """Raises: InputError for a rule that does not exist, with the one it may have meant."""
    rules = sorted(known)
    for name in sorted(names):
        if name not in rules:
            close = nearest(name.lower(), [rule.lower() for rule in rules])
            meant = next((rule for rule in rules if rule.lower() == close), "")
            hint = f"did you mean {meant}?" if meant else "docs/lint.md lists the rules"
            raise InputError(f"there is no rule {name[:80]!r}", hint=hint, where=where)


def parse_toml(data: bytes, path: str = "wherry.toml") -> Settings:
    """Its table [lint]; what other tables say is not looked at. Raises: InputError."""
    import tomllib

    try:
        document = tomllib.loads(data.decode())
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as fault:
        raise InputError(f"{path}: {fault}") from None
    table = document.get("lint", {})
    if not isinstance(table, dict):
        raise InputError("lint must be a table: [lint]", where=path)
    for key in table:
        if key not in _KEYS:
            close = nearest(key.replace("_", "-").lower(), _KEYS)
            hint = f"did you mean {close}?" if close else f"wherry knows here: {', '.join(_KEYS)}"
            raise InputError(f"{key} is no setting of [lint]", hint=hint, where=path)
    level = table.get("failure-threshold", "")
    return Settings(
        ignore=frozenset(_texts(table, "ignore", path)),
        only=frozenset(_texts(table, "only", path)),
        failure_threshold=threshold(str(level), f"{path}: failure-threshold") if level else "",
        trusted_registries=_texts(table, "trusted-registries", path),
    )


def parse_hadolint(data: bytes, path: str = ".hadolint.yaml") -> Settings:
    """The keys that say which rules count; those about output are passed over. Raises: InputError."""
    import yaml

    try:
        document = yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError) as fault:
        mark = getattr(fault, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else path
        raise InputError("this is not YAML", hint=getattr(fault, "problem", None), where=where) from None
    if document is None:
        return Settings()
    if not isinstance(document, dict):
        raise InputError("hadolint's settings must be a mapping, as `ignored: [DL3008]`", where=path)
    override = document.get("override") or {}
    if not isinstance(override, dict):
        raise InputError("override must be a mapping of levels to lists of rules", where=path)
    levels: dict[str, Level] = {}
    for one in LEVELS:
        levels.update(dict.fromkeys(_texts(override, one, path), one))
    schema = document.get("label-schema") or {}
    level = "none" if document.get("no-fail") is True else document.get("failure-threshold", "")
    return Settings(
        ignore=frozenset(_texts(document, "ignored", path)),
        failure_threshold=threshold(str(level), f"{path}: failure-threshold") if level else "",
        trusted_registries=_texts(document, "trustedRegistries", path),
        levels=levels,
        labels={str(key): str(value) for key, value in schema.items()} if isinstance(schema, dict) else {},
        strict_labels=document.get("strict-labels") is True,
        obeys_pragmas=document.get("disable-ignore-pragma") is not True,
    )


def _texts(table: Mapping[str, object], key: str, path: str) -> tuple[str, ...]:
    value = table.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise InputError(f"{key} must be a list of names", where=path)
    return tuple(value)
