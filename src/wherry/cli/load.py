"""wherry load."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "[OPTIONS]",
    "Load an image from a tar archive or STDIN",
    [
        Flag("all-platforms", "Load every platform of images for several, to push or run them"),
        Flag("input", "Read from a tar archive or a folder, instead of STDIN", short="i", kind="string"),
        Flag("platform", "Load only this platform's image (default: this machine's)", kind="string"),
        Flag("quiet", "Suppress the load output", short="q"),
    ],
    most=0,
    examples=["wherry load -i api.tar", "wherry load < api.tar.gz", "wherry load -i ./oci-layout-folder"],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """Prints the names of what came in, or its id when it has none."""
    from wherry.cli.progress import Transfer
    from wherry.errors import InputError
    from wherry.oci.platform import Platform

    if args.on("all-platforms") and args.text("platform"):
        raise InputError("--all-platforms and --platform exclude each other")
    platform = Platform.parse(args.text("platform")) if args.text("platform") else None
    source: str | int = args.text("input")
    if not source or source == "-":
        source = out.in_fd
        if out.in_is_terminal:
            raise InputError("requested load from stdin, but stdin is empty", hint="wherry load -i FILE")
    with Transfer(out, "Loading layer", quiet=args.on("quiet")) as transfer:
        if args.on("all-platforms"):
            loaded = engine.images.load_all_platforms(source, progress=transfer.update)
        else:
            loaded = engine.images.load(source, platform=platform, progress=transfer.update)
    for image, names in loaded:
        for name in names:
            out.line(f"Loaded image: {name}")
        if not names:
            out.line(f"Loaded image ID: {image.id}")
    return 0
