"""wherry manifest inspect."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = {
    "manifest inspect": Verb(
        "[OPTIONS] MANIFEST",
        "Display an image manifest, or manifest list",
        [
            Flag("insecure", "Allow communication with an insecure registry"),
            Flag("verbose", "Output additional info including layers and platform", short="v"),
        ],
        most=1,
        least=1,
        examples=["wherry manifest inspect python:3.10", "wherry manifest inspect -v ghcr.io/acme/api:1"],
    )
}


def run(name: str, engine: Engine, args: Args, out: Output) -> int:
    """The JSON that the registry has."""
    from wherry.engine.pull_manifest import inspect

    del name
    document = inspect(engine, args.rest[0], verbose=args.on("verbose"), insecure=args.on("insecure"))
    is_list = isinstance(document, dict) and "manifests" in document
    out.json(document, indent=3 if is_list else "\t")
    return 0
