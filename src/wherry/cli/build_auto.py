"""`wherry build --auto`: a folder without Dockerfile is built as `wherry init` would have written it."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import ExitStack

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

__all__ = ["dockerfile"]


def dockerfile(engine: Engine, args: Args, out: Output, stack: ExitStack) -> str:
    """The path for -f: a file of this build's own; "" when the folder has a Dockerfile, or --auto was not given.

    Raises: InputError when there is nothing to start in the project.
    """
    context = args.rest[0]
    if not args.on("auto") or args.text("file") or context == "-":
        return args.text("file")
    folder = os.path.join(engine.settings.cwd, context)
    if any(os.path.lexists(os.path.join(folder, name)) for name in ("Dockerfile", "dockerfile")):
        return ""
    from wherry.cli.init_show import report
    from wherry.fs.atomic import replace_file
    from wherry.scaffold.plan import Wishes, plan
    from wherry.scaffold.read import read
    from wherry.scaffold.write import texts

    decided = plan(read(folder), Wishes())
    files = texts(decided)
    if not args.on("quiet"):
        out.error("\n".join(report(decided, "")))
    own = stack.enter_context(engine.scratch.folder("auto"))
    path = os.path.join(own, "Dockerfile")
    replace_file(path, files["Dockerfile"].encode(), 0o644, durable=False)
    if not os.path.lexists(os.path.join(folder, ".dockerignore")):
        # Beside the Dockerfile, where it is looked for first
        replace_file(f"{path}.dockerignore", files[".dockerignore"].encode(), 0o644, durable=False)
    return path
