"""What `wherry build` was asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

from wherry.build.named_context import NamedContext
from wherry.oci.config import ImageConfig
from wherry.oci.digest import DiffID
from wherry.oci.platform import Platform

__all__ = ["ZIP_EPOCH_NS", "Base", "BuildOptions", "FindBase"]

ZIP_EPOCH_NS = 315_532_800 * 10**9
_NONE: Mapping[str, str] = MappingProxyType({})
_NO_CONTEXTS: Mapping[str, NamedContext] = MappingProxyType({})


class BuildOptions(NamedTuple):
    """Everything that shapes the result. `build_args` maps names to values (a name alone is filled in before).

    `shm_size` in bytes, 0 is the default; `ulimits` is (name, soft, hard); `hosts` is (name, address).
    `platform` None is this machine's. `clamp_ns` becomes every time in a new layer (SOURCE_DATE_EPOCH, else
    1980-01-01, which zip can say); `created_ns` is when the image says it was made. Neither is the clock's.

    `contexts` (--build-context) take the place of the stages and images that are named so.

    `no_cache_filter` names the stages (in any case; stage-0 is the first one without a name) that are made anew.

    `traced_cache` False keys each RUN by its text and the layers below it only, as docker does; `split_packages` False
    leaves each RUN's diff one layer.
    """

    target: str = ""
    build_args: Mapping[str, str] = _NONE
    labels: Mapping[str, str] = _NONE
    no_cache: bool = False
    no_cache_filter: tuple[str, ...] = ()
    pull: bool = False
    network: str = "default"
    hosts: tuple[tuple[str, str], ...] = ()
    shm_size: int = 0
    ulimits: tuple[tuple[str, int, int], ...] = ()
    platform: Platform | None = None
    host_platform: Platform = Platform("linux", "amd64")
    clamp_ns: int = ZIP_EPOCH_NS
    created_ns: int = ZIP_EPOCH_NS
    contexts: Mapping[str, NamedContext] = _NO_CONTEXTS
    traced_cache: bool = True
    split_packages: bool = True


class Base(NamedTuple):
    """An image that a FROM, a COPY --from or a mount names. `layers` is base layer first."""

    name: str
    config: ImageConfig
    layers: tuple[DiffID, ...]


class FindBase(Protocol):
    """Finds a base image in the store. Raises: NotFound, whose hint says how to get it."""

    def __call__(self, name: str, platform: Platform | None) -> Base: ...
