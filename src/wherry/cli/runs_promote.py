"""wherry runs promote."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.runs_promote import Promotion

VERB = {
    "runs promote": Verb(
        "[OPTIONS] RUN",
        "Make the image that serves a run's artifact",
        [
            Flag("artifact", "What goes into the image: NAME, NAME=TARGET or FOLDER/ (default: the one there is)",
                 short="a", kind="list"),
            Flag("build", "Build this folder; its Dockerfile has the artifacts as --from=run", kind="string"),
            Flag("file", "The Dockerfile of --build", short="f", kind="string"),
            Flag("force", "Also a run that failed, or goes on"),
            Flag("image", "Put the artifacts on this image (default: the one that the run ran in)", kind="string"),
            Flag("label", "Set metadata for the image", kind="list"),
            Flag("progress", "Type of progress output: auto, plain or tty", kind="string", default="auto"),
            Flag("quiet", "Print the image ID only", short="q"),
            Flag("to", "Name and optionally a tag of the image (format: name:tag)", kind="string"),
        ],
        least=1,
        most=1,
        examples=[
            "wherry runs promote latest --image iris-server:2 --to models/iris:prod",
            "wherry runs promote glad-robin -a model.joblib=/models/ --to models/iris:prod",
            "wherry runs promote glad-robin --build serve --to models/iris:prod",
        ],
    ),
}  # fmt: skip


def run(name: str, engine: Engine, args: Args, out: Output) -> int:
    """Progress goes to stderr. Raises: what `runs_promote.promote` raises, InputError."""
    from wherry.build.progress import Quiet
    from wherry.cancel import Cancel
    from wherry.cli.build_progress import choose
    from wherry.engine.runs_promote import promote

    del name
    wanted, record, cancel = _wanted(args), engine.runs.find(args.rest[0]), Cancel()
    try:
        if args.on("quiet"):
            image = promote(engine, record, wanted, Quiet(), cancel)
        else:
            with choose(args.text("progress"), out, engine.settings.env) as display:
                image = promote(engine, record, wanted, display, cancel)
    except BaseException:
        cancel.set()
        raise
    if args.on("quiet"):
        out.line(str(image.id))
    else:
        out.line(f"{wanted.to.familiar} serves run {record.document['name']}: {str(image.id)[7:19]}")
    return 0


def _wanted(args: Args) -> Promotion:
    from wherry.engine.runs_promote import Promotion
    from wherry.errors import InputError
    from wherry.oci.reference import Reference
    from wherry.runtime.parse_names import label

    if not args.text("to"):
        raise InputError("the image needs a name", hint="--to models/iris:prod")
    to = Reference.parse(args.text("to"))
    if to.digest:
        raise InputError(f"--to {args.text('to')}: a name can have no digest")
    if args.text("file") and not args.text("build"):
        raise InputError("--file names a Dockerfile of --build", hint="--build FOLDER")
    labels = dict(label(one) for one in args.all("label"))
    return Promotion(to, args.all("artifact"), args.text("image"), args.text("build"), args.text("file"), labels,
                     args.on("force"))  # fmt: skip
