"""wherry compose events."""

from __future__ import annotations

from wherry.cli.compose import ComposeContext, compose_verb
from wherry.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.events_read import Event

VERB = compose_verb(
    "[OPTIONS] [SERVICE...]",
    "Receive real time events from containers",
    [
        Flag("json", "Output events as a stream of json objects"),
        Flag("since", "Show all events created since timestamp", kind="string"),
        Flag("until", "Stream events until this timestamp", kind="string"),
    ],
    most=None,
    examples=("wherry compose events --json", "wherry compose events --since 10m --until 0s web"),
)

_SERVICE, _ONE_OFF = "com.docker.compose.service", "com.docker.compose.oneoff"


def run(engine: Engine, args: Args, out: Output) -> int:
    """Of containers, one-offs left out, until Ctrl-C or --until."""
    import time

    from wherry.engine.events_read import EventQuery
    from wherry.engine.filters import parse_moment

    name = ComposeContext(engine, args, out).name()
    now = time.time_ns()
    since, until = (parse_moment(args.text(key), now) if args.text(key) else 0 for key in ("since", "until"))
    filters = {"type": ["container"], "label": [f"com.docker.compose.project={name}"]}
    for event in engine.events.stream(EventQuery(since, until, filters)):
        if event.attributes.get(_ONE_OFF) == "True" or _SERVICE not in event.attributes:
            continue
        if not args.rest or event.attributes[_SERVICE] in args.rest:
            _show(event, out, is_json=args.on("json"))
            out.flush()
    return 0


def _show(event: Event, out: Output, *, is_json: bool) -> None:
    import time

    from wherry.cli.render import clean

    attributes = {
        name: event.attributes[name] for name in sorted(event.attributes) if not name.startswith("com.docker.compose.")
    }
    second, rest = divmod(event.time_ns, 1_000_000_000)
    there = time.localtime(second)
    if is_json:
        zone = time.strftime("%z", there)
        shown = f"{zone[:3]}:{zone[3:]}" if there.tm_gmtoff else "Z"
        stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', there)}.{rest:09d}{shown}"
        out.json({"action": event.action, "attributes": attributes, "id": event.id,
                  "service": event.attributes[_SERVICE], "time": stamp, "type": event.type})  # fmt: skip
        return
    words = ", ".join(f"{name}={text}" for name, text in attributes.items())
    stamp = f"{time.strftime('%Y-%m-%d %H:%M:%S', there)}.{rest // 1000:06d}"
    out.line(clean(f"{stamp} {event.type} {event.action} {event.id} ({words})"))
