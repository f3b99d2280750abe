"""wherry compose pull and push."""

from __future__ import annotations

from wherry.cli.compose import ComposeContext, compose_verb
from wherry.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = {
    "compose pull": compose_verb(
        "[OPTIONS] [SERVICE...]",
        "Pull service images",
        [
            Flag("ignore-buildable", "Ignore images that can be built"),
            Flag("ignore-pull-failures", "Pull what it can and ignores images with pull failures"),
            Flag("include-deps", "Also pull services declared as dependencies"),
            Flag("no-parallel", "Deprecated: --parallel 1"),
            Flag("parallel", "Deprecated: it is the default", default=1),
            Flag("policy", "Apply pull policy: missing or always", kind="string"),
            Flag("quiet", "Pull without printing progress information", short="q"),
        ],
        most=None,
        examples=("wherry compose pull", "wherry compose pull --policy missing web"),
    ),
    "compose push": compose_verb(
        "[OPTIONS] [SERVICE...]",
        "Push service images",
        [
            Flag("ignore-push-failures", "Push what it can and ignores images with push failures"),
            Flag("include-deps", "Also push images of services declared as dependencies"),
            Flag("quiet", "Push without printing progress information", short="q"),
        ],
        most=None,
        examples=("wherry compose push web",),
    ),
}


def run(name: str, engine: Engine, args: Args, out: Output) -> int:
    """Each image once, side by side. A failed pull exits 18."""
    from wherry.cli.compose_work import interrupts
    from wherry.compose.image_work import PullWishes, PushWishes, chosen, pull_images, push_images
    from wherry.compose.progress import DONE, Event
    from wherry.errors import InputError

    context = ComposeContext(engine, args, out)
    project = context.project(args.rest)
    is_pull, quiet = name == "compose pull", args.on("quiet")
    services = chosen(project, args.rest, with_dependencies=args.on("include-deps"))
    title = "Pulling" if is_pull else "Pushing"
    with interrupts() as found, context.progress(title, quiet=quiet) as progress:
        if context.is_dry:
            for service in services:
                progress.event(Event(service.name, DONE, "Pulled" if is_pull else "Pushed"))
        elif is_pull:
            policy = args.text("policy")
            if policy not in {"", "missing", "always"}:
                raise InputError(f'invalid --policy "{policy}"', hint="missing or always")
            wishes = PullWishes(policy, args.on("ignore-pull-failures"), args.on("ignore-buildable"), quiet)
            limit = 1 if args.on("no-parallel") else context.parallel
            pull_images(engine, project, services, progress, found.cancel, wishes, limit=limit)
        else:
            push_images(
                engine, project, services, progress, found.cancel, PushWishes(args.on("ignore-push-failures"), quiet),
                limit=context.parallel,
            )  # fmt: skip
    return 0
