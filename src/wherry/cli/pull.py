"""wherry pull."""

from __future__ import annotations

from wherry.cli.content_trust import FLAG, refuse_content_trust
from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.pull import Pulled, PullRequest
    from wherry.oci.platform import Platform
    from wherry.oci.reference import Reference

__all__ = ["VERB", "fetch", "run"]

VERB = Verb(
    "[OPTIONS] NAME[:TAG|@DIGEST]",
    "Download an image from a registry",
    [
        Flag("all-tags", "Download all tagged images in the repository", short="a"),
        FLAG,
        Flag("platform", "Set platform if the registry has the image for several", kind="string"),
        Flag("quiet", "Suppress verbose output", short="q"),
    ],
    least=1,
    most=1,
    examples=["wherry pull python:3.10", "wherry pull --platform linux/arm64 debian:trixie-slim"],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """docker's lines; with -q the whole name alone."""
    from wherry.engine.pull import PullRequest
    from wherry.errors import InputError
    from wherry.oci.platform import Platform
    from wherry.oci.reference import Reference

    refuse_content_trust(args, engine.settings.env)
    text, quiet = args.rest[0], args.on("quiet")
    platform = Platform.parse(args.text("platform")) if args.text("platform") else None
    # A name without a tag has none only here: every other verb means "latest" by it
    reference = Reference.parse(text, default_tag="")
    if args.on("all-tags"):
        if reference.tag or reference.digest:
            raise InputError("tag can't be used with --all-tags/-a")
        return _every_tag(engine, reference, platform, out, quiet=quiet)
    if not reference.tag and not reference.digest:
        reference = reference._replace(tag="latest")
        if not quiet:
            out.line("Using default tag: latest")
    fetch(engine, PullRequest(reference, platform), out, quiet=quiet)
    out.line(str(reference))
    return 0


def fetch(engine: Engine, request: PullRequest, out: Output, *, quiet: bool = False, on_stderr: bool = False) -> Pulled:
    """Pull with docker's progress, digest and status; `quiet` shows nothing. `on_stderr`: stdout is another's."""
    from wherry.cli.transfer import choose
    from wherry.engine.pull import pull

    with choose(out, engine.settings.env, quiet=quiet, on_stderr=on_stderr) as watch:
        found = pull(engine, request, watch)
    if not quiet:
        line = out.error if on_stderr else out.line
        line(f"Digest: {found.digest}")
        what = "Downloaded newer image for" if found.is_new else "Image is up to date for"
        line(f"Status: {what} {found.reference.familiar}")
    return found


def _every_tag(engine: Engine, reference: Reference, platform: Platform | None, out: Output, *, quiet: bool) -> int:
    from wherry.cli.transfer import choose
    from wherry.engine.pull import PullRequest, pull_tags

    is_new = False
    with choose(out, engine.settings.env, quiet=quiet) as watch:
        for found in pull_tags(engine, PullRequest(reference, platform), watch):
            watch.note(f"Digest: {found.digest}")
            is_new = is_new or found.is_new
    if not quiet:
        what = "Downloaded newer image for" if is_new else "Image is up to date for"
        out.line(f"Status: {what} {reference.familiar}")
    out.line(str(reference))
    return 0
