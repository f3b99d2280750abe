"""wherry commit."""

from __future__ import annotations

import time

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
    "Create a new image from a container's changes",
    [
        Flag("author", 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")', short="a", kind="string"),
        Flag("change", "Apply Dockerfile instruction to the created image", short="c", kind="list"),
        Flag("message", "Commit message", short="m", kind="string"),
        Flag("pause", "Pause container during commit", short="p", default=1),
    ],
    least=1,
    most=2,
    examples=["wherry commit api shop/api:debug", 'wherry commit -c \'CMD ["python", "train.py"]\' box trained'],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """Prints the id of the new image."""
    from wherry.engine.containers_commit import CommitRequest
    from wherry.errors import InvalidReference
    from wherry.oci.reference import Reference

    reference = Reference.parse(args.rest[1]) if len(args.rest) > 1 and args.rest[1] else None
    if reference and reference.digest:
        raise InvalidReference("refusing to create a tag with a digest reference")
    request = CommitRequest(
        reference, args.text("author"), args.text("message"), args.all("change"), args.on("pause"), time.time_ns()
    )
    out.line(engine.containers.commit(args.rest[0], request).id)
    return 0
