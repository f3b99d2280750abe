"""Finds a target by its name: the built-in ones, and those of other packages by their entry point."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from wherry.deploy.target import Problem, Target
from wherry.errors import HostError, InputError, NotFound, nearest

__all__ = ["BUILT_IN", "GROUP", "find", "missing_extra", "names", "refuse"]

GROUP = "wherry.deploy"

# As in pyproject.toml's entry points, which a checkout that is not installed does not have
BUILT_IN = {
    "ecs": "wherry.deploy.ecs:EcsTarget",
    "cloudrun": "wherry.deploy.cloudrun:CloudRunTarget",
    "aca": "wherry.deploy.aca:AcaTarget",
    "compose-ssh": "wherry.deploy.compose_ssh:ComposeSshTarget",
    "kubernetes": "wherry.deploy.kubernetes:KubernetesTarget",
}


def names(installed: Sequence[EntryPoint] | None = None) -> list[str]:
    """Built-in ones first, then the others in alphabetical order."""
    found = entry_points(group=GROUP) if installed is None else installed
    return [*BUILT_IN, *sorted({one.name for one in found} - BUILT_IN.keys())]


def find(name: str, installed: Sequence[EntryPoint] | None = None) -> Target:
    """A built-in name is ours: no other package can take it. Raises: NotFound, HostError."""
    found = entry_points(group=GROUP) if installed is None else installed
    value = BUILT_IN.get(name) or next((one.value for one in found if one.name == name), "")
    if not value:
        known = names(found)
        close = nearest(name, known)
        hint = f"did you mean {close}?" if close else f"there are: {', '.join(known)}"
        raise NotFound(f"no such deployment target: {name}", hint=hint)
    module, _, attribute = value.partition(":")
    try:
        return cast("Target", getattr(import_module(module), attribute)())
    except (ImportError, AttributeError) as fault:
        raise HostError(f"the target {name} ({value}) can't be loaded: {fault}",
                        hint="update or remove the package that it comes from") from None  # fmt: skip


def missing_extra(target: str, extra: str, fault: ImportError) -> HostError:
    """For a `connect` whose SDK is not there."""
    return HostError(f"{target} needs {fault.name or 'its SDK'}, which is not installed",
                     hint=f"pip install 'wherry[{extra}]'")  # fmt: skip


def refuse(target: str, problems: Iterable[Problem]) -> None:
    """For a `connect` whose options are nothing: `status` and `destroy` have no application to validate with them.

    Raises: InputError with the first one.
    """
    for one in problems:
        raise InputError(f"{target}: {one.field}: {one.message}", hint=one.hint or None)
