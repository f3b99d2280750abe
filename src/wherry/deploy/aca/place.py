"""Where the image is pulled from, and by what right. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from wherry.deploy.aca import names
from wherry.deploy.aca.choice import Choice
from wherry.deploy.application import Application
from wherry.oci.reference import Reference

__all__ = ["Place", "login_server", "place"]

_AZURE = ".azurecr.io"


def login_server(name: str) -> str:
    return f"{name}{_AZURE}"


@dataclass(frozen=True, slots=True)
class Place:
    """`host` is the registry's, `prefix` stands before the application's name there. `is_own`: wherry makes it."""

    host: str
    prefix: str = ""
    is_own: bool = False

    @property
    def is_azure(self) -> bool:
        """Whether an identity pulls from there; else a user and a password do, or nobody is asked."""
        return self.is_own or self.host.endswith(_AZURE)

    @property
    def registry(self) -> str:
        """The name that Azure has for it."""
        return self.host.removesuffix(_AZURE)

    def path(self, app: Application) -> str:
        """Behind the host. The tag is the image's id: no two images take it from each other."""
        tag = app.image.id.rpartition(":")[2][:12] or "latest"
        return "/".join(part for part in (self.prefix, app.name) if part) + f":{tag}"

    def push_to(self, app: Application) -> str:
        """ "" where the image is there already, as far as this machine knows; the user's own name if it fits."""
        if not app.image.id or "@" in app.image.reference:
            return ""
        if Reference.parse(app.image.reference).registry == self.host:
            return app.image.reference
        return f"{self.host}/{self.path(app)}"


def place(app: Application, choice: Choice, subscription: str, group: str) -> Place:
    """An image that is in a registry and not here stays there; one that is here goes where the user says, else to a
    registry of its own.
    """
    reference = Reference.parse(app.image.reference)
    host = reference.registry
    own = names.own_registry(subscription, group, app.name)
    if host == login_server(own):
        return Place(host, is_own=True)
    chosen, _, prefix = choice.registry.partition("/")
    if chosen and (app.image.id or host == chosen):
        return Place(chosen, prefix)
    # What was pushed already keeps its registry: the reference has the digest by then
    if not app.image.id or reference.digest or host.endswith(_AZURE):
        return Place(host)
    return Place(login_server(own), is_own=True)
