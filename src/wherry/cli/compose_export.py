"""wherry compose export and commit: the files of one container of a service."""

from __future__ import annotations

from wherry.cli.compose import ComposeContext, compose_verb
from wherry.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

_INDEX = Flag("index", "Index of the container if service has multiple replicas", kind="int", default=0)

VERB = {
    "compose commit": compose_verb(
        "[OPTIONS] SERVICE [REPOSITORY[:TAG]]",
        "Create a new image from a service container's changes",
        [
            Flag("author", 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")', short="a", kind="string"),
            Flag("change", "Apply Dockerfile instruction to the created image", short="c", kind="list"),
            _INDEX,
            Flag("message", "Commit message", short="m", kind="string"),
            Flag("pause", "Pause container during commit", short="p", default=1),
        ],
        least=1,
        most=2,
    ),
    "compose export": compose_verb(
        "[OPTIONS] SERVICE",
        "Export a service container's filesystem as a tar archive",
        [_INDEX, Flag("output", "Write to a file, instead of STDOUT", short="o", kind="string")],
        least=1,
        most=1,
    ),
}


def run(name: str, engine: Engine, args: Args, out: Output) -> int:
    """As docker-compose's, of a container whether it runs or not; --dry-run does nothing."""
    from wherry.cli import commit, export
    from wherry.compose.choose import one_of
    from wherry.compose.observe import observe

    context = ComposeContext(engine, args, out)
    id = one_of(observe(engine, context.name()), args.rest[0], index=args.number("index") or 0, all=True).id
    if context.is_dry:
        out.error(f"DRY-RUN MODE -  {name.partition(' ')[2]} container {id[:12]}")
        return 0
    args.rest[0] = id
    return commit.run(engine, args, out) if name == "compose commit" else export.run(engine, args, out)
