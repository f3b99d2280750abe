"""wherry mlflow export, import."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.mlflow_server import Server

__all__ = ["VERB", "run"]

_URI = Flag("uri", "The server (default: $MLFLOW_TRACKING_URI)", kind="string")

VERB = {
    "mlflow export": Verb(
        "[OPTIONS] RUN [RUN...]",
        "Send training runs to an MLflow server; what is there already is not sent again",
        [
            Flag("experiment", "MLflow's experiment (default: the run's own)", short="e", kind="string"),
            Flag("quiet", "Print MLflow's run ids only", short="q"),
            _URI,
        ],
        least=1,
        most=None,
        examples=["wherry mlflow export --uri http://localhost:5000 latest"],
    ),
    "mlflow import": Verb(
        "[OPTIONS] [MLFLOW_RUN_ID...]",
        "Fetch runs of an MLflow server",
        [
            Flag("experiment", "All runs of this experiment", short="e", kind="list"),
            Flag("force", "Fetch runs again that are here", short="f"),
            Flag("quiet", "Print the runs' ids only", short="q"),
            _URI,
        ],
        most=None,
        examples=["wherry mlflow import --uri http://localhost:5000 --experiment iris"],
    ),
}


def run(name: str, engine: Engine, args: Args, out: Output) -> int:
    return _export(engine, args, out) if name == "mlflow export" else _import(engine, args, out)


def _server(engine: Engine, args: Args) -> Server:
    from wherry.engine.mlflow_server import connect
    from wherry.errors import InputError

    uri = args.text("uri") or engine.settings.env.get("MLFLOW_TRACKING_URI", "")
    if not uri:
        raise InputError("which MLflow server?", hint="--uri http://localhost:5000, or set MLFLOW_TRACKING_URI")
    return connect(uri.rstrip("/"))


def _export(engine: Engine, args: Args, out: Output) -> int:
    """The oldest first, so that a child finds its parent there."""
    from wherry.engine.mlflow_export import export

    found = {one.id: one for one in map(engine.runs.find, args.rest)}
    server = _server(engine, args)
    for one in sorted(found.values(), key=lambda one: one.started_ms):
        sent = export(engine, server, one, args.text("experiment"))
        for text in sent.warnings:
            out.error(f"WARNING: run {one.document['name']}: {text}")
        if args.on("quiet"):
            out.line(sent.run_id)
            continue
        how = "exported as" if sent.is_new else "went on as"
        what = f"{_count(sent.points, 'point')}, {_count(sent.artifacts, 'artifact')}"
        out.line(f"{one.document['name']}: {how} {sent.run_id}: {what}")
    return 0


def _import(engine: Engine, args: Args, out: Output) -> int:
    from wherry.engine.mlflow_import import fetch
    from wherry.errors import InputError

    if not args.rest and not args.all("experiment"):
        raise InputError("which runs?", hint="ids of MLflow's, or --experiment NAME")
    server = _server(engine, args)
    ids = list(args.rest)
    for name in args.all("experiment"):
        ids += server.runs_of(server.experiment(name))
    for id in dict.fromkeys(ids):
        got = fetch(engine, server, id, force=args.on("force"))
        for text in got.warnings:
            out.error(f"WARNING: {text}")
        name = got.run.document["name"]
        out.line(
            got.run.id if args.on("quiet") else f"{name}: {'imported' if got.is_new else 'is here'} as {got.run.id}"
        )
    return 0


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
