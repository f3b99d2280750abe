"""What a session asks of Google: the border at which tests put their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

__all__ = ["Entry", "Gcp"]

Doc = dict[str, Any]


class Entry(NamedTuple):
    """A line of Cloud Logging. `time` is RFC 3339, which sorts; `id` tells two of one time apart."""

    time: str
    id: str
    revision: str
    text: str


class Gcp(Protocol):
    """One project and region. Documents are JSON of the v2 API. None means that there is no such thing.

    All raise: NotSignedIn, DeployError, Unreachable.
    """

    project: str
    region: str

    def token(self) -> str:
        """An access token: the password of Artifact Registry's `oauth2accesstoken`."""

    def service(self, name: str) -> Doc | None: ...

    def put_service(self, name: str, doc: Doc, *, is_new: bool) -> None:
        """Accepted, not done: who waits looks at the service."""

    def delete_service(self, name: str) -> None:
        """Returns when it is gone; no error when it was."""

    def revisions(self, name: str) -> list[Doc]:
        """Newest first."""

    def secrets(self, label: str, value: str) -> list[str]:
        """The ids of those with the label."""

    def secret(self, name: str) -> Doc | None: ...

    def create_secret(self, name: str, labels: dict[str, str]) -> None: ...

    def secret_value(self, name: str) -> bytes | None:
        """Of the latest version; None too when it may not be read."""

    def add_secret_version(self, name: str, value: bytes) -> None: ...

    def let_read(self, name: str, service_account: str) -> None:
        """The service account ("" for the project's default one) may read the secret. Idempotent."""

    def delete_secret(self, name: str) -> None: ...

    def repository(self, name: str) -> Doc | None: ...

    def create_repository(self, name: str, labels: dict[str, str]) -> None:
        """Returns when it is there."""

    def delete_repository(self, name: str) -> None:
        """With the images in it."""

    def entries(self, service: str, *, since: str = "", last: int = 100) -> Sequence[Entry]:
        """Oldest first; at most `last` of the newest, or all from the time `since` on."""
