"""wherry events."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.events_read import Event, EventQuery

VERB = Verb(
    "[OPTIONS]",
    "Get real time events from the server",
    [
        Flag("filter", "Filter output based on conditions provided", short="f", kind="list", type_name="filter"),
        Flag("format", "Format output: 'json', or a Go template", kind="string"),
        Flag("since", "Show all events created since timestamp", kind="string"),
        Flag("until", "Stream events until this timestamp", kind="string"),
    ],
    examples=(
        "wherry events --since 10m --until 0s",
        "wherry events --filter type=container --filter event=die",
        "wherry events --filter container=web --format json",
    ),
)


_SYNTAX = "Error parsing format: "


def run(engine: Engine, args: Args, out: Output) -> int:
    show = _shown(args.text("format"), out)
    for event in engine.events.stream(_query(args)):
        show(event)
        out.flush()
    return 0


def _query(args: Args) -> EventQuery:
    import time

    from wherry.engine.events_read import EventQuery, parse_filters
    from wherry.engine.filters import parse_moment

    now = time.time_ns()
    since, until = (parse_moment(args.text(name), now) if args.text(name) else 0 for name in ("since", "until"))
    return EventQuery(since, until, parse_filters(args.all("filter")))


def _shown(shape: str, out: Output) -> Callable[[Event], None]:
    if not shape:
        return lambda event: out.line(_line(event))
    if shape == "json":
        return lambda event: out.json(event.to_json())
    from wherry.cli.formats_template import rendering, syntax_error
    from wherry.engine.events_read import Event
    from wherry.gotemplate import TemplateError

    render = rendering(out, shape, "*events.Message", syntax=_SYNTAX)
    try:
        # As docker: a field that is not there is told before the first event
        render(Event("", "", "", {}, 0).to_json())
    except TemplateError as fault:
        raise syntax_error(fault, _SYNTAX) from None
    return lambda event: out.line(render(event.to_json()))


def _line(event: Event) -> str:
    """As docker's, in local time."""
    import time

    from wherry.cli.render import clean

    second, rest = divmod(event.time_ns, 1_000_000_000)
    there = time.localtime(second)
    zone = time.strftime("%z", there)
    shown = f"{zone[:3]}:{zone[3:]}" if there.tm_gmtoff else "Z"
    stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', there)}.{rest:09d}{shown}"
    attributes = ", ".join(f"{name}={event.attributes[name]}" for name in sorted(event.attributes))
    text = f"{stamp} {event.type} {event.action} {event.id}"
    return clean(f"{text} ({attributes})" if attributes else text)
