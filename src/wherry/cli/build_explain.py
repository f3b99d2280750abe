"""wherry build --explain, and the flags that say which steps may come from the cache."""

from __future__ import annotations

from wherry.cli.flags import Flag, FlagError
from wherry.cli.render import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wherry.build.explain import Explained
    from wherry.cli.flags import Args
    from wherry.cli.render import Output

__all__ = ["FLAGS", "no_cache_filter", "teller"]

FLAGS = (
    Flag("explain", "Say for each step why it came from the cache, or why not, and what it read"),
    Flag("no-cache-filter", "Stages that do not use the cache (STAGE[,STAGE])", kind="list"),
)


def no_cache_filter(args: Args) -> tuple[str, ...]:
    return tuple(name for text in args.all("no-cache-filter") for name in text.split(",") if name)


def teller(args: Args, out: Output) -> Teller | None:
    """What keeps the explanation until the progress display is gone; None when none is wanted. Raises: FlagError."""
    if not args.on("explain"):
        return None
    if args.on("check-reproducible"):
        raise FlagError("--check-reproducible and --explain can't be given together")
    return Teller(out, is_json=args.text("format") == "json")


class Teller:
    """Is called with the steps when the build is over, well or not; prints them on leaving."""

    def __init__(self, out: Output, *, is_json: bool) -> None:
        self._out = out
        self._is_json = is_json
        self._steps: Sequence[Explained] = ()

    def __call__(self, steps: Sequence[Explained]) -> None:
        self._steps = steps

    def show(self) -> None:
        """JSON on standard output, one object on each line; text behind the progress, on standard error."""
        if self._is_json:
            _json(self._steps, self._out.line)
        else:
            _text(self._steps, self._out.error)


def _json(steps: Sequence[Explained], write: Callable[[str], None]) -> None:
    import json

    for step in steps:
        write(json.dumps(step._asdict()))


def _text(steps: Sequence[Explained], write: Callable[[str], None]) -> None:
    lines = []
    for step in steps:
        lines.append(clean(step.line()))
        lines += [f"  advice: {clean(step.advice)}"] if step.advice else []
    if lines:
        write("\n".join(["", *lines]))
