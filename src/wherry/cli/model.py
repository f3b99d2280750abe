"""wherry model: models as OCI artifacts."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.formats import Row
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.models import ModelRecord
    from wherry.engine.models_scan import Scanned
    from wherry.models.config import Described

_ABOUT = [
    Flag("architecture", "What kind of model it is: transformer, cnn ...", kind="string"),
    Flag("author", "Who made it", kind="list"),
    Flag("description", "A sentence about it", kind="string"),
    Flag("family", "Its family: llama3, resnet ... (default: as its files say)", kind="string"),
    Flag("license", "Its license, as SPDX writes it: Apache-2.0", kind="list"),
    Flag("model-format", "Format of the weights (default: as its files say)", kind="string"),
    Flag("name", "The model's own name (default: the folder's)", kind="string"),
    Flag("param-size", "How many parameters: 8B, 135M (default: counted)", kind="string"),
    Flag("precision", "fp32, bf16, int8, mixed ... (default: counted)", kind="string"),
    Flag("quantization", "How it is quantized: Q4_K_M, awq ...", kind="string"),
    Flag("quiet", "Print the digest only", short="q"),
    Flag("revision", "The commit that it comes from", kind="string"),
    Flag("source-url", "Where what it was made of is found", kind="string"),
    Flag("version", "Its version", kind="string"),
]

VERB = {
    "model push": Verb(
        "[OPTIONS] [DIR|FILE] NAME[:TAG]",
        "Upload a model to a registry: a folder or file as it lies there, or one of the store",
        _ABOUT,
        least=1,
        most=2,
        examples=[
            "wherry model push ./iris localhost:5000/models/iris:1",
            "wherry model push localhost:5000/models/iris:1",
        ],
    ),
    "model pack": Verb(
        "[OPTIONS] DIR|FILE NAME[:TAG]",
        "Keep a folder or file in the store as a model",
        _ABOUT,
        least=2,
        most=2,
        examples=["wherry model pack ./iris iris:1", "wherry model pack --license MIT model.gguf tiny:1"],
    ),
    "model pull": Verb(
        "[OPTIONS] NAME[:TAG|@DIGEST]",
        "Download a model, or any other artifact, from a registry",
        [
            Flag("force", "Write over files that are there with other content"),
            Flag("output", "Write its files to this folder too", short="o", kind="string"),
            Flag("quiet", "Suppress verbose output", short="q"),
        ],
        least=1,
        most=1,
        examples=[
            "wherry model pull localhost:5000/models/iris:1",
            "wherry model pull -o ./iris localhost:5000/models/iris:1",
        ],
    ),
    "model ls": Verb(
        "[OPTIONS]",
        "List models",
        [
            Flag("format", "Format output: 'table', 'table TEMPLATE', 'json', or a Go template", kind="string"),
            Flag("no-trunc", "Don't truncate output"),
            Flag("quiet", "Only show model IDs", short="q"),
        ],
        examples=["wherry model ls", "wherry model ls --format '{{.Repository}}:{{.Tag}} {{.Parameters}}'"],
    ),
    "model inspect": Verb(
        "[OPTIONS] MODEL [MODEL...]",
        "Display what a model is, its files and their tensors",
        [Flag("format", "Format output using a Go template, or json", short="f", kind="string")],
        least=1,
        most=None,
        examples=["wherry model inspect iris:1", "wherry model inspect -f '{{.Parameters}}' iris:1"],
    ),
    "model rm": Verb(
        "[OPTIONS] MODEL [MODEL...]",
        "Remove one or more models",
        [Flag("force", "Remove it with all its names", short="f")],
        least=1,
        most=None,
        examples=["wherry model rm iris:1"],
    ),
    "model tag": Verb(
        "SOURCE_MODEL[:TAG] TARGET_MODEL[:TAG]",
        "Give a model another name",
        least=2,
        most=2,
        examples=["wherry model tag iris:1 localhost:5000/models/iris:1"],
    ),
}

_HEADERS = {
    "Repository": "REPOSITORY", "Tag": "TAG", "ID": "MODEL ID", "Format": "FORMAT", "Parameters": "PARAMETERS",
    "Quantization": "QUANTIZATION", "Precision": "PRECISION", "Family": "FAMILY", "Architecture": "ARCHITECTURE",
    "Digest": "DIGEST", "CreatedSince": "ADDED", "CreatedAt": "ADDED AT", "Size": "SIZE",
}  # fmt: skip
_COLUMNS = ("Repository", "Tag", "ID", "Format", "Parameters", "CreatedSince", "Size")


def run(name: str, engine: Engine, args: Args, out: Output) -> int:
    """docker's lines where docker has such."""
    actions = {"push": _push, "pack": _pack, "pull": _pull, "ls": _ls, "inspect": _inspect, "rm": _rm, "tag": _tag}
    return actions[name.split()[1]](engine, args, out)


def _asked(args: Args) -> Described:
    from wherry.models.config import Described

    return Described(
        args.text("name"), args.text("version"), args.text("family"), args.text("architecture"),
        args.text("model-format"), args.text("param-size"), args.text("precision"), args.text("quantization"),
        args.all("license"), args.all("author"), args.text("description"), args.text("source-url"),
        args.text("revision"),
    )  # fmt: skip


def _push(engine: Engine, args: Args, out: Output) -> int:
    import os

    from wherry.cli.transfer import choose
    from wherry.engine import models_push
    from wherry.engine.models_scan import scan
    from wherry.errors import InputError
    from wherry.oci.reference import Reference

    reference = Reference.parse(args.rest[-1])
    quiet = args.on("quiet")
    if len(args.rest) == 1:
        if any(args.given(flag.name) for flag in _ABOUT if flag.name != "quiet"):
            raise InputError(
                "what a model of the store is was said when it was packed", hint="push DIR NAME, or pack again"
            )
        with choose(out, engine.settings.env, quiet=quiet) as watch:
            pushed = models_push.push_stored(engine, engine.models.resolve(args.rest[0]), reference, watch)
    else:
        scanned = scan(os.path.join(engine.settings.cwd, args.rest[0]), _asked(args))
        _warn(scanned, out)
        with choose(out, engine.settings.env, quiet=quiet) as watch:
            pushed, _ = models_push.push_files(engine, scanned, reference, watch)
    if quiet:
        out.line(str(pushed.digest))
    return 0


def _pack(engine: Engine, args: Args, out: Output) -> int:
    import os

    from wherry.cli.transfer import choose
    from wherry.engine.models_pack import store
    from wherry.oci.reference import Reference

    reference = Reference.parse(args.rest[1])
    path = os.path.join(engine.settings.cwd, args.rest[0])
    with choose(out, engine.settings.env, quiet=args.on("quiet")) as watch:
        record, scanned = store(engine, path, _asked(args), reference, watch)
    _warn(scanned, out)
    out.line(str(record.id))
    return 0


def _warn(scanned: Scanned, out: Output) -> None:
    from wherry.engine.models_scan import warnings

    for text in warnings(scanned):
        out.error(f"WARNING: {text}")


def _pull(engine: Engine, args: Args, out: Output) -> int:
    import os

    from wherry.cli.transfer import choose
    from wherry.engine.models_pull import pull
    from wherry.oci.reference import Reference

    reference = Reference.parse(args.rest[0])
    with choose(out, engine.settings.env, quiet=args.on("quiet")) as watch:
        pulled = pull(engine, reference, watch)
        if folder := args.text("output"):
            from wherry.engine.models_tree import export

            where = os.path.join(engine.settings.cwd, folder)
            export(engine, pulled.model, where, watch, force=args.on("force"))
    if not args.on("quiet"):
        out.line(f"Digest: {pulled.model.id}")
        what = "Downloaded newer model" if pulled.is_new else "Model is up to date"
        out.line(f"Status: {what} for {reference.familiar}")
    out.line(str(reference))
    return 0


def _ls(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli.formats import Listing, listing

    rows = [row for record in engine.models.list() for row in _rows(engine, record, whole=args.on("no-trunc"))]
    listing(
        out, Listing("formatter.modelContext", _HEADERS, _COLUMNS), rows, args.text("format"), quiet=args.on("quiet")
    )
    return 0


def _rows(engine: Engine, record: ModelRecord, *, whole: bool) -> list[Row]:
    import time

    from wherry.cli.render import ago, human_size, moment
    from wherry.engine.models_inspect import described
    from wherry.oci.reference import Reference

    said = described(engine, record)
    names = [(name.familiar_name, name.tag) for name in map(Reference.known, record.names)] or [("<none>", "<none>")]
    return [
        {
            "Repository": repository, "Tag": tag, "ID": str(record.id) if whole else record.id.short,
            "Format": said.format, "Parameters": said.param_size, "Quantization": said.quantization,
            "Precision": said.precision, "Family": said.family, "Architecture": said.architecture,
            "Digest": str(record.id), "CreatedAt": moment(record.added_ns), "Size": human_size(record.size),
            "CreatedSince": f"{ago(time.time() - record.added_ns / 1e9)} ago",
        }
        for repository, tag in names
    ]  # fmt: skip


def _inspect(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli.formats import inspect
    from wherry.engine.models_inspect import document

    return inspect(out, args.rest, lambda name: document(engine, name), args.text("format"))


def _rm(engine: Engine, args: Args, out: Output) -> int:
    from wherry.errors import WherryError

    code = 0
    for name in args.rest:
        try:
            lines, _ = engine.models.remove(name, force=args.on("force"))
        except WherryError as fault:
            out.error(f"Error: {fault}" + (f"\nhint: {fault.hint}" if fault.hint else ""))
            code = 1
            continue
        for line in lines:
            out.line(line)
    return code


def _tag(engine: Engine, args: Args, out: Output) -> int:
    from wherry.oci.reference import Reference

    engine.models.tag(engine.models.resolve(args.rest[0]).id, Reference.parse(args.rest[1]))
    return 0
