"""wherry runs compare, inspect, ls, rm, show."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from wherry.cli.flags import Args
    from wherry.cli.formats import Row
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = {
    "runs compare": Verb(
        "[OPTIONS] RUN RUN [RUN...]",
        "Show what differs between runs: parameters, metrics, code, image, packages",
        [
            Flag("all", "Show what is the same, too", short="a"),
            Flag("format", "Format output: 'json', or a table by default", kind="string"),
        ],
        least=2,
        most=None,
        examples=["wherry runs compare glad-robin swift-owl"],
    ),
    "runs inspect": Verb(
        "[OPTIONS] RUN [RUN...]",
        "Display all that is known of runs, as JSON",
        [Flag("format", "Format output: 'json', or a Go template", short="f", kind="string")],
        least=1,
        most=None,
        examples=["wherry runs inspect latest", "wherry runs inspect --format '{{.params.lr}}' glad-robin"],
    ),
    "runs ls": Verb(
        "[OPTIONS]",
        "List training runs, the newest first",
        [
            Flag("filter", "Only runs for which this holds: status=failed, param.lr<0.1, metric.acc>0.9",
                 short="f", kind="list"),
            Flag("format", "Format output: 'table', 'table TEMPLATE', 'json', or a Go template", kind="string"),
            Flag("last", "Show at most this many (0: all)", short="n", kind="int", default=0),
            Flag("no-trunc", "Show whole ids and all metrics"),
            Flag("quiet", "Only display ids", short="q"),
            Flag("sort", "By a field, param.NAME or metric.NAME; with a '-' the greatest first", kind="string",
                 default="-started"),
        ],
        examples=["wherry runs ls", "wherry runs ls -f experiment=iris -f 'metric.acc>0.9' --sort -metric.acc"],
    ),
    "runs rm": Verb(
        "[OPTIONS] RUN [RUN...]",
        "Remove runs with their metrics and artifacts",
        [Flag("force", "Also runs that go on", short="f")],
        least=1,
        most=None,
        examples=["wherry runs rm glad-robin"],
    ),
    "runs show": Verb(
        "[OPTIONS] RUN [RUN...]",
        "Show runs: parameters, metrics, artifacts, code, image, environment",
        [
            Flag("diff", "Print the recorded diff of the code, and nothing else"),
            Flag("format", "Format output: 'json', or a Go template", short="f", kind="string"),
        ],
        least=1,
        most=None,
        examples=["wherry runs show latest", "wherry runs show --diff glad-robin | git apply"],
    ),
}  # fmt: skip

_HEADERS = {
    "ID": "RUN ID", "Name": "NAME", "Experiment": "EXPERIMENT", "Status": "STATUS", "Started": "STARTED",
    "StartedAt": "STARTED AT", "Duration": "DURATION", "Metrics": "METRICS", "Params": "PARAMS", "Image": "IMAGE",
    "Commit": "COMMIT", "Tags": "TAGS", "Folder": "FOLDER",
}  # fmt: skip
_COLUMNS = ("ID", "Name", "Experiment", "Status", "Started", "Duration", "Metrics")


def run(name: str, engine: Engine, args: Args, out: Output) -> int:
    """Returns 1 when any of several runs failed."""
    actions = {"compare": _compare, "inspect": _inspect, "ls": _list, "rm": _remove, "show": _show}
    return actions[name.split()[1]](engine, args, out)


def _list(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli.formats import Listing, listing
    from wherry.runs.query import matches, parse, sort

    conditions = parse(args.all("filter"))
    records = {one.id: one for one in engine.runs.list()}
    documents = [one.document for one in records.values()]
    chosen = sort([one for one in documents if matches(one, conditions)], args.text("sort"))
    limit, whole = args.number("last") or 0, args.on("no-trunc")
    rows = [_row(one, records[one["id"]].folder, whole=whole) for one in (chosen[:limit] if limit > 0 else chosen)]
    listing(out, Listing("runs", _HEADERS, _COLUMNS), rows, args.text("format"), quiet=args.on("quiet"))
    return 0


def _row(document: Mapping[str, Any], folder: str, *, whole: bool) -> Row:
    import time

    from wherry.cli.render import ago, moment
    from wherry.runs.compare import shown

    ended = document.get("ended_ms") or int(time.time() * 1000)
    metrics = [f"{name}={shown(one.get('last'))}" for name, one in document["metrics"].items()]
    text = ", ".join(metrics)
    if not whole and len(text) > 40:
        text = text[:39] + "…"
    code = document.get("exit_code")
    status = f"failed ({code})" if document["status"] == "failed" and code is not None else document["status"]
    return {
        "ID": document["id"] if whole else document["id"][:12], "Name": document["name"],
        "Experiment": document["experiment"], "Status": status,
        "Started": ago(max(0.0, time.time() - document["started_ms"] / 1000)) + " ago",
        "StartedAt": moment(document["started_ms"] * 1_000_000),
        "Duration": _span((ended - document["started_ms"]) / 1000), "Metrics": text,
        "Params": ", ".join(f"{name}={shown(value)}" for name, value in document["params"].items()),
        "Image": document.get("image", {}).get("name", ""), "Commit": document.get("git", {}).get("commit", "")[:12],
        "Tags": ",".join(f"{name}={value}" for name, value in document["tags"].items()), "Folder": folder,
    }  # fmt: skip


def _span(seconds: float) -> str:
    if seconds < 60:
        return f"{max(0.0, seconds):.1f}s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest:02}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}m"


def _show(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli.runs_show import show

    if args.text("format") and not args.on("diff"):
        return _inspect(engine, args, out)
    for number, record in enumerate([engine.runs.find(one) for one in args.rest]):
        if args.on("diff"):
            out.write(record.document.get("git", {}).get("diff", ""))
        else:
            out.write("\n" * bool(number))
            show(out, record)
    return 0


def _inspect(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli import formats

    return formats.inspect(out, args.rest, lambda name: engine.runs.find(name).document, args.text("format"))


def _compare(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli.render import clean
    from wherry.errors import InputError
    from wherry.runs.compare import compare

    documents = [engine.runs.find(one).document for one in args.rest]
    rows = compare(documents, all=args.on("all"))
    names = [clean(one["name"]) for one in documents]
    if args.text("format") == "json":
        for row in rows:
            out.json({"kind": row.kind, "name": row.name, "values": list(row.values), "differs": row.differs})
    elif args.text("format") not in {"", "table"}:
        raise InputError(f"unknown format {args.text('format')[:40]!r}", hint="json or table")
    elif not rows:
        out.line("The runs do not differ.")
    else:
        cells = [[row.kind, row.name, *(_short(one) for one in row.values)] for row in rows]
        out.table(["KIND", "WHAT", *names], cells)
    return 0


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"


def _remove(engine: Engine, args: Args, out: Output) -> int:
    from wherry.errors import Conflict, NotFound

    code = 0
    for name in args.rest:
        try:
            engine.runs.remove(engine.runs.find(name), force=args.on("force"))
        except (NotFound, Conflict) as fault:
            out.error(f"Error: {fault}" + (f"\nhint: {fault.hint}" if fault.hint else ""))
            code = 1
        else:
            out.line(name)
    return code
