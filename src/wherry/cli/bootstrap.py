"""wherry bootstrap."""

from __future__ import annotations

from wherry.cli.flags import ArgumentError, Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "[OPTIONS] IMAGE [IMAGE...]",
    "Make a stand-in base image when no registry can be reached: from Debian's packages and a Python of this machine",
    [
        Flag("list", "Say which images this machine can make", short="l"),
        Flag("package", "Debian package to install on top (python images)", kind="list", type_name="list"),
        Flag("force", "Make it anew even when an image of that name is here", short="f"),
        Flag("no-cache", "Make the Debian root anew too"),
        Flag("quiet", "Print the image's ID only", short="q"),
    ],
    most=None,
    examples=("wherry bootstrap python:3.10", "wherry bootstrap debian:trixie-slim",
              "wherry bootstrap --package build-essential,git python:3.12"),
)  # fmt: skip


def run(engine: Engine, args: Args, out: Output) -> int:
    """One image after the other; progress goes to standard error."""
    if args.on("list"):
        out.table(["IMAGE", "MADE OF"], [list(offer) for offer in engine.bootstrap.offers()])
        return 0
    if not args.rest:
        raise ArgumentError("\"wherry bootstrap\" requires at least 1 argument.\nSee 'wherry bootstrap --help'.")
    for name in args.rest:
        _make(engine, name, args, out)
    return 0


def _make(engine: Engine, name: str, args: Args, out: Output) -> None:
    import signal
    import time

    from wherry.bootstrap.recipe import LABEL
    from wherry.cancel import Cancel
    from wherry.oci.reference import Reference

    quiet, start = args.on("quiet"), time.monotonic()
    there = engine.bootstrap.existing(Reference.parse(name))
    if there and not args.on("force") and not args.on("no-cache"):
        out.line(there.id if quiet else f"{name} is here already ({there.id.short}); --force makes it anew")
        return
    cancel = Cancel()
    before = signal.signal(signal.SIGINT, lambda *_: cancel.set("interrupted"))

    def say(text: str) -> None:
        if not quiet:
            out.error(f"[{time.monotonic() - start:5.1f} s] {text}")

    packages = tuple(one for value in args.all("package") for one in value.split(",") if one)
    try:
        record = engine.bootstrap.make(name, packages=packages, fresh=args.on("no-cache"), say=say, cancel=cancel)
    finally:
        signal.signal(signal.SIGINT, before)
    if quiet:
        out.line(record.id)
        return
    label = engine.image_store.config(record.id).config.labels[LABEL]
    out.line(f"{name}: {record.id.short} ({label}), {time.monotonic() - start:.1f} s")
