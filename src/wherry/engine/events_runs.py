"""What a run of a container does to networks and volumes, told as events: once when it begins, once when it is over."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.network.model import Attachment
    from wherry.volume.store import VolumeUse

__all__ = ["began", "over"]

# As networks_show.predefined makes them of their names, with a module that takes 4 ms to load: (id, driver)
_PREDEFINED = {
    "none": ("f23bfbf88f33f46e9acf05b10b184a8e1208bc4d7d4ca2c52f7645591f243d24", "null"),
    "host": ("4b229fc72d8f3fadc17f16f40c1fd47978ebdb303c683b9f8ac7bbe22c0da059", "host"),
}


def began(engine: Engine, row: ContainerRow, attachment: Attachment) -> None:
    """Its networks and volumes are there, and it is about to start."""
    for network in _networks(attachment, row):
        _network(engine, row, network, "connect")
    for use, driver in _volumes(engine, row):
        writable = not any(one.target == use.target and one.read_only for one in row.options().mounts)
        engine.events.record("volume", "mount", use.volume, {
            "container": row.id, "destination": use.target, "driver": driver, "propagation": "",
            "read/write": "true" if writable else "false",
        })  # fmt: skip


def over(engine: Engine, row: ContainerRow) -> None:
    """It ended, and its networks are about to be released."""
    attachment = engine.networks.of(row.id)
    for network in _networks(attachment, row):
        _network(engine, row, network, "disconnect")
    for use, driver in _volumes(engine, row):
        engine.events.record("volume", "unmount", use.volume, {"container": row.id, "driver": driver})


def _networks(attachment: Attachment | None, row: ContainerRow) -> Iterator[tuple[str, str, str]]:
    """(name, id, driver) of each."""
    if attachment is not None and attachment.network is not None:
        yield attachment.network.name, attachment.network.id, "bridge"
        return
    mode = row.options().network
    if mode in _PREDEFINED:
        yield mode, *_PREDEFINED[mode]


def _network(engine: Engine, row: ContainerRow, network: tuple[str, str, str], action: str) -> None:
    name, id, driver = network
    engine.events.record("network", action, id, {"container": row.id, "name": name, "type": driver})


def _volumes(engine: Engine, row: ContainerRow) -> Iterator[tuple[VolumeUse, str]]:
    from wherry.engine.containers_mounts import has_volumes

    if has_volumes(engine, row):
        for use in engine.volumes.store.uses(row.id):
            yield use, "local"
