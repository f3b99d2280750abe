"""What a deployment would do, as data: shown before it is done, and what is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

__all__ = ["Action", "Plan", "Step"]

Action = Literal["create", "change", "replace", "leave", "delete"]
_SIGNS: dict[str, str] = {"create": "+", "change": "~", "replace": "±", "leave": "=", "delete": "-"}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing of the platform. `kind` and `name` are the platform's own words ("Deployment", "iris").

    `changes`: what differs, a line each ("image: a → b"); never a secret's value. `cost` names what the platform will
    bill for it, "" where nothing. `body` is the target's own (the document to send): nobody else reads it.
    """

    action: Action
    kind: str
    name: str
    changes: tuple[str, ...] = ()
    cost: str = ""
    body: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), repr=False, compare=False)

    @property
    def text(self) -> str:
        """+ create Deployment iris."""
        return f"{_SIGNS[self.action]} {self.action} {self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in the order in which they are done. `where` says which account, region, cluster; `notes` what to know."""

    application: str
    target: str
    where: str
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether all is as it should be already."""
        return all(step.action == "leave" for step in self.steps)

    @property
    def costs(self) -> tuple[str, ...]:
        """What will be billed after it, each once, in order."""
        return tuple(dict.fromkeys(step.cost for step in self.steps if step.cost and step.action != "delete"))

    def text(self) -> str:
        """The lines for people, without a newline at the end."""
        lines = [f"{self.application} on {self.target} ({self.where}):"]
        for step in self.steps:
            lines.append(f"  {step.text}")
            lines += [f"      {change}" for change in step.changes]
        counts = [(name, sum(step.action == name for step in self.steps)) for name in _SIGNS]
        lines.append("Plan: " + (", ".join(f"{count} to {name}" for name, count in counts if count) or "nothing to do"))
        if self.costs:
            lines += ["Billed by the platform:", *(f"  {cost}" for cost in self.costs)]
        return "\n".join([*lines, *(f"Note: {note}" for note in self.notes)])

    def to_json(self) -> dict[str, Any]:
        """What --format json prints: no bodies."""
        steps = [
            {"Action": step.action, "Kind": step.kind, "Name": step.name, "Changes": list(step.changes),
             "Cost": step.cost} for step in self.steps
        ]  # fmt: skip
        return {"Application": self.application, "Target": self.target, "Where": self.where, "Steps": steps,
                "Notes": list(self.notes)}  # fmt: skip
