"""Brings the image to where the platform can pull it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.cancel import Cancel
from wherry.deploy.application import Application
from wherry.deploy.target import PushTo
from wherry.errors import NotFound, RegistryError
from wherry.oci.digest import Digest
from wherry.oci.reference import Reference

if TYPE_CHECKING:
    from wherry.engine import Engine
    from wherry.registry.watch import TransferWatch

__all__ = ["is_there", "ship"]


def is_there(engine: Engine, app: Application, cancel: Cancel) -> bool:
    """Whether the image's registry holds its known digest. An answer that is no answer counts as no."""
    if not app.image.digest:
        return False
    reference = Reference.parse(app.image.reference)
    from wherry.engine.pull_source import sources

    try:
        return sources(engine.registries, reference).head(app.image.digest, cancel) is not None
    except (RegistryError, NotFound):
        return False


def ship(engine: Engine, app: Application, to: PushTo, watch: TransferWatch, cancel: Cancel) -> Application:
    """Push under the name that the platform pulls, and say the digest that it got there. Sends only what is missing.

    Raises: as engine.push and, for an image that is not here yet, engine.pull.
    """
    from wherry.engine.push import PushRequest, push

    reference = Reference.parse(to.reference)
    if to.username:
        from wherry.registry.credentials import Credential

        engine.registries.credentials.lend(reference.registry, Credential(to.username, to.password))
    image = app.image.id or _fetched(engine, app, watch, cancel)
    engine.image_store.tag(Digest.parse(image), reference)
    pushed = push(engine, PushRequest(reference), watch, cancel)
    return app.with_image(f"{reference.familiar_name}", str(pushed.digest))


def _fetched(engine: Engine, app: Application, watch: TransferWatch, cancel: Cancel) -> str:
    from wherry.engine.pull import PullRequest, pull

    request = PullRequest(Reference.parse(app.image.reference), app.image.platform)
    return str(pull(engine, request, watch, cancel).image.id)
