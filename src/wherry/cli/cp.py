"""wherry cp."""

from __future__ import annotations

import os

from wherry.cli.flags import Flag, Verb
from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n        wherry cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
    "Copy files/folders between a container and the local filesystem",
    [
        Flag("archive", "Archive mode (copy all uid/gid information)", short="a"),
        Flag("follow-link", "Always follow symbol link in SRC_PATH", short="L"),
        Flag("quiet", "Suppress progress output during copy (always, when no terminal is attached)", short="q"),
    ],
    least=2,
    most=2,
    examples=[
        "wherry cp api:/app/model.joblib .",
        "wherry cp ./conf api:/etc/app",
        "wherry cp api:/var/log - | tar tv",
    ],
)


def split(word: str) -> tuple[str, str]:
    """(container, path) of one argument; no container for a local path. "./a:b" and "/a:b" are local."""
    name, colon, path = word.partition(":")
    if not colon or word.startswith(("/", ".")):
        return "", word
    return name, path


def run(engine: Engine, args: Args, out: Output) -> int:
    """Exactly one side is a container. Raises: InputError."""
    source, dest = args.rest
    if not source:
        raise InputError("source can not be empty")
    if not dest:
        raise InputError("destination can not be empty")
    (from_name, from_path), (to_name, to_path) = split(source), split(dest)
    if from_name and to_name:
        raise InputError(
            "copying between containers is not supported", hint=f"wherry cp {source} - | wherry cp - {dest}"
        )
    if not from_name and not to_name:
        raise InputError(
            "must specify at least one container source", hint="CONTAINER:PATH names a file in a container"
        )
    if (from_name and not from_path) or (to_name and not to_path):
        raise InputError(f"{source if from_name else dest}: the path is empty", hint="say CONTAINER:/ for its root")
    if from_name:
        size = copy_out(engine, args, out, (from_name, from_path, dest))
    else:
        size = copy_in(engine, args, out, (source, to_name, to_path))
    if size and not args.on("quiet") and out.is_terminal:
        from wherry.cli.render import human_size

        out.error(f"Successfully copied {human_size(size)} to {dest}")
    return 0


def copy_out(engine: Engine, args: Args, out: Output, what: tuple[str, str, str]) -> int:
    from functools import partial

    from wherry.engine import copy
    from wherry.fs.atomic import write_all

    container, path, dest = what
    follow = args.on("follow-link")
    if dest != "-":
        return copy.copy_out(engine, container, path, dest, follow=follow)
    if out.is_terminal:
        raise InputError("cowardly refusing to write a tar to a terminal", hint="redirect it, or pipe it into tar")
    copy.stream_out(engine, container, path, partial(write_all, out.out_fd), follow=follow)
    return 0


def copy_in(engine: Engine, args: Args, out: Output, what: tuple[str, str, str]) -> int:
    from wherry.engine import copy

    source, container, path = what
    archive = args.on("archive")
    if source != "-":
        return copy.copy_in(engine, source, container, path, follow=args.on("follow-link"), archive=archive)
    with open(os.dup(out.in_fd), "rb", buffering=0) as stream:
        copy.stream_in(engine, stream, container, path, archive=archive)
    return 0
