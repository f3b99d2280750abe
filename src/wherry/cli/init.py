"""wherry init."""

from __future__ import annotations

import os

from wherry.cli.flags import Flag, FlagError, Verb
from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.scaffold.facts import Facts
    from wherry.scaffold.plan import Plan, Wishes

__all__ = ["FLAGS", "VERB", "run", "wishes"]

PIN_TIMEOUT_S = 3.0

FLAGS = (
    Flag("app", "What to start, when there are several: an import string (main:app) or a file", kind="string"),
    Flag("cpu", "For a machine without GPU, whatever the code says"),
    Flag("gpu", "For a machine with an NVIDIA GPU, whatever the code says"),
    Flag("port", "Port that the application listens on in its container", kind="int"),
    Flag("python", "Python version (3.12)", kind="string"),
)

VERB = Verb(
    "[OPTIONS] [PATH]",
    "Read a Python project and write its Dockerfile, .dockerignore and compose.yaml",
    [
        *FLAGS,
        Flag("diff", "Show what would change in the files that are there, and write nothing"),
        Flag("force", "Replace files that are there"),
        Flag("format", "How to say what was found: text or json", kind="string", default="text"),
        Flag("pin", "Write the base image's digest behind its tag (--pin=false: do not ask the registry)", default=1),
        Flag("print", "Print the files, and write nothing"),
    ],
    most=1,
    examples=["wherry init", "wherry init --print .", "wherry init --port 9000 --python 3.12 --force shop"],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """What was found goes to stdout; to stderr where stdout has the files."""
    from wherry.cli import init_show
    from wherry.scaffold.plan import plan
    from wherry.scaffold.read import read
    from wherry.scaffold.save import save
    from wherry.scaffold.write import texts

    _check(args)
    path = args.rest[0] if args.rest else "."
    folder = os.path.join(engine.settings.cwd, path)
    facts = read(folder)
    decided, unpinned = _pinned(engine, args, facts, plan(facts, wishes(args)))
    files = texts(decided)
    if other := [one for one in facts.evidence.compose_files if one != "compose.yaml" and "/" not in one]:
        # compose.yaml would be read instead of it
        files.pop("compose.yaml")
    is_json = args.text("format") == "json"
    if args.on("print") or args.on("diff"):
        if is_json:
            out.json(init_show.document(decided, files, []), indent=2)
            return 0
        out.error("\n".join(init_show.report(decided, unpinned)))
        out.write(init_show.printed(files) if args.on("print") else init_show.differences(folder, files))
        return 0
    if not is_json:
        for line in init_show.report(decided, unpinned):
            out.line(line)
    written = save(folder, files, force=args.on("force"))
    if is_json:
        out.json(init_show.document(decided, files, written), indent=2)
        return 0
    for line in init_show.what_next(decided, written, path, other):
        out.line(line)
    return 0


def wishes(args: Args) -> Wishes:
    """Raises: FlagError."""
    import re

    from wherry.scaffold.plan import Wishes

    port, python = args.number("port"), args.text("python")
    if port is not None and not 0 < port < 65536:
        raise FlagError(f'invalid argument "{port}" for "--port" flag: a port is between 1 and 65535')
    if python and not re.fullmatch(r"3\.\d{1,2}", python):
        raise FlagError(f'invalid argument "{python}" for "--python" flag: a version as 3.12')
    if args.on("gpu") and args.on("cpu"):
        raise FlagError("--gpu and --cpu exclude each other")
    gpu = True if args.on("gpu") else False if args.on("cpu") else None
    return Wishes(app=args.text("app"), port=port or 0, python=python, gpu=gpu)


def _check(args: Args) -> None:
    """Raises: FlagError."""
    if args.text("format") not in ("text", "json"):
        raise FlagError(f'invalid argument "{args.text("format")}" for "--format" flag: it is text or json')
    if args.on("print") and args.on("diff"):
        raise FlagError("--print and --diff exclude each other")


def _pinned(engine: Engine, args: Args, facts: Facts, decided: Plan) -> tuple[Plan, str]:
    """The plan with the base image's digest; without one, and why, where there is none to be had.

    Raises: InputError when --pin was given and there is none.
    """
    from wherry.engine.base_pin import find_digest
    from wherry.scaffold.plan import plan

    if not args.on("pin") or facts.packages.manager == "conda":
        return decided, ""
    digest, why = find_digest(engine, decided.base, PIN_TIMEOUT_S)
    if digest:
        return plan(facts, wishes(args)._replace(digest=digest)), ""
    if args.given("pin"):
        raise InputError(f"--pin: no digest of {decided.base} is to be had: {why}",
                         hint="without --pin the tag is written alone")  # fmt: skip
    return decided, why
