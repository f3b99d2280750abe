"""wherry deploy status, logs, destroy and ls."""

from __future__ import annotations

from wherry.cli import deploy_flags
from wherry.cli.flags import Flag, Verb
from wherry.errors import InputError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.deploy.target import LogQuery, Session, Status
    from wherry.engine import Engine

__all__ = ["VERB", "run"]

_OPTIONS = [*deploy_flags.every_option(), deploy_flags.OPTION]
_MOST_DIGITS = 9  # what no log has, and every API takes
_FORMAT = Flag("format", "Print json instead", kind="string")

VERB = {
    "deploy status": Verb(
        "[OPTIONS] TARGET NAME", "Show how a deployment is",
        [*_OPTIONS, _FORMAT], least=2, most=2, examples=("wherry deploy status kubernetes iris",),
    ),
    "deploy logs": Verb(
        "[OPTIONS] TARGET NAME", "Fetch the logs of a deployment",
        [*_OPTIONS, Flag("follow", "Follow log output"),
         Flag("tail", "Number of lines to show from the end of the logs", short="n", kind="string", default="all"),
         Flag("since", "Show logs of this last while (e.g. 42m)", kind="string")],
        least=2, most=2, examples=("wherry deploy logs kubernetes iris --tail 50",),
    ),
    "deploy destroy": Verb(
        "[OPTIONS] TARGET NAME", "Remove a deployment: exactly what wherry made for it",
        [*_OPTIONS, Flag("dry-run", "Show what would be removed, and remove nothing"),
         Flag("yes", "Do not ask", short="y"), _FORMAT],
        least=2, most=2, examples=("wherry deploy destroy kubernetes iris --yes",),
    ),
    "deploy ls": Verb("[OPTIONS]", "List what was deployed from this machine", [_FORMAT],
                      examples=("wherry deploy ls",)),
}  # fmt: skip


def run(name: str, engine: Engine, args: Args, out: Output) -> int:
    if args.has("format") and args.text("format") not in {"", "json"}:
        raise InputError(f"--format takes json alone, not {args.text('format')[:40]!r}")
    if name == "deploy ls":
        return _list(engine, args, out)
    query = _query(args) if name == "deploy logs" else None  # before a cloud is asked anything
    session = _session(engine, args)
    try:
        if query is not None:
            return _logs(session, args, query, out)
        return (_status if name == "deploy status" else _destroy)(engine, session, args, out)
    finally:
        session.close()


def _session(engine: Engine, args: Args) -> Session:
    """Options that are not given are those of the last deployment from here."""
    from wherry.deploy import record, targets, wherry_toml
    from wherry.deploy.application import plain_name
    from wherry.deploy.target import Surroundings

    name, application = args.rest
    plain_name(application)
    target = targets.find(name)
    settings = engine.settings
    file = wherry_toml.read(settings.cwd, name, target.options, targets.names())
    kept = record.find(settings.paths.root, name, application)
    known = {one.name for one in target.options}
    lower = {key: value for key, value in (kept.options if kept else {}).items() if key in known}
    chosen = deploy_flags.chosen(args, target.options, {**file.chosen, **lower})
    return target.connect(chosen, Surroundings(settings.env, settings.cwd, engine.host, engine))


def _status(engine: Engine, session: Session, args: Args, out: Output) -> int:
    """Exit code 1 unless it runs."""
    status = session.status(args.rest[1])
    if args.text("format") == "json":
        out.json(_document(status), indent=2)
    else:
        rows = [("Name", status.name), ("Target", f"{status.target} ({status.where})"), ("State", status.state),
                ("URL", status.url or "-"), ("Image", status.image), ("Revision", status.revision),
                ("Ready", f"{status.ready} of {status.wanted}")]  # fmt: skip
        for key, value in rows:
            out.line(f"{key + ':':<10} {value}")
        if status.instances:
            out.line()
            out.table(["INSTANCE", "STATE", "READY", "REASON"],
                      [(one.name, one.state, "yes" if one.is_ready else "no", one.reason)
                       for one in status.instances])  # fmt: skip
        if status.events:
            out.line("\nEvents:")
            for event in status.events:
                out.line(f"  {event}")
    return 0 if status.state in {"running", "updating"} else 1


def _document(status: Status) -> dict[str, object]:
    instances = [{"Name": one.name, "State": one.state, "Ready": one.is_ready, "Reason": one.reason}
                 for one in status.instances]  # fmt: skip
    return {
        "Name": status.name, "Target": status.target, "Where": status.where, "State": status.state, "Url": status.url,
        "Image": status.image, "Revision": status.revision, "Wanted": status.wanted, "Ready": status.ready,
        "Instances": instances, "Events": list(status.events),
    }  # fmt: skip


def _query(args: Args) -> LogQuery:
    """Raises: InputError."""
    from wherry.deploy.target import LogQuery
    from wherry.runtime.parse_values import duration_ns

    tail = args.text("tail")
    if tail != "all" and not (tail.isascii() and tail.isdecimal() and len(tail) <= _MOST_DIGITS):
        raise InputError(f"--tail takes a number or all, not {tail[:40]!r}")
    since = duration_ns(args.text("since")) / 1e9 if args.given("since") else None
    if since is not None and since < 0:
        raise InputError(f"--since: {args.text('since')[:40]!r} is in the future")
    return LogQuery(args.on("follow"), None if tail == "all" else int(tail), since)


def _logs(session: Session, args: Args, query: LogQuery, out: Output) -> int:
    from wherry.cli.compose_work import interrupts
    from wherry.cli.render import clean

    with interrupts() as heard:
        for line in session.logs(args.rest[1], query, heard.cancel):
            out.line(f"{clean(line.instance)} | {clean(line.text)}")
            out.flush()
    return 0


def _destroy(engine: Engine, session: Session, args: Args, out: Output) -> int:
    from wherry.cli.compose_work import interrupts
    from wherry.cli.deploy_watch import Lines
    from wherry.deploy import record

    target, name = args.rest
    root = engine.settings.paths.root
    try:
        plan = session.plan_destroy(name)
    except NotFound:
        kept = record.find(root, target, name)
        if kept and kept.where == session.where and not args.on("dry-run"):
            record.forget(root, target, name)
        raise
    is_json = args.text("format") == "json"
    if args.on("dry-run"):
        if is_json:
            out.json(plan.to_json(), indent=2)
        else:
            out.line(plan.text())
        return 0
    out.error(plan.text())
    if not args.on("yes"):
        if not out.in_is_terminal or is_json:
            raise InputError(
                "nothing was removed: there is nobody to ask", hint="--yes does it, --dry-run only shows it"
            )
        if not out.confirm("This will be removed."):
            return 1
    with interrupts() as heard:
        session.destroy(plan, Lines(out), heard.cancel)
    record.forget(root, target, name)
    if is_json:
        out.json(plan.to_json(), indent=2)
    else:
        out.line(name)
    return 0


def _list(engine: Engine, args: Args, out: Output) -> int:
    import time

    from wherry.cli.render import ago
    from wherry.deploy.record import read_all

    records = read_all(engine.settings.paths.root)
    if args.text("format") == "json":
        for one in records:
            out.json({"Name": one.name, "Target": one.target, "Where": one.where, "Url": one.url, "Image": one.image,
                      "DeployedAt": one.at_s})  # fmt: skip
        return 0
    now = time.time()
    rows = [(one.name, one.target, one.where, f"{ago(now - one.at_s)} ago", one.url) for one in records]
    out.table(["NAME", "TARGET", "WHERE", "DEPLOYED", "URL"], rows)
    return 0
