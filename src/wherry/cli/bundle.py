"""wherry bundle: images, models and a compose project in one archive, for machines without a network."""

from __future__ import annotations

from wherry.cli.flags import ArgumentError, Flag, FlagError, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.compose.bundle_files import Needed
    from wherry.engine import Engine
    from wherry.engine.airgap_load import Loaded
    from wherry.store.save import Write

VERB = {
    "bundle create": Verb(
        "[OPTIONS] [IMAGE|MODEL...]",
        "Write images, models and a compose project to one archive, for machines without a network",
        [
            Flag(
                "file",
                "Put in the project of this compose file: its files, images and models",
                short="f",
                kind="list",
                type_name="stringArray",
            ),
            Flag("output", "The file to write, instead of STDOUT", short="o", kind="string"),
            Flag("profile", "Put in the services of this profile too", kind="list", type_name="stringArray"),
            Flag("project-directory", "The project's folder (default: that of the first compose file)", kind="string"),
            Flag("project-name", "Project name", short="p", kind="string"),
            Flag("quiet", "Print the bundle's ID only", short="q"),
            Flag("sbom", "Put in an SBOM of each image that has none: spdx, cyclonedx or both", kind="string"),
            Flag("since", "Leave out what this earlier bundle has (or its bundle.json)", kind="list"),
            Flag("split", "Write parts of at most this size: 4GB, 700MB", kind="string", type_name="bytes"),
        ],
        most=None,
        examples=[
            "wherry bundle create -o shop.bundle shop/api:1.4 iris:1",
            "wherry bundle create -o shop.bundle -f compose.yaml",
            "wherry bundle create -o shop.bundle --split 4GB shop/api:1.4",
            "wherry bundle create -o shop-1.5.bundle --since shop.bundle shop/api:1.5",
        ],
    ),
    "bundle load": Verb(
        "[OPTIONS] FILE [FILE...]",
        "Load a bundle: a file, the first of its parts, all parts, or - for STDIN",
        [
            Flag("force", "Write a project's files over files with other content"),
            Flag("no-project", "Leave the project's files in the bundle"),
            Flag("project", "The folder for a project's files (default: ./NAME)", kind="string", type_name="dir"),
            Flag("quiet", "Suppress the load output", short="q"),
        ],
        least=1,
        most=None,
        examples=[
            "wherry bundle load shop.bundle",
            "wherry bundle load shop.bundle.001",
            "wherry bundle load --project /srv/shop shop.bundle",
        ],
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

    if args.text("split"):
        _part_bytes(args.text("split"))
    sbom = formats(args.text("sbom")) if args.text("sbom") else ()
    project = _project(engine, args, out)
    names = (*args.rest, *(project.names if project else ()))
    wanted = Wanted(names, project and project.files, args.all("since"), sbom)
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


def _project(engine: Engine, args: Args, out: Output) -> Needed | None:
    """Of the files that were named; without any, and without images, of this folder."""
    from wherry.compose.bundle_files import needed
    from wherry.compose.load import LoadRequest
    from wherry.errors import ComposeError, ComposeFileMissing

    if args.rest and not args.all("file"):
        return None
    settings = engine.settings
    request = LoadRequest(
        current_dir=settings.cwd, environment=settings.env, files=args.all("file"), profiles=args.all("profile"),
        project_name=args.text("project-name"), project_directory=args.text("project-directory"),
    )  # fmt: skip
    try:
        return needed(request, lambda text: out.error(f"wherry: warning: {text}"))
    except ComposeError as fault:
        if isinstance(fault, ComposeFileMissing) and not (args.all("file") or settings.env.get("COMPOSE_FILE")):
            raise ArgumentError(
                "nothing to bundle: no image was named, and there is no compose file here",
                hint="wherry bundle create -o FILE IMAGE...",
            ) from None
        fault.exit_code = 1  # docker-compose's own codes are those of its own commands
        raise


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

    folder = None if args.on("no-project") else args.text("project")
    request = Request(_paths(engine, args, out), engine.settings.cwd, folder, args.on("force"))
    with choose(out, engine.settings.env, quiet=args.on("quiet"), on_stderr=True) as watch:
        loaded = load(engine, request, watch)
    for what, some in (("image", loaded.bundle.images), ("model", loaded.bundle.models)):
        for one in some:
            for name in one.names:
                out.line(f"Loaded {what}: {Reference.parse(name).familiar}")
            if not one.names:
                out.line(f"Loaded {what} ID: {one.id}")
    _say_project(engine, loaded, out)
    return 0


def _say_project(engine: Engine, loaded: Loaded, out: Output) -> None:
    """Where its files are, and how it is started from there."""
    import os
    import shlex

    from wherry.compose.names import name_of_folder

    project = loaded.bundle.project
    if not project or not loaded.folder:
        return
    noun = "file" if len(loaded.files) == 1 else "files"
    out.line(f"Loaded project: {project.name} ({len(loaded.files)} {noun} in {loaded.folder})")
    words = ["wherry", "compose"]
    if project.files not in (("compose.yaml",), ("compose.yml",), ("docker-compose.yml",), ("docker-compose.yaml",)):
        words += [word for file in project.files for word in ("-f", file)]
    if name_of_folder(loaded.folder) != project.name:
        words += ["-p", project.name]
    folder = os.path.relpath(loaded.folder, engine.settings.cwd)
    out.error(f"start it: cd {shlex.quote(folder)} && {shlex.join([*words, 'up', '-d'])}")


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
    from wherry.cli.render import clean, human_size

    parts = f" in {shown['Parts']} parts" if shown["Parts"] > 1 else ""
    out.line(f"Bundle:   {shown['ID']}")
    out.line(f"Size:     {human_size(shown['Size'])}{parts}")
    if shown["Here"] < shown["Size"]:
        out.line(f"Here:     {human_size(shown['Here'])}: parts are missing")
    if project := shown["Project"]:
        out.line(f"Project:  {project['Name']} ({clean(', '.join(project['Files']))})")
    for one in shown["Since"]:
        out.line(f"Needs:    {one['Name']} ({one['ID'][7:19]}), which has {human_size(one['Size'])} of it")
