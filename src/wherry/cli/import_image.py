"""wherry import."""

from __future__ import annotations

import time

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "[OPTIONS] file|- [REPOSITORY[:TAG]]",
    "Import the contents from a tarball to create a filesystem image",
    [
        Flag("change", "Apply Dockerfile instruction to the created image", short="c", kind="list"),
        Flag("message", "Set commit message for imported image", short="m", kind="string"),
        Flag("platform", "Set platform if the image is for another one", kind="string"),
    ],
    least=1,
    most=2,
    examples=[
        "wherry import -c 'CMD [\"bash\"]' rootfs.tar.gz my/base",
        "tar -C rootfs -c . | wherry import - my/base",
    ],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """Prints the id of the new image."""
    from wherry.engine.image_load import ImportRequest
    from wherry.errors import Unsupported
    from wherry.oci.platform import Platform
    from wherry.oci.reference import Reference

    source = args.rest[0]
    if source.startswith(("http://", "https://")):
        raise Unsupported("import from a URL is not supported yet", hint=f"curl -fL {source} | wherry import -")
    request = ImportRequest(
        source=out.in_fd if source == "-" else source,
        origin=source,
        reference=Reference.parse(args.rest[1]) if len(args.rest) > 1 else None,
        changes=args.all("change"),
        message=args.text("message"),
        platform=Platform.parse(args.text("platform")) if args.text("platform") else None,
        created_ns=time.time_ns(),
    )
    out.line(engine.images.import_(request).id)
    return 0
