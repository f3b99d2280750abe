"""All requests of a contract, one after the other, and what came of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from wherry.contract.call import Answer, Call, Caller, NoAnswer
from wherry.contract.compare import Drift, Fault
from wherry.contract.judge import Times, Verdict, judge, judge_times
from wherry.contract.model import Contract, Request

__all__ = ["Result", "ask", "run"]

Check = Callable[[Request, Answer], Sequence[Fault]]
Say = Callable[["Result"], None]

_MOST_FAULTS = 20


@dataclass(frozen=True)
class Result:
    """`status` is 0 when there was no answer. `answer` is the first one, None then too."""

    request: Request
    status: int = 0
    faults: tuple[Fault, ...] = ()
    drift: Drift = field(default_factory=Drift)
    times: Times = field(default_factory=lambda: Times(0, 0.0, 0.0, 0.0))
    answer: Answer | None = None

    @property
    def name(self) -> str:
        return self.request.name

    @property
    def is_good(self) -> bool:
        return not self.faults


def ask(caller: Caller, request: Request) -> Answer:
    """Raises: NoAnswer; Cancelled."""
    return caller.call(Call(request.method, request.path, request.headers, request.body, request.timeout_s))


def run(contract: Contract, caller: Caller, say: Say, check: Check | None = None) -> list[Result]:
    """In the order of the file. `say` hears of each as soon as it is known; `check` has more to ask of an answer (its
    schema). Raises: Cancelled.
    """
    results = []
    for request in contract.requests:
        result = _one(request, caller, check)
        results.append(result)
        say(result)
    return results


def _one(request: Request, caller: Caller, check: Check | None) -> Result:
    bounds, samples, faults = request.latency, list[float](), list[Fault]()
    first: Answer | None = None
    verdict = Verdict(())
    for number in range(bounds.warm_up + bounds.repeat):
        try:
            answer = ask(caller, request)
        except NoAnswer as fault:
            faults.append(Fault("", _of(number, request, str(fault))))
            break
        if number >= bounds.warm_up:
            samples.append(answer.took_s)
        if first is None:
            first, verdict = answer, judge(answer, request.expect)
            faults += verdict.faults
            faults += check(request, answer) if check else ()
        elif (answer.status, answer.body) != (first.status, first.body):
            # Most answers are the very bytes of the first: only others are judged
            faults += [replace(one, message=_of(number, request, one.message))
                       for one in judge(answer, request.expect).faults]  # fmt: skip
        if len(faults) >= _MOST_FAULTS:
            break
    times = Times.of(samples)
    if samples:
        faults += judge_times(times, bounds)
    status = first.status if first else 0
    return Result(request, status, tuple(faults[:_MOST_FAULTS]), verdict.drift, times, first)


def _of(number: int, request: Request, message: str) -> str:
    count = request.latency.warm_up + request.latency.repeat
    return f"request {number + 1} of {count}: {message}" if count > 1 and number else message
