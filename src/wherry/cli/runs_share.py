"""wherry runs pull, push."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.oci.reference import Reference

__all__ = ["VERB", "run"]

VERB = {
    "runs pull": Verb(
        "[OPTIONS] NAME[:TAG|@DIGEST]",
        "Download a training run from a registry",
        [
            Flag("force", "Write over a run of the same id that differs", short="f"),
            Flag("quiet", "Print the run's id only", short="q"),
            Flag("referrers", "All runs that refer to the image NAME"),
        ],
        least=1,
        most=1,
        examples=[
            "wherry runs pull localhost:5000/iris/train:5f0c6f7d0b1e",
            "wherry runs pull --referrers localhost:5000/iris/train:1",
        ],
    ),
    "runs push": Verb(
        "[OPTIONS] RUN [NAME[:TAG]]",
        "Upload a training run to a registry, beside the image that it ran in",
        [Flag("quiet", "Print the digest only", short="q")],
        least=1,
        most=2,
        examples=["wherry runs push latest localhost:5000/iris/train", "wherry runs push glad-robin"],
    ),
}


def run(name: str, engine: Engine, args: Args, out: Output) -> int:
    return _push(engine, args, out) if name == "runs push" else _pull(engine, args, out)


def _push(engine: Engine, args: Args, out: Output) -> int:
    """Without a name: to where its image is, found by who asks what refers to that. Without a tag: the run's id."""
    from wherry.cli.transfer import choose
    from wherry.engine.runs_push import push, repository_of
    from wherry.oci.reference import Reference

    found = engine.runs.find(args.rest[0])
    reference = (
        Reference.parse(args.rest[1], default_tag=found.id[:12])
        if len(args.rest) == 2
        else repository_of(engine, found)
    )
    with choose(out, engine.settings.env, quiet=args.on("quiet")) as watch:
        sent = push(engine, found, reference, watch)
    if args.on("quiet"):
        out.line(str(sent.pushed.digest))
    elif sent.subject:
        out.line(f"Refers to {reference.familiar_name}@{sent.subject.digest}")
    elif found.document.get("image"):
        image = found.document["image"].get("name") or found.document["image"].get("id", "")
        out.error(f"WARNING: its image {image} is not in {reference.familiar_name}: the run does not refer to it")
    return 0


def _pull(engine: Engine, args: Args, out: Output) -> int:
    from wherry.engine.runs_pull import of_image
    from wherry.errors import NotFound
    from wherry.oci.reference import Reference

    reference = Reference.parse(args.rest[0])
    if not args.on("referrers"):
        _pull_one(engine, args, out, reference)
        return 0
    found = of_image(engine, args.rest[0])
    if not found:
        what = reference.familiar
        raise NotFound(f"no training run refers to {what}", hint=f"wherry image tree --remote {what} shows what does")
    for digest in found:
        _pull_one(engine, args, out, reference._replace(tag="", digest=digest))
    return 0


def _pull_one(engine: Engine, args: Args, out: Output, reference: Reference) -> None:
    from wherry.cli.transfer import choose
    from wherry.engine.runs_pull import pull

    with choose(out, engine.settings.env, quiet=args.on("quiet")) as watch:
        pulled = pull(engine, reference, watch, force=args.on("force"))
    if not args.on("quiet"):
        out.line(f"Digest: {pulled.digest}")
        what = "Downloaded run" if pulled.is_new else "Run is up to date"
        out.line(f"Status: {what} {pulled.run.document['name']} for {reference.familiar}")
    out.line(pulled.run.id)
