"""What is shown while a deployment goes on, and what asks the running one."""

from __future__ import annotations

from wherry.errors import Unhealthy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from wherry.cancel import Cancel
    from wherry.cli.render import Output
    from wherry.contract.model import Contract
    from wherry.deploy.plan import Step
    from wherry.engine import Engine

__all__ = ["Lines", "verifier"]


class Lines:
    """A line for each step, on standard error: standard output has the result alone."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._last = ""

    def begin(self, step: Step) -> None:
        if step.action != "leave":
            self._say(step.text)

    def done(self, step: Step) -> None:
        pass

    def waiting(self, text: str) -> None:
        if text != self._last:
            self._last = text
            self._say(f"waiting: {text}")

    def note(self, line: str) -> None:
        self._say(line)

    def _say(self, line: str) -> None:
        self._out.error(line)


def verifier(engine: Engine, contract: Contract | None, cancel: Cancel) -> Callable[[str], str]:
    """Asks what answers at a URL: by the contract, or (None) only whether it answers."""

    def ask(url: str) -> str:
        from wherry.engine.verify import VerifyRequest, verify

        request = VerifyRequest(url, contract=contract)
        verified = verify(engine, request, cancel=cancel)
        if verified.is_good:
            return verified.summary
        faults = [f"{one.name}: {fault}" for one in verified.results if not one.is_good for fault in one.faults]
        raise Unhealthy(f"what answers at {url} breaks its contract: {verified.summary}", reasons=faults)

    return ask
