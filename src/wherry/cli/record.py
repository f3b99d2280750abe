"""wherry record."""

from __future__ import annotations

import os

from wherry.cli.flags import Flag, FlagError, Verb
from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cancel import Cancel
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.contract.model import App
    from wherry.engine import Engine
    from wherry.engine.verify_record import Recorder

__all__ = ["VERB", "run"]

VERB = Verb(
    "[OPTIONS] IMAGE|CONTAINER|URL [-- COMMAND [ARG...]]",
    "Write a prediction contract from real requests: a proxy that remembers what it let through",
    [
        Flag("output", "The contract to write", short="o", kind="string", default="contract.yaml"),
        Flag("listen", "Where to listen: HOST:PORT, port 0 for a free one", kind="string", default="127.0.0.1:8900"),
        Flag("requests", "End after so many requests", short="n", kind="int"),
        Flag("once", "Ask each request once, also when that leaves unstable answers unknown"),
        Flag("force", "Write over a contract that is there", short="f"),
        Flag("ready", "Path that is answered when the image is ready", kind="string"),
        Flag("header", "Header for each request, never written ('Name: value', 'Name: @FILE')", short="H", kind="list"),
        Flag("token-env", "Environment variable with a bearer token, never written", kind="string"),
    ],
    least=1,
    most=None,
    examples=(
        "wherry record ai-api",
        "wherry record -o contract.yaml ai-api -- sh requests.sh",
        "wherry record -n 10 https://api.example --token-env API_TOKEN",
    ),
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """0 when a contract was written; the command's own exit code where it failed."""
    from wherry.cli.compose_work import interrupts
    from wherry.cli.verify import header_pairs
    from wherry.contract.model import App
    from wherry.engine.verify_record import Recorder, behind, serving

    path = os.path.join(engine.settings.cwd, args.text("output"))
    if os.path.exists(path) and not args.on("force"):
        raise InputError(f"{args.text('output')} is there already", hint="another name by -o, or --force")
    host, port = _address(args.text("listen"))
    command, most = args.rest[1:], args.number("requests")
    app = App(ready=args.text("ready"))
    headers = dict(header_pairs(engine, args))
    with interrupts() as found, behind(engine, args.rest[0], headers, app, found.cancel) as (caller, app):
        done = _Done(found.cancel, most)
        recorder = Recorder(caller, once=args.on("once"), on_seen=done.seen)
        with serving(recorder, (host, port)) as url:
            out.error(f"recording: send requests to {url}" + ("" if command or most else ", and end with ^C"))
            code = _command(engine, command, url, out) if command else done.wait()
    if not recorder.seen:
        out.error("wherry: no request came: nothing is written")
        return code or 1
    _save(recorder, app, path, out)
    return code


class _Done:
    """Whether it is time to end: ^C, or enough requests."""

    def __init__(self, cancel: Cancel, most: int | None) -> None:
        self._cancel, self._most = cancel, most
        self._is_over = False

    def seen(self, count: int) -> None:
        self._is_over = self._most is not None and count >= self._most

    def wait(self) -> int:
        """A ^C is how it is meant to end: no fault."""
        while not self._is_over and not self._cancel.wait(0.05):
            pass
        return 0


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise FlagError(f'invalid argument "{text[:80]}" for "--listen" flag: must be HOST:PORT')
    return host.strip("[]") or "127.0.0.1", int(port)


def _command(engine: Engine, argv: list[str], url: str, out: Output) -> int:
    """The exit code of what sends the requests; it finds us in WHERRY_URL."""
    from wherry.host import Command

    env = {**engine.settings.env, "WHERRY_URL": url}
    try:
        pid = engine.host.spawn(Command(argv, env=env), stdin=out.in_fd, stdout=out.out_fd, stderr=out.err_fd)
    except FileNotFoundError:
        raise InputError(f"{argv[0]}: no such program") from None
    return abs(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def _save(recorder: Recorder, app: App, path: str, out: Output) -> None:
    """Says what was left out."""
    from wherry.engine.verify_contract import save

    contract, notes = recorder.contract(app)
    note = "Recorded by wherry record. Read it before you commit it: it holds what was sent.\n"
    try:
        save(contract, path, note + "\n".join(notes))
    except OSError as fault:
        raise InputError(f"cannot write {path}: {fault.strerror}") from None
    for text in notes:
        out.error(f"wherry: {text}")
    count = len(contract.requests)
    out.line(f"{path}: {count} request{'s' * (count != 1)} of {len(recorder.seen)} seen")
