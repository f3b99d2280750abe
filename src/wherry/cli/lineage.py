"""wherry lineage."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.lineage import Node

VERB = Verb(
    "[OPTIONS] CONTAINER|IMAGE|RUN",
    "Show what a container or image was made from, and what became of a run",
    [
        Flag("format", "Format output: 'json', a Go template, or a tree by default", kind="string"),
        Flag("no-trunc", "Show whole ids and digests"),
        Flag("type", "Only of this type: container, image, run", kind="string"),
    ],
    least=1,
    most=1,
    examples=["wherry lineage api", "wherry lineage models/iris:prod", "wherry lineage glad-robin"],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """Raises: NotFound, Conflict, InputError."""
    from wherry.cli import formats
    from wherry.cli.render import clean
    from wherry.engine.lineage import lineage

    root = lineage(engine, args.rest[0], args.text("type"))
    if args.text("format"):
        formats.document(out, root.document(), args.text("format"))
        return 0
    for line in _lines(root, whole=args.on("no-trunc")):
        out.line(clean(line))
    return 0


def _lines(node: Node, *, whole: bool, before: str = "", branch: str = "") -> Iterator[str]:
    yield f"{before}{branch}{_text(node, whole=whole)}"
    below = before + {"": "", "├─ ": "│  ", "└─ ": "   "}[branch]
    rows: Sequence[str] = _facts(node)
    for number, row in enumerate(rows):
        is_last = number == len(rows) - 1 and not node.links
        yield f"{below}{'└─ ' if is_last else '├─ '}{row}"
    for number, one in enumerate(node.links):
        last = number == len(node.links) - 1
        yield from _lines(one, whole=whole, before=below, branch="└─ " if last else "├─ ")


def _text(node: Node, *, whole: bool) -> str:
    """One line: "ran in image trainer:1 (702c62f924ad)"."""
    from wherry.cli.render import human_size

    id = node.id if whole else _short(node.id)
    words = [node.relation, node.kind]
    if node.kind == "commit":
        words += [id, "with changes" if node.facts.get("dirty") else "", str(node.facts.get("branch", "")), node.name]
    else:
        name = node.name if whole else node.name.partition("@")[0]
        words += [name, f"({id})" if id and id != name else ""]
    if "size" in node.facts:
        words.append(human_size(int(node.facts["size"])))
    words.append(str(node.facts.get("status", "")))
    if node.facts.get("here") is False:
        words.append("- not on this machine")
    return " ".join(word for word in words if word)


def _facts(node: Node) -> list[str]:
    """What a run was given and came to."""
    from wherry.cli.render import moment
    from wherry.runs.compare import shown

    if node.kind != "run":
        return []
    found = []
    if node.facts.get("experiment"):
        started = node.facts.get("started_ms")
        when = f", started {moment(started * 1_000_000)}" if started else ""
        found.append(f"experiment {node.facts['experiment']}{when}")
    for title, key in (("parameters", "params"), ("metrics", "metrics")):
        values = ", ".join(f"{name}={shown(value)}" for name, value in node.facts.get(key, {}).items())
        if values:
            found.append(f"{title} {values if len(values) <= 200 else values[:199] + '…'}")
    return found


def _short(id: str) -> str:
    return id.removeprefix("sha256:")[:12]
