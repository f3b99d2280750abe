"""wherry bundle: images, models and a compose project in one archive, for machines without a network."""

from __future__ import annotations

from wherry.cli.flags import ArgumentError, Flag, FlagError, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.store.save import Write

VERB = {
    "bundle create": Verb(
        "[OPTIONS] [IMAGE|MODEL...]",
        "Write images and models to one archive, for machines without a network",
        [
            Flag("output", "The file to write, instead of STDOUT", short="o", kind="string"),
            Flag("quiet", "Print the bundle's ID only", short="q"),
            Flag("sbom", "Put in an SBOM of each image that has none: spdx, cyclonedx or both", kind="string"),
            Flag("since", "Leave out what this earlier bundle has (or its bundle.json)", kind="list"),
            Flag("split", "Write parts of at most this size: 4GB, 700MB", kind="string", type_name="bytes"),
        ],
        most=None,
        examples=[
            "wherry bundle create -o shop.bundle shop/api:1.4 iris:1",
            "wherry bundle create -o shop.bundle --split 4GB shop/api:1.4",
            "wherry bundle create -o shop-1.5.bundle --since shop.bundle shop/api:1.5",
        ],
    ),
    "bundle load": Verb(
        "[OPTIONS] FILE [FILE...]",
        "Load a bundle: a file, the first of its parts, all parts, or - for STDIN",
        [
            Flag("quiet", "Suppress the load output", short="q"),
        ],
        least=1,
        most=None,
        examples=["wherry bundle load shop.bundle", "wherry bundle load shop.bundle.001"],
    ),
    "bundle inspect": Verb(
        "[OPTIONS] FILE [FILE...]",
        "Show what a bundle holds, without loading it",
        [
            Flag("format", "Format output using a Go template, or json", short="f", kind="string"),
            Flag("verify", "Check every byte of it"),
        ],
        least=1,
        most=None,
        examples=["wherry bundle inspect shop.bundle", "wherry bundle inspect --verify shop.bundle.001"],
    ),
}


def run(name: str, engine: Engine, args: Args, out: Output) -> int:
    """docker's lines of `save` and `load` where they fit."""
    return {"create": _create, "load": _load, "inspect": _inspect}[name.split()[1]](engine, args, out)


def _create(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli.transfer import choose
    from wherry.engine.airgap_create import Wanted, create
    from wherry.engine.trust_sbom import formats

    if not args.rest:
        raise ArgumentError("nothing to bundle", hint="wherry bundle create -o FILE IMAGE...")
    wanted = Wanted(
        tuple(args.rest), since=args.all("since"), sbom=formats(args.text("sbom")) if args.text("sbom") else ()
    )
    with choose(out, engine.settings.env, quiet=args.on("quiet") or not args.text("output"), on_stderr=True) as watch:
        created = create(engine, wanted, _sink(args, out), watch)
    if args.text("output"):
        out.line(str(created.id))
        if not args.on("quiet"):
            from wherry.cli.render import human_size

            left = sum(one.size for one in created.bundle.absent)
            less = f"; {human_size(left)} are left out, which earlier bundles have" if left else ""
            out.error(f"{args.text('output')}: {human_size(created.size)}{less}")
    return 0


def _sink(args: Args, out: Output) -> Any:
    """Where the archive goes, once its size is known."""
    from contextlib import contextmanager

    from wherry.cli.to_file import opened_out
    from wherry.engine.airgap_write import split_sink

    path, split = args.text("output"), args.text("split")
    part_bytes = _part_bytes(split) if split else 0
    if split and not path:
        raise FlagError("--split needs -o FILE: it writes FILE.001, FILE.002 ...")

    @contextmanager
    def sink(total: int) -> Iterator[Write]:
        with split_sink(path, part_bytes, total) if split else opened_out(path, out) as write:
            yield write

    return sink


def _part_bytes(text: str) -> int:
    """Decimal, as sizes on boxes: parts of 4GB then fit on a FAT32 stick, whose limit is 4 GiB."""
    from wherry.errors import InputError
    from wherry.runtime.parse_values import size_bytes

    try:
        return size_bytes(text, step=1000)
    except InputError as fault:
        raise FlagError(f'invalid argument "{text:.60}" for "--split" flag: {fault}') from None


def _paths(engine: Engine, args: Args, out: Output) -> tuple[str | int, ...]:
    import os

    from wherry.errors import InputError

    if args.rest == ["-"]:
        if out.in_is_terminal:
            raise InputError("requested a bundle from stdin, but stdin is empty", hint="name the file")
        return (out.in_fd,)
    return tuple(os.path.join(engine.settings.cwd, path) for path in args.rest)


def _load(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli.transfer import choose
    from wherry.engine.airgap_load import Request, load
    from wherry.oci.reference import Reference

    request = Request(_paths(engine, args, out), engine.settings.cwd, None)
    with choose(out, engine.settings.env, quiet=args.on("quiet"), on_stderr=True) as watch:
        loaded = load(engine, request, watch)
    for what, some in (("image", loaded.bundle.images), ("model", loaded.bundle.models)):
        for one in some:
            for name in one.names:
                out.line(f"Loaded {what}: {Reference.parse(name).familiar}")
            if not one.names:
                out.line(f"Loaded {what} ID: {one.id}")
    return 0


def _inspect(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli.formats import document
    from wherry.cli.render import human_size
    from wherry.engine.airgap_describe import describe
    from wherry.engine.airgap_load import check
    from wherry.registry.watch import Silent

    paths = _paths(engine, args, out)
    if args.on("verify"):
        check(engine, paths, Silent())
    shown = describe(engine, paths)
    if args.text("format"):
        document(out, shown, args.text("format"))
        return 0
    _facts(shown, out)
    rows = [
        (what, name, one["ID"][7:19], human_size(one["Size"]))
        for what, some in (("image", shown["Images"]), ("model", shown["Models"]))
        for one in some
        for name in one["Names"] or ["<none>"]
    ]
    out.line()
    out.table(("KIND", "NAME", "ID", "SIZE"), rows)
    if args.on("verify"):
        out.line("\nVerified: every byte is as it was written")
    return 0


def _facts(shown: Mapping[str, Any], out: Output) -> None:
    from wherry.cli.render import human_size

    parts = f" in {shown['Parts']} parts" if shown["Parts"] > 1 else ""
    out.line(f"Bundle:   {shown['ID']}")
    out.line(f"Size:     {human_size(shown['Size'])}{parts}")
    if shown["Here"] < shown["Size"]:
        out.line(f"Here:     {human_size(shown['Here'])}: parts are missing")
    for one in shown["Since"]:
        out.line(f"Needs:    {one['Name']} ({one['ID'][7:19]}), which has {human_size(one['Size'])} of it")
