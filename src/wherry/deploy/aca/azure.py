"""What a session asks of Azure: the border at which tests put their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from wherry.cancel import Cancel

__all__ = ["Azure", "Entry"]

Doc = dict[str, Any]


class Entry(NamedTuple):
    """A line of a container's log. `time` is RFC 3339 or ""."""

    time: str
    text: str


class Azure(Protocol):
    """One subscription. Resources are JSON as Azure Resource Manager has it, by their ids. None: no such thing.

    All raise: NotSignedIn, DeployError, Unreachable.
    """

    subscription: str

    def get(self, resource_id: str) -> Doc | None: ...

    def put(self, resource_id: str, doc: Doc, cancel: Cancel) -> Doc:
        """Made or replaced, and returned when it is there. Raises: Cancelled."""

    def delete(self, resource_id: str, cancel: Cancel) -> None:
        """Returns when it is gone; no error when it was. Raises: Cancelled."""

    def members(self, group: str) -> list[Doc]:
        """The resources of a resource group: id, type and tags."""

    def registries(self) -> list[Doc]:
        """Those of the subscription."""

    def put_app(self, group: str, name: str, doc: Doc, *, is_new: bool) -> None:
        """Accepted, not done: who waits looks at the app. An existing one is patched: what is not said stays."""

    def operation_fault(self, name: str) -> str:
        """Why the last `put_app` of this session failed later on, "" as long as it has not."""

    def secret_values(self, group: str, name: str) -> dict[str, str] | None:
        """Of the app's secrets; None when they may not be read."""

    def revisions(self, group: str, name: str) -> list[Doc]:
        """Newest first."""

    def replicas(self, group: str, name: str, revision: str) -> list[Doc]: ...

    def console(self, group: str, name: str, container: Doc, *, tail: int) -> Iterator[Entry]:
        """The last lines, oldest first, 300 at most. `container` is one of a replica's `containers`."""

    def registry_token(self, server: str) -> str:
        """The password of user 00000000-0000-0000-0000-000000000000 at a registry of Azure's."""
