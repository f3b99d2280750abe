"""wherry image tree."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb
from wherry.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.image_tree import Node

__all__ = ["VERB", "run"]

VERB = Verb(
    "[OPTIONS] NAME[:TAG|@DIGEST]",
    "Show an image with its layers and their packages, and what is attached: signatures, SBOM, provenance",
    [
        Flag("format", "Format output: 'json', a Go template, or the default tree", kind="string"),
        Flag("no-trunc", "Don't truncate digests and steps"),
        Flag("remote", "Look in the registry, also when the image is here"),
    ],
    least=1,
    most=1,
    examples=["wherry image tree shop/api", "wherry image tree --remote localhost:5000/shop/api"],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """The local image when there is one, else the registry's."""
    tree = _tree(engine, args.rest[0], remote=args.on("remote"))
    if args.text("format") not in {"", "table"}:
        from wherry.cli import formats

        formats.document(out, _document(tree), args.text("format"))
        return 0
    from wherry.cli.render import human_size
    from wherry.engine.image_tree import lines

    whole = args.on("no-trunc")
    rows = [
        (name, _digest(node, whole), human_size(node.size), node.created or "-", _note(node, whole))
        for name, node in lines(tree)
    ]
    out.table(["IMAGE", "DIGEST", "SIZE", "CREATED", "ABOUT"], rows)
    return 0


def _digest(node: Node, whole: bool) -> str:
    if node.digest is None:
        return "-"
    return str(node.digest) if whole else node.digest.short


def _note(node: Node, whole: bool) -> str:
    """A layer's step may be a whole script."""
    return node.note if whole or node.kind != "layer" or len(node.note) <= 45 else node.note[:44] + "…"


def _tree(engine: Engine, text: str, *, remote: bool) -> Node:
    from wherry.engine import trust_remote
    from wherry.engine.image_tree import local_tree, remote_tree

    if not remote:
        try:
            return local_tree(engine, engine.images.resolve(text), text)
        except NotFound:
            pass
    return remote_tree(trust_remote.Registries(engine), text)


def _document(node: Node) -> dict[str, object]:
    return {
        "name": node.name, "kind": node.kind, "digest": node.digest, "size": node.size, "created": node.created,
        "about": node.note, "children": [_document(child) for child in node.children],
    }  # fmt: skip
