"""The compressed forms of a layer that were seen or made: what lets a second push compress nothing.

A DiffID says what a layer is; a registry knows it by the digest of some compressed form. Forms are remembered also
after their bytes are gone, and after the layer is: the same layer built again finds them.
"""

from __future__ import annotations

import time

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import DiffID, Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    from wherry.store.db import Database
else:
    from wherry.lean import NamedTuple

__all__ = ["CompressedForms", "Form"]

_MOST = 50_000
"""Rows kept; the least recently used go first. A row takes about 200 bytes."""


class Form(NamedTuple):
    """`blob` is what a manifest would say of it. `maker` says how its bytes can be made again from the layer.

    "" is a form from elsewhere: its bytes can only be copied. Otherwise compressor, its version and level
    (`wherry.engine.push_forms`): another version may give other bytes, so whoever makes them checks the digest.
    """

    blob: Descriptor
    maker: str = ""


class CompressedForms:
    """Rows of `layer_form`. Thread-safe."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def find(self, diff_id: DiffID) -> tuple[Form, ...]:
        """The forms of the layer, the last remembered first. Uncompressed ones are listed too when they were used."""
        rows = self._db.read().execute(
            "SELECT media_type, digest, size, maker FROM layer_form WHERE diff_id = ? ORDER BY used_ns DESC, digest",
            (diff_id,),
        )
        return tuple(Form(Descriptor(row[0], Digest(row[1]), row[2]), row[3]) for row in rows)

    def remember(self, diff_id: DiffID, blob: Descriptor, maker: str = "", *, now_ns: int = 0) -> None:
        """`blob`, whose content was checked to be the layer `diff_id`, is a form of it. Idempotent; becomes the newest.

        Only media type, digest and size are kept. Who knows a `maker` replaces one that did not.
        """
        moment = now_ns or time.time_ns()
        with self._db.write() as conn:
            conn.execute(
                "INSERT INTO layer_form (diff_id, digest, media_type, size, maker, used_ns) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (diff_id, digest) DO UPDATE SET used_ns = excluded.used_ns,"
                " media_type = excluded.media_type, maker = CASE excluded.maker WHEN '' THEN maker ELSE excluded.maker"
                " END",
                (diff_id, blob.digest, blob.media_type, blob.size, maker, moment),
            )
            (count,) = conn.execute("SELECT count(*) FROM layer_form").fetchone()
            if count > _MOST:
                conn.execute(
                    "DELETE FROM layer_form WHERE (diff_id, digest) IN"
                    " (SELECT diff_id, digest FROM layer_form ORDER BY used_ns LIMIT ?)",
                    (count - _MOST + _MOST // 100,),
                )
