"""A deployment from one end to the other: look, plan, ask, push, apply, wait, verify; back again where it fails."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wherry.cancel import Cancel, Within
from wherry.deploy import settle, ship
from wherry.deploy.application import Application
from wherry.deploy.plan import Plan, Step
from wherry.deploy.target import Chosen, Deployed, PushTo, Session, Target, Watch
from wherry.errors import Cancelled, DeployError, InputError, RegistryError, Unhealthy, WherryError

if TYPE_CHECKING:
    from wherry.engine import Engine
    from wherry.registry.watch import TransferWatch

__all__ = ["Job", "Outcome", "Preview", "carry_out", "check", "preview"]


@dataclass(frozen=True, slots=True)
class Job:
    """What a deployment needs. `verify` gets the URL and raises Unhealthy when what answers there is not good."""

    engine: Engine
    session: Session
    watch: Watch
    transfer: Callable[[], AbstractContextManager[TransferWatch]]
    verify: Callable[[str], str] | None = None
    """None: not asked for. What it returns is shown."""
    verify_at: str = ""
    """The URL that it gets, "" for the deployment's own."""
    healthy_within_s: float = 600
    roll_back: bool | None = True
    """None: nothing was changed, so what ran before is no better than what runs now."""


@dataclass(frozen=True, slots=True)
class Preview:
    """`plan` has the push in it, as its first step, when there is one."""

    app: Application
    plan: Plan
    push_to: PushTo | None


@dataclass(frozen=True, slots=True)
class Outcome:
    app: Application
    plan: Plan
    deployed: Deployed
    verified: str = ""


def check(target: Target, app: Application, chosen: Chosen) -> None:
    """Raises: InputError that lists everything that the platform would refuse."""
    problems = [*settle.common_problems(app), *target.validate(app, chosen)]
    if not problems:
        return
    if len(problems) == 1:
        one = problems[0]
        raise InputError(f"{target.name} can't run {app.name}: {one.field}: {one.message}", hint=one.hint or None)
    lines = [f"{one.field}: {one.message}" + (f" ({one.hint})" if one.hint else "") for one in problems]
    raise InputError(f"{target.name} can't run {app.name}:\n  " + "\n  ".join(lines))


def preview(engine: Engine, session: Session, app: Application, cancel: Cancel) -> Preview:
    """Looks, and changes nothing."""
    push_to = session.push_to(app)
    if push_to is None:
        plan = session.plan(_pinned(app))
        return Preview(_pinned(app), plan, None)
    if push_to.reference == app.image.reference and ship.is_there(engine, app, cancel):
        return Preview(_pinned(app), session.plan(_pinned(app)), None)
    aimed = replace(app, image=replace(app.image, reference=push_to.reference))
    plan = session.plan(aimed)
    push = Step("create", "image", push_to.reference, ("pushed: only the layers that are missing there",))
    return Preview(app, replace(plan, steps=(push, *plan.steps)), push_to)


def _pinned(app: Application) -> Application:
    """By its digest, where it is known: a tag may mean something else when an instance starts in a month."""
    if not app.image.digest or "@" in app.image.reference:
        return app
    from wherry.oci.reference import Reference

    return app.with_image(Reference.parse(app.image.reference).familiar_name, app.image.digest)


def carry_out(job: Job, seen: Preview, cancel: Cancel) -> Outcome:
    """Idempotent: after any failure the same again goes on where it stopped.

    Raises: Unhealthy (after going back, unless that is not wished for), DeployError, Conflict, Cancelled,
    RegistryError.
    """
    app = seen.app
    with _explained(seen.plan):
        if seen.push_to is not None:
            job.session.make_registry(app, job.watch, cancel)
            # Asked again: the registry's login may be over since the plan was shown, or there was no registry then
            push_to = job.session.push_to(app) or seen.push_to
            with job.transfer() as transfer:
                app = ship.ship(job.engine, app, push_to, transfer, cancel)
        plan = job.session.plan(app)
        if plan.is_empty:
            job = replace(job, roll_back=None)
        job.session.apply(app, plan, job.watch, cancel)
        deployed = _healthy(job, app, cancel)
        verified = _verified(job, app, deployed, cancel)
    return Outcome(app, plan, deployed, verified)


class _explained:  # noqa: N801 - a context manager, read like a function
    """^C and refusals in the middle: what is there now, and what to do about it."""

    def __init__(self, plan: Plan) -> None:
        self._again = (
            f"what is done stays, and the same command goes on from there; wherry deploy destroy {plan.target} "
            f"{plan.application} removes it"
        )

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: object) -> None:
        if isinstance(fault, Cancelled) and not fault.hint:
            fault.hint = self._again
        elif isinstance(fault, DeployError | RegistryError) and not isinstance(fault, Unhealthy):
            fault.hint = f"{fault.hint}\n{self._again}" if fault.hint else self._again


def _healthy(job: Job, app: Application, cancel: Cancel) -> Deployed:
    try:
        return job.session.wait(app, job.watch, Within(cancel, job.healthy_within_s))
    except Unhealthy as fault:
        raise _gone_back(job, app, fault, cancel) from None
    except Cancelled:
        if cancel.is_set():
            raise
        late = Unhealthy(f"{app.name} did not get healthy within {job.healthy_within_s:g} s",
                         hint="--timeout gives it longer", reasons=_last_words(job, app))  # fmt: skip
        raise _gone_back(job, app, late, cancel) from None


def _last_words(job: Job, app: Application) -> tuple[str, ...]:
    try:
        status = job.session.status(app.name)
    except WherryError:
        return ()
    states = [f"{one.name}: {one.state}" + (f" ({one.reason})" if one.reason else "") for one in status.instances]
    return (*states, *status.events[-5:])


def _verified(job: Job, app: Application, deployed: Deployed, cancel: Cancel) -> str:
    if job.verify is None:
        return ""
    try:
        with nullcontext(job.verify_at) if job.verify_at else job.session.reach(app, deployed) as url:
            if not url:
                job.watch.note("not verified: it can't be reached from here")
                return ""
            return job.verify(url)
    except Unhealthy as fault:
        raise _gone_back(job, app, fault, cancel) from None
    except RegistryError as fault:
        # It does not answer at all, or by nothing that a client would trust
        deaf = Unhealthy(f"{app.name} was deployed, but can't be verified: {fault.message}", hint=fault.hint)
        raise _gone_back(job, app, deaf, cancel) from None


def _gone_back(job: Job, app: Application, fault: Unhealthy, cancel: Cancel) -> Unhealthy:
    """The fault, with what became of the deployment."""
    if job.roll_back is None:
        said = "nothing was changed this time, so there is nothing to go back to"
    elif not job.roll_back:
        said = "it is left as it is, as --no-rollback asks"
    else:
        try:
            said = job.session.rollback(app, job.watch, cancel) or (
                f"nothing ran before, so it is left for a look: wherry deploy destroy removes {app.name}"
            )
        except Cancelled:
            raise
        except WherryError as worse:
            said = f"going back failed too: {worse}"
    return Unhealthy(f"{fault.message}\n{said}", hint=fault.hint, reasons=fault.reasons)
