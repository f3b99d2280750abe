"""The image that is deployed: looked up here first, then in its registry, which is only asked for its documents."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from wherry.cancel import Cancel
from wherry.deploy.application import ImageFacts
from wherry.errors import NotFound
from wherry.oci.config import ImageConfig
from wherry.oci.digest import Digest
from wherry.oci.platform import Platform
from wherry.oci.reference import Reference

if TYPE_CHECKING:
    from wherry.engine import Engine
    from wherry.registry.client import FetchedManifest
    from wherry.store.images import ImageRecord

__all__ = ["of_config", "resolve"]

_CONFIG_LIMIT = 8 << 20


def resolve(engine: Engine, name: str, platform: Platform, cancel: Cancel) -> ImageFacts:
    """What `name` means. `platform` chooses of an index in a registry.

    Raises: NotFound, InvalidReference, RegistryError.
    """
    try:
        record = engine.image_store.resolve(name)
    except NotFound as fault:
        reference = Reference.parse(name)
        if not _names_registry(name, reference):
            raise NotFound(f"{fault}", hint=f"wherry build -t {reference.familiar} .") from None
        return _remote(engine, reference, platform, cancel)
    return _local(engine, record, name)


def _names_registry(name: str, reference: Reference) -> bool:
    """Whether somebody wrote where it is: "api" alone is not looked for at Docker Hub."""
    return "/" in name or bool(reference.digest)


def _local(engine: Engine, record: ImageRecord, name: str) -> ImageFacts:
    """The name as the user wrote it, unless that was an id; its pushed digest where this store knows of one."""
    names = [Reference.known(one) for one in record.references]
    tagged = [one for one in names if one.tag]
    wanted = Reference.parse(name) if not str(record.id).removeprefix("sha256:").startswith(name[:12]) else None
    chosen = next((one for one in names if wanted and str(one) == str(wanted)), None) or next(iter(tagged), None)
    if chosen is None:
        raise NotFound(f"image {name} has no name to be pushed under", hint=f"wherry tag {name} NAME:TAG")
    pushed = [one for one in names if one.digest and (one.registry, one.repository) == (chosen.registry,
                                                                                     chosen.repository)]  # fmt: skip
    found = of_config(engine.image_store.config(record.id), chosen.familiar, record.size)
    return replace(found, id=str(record.id), digest=str(pushed[-1].digest) if pushed else "")


def _remote(engine: Engine, reference: Reference, platform: Platform, cancel: Cancel) -> ImageFacts:
    from wherry.engine.pull_source import sources
    from wherry.oci.descriptor import Descriptor
    from wherry.registry import select

    there = sources(engine.registries, reference)
    top = there.manifest(str(reference.digest or reference.tag), cancel)

    def fetch(descriptor: Descriptor) -> FetchedManifest:
        return there.manifest(str(descriptor.digest), cancel)

    chosen = select.select(fetch, top, platform, reference.familiar)
    select.refuse_artifact(chosen.manifest, reference.familiar)
    data = there.small_blob(chosen.manifest.config, _CONFIG_LIMIT, "image config", cancel)
    size = sum(layer.size for layer in chosen.manifest.layers)
    found = of_config(ImageConfig.from_bytes(data), reference.familiar, size)
    # The index's digest: nodes of several architectures each find theirs
    return replace(found, digest=str(top.digest), reference=f"{reference.familiar_name}@{top.digest}")


def of_config(config: ImageConfig, reference: str, size_bytes: int, *, digest: Digest | None = None) -> ImageFacts:
    """Pure."""
    parted = (one.partition("/") for one in config.config.exposed_ports)
    ports = {int(number) for number, _, protocol in parted if protocol in {"", "tcp"} and number.isdecimal()}
    env = {name: value for name, _, value in (one.partition("=") for one in config.config.env)}
    return ImageFacts(
        reference, config.platform, digest=str(digest or ""), size_bytes=size_bytes, user=config.config.user,
        exposed_ports=tuple(sorted(ports)), healthcheck=config.config.healthcheck,
        stop_signal=config.config.stop_signal, entrypoint=config.config.entrypoint or (),
        cmd=config.config.cmd or (), env=MappingProxyType(env),
    )  # fmt: skip
