"""wherry pull."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.pull import Pulled, PullRequest
    from wherry.oci.platform import Platform
    from wherry.oci.reference import Reference
    from wherry.registry.watch import TransferWatch

__all__ = ["VERB", "fetch", "run"]

VERB = Verb(
    "[OPTIONS] NAME[:TAG|@DIGEST]",
    "Download an image from a registry",
    [
        Flag("all-tags", "Download all tagged images in the repository", short="a"),
        Flag("disable-content-trust", "Skip image verification (kept for scripts: Notary is gone)", default=1),
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
    fetch(engine, PullRequest(reference, platform), out, out.line, quiet=quiet)
    out.line(str(reference))
    return 0


def fetch(
    engine: Engine, request: PullRequest, out: Output, line: Callable[[str], None], *, quiet: bool = False
) -> Pulled:
    """Pull with docker's progress, digest and status on `line`'s stream; `quiet` shows nothing."""
    from wherry.engine.pull import pull

    found = pull(engine, request, _shown(line, quiet=quiet))
    if not quiet:
        line(f"Digest: {found.digest}")
        what = "Downloaded newer image for" if found.is_new else "Image is up to date for"
        line(f"Status: {what} {found.reference.familiar}")
    return found


def _shown(line: Callable[[str], None], *, quiet: bool) -> TransferWatch:
    from wherry.registry.watch import Silent

    return Silent() if quiet else _Plain(line)


class _Plain:
    """As docker without a terminal: each layer's phases, a line each."""

    def __init__(self, line: Callable[[str], None]) -> None:
        self._line = line

    def start(self, short: str, what: str, total: int) -> None:
        del total
        if what != "Downloading":
            self._line(f"{short}: {what}")

    def advance(self, short: str, done: int) -> None:
        pass

    def finish(self, short: str, what: str) -> None:
        self._line(f"{short}: {what}")

    def note(self, line: str) -> None:
        self._line(line)


def _every_tag(engine: Engine, reference: Reference, platform: Platform | None, out: Output, *, quiet: bool) -> int:
    from wherry.engine.pull import PullRequest, pull_tags

    is_new = False
    watch = _shown(out.line, quiet=quiet)
    for found in pull_tags(engine, PullRequest(reference, platform), watch):
        watch.note(f"Digest: {found.digest}")
        is_new = is_new or found.is_new
    if not quiet:
        what = "Downloaded newer image for" if is_new else "Image is up to date for"
        out.line(f"Status: {what} {reference.familiar}")
    out.line(str(reference))
    return 0
