"""The first version of GitHub's cache API: reserve, send ranges, commit."""

from __future__ import annotations

from urllib.parse import quote

from wherry.errors import RegistryError
from wherry.oci import _decode
from wherry.registry.gha import VERSION, Entry, Wire
from wherry.registry.transport import Body, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from wherry.cancel import Cancel

__all__ = ["ApiV1"]

_PATH = "_apis/artifactcache/"
_ACCEPT = "application/json;api-version=6.0-preview.1"
_PIECE = 8 << 20


class ApiV1:
    """As `gha.Api`. The service finds by prefix only: who wants the very key looks at what came."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def find(self, key: str, *, is_prefix: bool, cancel: Cancel | None) -> Entry | None:
        path = f"{_PATH}cache?keys={quote(key, safe='')}&version={VERSION}"
        status, said = self._wire.ask("GET", path, None, f"looking for {key}", cancel)
        if status != 200:
            return None
        return Entry(
            _decode.get_required(said, "cacheKey", str, "gha"),
            _decode.get_required(said, "archiveLocation", str, "gha"),
        )

    def save(self, key: str, size: int, pieces: Callable[[int], bytes], cancel: Cancel | None) -> bool:
        what = f"writing {key}"
        asked: dict[str, object] = {"key": key, "version": VERSION, "cacheSize": size}
        status, said = self._wire.ask("POST", f"{_PATH}caches", asked, what, cancel)
        if status == 409:
            return False
        if status not in {200, 201}:
            raise RegistryError(f"{what}: there is no such service at this URL", status=status)
        number = _decode.get_required(said, "cacheId", int, "gha")
        for at in range(0, size, _PIECE):
            data = pieces(min(_PIECE, size - at))
            headers = {
                "Accept": _ACCEPT, "Content-Type": "application/octet-stream",
                "Content-Range": f"bytes {at}-{at + len(data) - 1}/*",
            }  # fmt: skip
            url = self._wire.url(f"{_PATH}caches/{number}")
            self._wire.call(Request("PATCH", url, headers, Body.of(data)), what, cancel)
        status, _ = self._wire.ask("POST", f"{_PATH}caches/{number}", {"size": size}, what, cancel)
        if status not in {200, 201, 204}:
            raise RegistryError(f"{what}: the gha cache did not take what was sent", status=status)
        return True
