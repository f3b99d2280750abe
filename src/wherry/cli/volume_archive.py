"""wherry volume export, import and du."""

from __future__ import annotations

import os

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.volumes_archive import Space

VERB = {
    "volume export": Verb(
        "[OPTIONS] VOLUME",
        "Write a volume's files as a tar, with owners, modes, times, links and extended attributes",
        [Flag("output", "Write to a file, instead of STDOUT", short="o", kind="string")],
        least=1,
        most=1,
        examples=[
            "wherry volume export -o data.tar data",
            "wherry volume export data | ssh host wherry volume import data",
        ],
    ),
    "volume import": Verb(
        "VOLUME [FILE]",
        "Read a tar (compressed or not) from FILE or STDIN into a new or empty volume, all of it or nothing",
        least=1,
        most=2,
        examples=["wherry volume import data data.tar", "tar -C /srv/data -c . | wherry volume import data"],
    ),
    "volume du": Verb(
        "[OPTIONS] [VOLUME...]",
        "Show what volumes take on the disk, and which containers use them",
        [Flag("format", "Format output: 'json', or the default table", kind="string")],
        most=None,
        examples=["wherry volume du"],
    ),
}


def run(name: str, engine: Engine, args: Args, out: Output) -> int:
    actions = {"export": _export, "import": _import, "du": _du}
    return actions[name.split()[1]](engine, args, out)


def _export(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli.to_file import write_out

    name = engine.volumes.store.get(args.rest[0]).name  # before a file is made
    write_out(args.text("output"), out, lambda write: engine.volumes.export(name, write))
    return 0


class _Input:
    def __init__(self, fd: int) -> None:
        self._fd = fd

    def read(self, size: int, /) -> bytes:
        return os.read(self._fd, size)


def _import(engine: Engine, args: Args, out: Output) -> int:
    from wherry.errors import InputError

    name, path = args.rest[0], args.rest[1] if len(args.rest) > 1 else "-"
    if path == "-":
        if out.in_is_terminal:
            raise InputError("a terminal has no tar to import", hint=f"wherry volume import {name} FILE")
        engine.volumes.import_(name, _Input(out.in_fd))
    else:
        try:
            fd = os.open(os.path.join(engine.settings.cwd, path), os.O_RDONLY | os.O_CLOEXEC)
        except OSError as fault:
            raise InputError(f"open {path}: {(fault.strerror or '').lower()}") from None
        try:
            engine.volumes.import_(name, _Input(fd))
        finally:
            os.close(fd)
    out.line(name)
    return 0


def _du(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli.render import human_size
    from wherry.errors import Unsupported

    if args.text("format") not in ("", "json", "table"):
        raise Unsupported("templates of volume du are not supported", hint="use --format json")
    found = engine.volumes.space(args.rest)
    if args.text("format") == "json":
        for one in found:
            out.json({"Containers": list(one.users), "Name": one.volume.name, "Size": one.size})
        return 0
    rows = [(one.volume.name, _size(one), ", ".join(one.users)) for one in found]
    out.table(["VOLUME NAME", "SIZE", "CONTAINERS"], rows)
    total = sum(one.size or 0 for one in found)
    unused = sum(one.size or 0 for one in found if not one.users)
    out.line(f"\nTotal: {human_size(total)}, of which no container uses {human_size(unused)}")
    return 0


def _size(one: Space) -> str:
    from wherry.cli.render import human_size

    return "elsewhere" if one.size is None else human_size(one.size)
