"""`bundle.json`, the first file of a bundle: what is in it, with the checksum of every other file in its order.

The sha256 of this document is the bundle's id, so that an incremental bundle can say which one it needs.
Nothing in it depends on the time or the machine: the same content gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from wherry.airgap.paths import checked_path, checked_text
from wherry.errors import InvalidSpec, Unsupported
from wherry.oci import _decode
from wherry.oci.digest import Digest
from wherry.oci.manifest import encode

__all__ = [
    "FIRST", "LIMIT_BYTES", "Absent", "Attached", "Bundle", "Entry", "Image", "Model", "Project", "Since", "parse"
]  # fmt: skip

SCHEMA = 1
LIMIT_BYTES = 32 << 20
FIRST = "bundle.json"
_FIXED = ("oci-layout", "index.json", "manifest.json")
_MOST_FILES = 100_000
_PROJECT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_NONE: Mapping[str, str] = MappingProxyType({})


class Entry(NamedTuple):
    """A file of the archive; a blob is named blobs/ALGORITHM/HEX. `size` in bytes."""

    name: str
    size: int
    digest: Digest


class Image(NamedTuple):
    """`names` are whole references; `size` is of the uncompressed layers, in bytes."""

    id: Digest
    manifest: Digest
    names: tuple[str, ...]
    platform: str
    size: int


class Model(NamedTuple):
    """`id` is the manifest's digest."""

    id: Digest
    names: tuple[str, ...]
    size: int


class Attached(NamedTuple):
    """What is kept beside the image `image` (its id); `digest` and `size` are of what it says."""

    image: Digest
    artifact_type: str
    media_type: str
    digest: Digest
    size: int
    title: str = ""
    annotations: Mapping[str, str] = _NONE


class Project(NamedTuple):
    """A compose project: `manifest` is an artifact with one layer for each file, by its path in the project's folder.

    `files` are the compose files in the order of merging, `folders` those that are empty, `executable` files with x.
    """

    name: str
    manifest: Digest
    files: tuple[str, ...]
    folders: tuple[str, ...] = ()
    executable: tuple[str, ...] = ()


class Since(NamedTuple):
    """An earlier bundle; `name` is how its file was called, for people."""

    id: Digest
    name: str


class Absent(NamedTuple):
    """A blob that was left out, since the bundle `of` has it."""

    digest: Digest
    size: int
    of: Digest


class Bundle(NamedTuple):
    """The whole document. `files` are all other files of the archive, in its order."""

    images: tuple[Image, ...]
    models: tuple[Model, ...]
    attached: tuple[Attached, ...]
    project: Project | None
    since: tuple[Since, ...]
    absent: tuple[Absent, ...]
    files: tuple[Entry, ...]

    def to_bytes(self) -> bytes:
        doc: dict[str, Any] = {"schema": SCHEMA}
        doc["images"] = [
            {"id": one.id, "manifest": one.manifest, "names": one.names, "platform": one.platform, "size": one.size}
            for one in self.images
        ]
        doc["models"] = [{"id": one.id, "names": one.names, "size": one.size} for one in self.models]
        doc["attached"] = [
            {
                "image": one.image, "artifactType": one.artifact_type, "mediaType": one.media_type,
                "digest": one.digest, "size": one.size, "title": one.title, "annotations": dict(one.annotations),
            }
            for one in self.attached
        ]  # fmt: skip
        if self.project:
            doc["project"] = self.project._asdict()
        doc["since"] = [{"id": one.id, "name": one.name} for one in self.since]
        doc["absent"] = [[one.digest, one.size, one.of] for one in self.absent]
        doc["files"] = [[one.name, one.size, one.digest] for one in self.files]
        return encode(doc)


def parse(data: bytes) -> Bundle:
    """Raises: InvalidSpec, Unsupported (of a later wherry)."""
    doc = _decode.load(data, FIRST, limit_bytes=LIMIT_BYTES)
    schema = _decode.get_required(doc, "schema", int, "")
    if schema != SCHEMA:
        raise Unsupported(
            f"the bundle has schema {schema}, which this wherry does not know", hint="take a newer wherry"
        )
    found = Bundle(
        _decode.get_sequence(doc, "images", "", _image) or (),
        _decode.get_sequence(doc, "models", "", _model) or (),
        _decode.get_sequence(doc, "attached", "", _attached) or (),
        _project(_decode.get_mapping(doc, "project", "")) if doc.get("project") is not None else None,
        _decode.get_sequence(doc, "since", "", _since) or (),
        _decode.get_sequence(doc, "absent", "", _absent) or (),
        _decode.get_sequence(doc, "files", "", _entry) or (),
    )
    _check_files(found.files)
    known = {one.id for one in found.since}
    if stray := [one.of for one in found.absent if one.of not in known]:
        raise InvalidSpec(f"{FIRST}: a blob is said to be in bundle {stray[0].short}, which is not among `since`")
    return found


def _check_files(files: Sequence[Entry]) -> None:
    """The fixed ones first, then blobs sorted by name: one way to write a bundle, so nothing to be misread."""
    names = [one.name for one in files]
    if len(names) > _MOST_FILES:
        raise InvalidSpec(f"{FIRST}: {len(names)} files are too many")
    blobs = names[len(_FIXED) :]
    if tuple(names[: len(_FIXED)]) != _FIXED or blobs != sorted(set(blobs)):
        raise InvalidSpec(f"{FIRST}: the files are not those of a bundle, in their order")
    for one in files[len(_FIXED) :]:
        if one.name != f"blobs/{one.digest.algorithm}/{one.digest.hex}":
            raise InvalidSpec(f"{FIRST}: a file is named {one.name[:100]!r}, which is not its digest")


def _entry(value: Any, at: str) -> Entry:
    name, size, digest = _three(value, at)
    return Entry(_decode.string(name, at), _size(size, at), _digest(digest, at))


def _absent(value: Any, at: str) -> Absent:
    digest, size, of = _three(value, at)
    return Absent(_digest(digest, at), _size(size, at), _digest(of, at))


def _three(value: Any, at: str) -> list[Any]:
    if not isinstance(value, list) or len(value) != 3:
        raise InvalidSpec(f"{at}: expected three values")
    return value


def _size(value: Any, at: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 62:
        raise InvalidSpec(f"{at}: not a size: {str(value)[:40]}")
    return value


def _digest(value: Any, at: str) -> Digest:
    return Digest.parse(_decode.string(value, at))


def _get_digest(doc: Mapping[str, Any], key: str, at: str) -> Digest:
    return Digest.parse(_decode.get_required(doc, key, str, at))


def _get_size(doc: Mapping[str, Any], at: str) -> int:
    return _size(_decode.get_required(doc, "size", int, at), f"{at}.size")


def _text(value: Any, at: str) -> str:
    return checked_text(_decode.string(value, at), at)


def _path(value: Any, at: str) -> str:
    return checked_path(_decode.string(value, at), at)


def _names(doc: Mapping[str, Any], at: str) -> tuple[str, ...]:
    return _decode.get_sequence(doc, "names", at, _text) or ()


def _image(value: Any, at: str) -> Image:
    return Image(
        _get_digest(value, "id", at), _get_digest(value, "manifest", at), _names(value, at),
        _text(_decode.get(value, "platform", str, at, ""), at), _get_size(value, at),
    )  # fmt: skip


def _model(value: Any, at: str) -> Model:
    return Model(_get_digest(value, "id", at), _names(value, at), _get_size(value, at))


def _attached(value: Any, at: str) -> Attached:
    return Attached(
        _get_digest(value, "image", at),
        _text(_decode.get_required(value, "artifactType", str, at), at),
        _text(_decode.get_required(value, "mediaType", str, at), at),
        _get_digest(value, "digest", at),
        _get_size(value, at),
        _text(_decode.get(value, "title", str, at, ""), at),
        _decode.string_map(value, "annotations", at),
    )


def _project(value: Mapping[str, Any]) -> Project:
    at = "project"
    return Project(
        _project_name(_decode.get_required(value, "name", str, at), at),
        _get_digest(value, "manifest", at),
        _decode.get_sequence(value, "files", at, _path) or (),
        _decode.get_sequence(value, "folders", at, _path) or (),
        _decode.get_sequence(value, "executable", at, _path) or (),
    )


def _project_name(text: str, at: str) -> str:
    """As compose has them. It becomes a folder where the bundle is loaded, which in a home must not be .ssh."""
    if len(text) > 255 or not _PROJECT_NAME.fullmatch(text):
        raise InvalidSpec(f"{at}: {text[:80]!r} is no project's name", hint="nothing was written")
    return text


def _since(value: Any, at: str) -> Since:
    return Since(_get_digest(value, "id", at), _text(_decode.get(value, "name", str, at, ""), at))
