"""wherry runs export, plot."""

from __future__ import annotations

import os

from wherry.cli.flags import Flag, Verb
from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.runs.scale import Curve
    from wherry.track.record import Record

VERB = {
    "runs export": Verb(
        "[OPTIONS] RUN [RUN...]",
        "Print every point of runs' metrics, as CSV or JSON",
        [
            Flag("format", "csv, or json: the run's document and its points, a line for each run", kind="string",
                 default="csv"),
            Flag("metric", "Only this metric", short="m", kind="list"),
        ],
        least=1,
        most=None,
        examples=["wherry runs export latest > points.csv", "wherry runs export --format json glad-robin"],
    ),
    "runs plot": Verb(
        "[OPTIONS] RUN [RUN...]",
        "Draw runs' metrics in the terminal, or as SVG or PNG",
        [
            Flag("log", "Logarithmic values"),
            Flag("metric", "Draw this metric (default: all that every run has, one plot each)", short="m", kind="list"),
            Flag("output", "Write NAME.svg or NAME.png ('-': SVG to standard output)", short="o", kind="string"),
            Flag("smooth", "Smooth by an exponential moving average: from 0 to below 1", kind="string", default="0"),
        ],
        least=1,
        most=None,
        examples=["wherry runs plot -m loss latest", "wherry runs plot -m loss --log -o loss.svg glad-robin swift-owl"],
    ),
}  # fmt: skip


def run(name: str, engine: Engine, args: Args, out: Output) -> int:
    """Raises: NotFound (a run, a metric), InputError."""
    records = [engine.runs.find(one) for one in args.rest]
    for metric in args.all("metric"):
        for one in records:
            engine.runs.check_metric(one, metric)
    return {"export": _export, "plot": _plot}[name.split()[1]](engine, records, args, out)


def _plot(engine: Engine, records: list[Record], args: Args, out: Output) -> int:
    from wherry.cli.render import clean, width
    from wherry.runs.braille import draw
    from wherry.runs.png import png
    from wherry.runs.svg import svg

    weight = _weight(args.text("smooth"))
    metrics = args.all("metric") or tuple(
        name for name in records[0].document["metrics"] if all(name in one.document["metrics"] for one in records)
    )
    if not metrics:
        raise InputError("these runs have no metric in common", hint="wherry runs show RUN names what each has")
    target = args.text("output")
    if target and len(metrics) > 1:
        raise InputError(f"a picture holds one metric, and there are {len(metrics)}: {', '.join(metrics)[:200]}",
                         hint="choose one: -m METRIC")  # fmt: skip
    is_png = target.lower().endswith(".png")
    if target not in {"", "-"} and not is_png and not target.lower().endswith(".svg"):
        raise InputError(f"cannot write {target}: plots are SVG or PNG", hint="-o NAME.svg or -o NAME.png")
    for metric in metrics:
        curves = [_curve(one, metric, weight) for one in records]
        if not target:
            out.line(clean(metric))
            shown = [one._replace(label=clean(one.label)) for one in curves]
            out.write(draw(shown, width=width(), log=args.on("log"), color=out.color))
        elif target == "-":
            out.write(svg(curves, metric, log=args.on("log")))
        else:
            data = png(curves, metric, log=args.on("log")) if is_png else b""
            data = data or svg(curves, metric, log=args.on("log")).encode()
            _write(os.path.join(engine.settings.cwd, target), data)
    return 0


def _curve(record: Record, metric: str, weight: float) -> Curve:
    from wherry.runs.scale import Curve, smooth

    points = record.curve(metric, 800)
    return Curve(str(record.document["name"]), smooth(points, weight) if weight else points)


def _weight(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < 1:
        raise InputError(f"--smooth must be a number from 0 to below 1; got {text[:40]!r}")
    return found


def _write(path: str, data: bytes) -> None:
    from wherry.fs.atomic import replace_file

    try:
        replace_file(path, data, 0o644)
    except OSError as fault:
        raise InputError(f"cannot write {path}: {fault.strerror}") from None


def _export(engine: Engine, records: list[Record], args: Args, out: Output) -> int:
    format = args.text("format")
    if format == "csv":
        out.write("run,name,metric,step,time,value\n")
        for one in records:
            for metric, step, time, value in _points(one, args.all("metric")):
                cells = (
                    one.id,
                    _cell(str(one.document["name"])),
                    _cell(metric),
                    str(step),
                    f"{time:.6f}",
                    f"{value!r}",
                )
                out.write(",".join(cells) + "\n")
    elif format == "json":
        from wherry.track.points import number_out

        for one in records:
            points = [[metric, step, round(time, 6), number_out(value)]
                      for metric, step, time, value in _points(one, args.all("metric"))]  # fmt: skip
            out.json({**one.document, "points": points})
    else:
        raise InputError(f"unknown format {format[:40]!r}", hint="csv or json")
    return 0


def _points(record: Record, metrics: tuple[str, ...]) -> Iterator[tuple[str, int, float, float]]:
    from wherry.track.points import points

    return (one for one in points(record.folder) if not metrics or one[0] in metrics)


def _cell(text: str) -> str:
    """RFC 4180. A leading sign would make a spreadsheet run it as a formula; names are ours and the user's own."""
    return '"' + text.replace('"', '""') + '"' if any(char in text for char in ',"\r\n') else text
