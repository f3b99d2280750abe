"""The values of volumes and mounts."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.volume.driver import MountPlan

__all__ = ["BindMount", "Volume", "VolumeWish", "Wanted"]

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
    """One mount that a container asks for: `type` is "bind", "volume" or "image"; `target` is absolute and clean.

    `source` is a host path, an image, a volume's name, or "" for an anonymous volume. `create_source` makes a missing
    host folder (-v), `copy` False is nocopy. `propagation` "" is rprivate. `is_inherited`: by --volumes-from, so that
    the name of an anonymous volume is not one that the user chose. `submounts` and `mode`: see runtime's MountRequest.
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
    submounts: str = ""
    mode: str = ""
    driver: str = ""
    is_inherited: bool = False


class VolumeWish(NamedTuple):
    """A container's mount of a volume: `name` "" makes an anonymous one. Labels and options are for a new one."""

    target: str
    name: str
    copy: bool = True
    labels: Mapping[str, str] = _NONE
    options: Mapping[str, str] = _NONE
    is_named: bool = False


class BindMount(NamedTuple):
    """One mount as the engine has settled it. `volume` is the name behind it, "" for a host path.

    `source` is a folder or file of the host: a volume's folder (`subpath` not applied), or the folder that its options
    bind. `plan`: what must be mounted for a volume whose options say more. `type` is "bind", or "image" with the
    image's id in `image` and its name as `source`. What `needs_opening` becomes a plain bind by engine.volumes_open.
    """

    source: str
    target: str
    read_only: bool = False
    propagation: str = ""
    recursive: bool = True
    volume: str = ""
    type: str = "bind"
    is_anonymous: bool = False
    subpath: str = ""
    plan: MountPlan | None = None
    image: str = ""
    submounts: str = ""
    mode: str = ""
    is_mount: bool = False
    folder: str = ""
    """Of a volume: ROOT/volumes/NAME/_data, whatever its options mount."""

    @property
    def needs_opening(self) -> bool:
        return bool(self.plan or self.subpath or self.image or self.propagation in ("shared", "rshared"))
