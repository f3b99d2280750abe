"""A stack's events as steps of a plan that begin and are done."""

from __future__ import annotations

from wherry.deploy.ecs.stack import Stack
from wherry.deploy.plan import Plan
from wherry.deploy.target import Watch

__all__ = ["Progress"]


class Progress:
    """`is_at_service`: all that the service needs is there, and AWS starts its tasks."""

    def __init__(self, plan: Plan, watch: Watch) -> None:
        self._steps = {step.name: step for step in plan.steps if step.action != "leave"}
        self._secrets = [step for step in self._steps.values() if step.kind == "Secret"]
        self._watch = watch
        self._begun: set[str] = set()
        self._failures: list[str] = []
        self._waiting = ""
        self.is_at_service = False

    def secrets(self, *, begin: bool) -> None:
        for step in self._secrets:
            (self._watch.begin if begin else self._watch.done)(step)

    def told(self, name: str, status: str, reason: str) -> None:
        """One event of the stack."""
        if name == "Service" and status in {"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"}:
            self.is_at_service = True
        if status.endswith("_FAILED") and "cancelled" not in reason:
            self._failures.append(f"{name}: {reason or status}")
        step = self._steps.get(name)
        if step is None:
            return
        if name not in self._begun:
            self._begun.add(name)
            self._watch.begin(step)
        if status.endswith("_COMPLETE"):
            self._watch.done(self._steps.pop(name))

    def waiting(self, stack: Stack) -> None:
        if stack.status != self._waiting:
            self._waiting = stack.status
            self._watch.waiting(f"stack {stack.status.lower().replace('_', ' ')}")

    def first_failure(self, stack: Stack | None) -> str:
        """What went wrong first: what came after followed from it."""
        return self._failures[0] if self._failures else (stack.reason if stack else "")
