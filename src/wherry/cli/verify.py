"""wherry verify."""

from __future__ import annotations

import os

from wherry.cli.flags import Flag, FlagError, Verb
from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.contract.model import Contract
    from wherry.contract.run import Result
    from wherry.engine import Engine
    from wherry.engine.verify import Verified, VerifyRequest

__all__ = ["VERB", "header_pairs", "run"]

_BROKEN = 1

VERB = Verb(
    "[OPTIONS] IMAGE|URL [IMAGE|URL]",
    "Check that an application keeps its contract: an image started as a cloud would, or a running deployment",
    [
        Flag("contract", "The contract (default: ./contract.yaml, where there is one)", short="c", kind="string"),
        Flag("against", "An image or a URL whose answers the target's are compared with", kind="string"),
        Flag("attach", "Keep the result beside the image, to be pushed with it (default: true)", default=True),
        Flag("no-attach", "The same as --attach=false"),
        Flag("writable", "Leave the container's root writable"),
        Flag("memory", "Memory limit of the container (default: 2g)", short="m", kind="string"),
        Flag("cpus", "Number of CPUs of the container (default: 1)", kind="string"),
        Flag("user", "User of the container, or 'image' for its own (default: any uid, gid 0)", short="u",
             kind="string"),
        Flag("timeout", "How long it may take to get ready, as 90s (default: 60s)", kind="string"),
        Flag("header", "Header for a URL, as 'Name: value' ('Name: @FILE' reads the value)", short="H", kind="list"),
        Flag("token-env", "Environment variable with a bearer token for a URL", kind="string"),
        Flag("junit", "Write the result as JUnit XML to this file", kind="string"),
        Flag("json", "Write the result as JSON to this file", kind="string"),
        Flag("format", "Format output: 'json', a Go template, or the default tables", kind="string"),
        Flag("quiet", "Print nothing; the exit code says it", short="q"),
    ],
    least=1,
    most=2,
    examples=(
        "wherry verify ai-api",
        "wherry verify --junit verify.xml -c contract.yaml shop/api:2",
        "wherry verify https://api.example --against ai-api",
        "wherry verify shop/api:1 shop/api:2",
    ),
)  # fmt: skip


def run(engine: Engine, args: Args, out: Output) -> int:
    """0 when the contract is kept, 1 when it is broken."""
    from wherry.cli.compose_work import interrupts
    from wherry.engine.verify import verify

    request = _request(engine, args)
    with interrupts() as found:
        verified = verify(engine, request, _Shown(out, quiet=args.on("quiet")), found.cancel)
    for flag, text in (("junit", verified.junit), ("json", lambda: _json_text(verified))):
        if args.given(flag):
            _write(os.path.join(engine.settings.cwd, args.text(flag)), text())
    format = args.text("format")
    if args.on("quiet"):
        pass
    elif format not in {"", "table"}:
        from wherry.cli import formats

        formats.document(out, verified.document(), format)
    else:
        from wherry.cli.verify_tables import tables

        tables(engine, verified, out)
    return 0 if verified.is_good else _BROKEN


def _request(engine: Engine, args: Args) -> VerifyRequest:
    from wherry.contract.read import seconds
    from wherry.engine.verify import VerifyRequest, is_url
    from wherry.engine.verify_contract import defaults

    said = defaults(engine.settings.cwd)
    target, against = args.rest[0], args.text("against")
    if len(args.rest) == 2:
        if against:
            raise InputError("--against and a second target are the same: give one")
        # `verify OLD NEW`: the new one is verified, beside the old one
        target, against = args.rest[1], args.rest[0]
    headers = header_pairs(engine, args)
    if headers and not (is_url(target) or is_url(against)):
        raise InputError("--header and --token-env are for URLs", hint="headers of an image's requests: the contract")
    try:
        timeout_s = seconds(args.text("timeout")) if args.given("timeout") else None
    except ValueError as fault:
        text = args.text("timeout")[:80]
        raise FlagError(f'invalid argument "{text}" for "--timeout" flag: {fault}') from None
    attach = args.on("attach") and not args.on("no-attach")
    if said.attach is False and not args.given("attach"):
        attach = False
    return VerifyRequest(
        target, _contract(engine, args.text("contract") or said.contract), headers, against, timeout_s,
        args.on("writable") if args.given("writable") else bool(said.writable),
        args.text("memory") or said.memory, args.text("cpus") or said.cpus, args.text("user") or said.user, attach,
    )  # fmt: skip


def _contract(engine: Engine, named: str) -> Contract | None:
    from wherry.engine.verify_contract import NAME, load

    path = os.path.join(engine.settings.cwd, named or NAME)
    return load(path) if named or os.path.exists(path) else None


def header_pairs(engine: Engine, args: Args) -> Sequence[tuple[str, str]]:
    """Of --header and --token-env. Raises: InputError, which never shows a value."""
    found = []
    for text in args.all("header"):
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise InputError("--header must be 'Name: value'")
        value = value.strip()
        if value.startswith("@"):
            value = _read(os.path.join(engine.settings.cwd, value[1:])).strip()
        if any(c in "\r\n\0" for c in value):
            raise InputError(f"--header {name.strip()}: its value has a line break in it")
        found.append((name.strip(), value))
    if variable := args.text("token-env"):
        token = engine.settings.env.get(variable, "").strip()
        if not token:
            raise InputError(f"--token-env: the environment variable {variable} is not set")
        found.append(("Authorization", f"Bearer {token}"))
    return found


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(1 << 20)
    except (OSError, UnicodeDecodeError) as fault:
        raise InputError(f"cannot read {path}: {getattr(fault, 'strerror', None) or 'it is no text'}") from None


def _json_text(verified: Verified) -> str:
    import json

    return json.dumps(verified.document(), indent=2) + "\n"


def _write(path: str, text: str) -> None:
    from wherry.fs.atomic import replace_file

    try:
        replace_file(path, text.encode("utf-8", "replace"), 0o644)
    except OSError as fault:
        raise InputError(f"cannot write {path}: {fault.strerror}") from None


class _Shown:
    """Progress for a terminal: one line that goes away."""

    def __init__(self, out: Output, *, quiet: bool) -> None:
        self._out = out
        self._is_on = out.err_is_terminal and not quiet
        self._count = 0

    def phase(self, text: str) -> None:
        if self._is_on:
            self._out.status("" if text.startswith("stopping") else text)

    def result(self, result: Result) -> None:
        self._count += 1
        if self._is_on:
            self._out.status(f"{self._count} asked: {result.name}")
