"""wherry builder du: what the build cache holds."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb
from wherry.cli.render import ago, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NamedTuple

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.builder_cache import Entry
else:
    from wherry.lean import NamedTuple

__all__ = ["VERB", "Query", "parse_query", "run", "verbose"]

VERB = Verb(
    "[OPTIONS]",
    "Show what the build cache holds",
    [
        Flag(
            "filter",
            "Provide filter values: until, type, id, description, inuse, shared",
            kind="list",
            type_name="filter",
        ),
        Flag("format", "Format output: 'table', 'table TEMPLATE', 'json', or a Go template", kind="string"),
        Flag("verbose", "Show of each entry all that is known"),
    ],
    most=0,
    examples=["wherry builder du", "wherry builder du --verbose --filter type=exec.cachemount"],
)
_WIDTH = 60
KEYS = ("until", "type", "id", "description", "inuse", "shared", "private", "mutable", "immutable")


class Query(NamedTuple):
    """--filter, parsed: every (key, value) must fit."""

    before_ns: int = 0
    wanted: tuple[tuple[str, str], ...] = ()

    def takes(self, one: Entry) -> bool:
        return all(_fits(one, key, value) for key, value in self.wanted)


def run(engine: Engine, args: Args, out: Output) -> int:
    """The last used last, as they would be removed."""
    import time

    from wherry.cli import formats
    from wherry.engine.builder_cache import entries

    now = time.time_ns()
    query = parse_query(args.all("filter"), now)
    found = [one for one in entries(engine) if query.takes(one) and _is_shown(one, query)]
    format = args.text("format")
    if format == "json":
        for one in found:
            out.json(_document(one, now))
    elif format not in {"", "table"}:
        kind = formats.Listing("wherry.entry", _HEADERS, tuple(_HEADERS))
        formats.listing(out, kind, [_row(one, now) for one in found], format)
    elif args.on("verbose"):
        verbose(found, out)
        _total(found, out)
    else:
        rows = [
            (_id(one), str(not one.is_in_use).lower(), _size(one), _ago(one.used_ns, now), _short(one.what))
            for one in found
        ]
        # Differs from docker: a last column says what each is; docker has that with --verbose only
        out.table(["ID", "RECLAIMABLE", "SIZE", "LAST ACCESSED", "DESCRIPTION"], rows)
        _total(found, out)
    return 0


_HEADERS = {
    "ID": "ID", "CreatedAt": "CREATED AT", "Mutable": "MUTABLE", "Reclaimable": "RECLAIMABLE", "Shared": "SHARED",
    "Size": "SIZE", "Description": "DESCRIPTION", "UsageCount": "USAGE COUNT", "LastUsed": "LAST USED", "Type": "TYPE",
}  # fmt: skip


def _row(one: Entry, now_ns: int) -> dict[str, object]:
    """Names without their spaces, which a template can't say."""
    shown = _document(one, now_ns)
    names = {"Created at": "CreatedAt", "Usage count": "UsageCount", "Last used": "LastUsed"}
    row = {names.get(key, key): value if isinstance(value, bool) else str(value) for key, value in shown.items()}
    return {**row, "UsageCount": str(one.uses)}


def _is_shown(one: Entry, query: Query) -> bool:
    """Folders that were made ready and never filled are nothing to see."""
    is_old = not query.before_ns or one.used_ns <= query.before_ns
    return is_old and bool(one.size or one.uses or not one.is_mutable)


def parse_query(texts: Sequence[str], now_ns: int) -> Query:
    """Raises: InputError."""
    from wherry.engine.filters import parse_filters, parse_moment
    from wherry.errors import InputError

    before = 0
    wanted = []
    for one in parse_filters(texts, KEYS):
        if one.key == "until":
            moment = parse_moment(one.value, now_ns)
            before = min(before, moment) if before else moment
            continue
        if one.key in _BOOLEANS and one.value not in {"true", "false", "1", "0"}:
            raise InputError(f"invalid value '{one.value}' of the filter {one.key}", hint="true or false")
        wanted.append((one.key, one.value))
    return Query(before, tuple(wanted))


_BOOLEANS = frozenset({"inuse", "shared", "private", "mutable", "immutable"})


def _fits(one: Entry, key: str, value: str) -> bool:
    if key == "type":
        return one.type == value
    if key == "id":
        return one.id.startswith(value.removesuffix("*")) or one.key == value
    if key == "description":
        return value in one.what
    found = {
        "inuse": one.is_in_use, "shared": one.is_shared, "private": not one.is_shared, "mutable": one.is_mutable,
        "immutable": not one.is_mutable,
    }  # fmt: skip
    return found[key] == (value in {"true", "1"})


def verbose(found: Sequence[Entry], out: Output) -> None:
    import time

    from wherry.cli.render import clean

    now = time.time_ns()
    for one in found:
        shown = _document(one, now)
        for key, value in shown.items():
            if value != "":
                out.line(f"{key + ':':<16}{clean(str(value).lower() if isinstance(value, bool) else str(value))}")
        out.line()


def _document(one: Entry, now_ns: int) -> dict[str, str | bool | int]:
    """Names and order as docker's `--verbose`."""
    import time

    created = time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC", time.gmtime(one.created_ns / 1e9))
    return {
        "ID": one.id,
        "Created at": created,
        "Mutable": one.is_mutable,
        "Reclaimable": not one.is_in_use,
        "Shared": one.is_shared,
        "Size": human_size(one.size),
        "Description": one.what,
        "Usage count": one.uses or "",
        "Last used": _ago(one.used_ns, now_ns),
        "Type": one.type,
    }


def _total(found: Sequence[Entry], out: Output) -> None:
    out.line(f"Reclaimable:    {human_size(sum(one.size for one in found if not one.is_in_use))}")
    out.line(f"Total:          {human_size(sum(one.size for one in found))}")


def _short(what: str) -> str:
    return what if len(what) <= _WIDTH else what[: _WIDTH - 1] + "…"


def _id(one: Entry) -> str:
    return f"{one.id}*" if one.is_mutable else one.id


def _size(one: Entry) -> str:
    return f"{human_size(one.size)}*" if one.is_shared else human_size(one.size)


def _ago(used_ns: int, now_ns: int) -> str:
    return f"{ago((now_ns - used_ns) / 1e9)} ago"
