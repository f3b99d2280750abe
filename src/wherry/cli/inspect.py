"""wherry inspect, image inspect, container inspect."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb
from wherry.errors import InputError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

_FORMAT = Flag("format", "Format output: 'json', a Go template, or indented JSON by default", short="f", kind="string")
_SIZE = Flag("size", "Display total file sizes if the type is container", short="s")

VERB = {
    "inspect": Verb(
        "[OPTIONS] NAME|ID [NAME|ID...]",
        "Return low-level information on wherry objects",
        [_FORMAT, _SIZE, Flag("type", "Only objects of this type: container, image, network, volume", kind="string")],
        least=1,
        most=None,
        examples=[
            "wherry inspect web",
            "wherry inspect --type image shop/api",
            "wherry inspect -f '{{.State.Status}} {{.NetworkSettings.IPAddress}}' web",
        ],
    ),
    "image inspect": Verb(
        "[OPTIONS] IMAGE [IMAGE...]",
        "Display detailed information on one or more images",
        [_FORMAT],
        least=1,
        most=None,
    ),
    "container inspect": Verb(
        "[OPTIONS] CONTAINER [CONTAINER...]",
        "Display detailed information on one or more containers",
        [_FORMAT, _SIZE],
        least=1,
        most=None,
    ),
}


def run(name: str, engine: Engine, args: Args, out: Output) -> int:
    """Prints what was found even when another name was not."""
    from wherry.cli import formats

    only = args.text("type") if name == "inspect" else name.partition(" ")[0]
    finders = _finders(engine, size=name != "image inspect" and args.on("size"))
    if only and only not in finders:
        raise InputError(f'"{only}" is not a valid value for --type', hint=f"one of {', '.join(finders)}")
    kinds: dict[str, str] = {}

    def find(wanted: str) -> Mapping[str, Any]:
        kinds[wanted], document = _find({only: finders[only]} if only else finders, wanted, only)
        return document

    return formats.inspect(out, args.rest, find, args.text("format"), kinds)


def _finders(engine: Engine, *, size: bool) -> dict[str, Callable[[str], Mapping[str, Any]]]:
    """In the order in which docker looks."""
    return {
        "container": lambda name: engine.containers.inspect(name, size=size),
        "image": lambda name: engine.images.inspect(name),  # noqa: PLW0108
        # Looked up when asked: each finder loads its part of the engine
        "network": lambda name: engine.networks.inspect(name),  # noqa: PLW0108
        "volume": lambda name: engine.volumes.inspect(name),  # noqa: PLW0108
    }


def _find(
    finders: Mapping[str, Callable[[str], Mapping[str, Any]]], name: str, only: str
) -> tuple[str, Mapping[str, Any]]:
    """The kind, and the document. Raises: NotFound."""
    hint = ""
    for kind, finder in finders.items():
        try:
            return kind, finder(name)
        except NotFound as fault:
            if kind == only:
                raise
            hint = hint or (fault.hint if fault.hint and "did you mean" in fault.hint else "")
        except InputError:
            if only:
                raise  # a volume may have a name that no image can have
    raise NotFound(f"No such object: {name}", hint=hint or None)
