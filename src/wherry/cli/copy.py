"""wherry copy."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "[OPTIONS] SOURCE TARGET",
    "Copy an image between registries, archives, folders and the local store",
    [
        Flag("all", "Copy every platform of a multi-platform image", short="a"),
        Flag("dest-tls-verify", "Check the target registry's certificate, and want https", default=1),
        Flag("platform", "Copy only this platform's image (default: this machine's)", kind="string"),
        Flag("preserve-digests", "Fail rather than change a digest"),
        Flag("quiet", "Print the digest alone", short="q"),
        Flag("referrers", "Take along what is attached: signatures, SBOMs, provenance"),
        Flag("src-tls-verify", "Check the source registry's certificate, and want https", default=1),
    ],
    least=2,
    most=2,
    examples=[
        "wherry copy docker://python:3.10 docker://registry.example/mirror/python:3.10",
        "wherry copy --all docker://debian:trixie-slim oci:debian:trixie-slim",
        "wherry copy docker-archive:api.tar docker://localhost:5000/api:1",
        "wherry copy local:api oci-archive:api.tar:1",
    ],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """Layers as they go, then the digest of what is there now."""
    from wherry.cli.transfer import choose
    from wherry.engine.copy_image import CopyRequest, copy_image
    from wherry.oci.platform import Platform
    from wherry.registry.media.location import Location

    request = CopyRequest(
        Location.parse(args.rest[0]),
        Location.parse(args.rest[1]),
        everything=args.on("all"),
        preserve_digests=args.on("preserve-digests"),
        platform=Platform.parse(args.text("platform")) if args.text("platform") else None,
        referrers=args.on("referrers"),
        verify_source=args.on("src-tls-verify"),
        verify_target=args.on("dest-tls-verify"),
    )
    with choose(out, engine.settings.env, quiet=args.on("quiet")) as watch:
        copied = copy_image(engine, request, watch)
    out.line(copied.digest if args.on("quiet") else f"Digest: {copied.digest}")
    return 0
