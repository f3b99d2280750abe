"""wherry save."""

from __future__ import annotations

import os
import stat
from functools import partial

from wherry.cli.flags import Flag, Verb
from wherry.fs.atomic import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.oci.platform import Platform

VERB = Verb(
    "[OPTIONS] IMAGE [IMAGE...]",
    "Save one or more images to a tar archive (streamed to STDOUT by default)",
    [
        Flag("output", "Write to a file, instead of STDOUT", short="o", kind="string"),
        Flag("platform", "Save only images for this platform, and fail for others", kind="string"),
    ],
    least=1,
    most=None,
    examples=["wherry save -o api.tar shop/api:1.4", "wherry save shop/api | gzip > api.tar.gz"],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """A file appears whole or not at all."""
    from wherry.oci.platform import Platform

    platform = Platform.parse(args.text("platform")) if args.text("platform") else None
    path = args.text("output")
    if not path:
        if out.is_terminal:
            from wherry.errors import InputError

            raise InputError("cowardly refusing to save to a terminal. Use the -o flag or redirect")
        engine.images.save(args.rest, partial(write_all, out.out_fd), platform=platform)
        return 0
    if os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode):
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            engine.images.save(args.rest, partial(write_all, fd), platform=platform)
        finally:
            os.close(fd)
        return 0
    _to_file(engine, args.rest, path, platform)
    return 0


def _to_file(engine: Engine, names: list[str], path: str, platform: Platform | None) -> None:
    from contextlib import suppress

    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.tmp")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as fault:
        from wherry.errors import InputError

        raise InputError(f"cannot save to {path}: {fault.strerror}", hint="give another file with -o") from None
    try:
        try:
            engine.images.save(names, partial(write_all, fd), platform=platform)
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
