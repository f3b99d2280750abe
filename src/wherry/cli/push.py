"""wherry push."""

from __future__ import annotations

from wherry.cli.content_trust import FLAG, refuse_content_trust
from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "[OPTIONS] NAME[:TAG]",
    "Upload an image to a registry",
    [
        Flag("all-platforms", "Push every platform that the image was loaded with, as one index"),
        Flag("all-tags", "Push all tags of an image to the repository", short="a"),
        Flag("compression", "How layers are sent: gzip, zstd or none (default: as it suits each)", kind="string"),
        FLAG,
        Flag("quiet", "Suppress verbose output", short="q"),
    ],
    least=1,
    most=1,
    examples=["wherry push me/api:1.4", "wherry push -a localhost:5000/api", "wherry push --compression zstd me/api"],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """docker's lines; with -q the name alone."""
    from wherry.cli.transfer import choose
    from wherry.engine.push import PushRequest, push, push_tags
    from wherry.errors import InputError
    from wherry.oci.reference import Reference

    refuse_content_trust(args, engine.settings.env)
    text, quiet = args.rest[0], args.on("quiet")
    reference = Reference.parse(text, default_tag="")
    if args.on("all-tags") and (reference.tag or reference.digest):
        raise InputError("tag can't be used with --all-tags/-a")
    request = PushRequest(reference, args.text("compression"), args.on("all-platforms"))
    if not args.on("all-tags") and not reference.tag and not reference.digest:
        request = request._replace(reference=reference._replace(tag="latest"))
        if not quiet:
            out.line("Using default tag: latest")
    with choose(out, engine.settings.env, quiet=quiet) as watch:
        if args.on("all-tags"):
            push_tags(engine, request, watch)
        else:
            push(engine, request, watch)
    if quiet:
        out.line(str(request.reference))
    return 0
