"""The flags of `wherry build` for where its result goes: --output, --push, --metadata-file."""

from __future__ import annotations

from wherry.cli.flags import Flag
from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    from wherry.build.output_spec import BuildOutput
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.oci.reference import Reference
    from wherry.store.images import ImageRecord
else:
    from wherry.lean import NamedTuple

__all__ = ["FLAGS", "Results", "results"]

FLAGS = (
    Flag("metadata-file", "Write what was built (digests, names) to a file, as JSON", kind="string"),
    Flag("output", "Where the result goes: a folder, - or type=local|tar|oci|docker|image|registry,dest=...",
         short="o", kind="list"),
    Flag("push", "Push the image to its registry: the same as --output=type=registry"),
)  # fmt: skip


class Results(NamedTuple):
    """What is to be done with the image. `tags` are all its names; `keeps` is whether the store keeps it under them."""

    outputs: tuple[BuildOutput, ...]
    tags: tuple[Reference, ...]
    keeps: bool

    @property
    def writes_stdout(self) -> bool:
        return any(one.dest == "-" for one in self.outputs)

    def deliver(self, engine: Engine, image: ImageRecord, out: Output, *, quiet: bool) -> str:
        """To each place, in order; the digest at a registry, or "". Raises: what pushing, copying and writing raise."""
        pushed = ""
        for one in self.outputs:
            pushed = _deliver(engine, image, one, one.names or self.tags, (out, quiet)) or pushed
        return pushed


def results(args: Args, tags: tuple[Reference, ...]) -> Results:
    """Raises: InputError, Unsupported."""
    if not args.given("output") and not args.on("push"):
        return Results((), tags, keeps=True)
    from wherry.build.output_spec import BuildOutput, parse_output

    outputs = [parse_output(text) for text in args.all("output")]
    if args.on("push"):
        other = [one.kind for one in outputs if one.kind != "image"]
        if other:
            raise InputError(f'push and "{other[0]}" output can\'t be used together')
        outputs = [one._replace(push=True) for one in outputs] or [BuildOutput("image", push=True)]
    named = tuple(dict.fromkeys([*tags, *(name for one in outputs if one.keeps_image for name in one.names)]))
    if not named and any(one.push for one in outputs):
        raise InputError("tag is needed when pushing to registry", hint="-t NAME:TAG")
    if sum(one.dest == "-" for one in outputs) > 1:
        raise InputError("only one output can go to standard output")
    keeps = args.on("load") or any(one.keeps_image for one in outputs)
    return Results(tuple(outputs), named, keeps)


def _deliver(
    engine: Engine, image: ImageRecord, output: BuildOutput, names: tuple[Reference, ...], how: tuple[Output, bool]
) -> str:
    import os

    from wherry.cli.to_file import write_out
    from wherry.engine import build_output

    out, quiet = how
    path = os.path.join(engine.settings.cwd, output.dest)
    file = "" if output.dest == "-" else path
    if output.kind == "local":
        build_output.to_folder(engine, image, path)
    elif output.kind == "tar":
        write_out(file, out, lambda write: build_output.to_tar(engine, image, write))
    elif output.dest and not output.tar:
        build_output.to_layout(engine, image, names, path)
    elif output.dest:
        write_out(file, out, lambda write: build_output.to_archive(engine, image, names, write))
    elif output.push:
        return _push(engine, output, names, out, quiet=quiet)
    return ""


def _push(engine: Engine, output: BuildOutput, names: tuple[Reference, ...], out: Output, *, quiet: bool) -> str:
    """The manifest's digest there: layers are compressed on their way, and so it is another than the one here."""
    from wherry.cli.transfer import choose
    from wherry.engine.push import PushRequest, push

    digest = ""
    for name in names:
        with choose(out, engine.settings.env, quiet=quiet, on_stderr=True) as watch:
            digest = str(push(engine, PushRequest(name, output.compression), watch).digest)
    return digest


def metadata(image: ImageRecord, tags: tuple[Reference, ...], pushed: str = "") -> bytes:
    """buildx's keys, as far as they mean something here."""
    import json

    doc = {"containerimage.config.digest": str(image.id), "containerimage.digest": pushed or str(image.manifest)}
    if tags:
        doc["image.name"] = ",".join(map(str, tags))
    return (json.dumps(doc, indent=2) + "\n").encode()
