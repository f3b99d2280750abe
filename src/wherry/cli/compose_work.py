"""What the commands that change a project have in common: ^C, and flags."""

from __future__ import annotations

from wherry.cli.flags import Flag
from wherry.errors import InputError
from wherry.lean import contextmanager, signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wherry.cancel import Cancel
    from wherry.cli.flags import Args
    from wherry.compose.image_plan import ImageOptions

__all__ = ["CREATE_FLAGS", "Interrupts", "image_options", "interrupts", "recreation", "scales"]

CREATE_FLAGS = (
    Flag("build", "Build images before starting containers"),
    Flag("force-recreate", "Recreate containers even if their configuration and image haven't changed"),
    Flag("no-build", "Don't build an image, even if it's policy"),
    Flag("no-recreate", "If containers already exist, don't recreate them. Incompatible with --force-recreate."),
    Flag("pull", 'Pull image before running ("always"|"missing"|"never"|"build")', kind="string", default="policy"),
    Flag("quiet-pull", "Pull without printing progress information"),
    Flag("remove-orphans", "Remove containers for services not defined in the Compose file"),
    Flag("scale", "Scale SERVICE to NUM instances. Overrides the scale setting in the Compose file if present.",
         kind="list", type_name="scale"),
    Flag("yes", 'Assume "yes" as answer to all prompts and run non-interactively', short="y"),
)  # fmt: skip
"""Of `up` and `create`."""


class Interrupts:
    """SIGINT and SIGTERM set `cancel`; when it is set already, they end the command at once."""

    def __init__(self, cancel: Cancel) -> None:
        self.cancel = cancel

    def again(self) -> Cancel:
        """A new one, for the work that follows an interruption: the next signal sets that."""
        self.cancel = type(self.cancel)()
        return self.cancel


@contextmanager
def interrupts() -> Iterator[Interrupts]:
    """While the body runs. The second ^C raises KeyboardInterrupt out of whatever goes on."""
    from wherry.cancel import Cancel

    found = Interrupts(Cancel())

    def heed(signo: int, frame: object) -> None:
        del signo, frame
        if found.cancel.is_set():
            raise KeyboardInterrupt
        # docker-compose's word for it
        found.cancel.set("canceled")

    before = [(number, signal.signal(number, heed)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield found
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def scales(texts: Sequence[str]) -> dict[str, int]:
    """Of SERVICE=NUM words. Raises: InputError in docker-compose's words."""
    found = {}
    for text in texts:
        name, equals, number = text.partition("=")
        if not equals or not number.isascii() or not number.isdecimal():
            raise InputError(f"invalid scale specifier: {text}", hint="as --scale web=3")
        found[name] = int(number)
    return found


def recreation(args: Args) -> tuple[str, str]:
    """How willingly containers of the services asked for, and of others, are made anew. Raises: InputError."""
    always = args.has("always-recreate-deps") and args.on("always-recreate-deps")
    renew = args.has("renew-anon-volumes") and args.on("renew-anon-volumes")
    if args.on("no-recreate"):
        if args.on("force-recreate"):
            raise InputError("--force-recreate and --no-recreate are incompatible")
        if always:
            raise InputError("--always-recreate-deps and --no-recreate are incompatible")
        return "never", "never"
    own = "force" if args.on("force-recreate") or renew else "diverged"
    return own, "force" if always else "diverged"


def image_options(args: Args) -> ImageOptions:
    """Raises: InputError for flags that contradict each other."""
    from wherry.compose.image_plan import POLICIES, ImageOptions

    if args.on("build") and args.on("no-build"):
        raise InputError("--build and --no-build are incompatible")
    pull = args.text("pull")
    if pull not in POLICIES and not pull.startswith("every_"):
        raise InputError(f'invalid --pull option "{pull}"', hint='"always", "missing", "never" or "build"')
    return ImageOptions(pull, args.on("build"), args.on("no-build"))
