"""The values of volumes and mounts."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["BindMount", "Volume", "Wanted"]

_NONE: Mapping[str, str] = MappingProxyType({})


class Volume(NamedTuple):
    """`folder` is ROOT/volumes/NAME/_data. `options` are the local driver's: type, device, o."""

    name: str
    folder: str
    labels: Mapping[str, str] = _NONE
    options: Mapping[str, str] = _NONE
    created_ns: int = 0
    is_anonymous: bool = False


class Wanted(NamedTuple):
    """One mount that a container asks for: `type` is "bind" or "volume"; `target` is absolute and clean.

    `source` is a host path, a volume's name, or "" for an anonymous volume. `create_source` makes a missing host
    folder (-v), `copy` False is nocopy. `propagation` "" is rprivate.
    """

    type: str
    source: str
    target: str
    read_only: bool = False
    create_source: bool = False
    copy: bool = True
    propagation: str = ""
    recursive: bool = True
    subpath: str = ""
    labels: Mapping[str, str] = _NONE
    options: Mapping[str, str] = _NONE


class BindMount(NamedTuple):
    """What the runtime binds: `source` exists on the host. `volume` is the name behind it, "" for a host path.

    `type` "tmpfs" or another file system means that `source` is a device to mount with `options`, not to bind.
    """

    source: str
    target: str
    read_only: bool = False
    propagation: str = ""
    recursive: bool = True
    volume: str = ""
    type: str = "bind"
    options: tuple[str, ...] = ()
    is_anonymous: bool = False
