"""What is attached to an image: SBOM, provenance and files kept beside it here, pushed as its referrers.

They are stored without a subject: the digest that they refer to is that of the pushed manifest, and the compressed
layers in it are only made at push.
"""

from __future__ import annotations

import json
import time
from typing import NamedTuple

from wherry.errors import NotFound
from wherry.oci.digest import Digest
from wherry.oci.manifest import encode
from wherry.trust.referrer import IN_TOTO, Payload, Referrer, make, with_subject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.engine import Engine
    from wherry.oci.descriptor import Descriptor
    from wherry.oci.reference import Reference
    from wherry.store.images import ImageRecord

__all__ = ["Attachment", "attach", "attachments", "detach", "local_referrers"]


class Attachment(NamedTuple):
    """One thing kept beside a local image. `digest` and `size` are of what it says, not of a manifest."""

    artifact_type: str
    media_type: str
    digest: Digest
    size: int
    title: str
    annotations: dict[str, str]
    created_ns: int


def local_referrers(
    engine: Engine, image: ImageRecord, subject: Descriptor, reference: Reference
) -> Sequence[Referrer]:
    """The referrers to push right after the image's manifest. Empty for most images, and cheap then.

    `subject` is the descriptor of the manifest as it was pushed (media type, digest, size); `reference` the name it
    was pushed to, which statements about it carry. For each: push `referrer.blobs` ((descriptor, bytes) pairs, small;
    the first is always the empty config), then `put_manifest(str(referrer.digest), referrer.manifest,
    referrer.media_type)`. The same image, subject and name give the same bytes, so a second push changes nothing.
    Raises: NotFound, IntegrityError when the store has lost a payload.
    """
    found = []
    for one in attachments(engine, image):
        data = engine.blobs.read(one.digest, limit_bytes=_LIMIT_BYTES)
        if one.media_type == IN_TOTO:
            data = with_subject(data, f"{reference.registry}/{reference.repository}", subject.digest)
        payload = Payload(one.artifact_type, one.media_type, data, one.title, one.annotations)
        found.append(make(payload, subject))
    return found


_LIMIT_BYTES = 256 << 20


def attachments(engine: Engine, image: ImageRecord) -> Sequence[Attachment]:
    """What is attached to the local image, sorted by type, then by when it was attached."""
    rows = engine.db.read().execute(
        "SELECT artifact_type, media_type, digest, size, title, annotations, created_ns FROM attachment"
        " WHERE image_id = ? ORDER BY artifact_type, created_ns, digest",
        (image.id,),
    )
    return [Attachment(row[0], row[1], Digest(row[2]), row[3], row[4], json.loads(row[5]), row[6]) for row in rows]


def attach(engine: Engine, image: ImageRecord, payload: Payload, *, replace: bool = False) -> Attachment:
    """Keep `payload` beside the image. Idempotent. `replace` takes away what had the same artifact type.

    Raises: NotFound when the image is gone.
    """
    with engine.leases.hold("attach to an image") as lease:
        lease.add_blob(Digest.of(payload.data))
        blob = engine.blobs.put_bytes(payload.data)
        now = time.time_ns()
        with engine.db.write() as conn:
            if not conn.execute("SELECT 1 FROM image WHERE id = ?", (image.id,)).fetchone():
                raise NotFound(f"No such image: {image.id}")
            if replace:
                conn.execute(
                    "DELETE FROM attachment WHERE image_id = ? AND artifact_type = ? AND digest != ?",
                    (image.id, payload.artifact_type, blob.digest),
                )
            conn.execute(
                "INSERT INTO attachment (image_id, digest, artifact_type, media_type, size, title, annotations,"
                " created_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (image_id, artifact_type, digest) DO UPDATE"
                " SET media_type = excluded.media_type, title = excluded.title, annotations = excluded.annotations",
                (
                    image.id, blob.digest, payload.artifact_type, payload.media_type, blob.size, payload.title,
                    encode(dict(payload.annotations)).decode(), now,
                ),
            )  # fmt: skip
    return Attachment(
        payload.artifact_type, payload.media_type, blob.digest, blob.size, payload.title, dict(payload.annotations), now
    )


def detach(engine: Engine, image: ImageRecord, digest: Digest) -> None:
    """Forget what has this digest; its blob goes at the next collection. Raises: NotFound."""
    with engine.db.write() as conn:
        gone = conn.execute("DELETE FROM attachment WHERE image_id = ? AND digest = ?", (image.id, digest)).rowcount
    if not gone:
        raise NotFound(f"nothing with the digest {digest} is attached to {image.id.short}")
