"""`wherry verify`: the contract of an application, kept by an image started as a cloud would, or by a deployment.

verified = verify(engine, VerifyRequest("shop/api:2", contract))
verified = verify(engine, VerifyRequest("https://api.example", contract, headers=(("Authorization", "Bearer x"),)))
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from wherry.cancel import Cancel
from wherry.contract.beside import Beside, beside
from wherry.contract.call import Call, Caller, NoAnswer
from wherry.contract.compare import Fault
from wherry.contract.model import App, Contract, Request
from wherry.contract.openapi import Api, breaking
from wherry.contract.report import ARTIFACT_TYPE, FAILED, PASSED, Check, document, is_kept, junit
from wherry.contract.run import Result, run
from wherry.contract.values import parse_json
from wherry.engine.verify_http import HttpCaller
from wherry.errors import InputError, Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine
    from wherry.store.images import ImageRecord

__all__ = ["Quiet", "Verified", "VerifyRequest", "Watch", "is_url", "verify"]

_GRACE_S = 10.0
_SCHEMA_BYTES = 64 << 20


class VerifyRequest(NamedTuple):
    """`target` and `against` are images, or URLs of deployments. `contract` None: only that it gets ready and is well.

    `timeout_s` None is the contract's. `headers` go to URLs only. `attach` keeps the result beside the image.
    """

    target: str
    contract: Contract | None = None
    headers: Sequence[tuple[str, str]] = ()
    against: str = ""
    timeout_s: float | None = None
    writable: bool = False
    memory: str = ""
    cpus: str = ""
    user: str = ""
    attach: bool = False


@dataclass(frozen=True)
class Verified:
    """`pairs` is empty without `against`. Times in seconds; `started` is s since the epoch; `ready_s` 0 for a URL."""

    target: str
    against: str
    image: str
    results: tuple[Result, ...]
    checks: tuple[Check, ...]
    pairs: tuple[Beside, ...]
    ready_s: float
    took_s: float
    started: float
    contract: str = ""
    digest: str = ""
    """Of what was attached to the image; "" when nothing was."""

    @property
    def is_good(self) -> bool:
        return is_kept(self.results, self.checks, self.pairs)

    @property
    def summary(self) -> str:
        """One line."""
        broken = [one.name for one in self.results if not one.is_good]
        broken += [one.name for one in self.pairs if not one.is_good and one.name not in broken]
        broken += [one.name for one in self.checks if one.state == FAILED]
        count = len(self.results)
        kept = f"{count} request{'s' * (count != 1)}, {len(self.checks)} checks"
        return f"{self.target}: {kept}, " + (f"broken: {', '.join(broken)}" if broken else "all as expected")

    def document(self) -> dict[str, Any]:
        """For --format json, and for the artifact beside the image."""
        from wherry._version import __version__

        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.started))
        facts = {"target": self.target, "image": self.image, "against_target": self.against, "contract": self.contract,
                 "wherry": __version__, "started": when, "ready_s": round(self.ready_s, 3),
                 "took_s": round(self.took_s, 3)}  # fmt: skip
        return document(facts, self.results, self.checks, self.pairs)

    def junit(self) -> str:
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self.started))
        return junit(self.target, self.results, self.checks, self.pairs, when, self.took_s)


class Watch(Protocol):
    """What a caller is told meanwhile."""

    def phase(self, text: str) -> None:
        """What is being done now."""

    def result(self, result: Result) -> None:
        """One request is over."""


class Quiet:
    """A watch that says nothing."""

    def phase(self, text: str) -> None:
        pass

    def result(self, result: Result) -> None:
        pass


class _Side(NamedTuple):
    results: list[Result]
    checks: list[Check]
    image: str
    ready_s: float


def is_url(target: str) -> bool:
    return target.startswith(("http://", "https://"))


def verify(
    engine: Engine, request: VerifyRequest, watch: Watch | None = None, cancel: Cancel | None = None
) -> Verified:
    """A broken contract is `is_good` False. All that was started is removed, whatever happens.

    Raises: NotReady (it could not be asked at all; the message has its last lines), Unreachable, NotFound (image),
    InputError, HostError (a schema is to be checked without the extra `verify`), Cancelled.
    """
    from wherry.engine.verify_container import sweep

    began, started = time.monotonic(), time.time()
    watch, cancel = watch or Quiet(), cancel or Cancel()
    contract = _with_wishes(request)
    sweep(engine)
    first = _side(engine, request, request.target, contract, (watch, cancel))
    pairs: list[Beside] = []
    if request.against:
        second = _side(engine, request, request.against, contract, (watch, cancel))
        # "Against" is what is known to be good: the target is held beside it
        pairs = beside(second.results, first.results)
    verified = Verified(
        request.target, request.against, first.image, tuple(first.results), tuple(first.checks), tuple(pairs),
        first.ready_s, time.monotonic() - began, started, contract.name if request.contract else "",
    )  # fmt: skip
    if request.attach and first.image:
        verified = replace(verified, digest=_attach(engine, verified))
    return verified


def _with_wishes(request: VerifyRequest) -> Contract:
    """The contract with what was asked for by hand."""
    contract = request.contract or Contract()
    app = contract.app
    wishes = {name: value for name in ("memory", "cpus", "user") if (value := getattr(request, name))}
    app = replace(app, **wishes)
    if request.timeout_s is not None:
        app = replace(app, timeout_s=request.timeout_s)
    return replace(contract, app=app)


def _side(engine: Engine, request: VerifyRequest, target: str, contract: Contract, told: tuple[Watch, Cancel]) -> _Side:
    if is_url(target):
        return _deployment(engine, target, dict(request.headers), contract, told)
    from wherry.engine.verify_image import in_container

    return _Side(*in_container(engine, engine.images.resolve(target), contract, request.writable, told))


def _deployment(
    engine: Engine, url: str, headers: dict[str, str], contract: Contract, told: tuple[Watch, Cancel]
) -> _Side:
    watch, cancel = told
    watch.phase(f"asking {url}")
    with HttpCaller(engine, url, headers, cancel) as caller:
        ready_s = _reached(caller, contract.app, cancel)
        results, checks = asked(caller, contract, watch)
        return _Side(results, checks, "", ready_s)


def _reached(caller: Caller, app: App, cancel: Cancel) -> float:
    """Seconds until its ready path (else /) was answered. A deployment that starts from nothing takes its time.

    Raises: Unreachable.
    """
    began = time.monotonic()
    path = app.ready or "/"
    while True:
        try:
            answer = caller.call(Call("GET", path, timeout_s=min(30.0, app.timeout_s)))
            why = f"GET {path} is answered with {answer.status}"
            is_ready = answer.status < 400 if app.ready else answer.status < 500
        except NoAnswer as fault:
            is_ready, why = False, str(fault)
        if is_ready:
            return time.monotonic() - began
        if time.monotonic() - began > app.timeout_s:
            raise Unreachable(f"it is not ready after {app.timeout_s:g} s: {why}", hint="more time: --timeout")
        if cancel.wait(0.25):
            cancel.check()


def asked(caller: Caller, contract: Contract, watch: Watch) -> tuple[list[Result], list[Check]]:
    """All requests, and what the application's OpenAPI says of them."""
    checks: list[Check] = []
    check: Callable[[Request, Any], Sequence[Fault]] | None = None
    if contract.schema:
        api, checks = _schema(caller, contract)
        check = api.check if api else None
    return run(contract, caller, watch.result, check), checks


def _schema(caller: Caller, contract: Contract) -> tuple[Api | None, list[Check]]:
    wish = contract.schema
    assert wish
    try:
        answer = caller.call(Call("GET", wish.path, limit_bytes=_SCHEMA_BYTES))
        if answer.status != 200:
            raise InputError(f"it is answered with {answer.status}")
        found = parse_json(answer.body)
        api = Api(found)
        gone = breaking(wish.stored, found) if wish.stored is not None else []
    except (NoAnswer, InputError) as fault:
        return None, [Check("schema", FAILED, f"GET {wish.path}: {fault}")]
    if gone:
        return api, [Check("schema", FAILED, f"breaks {wish.file}: " + "; ".join(gone[:10]))]
    return api, [Check("schema", PASSED, wish.path)]


def _attach(engine: Engine, verified: Verified) -> str:
    """The latest result replaces an earlier one of the image; pushed along with it."""
    from wherry.engine.attach import attach
    from wherry.oci.manifest import encode
    from wherry.trust.referrer import Payload

    image: ImageRecord = engine.images.resolve(verified.image)
    data = encode(verified.document())
    notes = {"org.opencontainers.image.created": verified.document()["started"],
             "dev.wherry.verification.passed": "true" if verified.is_good else "false"}  # fmt: skip
    payload = Payload(ARTIFACT_TYPE, ARTIFACT_TYPE, data, "verification.json", notes)
    return str(attach(engine, image, payload, replace=True).digest)
