"""The second version of GitHub's cache API: twirp in JSON, the bytes as blocks to a signed URL."""

from __future__ import annotations

import base64

from wherry.errors import RegistryError
from wherry.oci import _decode
from wherry.registry.gha import VERSION, Entry, Wire
from wherry.registry.transport import Body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from wherry.cancel import Cancel

__all__ = ["ApiV2"]

_PATH = "twirp/github.actions.results.api.v1.CacheService/"
_PIECE = 8 << 20


class ApiV2:
    """As `gha.Api`."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def find(self, key: str, *, is_prefix: bool, cancel: Cancel | None) -> Entry | None:
        asked = {"key": key, "restore_keys": [key] if is_prefix else [], "version": VERSION}
        status, said = self._wire.ask("POST", f"{_PATH}GetCacheEntryDownloadURL", asked, f"looking for {key}", cancel)
        if status == 404 or not _decode.get(said, "ok", bool, "", False):
            return None
        url = _decode.get_required(said, "signed_download_url", str, "gha")
        return Entry(_decode.get(said, "matched_key", str, "gha", key), url)

    def save(self, key: str, size: int, pieces: Callable[[int], bytes], cancel: Cancel | None) -> bool:
        what = f"writing {key}"
        status, said = self._wire.ask(
            "POST", f"{_PATH}CreateCacheEntry", {"key": key, "version": VERSION}, what, cancel
        )
        if status == 409 or (status == 200 and not _decode.get(said, "ok", bool, "gha", False)):
            return False
        if status == 404:
            raise RegistryError(f"{what}: there is no such service at this URL", status=404)
        self._send(_decode.get_required(said, "signed_upload_url", str, "gha"), size, pieces, what, cancel)
        # int64 is a string in protobuf's JSON
        asked = {"key": key, "version": VERSION, "size_bytes": str(size)}
        status, said = self._wire.ask("POST", f"{_PATH}FinalizeCacheEntryUpload", asked, what, cancel)
        if status not in {200, 201} or not _decode.get(said, "ok", bool, "gha", False):
            raise RegistryError(f"{what}: the gha cache did not take what was sent", status=status)
        return True

    def _send(self, text: str, size: int, pieces: Callable[[int], bytes], what: str, cancel: Cancel | None) -> None:
        url = self._wire.signed(text)
        kind = {"x-ms-blob-type": "BlockBlob", "Content-Type": "application/octet-stream"}
        if size <= _PIECE:
            self._wire.put(url, kind, Body.of(pieces(size)), what, cancel)
            return
        names = []
        for at in range(0, size, _PIECE):
            # All of one length, as Azure wants them
            names.append(base64.b64encode(b"%010d" % (at // _PIECE)).decode())
            block = url.with_query(f"comp=block&blockid={names[-1].replace('=', '%3D')}")
            body = Body.of(pieces(min(_PIECE, size - at)))
            self._wire.put(block, {"Content-Type": "application/octet-stream"}, body, what, cancel)
        listed = "".join(f"<Latest>{name}</Latest>" for name in names)
        document = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listed}</BlockList>'.encode()
        self._wire.put(
            url.with_query("comp=blocklist"), {"Content-Type": "application/xml"}, Body.of(document), what, cancel
        )
