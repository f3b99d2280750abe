"""wherry ci github, gitlab and jenkins."""

from __future__ import annotations

import os

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

__all__ = ["VERB", "run"]

_SERVICES = {"github": "GitHub Actions", "gitlab": "GitLab CI", "jenkins": "Jenkins"}


def _verb(kind: str, image: str) -> Verb:
    return Verb(
        "[OPTIONS] [PATH]",
        f"Write a pipeline for {_SERVICES[kind]}: lint, build, verify, push, deploy",
        [
            Flag("branch", "The branch that is pushed and deployed", kind="string", default="main"),
            Flag("contract", "The prediction contract (default: contract.yaml, when it is there)", kind="string",
                 type_name="FILE"),
            Flag("deploy", "Deploy with approval: ecs, cloudrun, aca, kubernetes or compose-ssh", kind="string",
                 type_name="TARGET"),
            Flag("environment", "What the deployment's environment is called", kind="string", default="production"),
            Flag("force", "Write over a file that is there", short="f"),
            Flag("image", f"The repository that images go to {image}", kind="string", type_name="NAME"),
            Flag("output", "Write here instead; - is standard output", short="o", kind="string", type_name="FILE"),
        ],
        most=1,
        examples=[f"wherry ci {kind} --image registry.example.com/team/api", f"wherry ci {kind} --deploy ecs -o -"],
    )  # fmt: skip


VERB = {
    "ci github": _verb("github", "(default: ghcr.io and the repository's name)"),
    "ci gitlab": _verb("gitlab", "(default: the project's own registry)"),
    "ci jenkins": _verb("jenkins", "(needed)"),
}


def run(name: str, engine: Engine, args: Args, out: Output) -> int:
    """Writes one file below PATH, and says which. Raises: InputError, also when the file is there."""
    from importlib import import_module

    from wherry.pipelines.model import make

    kind = name.rpartition(" ")[2]
    module = import_module(f"wherry.pipelines.{kind}")
    folder = os.path.join(engine.settings.cwd, args.rest[0] if args.rest else ".")
    pipeline = make(
        image=args.text("image"),
        branch=args.text("branch"),
        context=".",
        contract=_contract(args, folder),
        deploy=args.text("deploy"),
        environment=args.text("environment"),
    )
    text: str = module.text(pipeline)
    path = args.text("output") or os.path.join(args.rest[0] if args.rest else "", module.PATH)
    if path == "-":
        out.write(text)
        return 0
    _write(os.path.join(engine.settings.cwd, path), text, force=args.on("force"))
    out.line(f"wrote {path}")
    for line in _next(kind, args.text("deploy"), bool(pipeline.contract)):
        out.line(line)
    return 0


def _contract(args: Args, folder: str) -> str:
    """Relative to the repository's root, as the pipeline sees it."""
    from wherry.errors import InputError

    named = args.text("contract")
    if named:
        if not os.path.isfile(os.path.join(folder, named)):
            raise InputError(f"there is no contract {named}", hint="wherry record writes one from real requests")
        return os.path.normpath(named)
    return "contract.yaml" if os.path.isfile(os.path.join(folder, "contract.yaml")) else ""


def _write(path: str, text: str, *, force: bool) -> None:
    """Raises: InputError."""
    from wherry.errors import Conflict, InputError
    from wherry.fs.atomic import replace_file

    if os.path.lexists(path) and not force:
        raise Conflict(f"{path} is there already", hint="--force writes over it, -o - prints what would be written")
    try:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        replace_file(path, text.encode(), 0o644)
    except OSError as fault:
        raise InputError(f"cannot write {path}: {fault.strerror}") from None


def _next(kind: str, target: str, has_contract: bool) -> list[str]:
    lines = []
    if not has_contract:
        lines.append(
            "there is no contract.yaml: nothing verifies what the model answers (wherry record IMAGE -o contract.yaml)"
        )
    if target:
        where = {
            "github": "Settings > Environments > Required reviewers",
            "gitlab": "Settings > CI/CD > Protected environments",
            "jenkins": "the `input` of the stage Deploy",
        }[kind]
        lines.append(f"who must approve a deployment: {where}")
    lines.append("what each line does: docs/ci.md")
    return lines
