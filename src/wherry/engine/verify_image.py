"""An image's part of verify: its container is asked, looked at as the cloud would, and stopped."""

from __future__ import annotations

import os
import re
import time

from wherry.contract.call import NoAnswer
from wherry.contract.openapi import require_validator
from wherry.contract.report import FAILED, PASSED, WARNED, Check
from wherry.engine.verify_container import NotReady, Running, lines, place, started
from wherry.engine.verify_http import HttpCaller
from wherry.errors import WherryError
from wherry.image.changes import ADDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel
    from wherry.contract.model import Contract
    from wherry.contract.run import Result
    from wherry.engine import Engine
    from wherry.engine.verify import Watch
    from wherry.engine.verify_container import Place
    from wherry.store.images import ImageRecord

__all__ = ["in_container"]

_KILLED = 137
_WROTE = (
    re.compile(r"[Rr]ead-only file ?system:? ?['\"]?(/[^'\"\s]+)"),
    re.compile(r"(?:Permission denied|Read-only file system)[^/\n]{0,20}['\"](/[^'\"]+)"),
    re.compile(r"(/[\w./-]+)['\"]?: (?:Read-only file system|Permission denied)"),
)
_RETRY_S = 20.0
_REAPED_S = 1.0


def in_container(
    engine: Engine, image: ImageRecord, contract: Contract, writable: bool, told: tuple[Watch, Cancel]
) -> tuple[list[Result], list[Check], str, float]:
    """(results, checks, the image's id, seconds to ready). Raises: NotReady."""
    watch, cancel = told
    config = engine.images.config(image.id).config
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    where = place(config, contract.app, writable=writable, host=(os.cpu_count() or 1, pages))
    watch.phase(f"starting {image.tags[0] if image.tags else image.id.short}")
    try:
        load = require_validator if contract.schema else lambda: None
        with started(engine, image, where, cancel, load) as running:
            watch.phase("asking it")
            results, checks = _asked(engine, running, contract, told)
            checks += _looks(engine, running, config.user, has_faults=not all(one.is_good for one in results))
            watch.phase("stopping it")
            checks.append(_stops(engine, running, contract.app.grace_s))
            return results, checks, str(image.id), running.ready_s
    except NotReady as fault:
        if writable:
            raise
        raise _explained(engine, image, where, fault, cancel) from None


def _asked(
    engine: Engine, running: Running, contract: Contract, told: tuple[Watch, Cancel]
) -> tuple[list[Result], list[Check]]:
    from wherry.engine.verify import asked

    with HttpCaller(engine, running.base, {}, told[1]) as caller:
        try:
            return asked(caller, contract, told[0])
        except NoAnswer as fault:  # pragma: no cover - `asked` turns it into faults
            raise NotReady(str(fault)) from None


def _looks(engine: Engine, running: Running, user: str, *, has_faults: bool) -> list[Check]:
    """What a cloud does not tell, and costs an evening."""
    found = [_alive(engine, running, has_faults=has_faults), _port(running)]
    name = user.partition(":")[0]
    is_root = name in {"", "0", "root"}
    said_user = "the image runs as root: add a USER to its Dockerfile" if is_root else f"user {user}"
    found.append(Check("user", WARNED if is_root else PASSED, said_user))
    said = lines(engine, running.id)
    found.append(Check("logs", PASSED if said else WARNED,
                       "on standard output" if said else "it wrote no log to standard output or error"))  # fmt: skip
    if wrote := _tried_to_write([line for _, line in said]):
        text = f"it tried to write {', '.join(wrote)}: a volume there, app: writable, or --writable"
        found.append(Check("read-only", WARNED, text))
    else:
        read_only = running.place.options.read_only
        found.append(Check("read-only", PASSED, "a read-only root is enough" if read_only else "not checked"))
    return found


def _alive(engine: Engine, running: Running, *, has_faults: bool) -> Check:
    # A connection breaks a moment before it is on record that who held it has ended
    until = time.monotonic() + _REAPED_S * has_faults
    state = engine.containers.state(running.id)
    while state.is_running and time.monotonic() < until:
        time.sleep(0.05)
        state = engine.containers.state(running.id)
    if state.is_running:
        return Check("alive", PASSED, f"ready after {running.ready_s:.2f} s, and still running")
    why = "it ran out of memory" if state.oom_killed else f"it ended with code {state.exit_code}"
    said = [line for _, line in lines(engine, running.id, 10)]
    return Check("alive", FAILED, f"{why} while it was asked" + ("; its last lines:\n" + "\n".join(said)) * bool(said))


def _port(running: Running) -> Check:
    if running.honours_port:
        return Check("port", PASSED, f"listens on 0.0.0.0, at the port that $PORT says ({running.port})")
    text = f"listens on {running.port}, whatever $PORT says: Cloud Run must be told --port {running.port}"
    return Check("port", WARNED, text)


def _stops(engine: Engine, running: Running, grace_s: float) -> Check:
    """SIGTERM, as every cloud sends before it kills."""
    if not engine.containers.state(running.id).is_running:
        return Check("stop", WARNED, "it had ended before")
    began = time.monotonic()
    engine.containers.stop(running.id, max(1, round(grace_s)))
    took = time.monotonic() - began
    state = engine.containers.state(running.id)
    if state.exit_code == _KILLED:
        text = (f"SIGTERM did not end it within {grace_s:g} s: a CMD in shell form, or no handler as process 1; "
                "requests under way are lost")  # fmt: skip
        return Check("stop", FAILED, text)
    return Check("stop", PASSED, f"SIGTERM ended it in {took:.2f} s, code {state.exit_code}")


def _tried_to_write(said: list[str]) -> list[str]:
    found: dict[str, None] = {}
    for line in said:
        for pattern in _WROTE:
            found.update(dict.fromkeys(one[:200] for one in pattern.findall(line)))
    return list(found)[:8]


def _explained(engine: Engine, image: ImageRecord, where: Place, fault: NotReady, cancel: Cancel) -> NotReady:
    """Whether it is the read-only root that keeps it from starting: once more without, and what it writes then."""
    app = where.app
    patient = where._replace(
        options=where.options._replace(read_only=False),
        app=type(app)(**{**app.__dict__, "timeout_s": min(app.timeout_s, _RETRY_S)}),
    )
    try:
        with started(engine, image, patient, cancel) as running:
            changed = [os.fsdecode(one.path) for one in engine.containers.changes(running.id) if one.kind == ADDED]
    except WherryError:
        cancel.check()
        changed = []
    else:
        shown = f": it writes {', '.join(changed[:8])}" if changed else ""
        return NotReady(f"{fault.message}\nwith a writable root it gets ready{shown}",
                        hint="a tmpfs there: app: writable: [FOLDER] in the contract; or --writable")  # fmt: skip
    wrote = _tried_to_write(fault.message.splitlines())
    hint = f"it tried to write {', '.join(wrote)}; --user image runs it as its own user" if wrote else fault.hint
    return NotReady(fault.message, hint=hint)
