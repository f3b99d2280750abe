"""What a run of a container does to networks and volumes, told as events: once when it begins, once when it is over."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.network.model import Attachment, Network
    from wherry.volume.store import VolumeUse

__all__ = ["began", "over"]

# As networks_show.predefined makes them of their names, with a module that takes 4 ms to load
_PREDEFINED = {
    "none": "f23bfbf88f33f46e9acf05b10b184a8e1208bc4d7d4ca2c52f7645591f243d24",
    "host": "4b229fc72d8f3fadc17f16f40c1fd47978ebdb303c683b9f8ac7bbe22c0da059",
}


def began(engine: Engine, row: ContainerRow, attachment: Attachment) -> None:
    """Its networks and volumes are there, and it is about to start."""
    for network in _networks(attachment, row):
        engine.events.network(network, "connect", row.id)
    for use in _volumes(engine, row):
        writable = not any(one.target == use.target and one.read_only for one in row.options().mounts)
        more = {"read/write": "true" if writable else "false", "propagation": "", "destination": use.target}
        engine.events.volume("mount", use.volume, container=row.id, **more)


def over(engine: Engine, row: ContainerRow) -> None:
    """It ended, and its networks are about to be released."""
    # Differs from docker: the death is told first, and a restart by the policy keeps networks and volumes
    for network in _networks(engine.networks.of(row.id), row):
        engine.events.network(network, "disconnect", row.id)
    for use in _volumes(engine, row):
        engine.events.volume("unmount", use.volume, container=row.id)


def _networks(attachment: Attachment | None, row: ContainerRow) -> Iterator[Network]:
    """What it is on, in order."""
    if attachment is not None and attachment.network is not None:
        yield from [one.network for one in attachment.joined] or [attachment.network]
        return
    mode = row.options().network
    if mode in _PREDEFINED:
        from wherry.network.model import Network

        yield Network(_PREDEFINED[mode], mode, -1, "", "", "")


def _volumes(engine: Engine, row: ContainerRow) -> Iterator[VolumeUse]:
    from wherry.engine.containers_mounts import has_volumes

    if has_volumes(engine, row):
        yield from engine.volumes.store.uses(row.id)
