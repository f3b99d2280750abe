"""wherry deploy TARGET."""

from __future__ import annotations

import os

from wherry.cli import deploy_flags
from wherry.cli.flags import Verb
from wherry.errors import ComposeError, InputError, Unhealthy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NamedTuple

    from wherry.cancel import Cancel
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.contract.model import Contract
    from wherry.deploy.application import Application
    from wherry.deploy.target import Chosen, Target
    from wherry.deploy.work import Outcome, Preview
    from wherry.engine import Engine
else:
    from wherry.lean import NamedTuple

__all__ = ["VERB", "run"]

_WHERE = {
    "ecs": "Deploy to AWS: ECS on Fargate",
    "cloudrun": "Deploy to Google Cloud Run",
    "aca": "Deploy to Azure Container Apps",
    "compose-ssh": "Deploy to another machine over ssh, which has wherry or docker",
    "kubernetes": "Deploy to a Kubernetes cluster",
}
_EXAMPLES = {
    "kubernetes": (
        "wherry deploy kubernetes --image iris:3 --registry registry.example.com/team --dry-run",
        "wherry deploy kubernetes --image iris:3 --registry registry.example.com/team --min 2 --max 6 --yes",
        "wherry deploy kubernetes --image iris:3 --output k8s",
    ),
    "ecs": (
        "wherry deploy ecs --image iris:3 --region eu-central-1 --dry-run",
        "wherry deploy ecs --image iris:3 --yes",
    ),
    "cloudrun": (
        "wherry deploy cloudrun --image iris:3 --project my-project --region europe-west1 --dry-run",
        "wherry deploy cloudrun --image iris:3 --min 0 --max 3 --yes",
    ),
    "compose-ssh": (
        "wherry deploy compose-ssh --image iris:3 --host deploy@gpu1.example.com --dry-run",
        "wherry deploy compose-ssh --image iris:3 --host gpu1 --publish 127.0.0.1:8080 --yes",
    ),
    "aca": (
        "wherry deploy aca --image iris:3 --location westeurope --dry-run",
        "wherry deploy aca --image iris:3 --location westeurope --min 0 --max 3 --yes",
        "wherry deploy aca --image iris:3 --output azure",
    ),
}


def _verb(target: str) -> Verb:
    flags = [*deploy_flags.COMMON, *deploy_flags.of_target(target)]
    return Verb("[OPTIONS]", _WHERE[target], flags, examples=_EXAMPLES.get(target, ()))


VERB = {
    **{f"deploy {name}": _verb(name) for name in _WHERE},
    "deploy to": Verb(
        "[OPTIONS] TARGET",
        "Deploy to a target that another package brings (wherry deploy TARGET does the same)",
        [*deploy_flags.COMMON, deploy_flags.OPTION],
        least=1,
        most=1,
        examples=("wherry deploy to acme --image iris:3 --option zone=b",),
    ),
}


class _Asked(NamedTuple):
    """What one command line and its files mean together."""

    target: Target
    app: Application
    chosen: Chosen
    contract: Contract | None


def run(name: str, engine: Engine, args: Args, out: Output) -> int:
    """Prints the URL, or with --format json the plan and the result."""
    from wherry.cli.compose_work import interrupts

    deploy_flags.check(args)
    if _timeout_s(args) <= 0:
        raise InputError(f"--timeout must be more than nothing, not {args.text('timeout')[:40]}")
    target = args.rest[0] if name == "deploy to" else name.removeprefix("deploy ")
    with interrupts() as heard:
        asked = _asked(engine, target, args, out, heard.cancel)
        if args.given("output"):
            return _write(engine, asked, args, out)
        return _deploy(engine, asked, args, out, heard.cancel)


def _asked(engine: Engine, name: str, args: Args, out: Output, cancel: Cancel) -> _Asked:
    from wherry.deploy import image, settle, targets, wherry_toml, work
    from wherry.deploy.wishes import over
    from wherry.oci.platform import Platform

    target = targets.find(name)
    settings = engine.settings
    file = wherry_toml.read(settings.cwd, name, target.options, targets.names())
    chosen = deploy_flags.chosen(args, target.options, dict(file.chosen))
    wishes = over(deploy_flags.wishes(args, settings, file.env_files), file.wishes)
    if compose := args.text("compose") or file.compose:
        wishes = over(wishes, _of_compose(engine, compose, args.text("service") or file.service, out))
    elif args.given("service"):
        raise InputError("--service needs --compose FILE")
    if not wishes.image:
        raise InputError(
            "no image to deploy", hint='--image NAME:TAG, or image = "NAME:TAG" in [deploy] of wherry.toml'
        )
    found = image.resolve(engine, wishes.image, Platform.of("linux", "amd64"), cancel)
    app = settle.settle(wishes, found)
    work.check(target, app, chosen)
    for variable in settle.suspicious(app):
        out.error(f"wherry: {variable} looks like a secret, and everybody who may look at {name} reads variables; "
                  f"better --secret {variable}=env:{variable}")  # fmt: skip
    contract = "" if args.on("no-verify") else args.text("contract") or file.contract
    return _Asked(target, app, chosen, _contract(engine, contract) if contract else None)


def _contract(engine: Engine, path: str) -> Contract:
    """Read before anything is done: a deployment must not end by a contract that can't be read."""
    from wherry.contract.openapi import require_validator
    from wherry.engine.verify_contract import load

    contract = load(os.path.join(engine.settings.cwd, path))
    if contract.schema:
        require_validator()
    return contract


def _of_compose(engine: Engine, path: str, service: str, out: Output) -> Any:
    from wherry.compose.load import LoadRequest, load
    from wherry.deploy.compose_source import of_service, pick

    settings = engine.settings
    try:
        project = load(LoadRequest(current_dir=settings.cwd, environment=settings.env, files=[path]))
        return of_service(project, pick(project, service), lambda text: out.error(f"wherry: {text}"))
    except ComposeError as fault:
        fault.exit_code = 1  # docker-compose's own codes are those of its own commands
        raise


def _write(engine: Engine, asked: _Asked, args: Args, out: Output) -> int:
    from wherry.deploy.documents import save

    folder = os.path.join(engine.settings.cwd, args.text("output"))
    for path in save(folder, asked.target.documents(asked.app, asked.chosen)):
        out.line(path)
    return 0


def _deploy(engine: Engine, asked: _Asked, args: Args, out: Output, cancel: Cancel) -> int:
    from wherry.deploy import work
    from wherry.deploy.target import Surroundings

    settings = engine.settings
    session = asked.target.connect(asked.chosen, Surroundings(settings.env, settings.cwd, engine.host, engine))
    try:
        seen = work.preview(engine, session, asked.app, cancel)
        if not _agreed(seen, args, out):
            return 0 if args.on("dry-run") else 1
        job = _job(engine, session, asked, args, out, cancel)
        _keep(engine, asked, seen.plan.where, seen.app.image.reference)
        try:
            outcome = work.carry_out(job, seen, cancel)
        except Unhealthy as fault:
            for line in fault.reasons:
                out.error(f"  {line}")
            raise
    finally:
        session.close()
    _keep(engine, asked, outcome.plan.where, outcome.app.image.reference, outcome.deployed.url)
    _tell(outcome, args, out)
    return 0


def _timeout_s(args: Args) -> float:
    from wherry.runtime.parse_values import duration_ns

    return duration_ns(args.text("timeout")) / 1e9


def _job(engine: Engine, session: Any, asked: _Asked, args: Args, out: Output, cancel: Cancel) -> Any:
    from wherry.cli.deploy_watch import Lines, verifier
    from wherry.cli.transfer import choose
    from wherry.deploy.work import Job

    verify = None if args.on("no-verify") else verifier(engine, asked.contract, cancel)
    return Job(
        engine, session, Lines(out), lambda: choose(out, engine.settings.env, on_stderr=True), verify,
        args.text("verify-url"), _timeout_s(args), not args.on("no-rollback"),
    )  # fmt: skip


def _agreed(seen: Preview, args: Args, out: Output) -> bool:
    """Shows the plan, and asks on a terminal. Raises: InputError where nobody can be asked."""
    is_json = args.text("format") == "json"
    if args.on("dry-run"):
        if is_json:
            out.json(seen.plan.to_json(), indent=2)
        else:
            out.line(seen.plan.text())
        return False
    out.error(seen.plan.text())
    if args.on("yes"):
        return True
    if not out.in_is_terminal or is_json:
        raise InputError("nothing was done: there is nobody to ask", hint="--yes does it, --dry-run only shows it")
    return out.confirm("This will be done.")


def _keep(engine: Engine, asked: _Asked, where: str, image: str, url: str = "") -> None:
    """Before anything is made too: what breaks off in the middle is found again by status, logs and destroy."""
    import time

    from wherry.deploy.record import Record, find, keep

    root, name, target = engine.settings.paths.root, asked.app.name, asked.target.name
    before = find(root, target, name)
    if not url and before and before.where == where:
        url = before.url
    keep(root, Record(name, target, where, url, image, int(time.time()), asked.chosen.values()))


def _tell(outcome: Outcome, args: Args, out: Output) -> None:
    if args.text("format") == "json":
        document: Mapping[str, Any] = {
            **outcome.plan.to_json(), "Url": outcome.deployed.url, "Revision": outcome.deployed.revision,
            "Image": outcome.app.image.reference, "Verified": outcome.verified,
        }  # fmt: skip
        out.json(document, indent=2)
        return
    if outcome.verified:
        out.error(f"verified: {outcome.verified}")
    out.line(outcome.deployed.url or f"{outcome.app.name} is deployed")
