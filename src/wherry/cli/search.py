"""wherry search."""

from __future__ import annotations

from wherry.cli.flags import Flag, FlagError, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.formats import Row
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.registry.search import Found

VERB = Verb(
    "[OPTIONS] TERM",
    "Search Docker Hub for images",
    [
        Flag("filter", "Filter output: stars=N, is-official=true|false", short="f", kind="list", type_name="filter"),
        Flag("format", "Format output: 'table', 'table TEMPLATE', 'json', or a Go template", kind="string"),
        Flag("limit", "Max number of search results (1 to 100)", kind="int", default=0),
        Flag("no-trunc", "Don't truncate output"),
    ],
    least=1,
    most=1,
    examples=["wherry search fastapi", "wherry search --filter is-official=true python"],
)
_HEADERS = {
    "Name": "NAME", "Description": "DESCRIPTION", "StarCount": "STARS", "IsOfficial": "OFFICIAL",
    "IsAutomated": "AUTOMATED",
}  # fmt: skip
_LIMIT = 25
_WIDTH = 45


def run(engine: Engine, args: Args, out: Output) -> int:
    """docker's table. `registry.example/term` searches another registry, or its catalog when it has no search."""
    from wherry.cli.formats import Listing, listing
    from wherry.errors import InputError
    from wherry.registry.search import SEARCH_HOST, search

    kind = Listing("formatter.searchContext", _HEADERS, ("Name", "Description", "StarCount", "IsOfficial"), "Name")
    limit = args.number("limit") or _LIMIT
    if limit > 100:
        raise InputError(f"limit {limit} is outside the range of [1, 100]")
    stars, is_official = filters(args.all("filter"))
    registry, term = split(args.rest[0])
    endpoint = engine.registries.hosts.for_registry(registry)
    if registry == "docker.io":
        endpoint = endpoint._replace(host=SEARCH_HOST)
    found = search(engine.registries.client, endpoint, term, limit if limit > 0 else _LIMIT)
    shown = [one for one in found if one.stars >= stars and is_official in (None, one.is_official)]
    whole = args.on("no-trunc")
    format = args.text("format")
    listing(out, kind, [_row(one, whole=whole, is_json=format == "json") for one in shown], format)
    return 0


def split(text: str) -> tuple[str, str]:
    """(registry, term): as docker, a first part with a dot, a port, or "localhost" is a registry."""
    from wherry.errors import InputError
    from wherry.registry.hosts import is_host

    if "://" in text:
        raise InputError(f"invalid repository name ({text[:200]}): repository name should not have a scheme")
    head, slash, rest = text.partition("/")
    if not slash or not ("." in head or ":" in head or head == "localhost"):
        return "docker.io", text
    if head in {"index.docker.io", "docker.io"}:
        return "docker.io", rest
    if not is_host(head.lower()):
        raise InputError(f"{head[:200]!r} is no registry", hint="it looks like ghcr.io or localhost:5000")
    return head.lower(), rest


def filters(given: tuple[str, ...]) -> tuple[int, bool | None]:
    """(fewest stars, official or not or None for both). Raises: FlagError, InputError."""
    from wherry.errors import InputError

    stars, is_official = 0, None
    for text in given:
        key, equals, value = text.partition("=")
        key, value = key.strip().lower(), value.strip()
        if not equals:
            raise FlagError(
                f'invalid argument "{text}" for "-f, --filter" flag: bad format of filter (expected name=value)\n'
                "See 'wherry search --help'."
            )
        if key == "stars":
            if not (value.removeprefix("-").isdecimal() and len(value) < 20):
                raise InputError(f"invalid filter 'stars={value}': strconv.Atoi: parsing \"{value}\": invalid syntax")
            stars = max(stars, int(value))
        elif key == "is-official":
            if value not in {"true", "1", "false", "0"}:
                raise InputError(f"invalid filter 'is-official=[{value}]'")
            is_official = value in {"true", "1"}
        else:
            # Differs from docker: is-automated is refused; docker warns that it finds nothing any more
            raise InputError(f"invalid filter '{key}'", hint="--filter stars=N or is-official=true")
    return stars, is_official


def described(one: Found, *, whole: bool) -> str:
    text = one.description
    return text if whole or len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def _row(one: Found, *, whole: bool, is_json: bool) -> Row:
    """As docker: "true" and "false" in JSON, a mark or nothing in a table."""
    official = str(one.is_official).lower() if is_json else "[OK]" * one.is_official
    return {
        "Description": described(one, whole=whole),
        "IsAutomated": "false" if is_json else "",
        "IsOfficial": official,
        "Name": one.name,
        "StarCount": str(one.stars),
    }
