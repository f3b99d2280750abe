"""What the pages show, read from the rows and from the manifests' own bytes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

from wherry.oci import mediatype
from wherry.oci.digest import Digest
from wherry.registry.server.manifests import Manifests, StoredManifest
from wherry.registry.server.storage import Storage

__all__ = ["Browser", "Child", "Details", "Part", "Referrer", "Shelf", "Tagged"]

_CONFIG_LIMIT = 1 << 20
_MOST_CHILDREN = 200


class Shelf(NamedTuple):
    """A repository. `size` is of the blobs that it shows, in bytes; `pushed_s` its last manifest's Unix time, or 0."""

    name: str
    tags: int
    manifests: int
    size: int
    pushed_s: int


class Tagged(NamedTuple):
    """`size` is of the image for one platform, or of all that an index names; `platforms` as "linux/amd64"."""

    tag: str
    digest: Digest
    size: int
    platforms: tuple[str, ...]
    pushed_s: int
    referrers: int


class Part(NamedTuple):
    """A layer, or the config. `how` is the instruction that made it, when the config says so."""

    media_type: str
    digest: str
    size: int
    how: str = ""


class Child(NamedTuple):
    """One manifest of an index. `is_here` is False in a sparse index."""

    digest: str
    platform: str
    size: int
    is_here: bool


class Referrer(NamedTuple):
    digest: str
    artifact_type: str
    size: int


class Details(NamedTuple):
    """One manifest, for its page."""

    digest: Digest
    media_type: str
    artifact_type: str
    size: int
    tags: tuple[str, ...]
    platform: str
    created: str
    settings: tuple[tuple[str, str], ...]
    """What the config says: entrypoint, command, user, ports, labels."""
    parts: tuple[Part, ...]
    children: tuple[Child, ...]
    referrers: tuple[Referrer, ...]
    annotations: tuple[tuple[str, str], ...]
    subject: str


class Browser:
    """Reads only."""

    def __init__(self, storage: Storage, manifests: Manifests) -> None:
        self._storage, self._manifests = storage, manifests

    def shelf(self, name: str) -> Shelf | None:
        """None when there is no such repository."""
        with self._storage.ledger.read() as db:
            row = db.execute("SELECT id FROM repository WHERE name = ?", (name,)).fetchone()
            if row is None:
                return None
            tags = db.execute("SELECT count(*) FROM tag WHERE repository = ?", row).fetchone()[0]
            count, pushed = db.execute(
                "SELECT count(*), coalesce(max(created_s), 0) FROM manifest WHERE repository = ?", row
            ).fetchone()
            size = db.execute(
                "SELECT coalesce(sum(size), 0) FROM link JOIN blob USING (digest) WHERE repository = ?", row
            ).fetchone()[0]
        return Shelf(name, tags, count, size, pushed)

    def tags(self, name: str, after: str, most: int) -> list[Tagged]:
        """Sorted by name, those above `after`."""
        with self._storage.ledger.read() as db:
            rows = db.execute(
                "SELECT tag.name, tag.digest, media_type, size, created_s, (SELECT count(*) FROM manifest AS other"
                " WHERE other.repository = tag.repository AND other.subject = tag.digest) FROM tag"
                " JOIN manifest USING (repository, digest)"
                " WHERE repository = (SELECT id FROM repository WHERE name = ?) AND tag.name > ?"
                " ORDER BY tag.name LIMIT ?",
                (name, after, most),
            ).fetchall()
        found = []
        for tag, digest, media_type, size, pushed, referrers in rows:
            doc = self._document(StoredManifest(Digest(digest), media_type, size))
            found.append(Tagged(tag, Digest(digest), self._size(name, doc), self._platforms(doc), pushed, referrers))
        return found

    def details(self, name: str, reference: str) -> Details | None:
        """By tag or digest."""
        found = self._manifests.find(name, reference)
        if found is None:
            return None
        doc = self._document(found)
        config = self._config(doc)
        with self._storage.ledger.read() as db:
            tags = db.execute(
                "SELECT name FROM tag WHERE repository = (SELECT id FROM repository WHERE name = ?) AND digest = ?"
                " ORDER BY name LIMIT 100",
                (name, found.digest),
            ).fetchall()
        referrers = self._manifests.referrers(name, found.digest, "", "", _MOST_CHILDREN)
        subject = doc.get("subject")
        return Details(
            digest=found.digest,
            media_type=found.media_type,
            artifact_type=_text(doc.get("artifactType")),
            size=self._size(name, doc),
            tags=tuple(row[0] for row in tags),
            platform=_platform(config),
            created=_text(config.get("created")),
            settings=_settings(config),
            parts=_parts(doc, config),
            children=self._children(name, doc),
            referrers=tuple(
                Referrer(_text(one["digest"]), _text(one.get("artifactType")), _number(one["size"]))
                for one in referrers
            ),
            annotations=_pairs(doc.get("annotations")),
            subject=_text(subject.get("digest")) if isinstance(subject, dict) else "",
        )

    def _document(self, manifest: StoredManifest) -> dict[str, Any]:
        try:
            doc = json.loads(self._manifests.read(manifest))
        except (OSError, ValueError, RecursionError):
            return {}
        return doc if isinstance(doc, dict) else {}

    def _config(self, doc: dict[str, Any]) -> dict[str, Any]:
        """The image's config; {} for an artifact's, and for one that is not there."""
        config = doc.get("config")
        if not isinstance(config, dict) or config.get("mediaType") not in (mediatype.CONFIG, mediatype.DOCKER_CONFIG):
            return {}
        try:
            fd = self._storage.open_blob(Digest.parse(_text(config.get("digest"))))
            with open(fd, "rb") as file:
                read = json.loads(file.read(_CONFIG_LIMIT))
        except (OSError, ValueError, RecursionError):
            return {}
        return read if isinstance(read, dict) else {}

    def _size(self, name: str, doc: dict[str, Any]) -> int:
        total = sum(
            _number(one.get("size")) for one in (doc.get("config"), *_dicts(doc, "layers")) if isinstance(one, dict)
        )
        for one in _dicts(doc, "manifests")[:_MOST_CHILDREN]:
            if child := self._manifests.find(name, _text(one.get("digest")) or ":"):
                inner = self._document(child)
                total += sum(_number(part.get("size")) for part in _dicts(inner, "layers"))
        return total

    def _platforms(self, doc: dict[str, Any]) -> tuple[str, ...]:
        if manifests := _dicts(doc, "manifests"):
            known = (_platform(one["platform"]) for one in manifests if isinstance(one.get("platform"), dict))
            return tuple(dict.fromkeys(one for one in known if not one.startswith("unknown")))
        found = _platform(self._config(doc))
        return (found,) if found else ()

    def _children(self, name: str, doc: dict[str, Any]) -> tuple[Child, ...]:
        found = []
        for one in _dicts(doc, "manifests")[:_MOST_CHILDREN]:
            digest = _text(one.get("digest"))
            where = one.get("platform")
            child = self._manifests.find(name, digest or ":")
            size = self._size(name, self._document(child)) if child else _number(one.get("size"))
            found.append(Child(digest, _platform(where) if isinstance(where, dict) else "", size, child is not None))
        return tuple(found)


def _how(step: dict[str, Any]) -> str:
    """A step may have several layers: then the comment says what is in this one."""
    what = _text(step.get("comment"))
    text = _text(step.get("created_by"))
    return f"{what.removeprefix('wherry: ')} by {text}" if what.startswith("wherry: ") else text


def _parts(doc: dict[str, Any], config: dict[str, Any]) -> tuple[Part, ...]:
    """Config first, then the layers, base first, each with the step of the history that made it."""
    steps = [one for one in _dicts(config, "history") if not one.get("empty_layer")]
    layers = _dicts(doc, "layers")
    hows = [_how(one) for one in steps] if len(steps) == len(layers) else [""] * len(layers)
    found = []
    if isinstance(head := doc.get("config"), dict):
        found.append(Part(_text(head.get("mediaType")), _text(head.get("digest")), _number(head.get("size"))))
    for layer, how in zip(layers, hows, strict=True):
        found.append(Part(_text(layer.get("mediaType")), _text(layer.get("digest")), _number(layer.get("size")), how))
    return tuple(found)


def _settings(config: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    inner = config.get("config")
    if not isinstance(inner, dict):
        return ()
    found = []
    for key, title in (
        ("Entrypoint", "Entrypoint"),
        ("Cmd", "Command"),
        ("WorkingDir", "Working folder"),
        ("User", "User"),
    ):
        if value := inner.get(key):
            found.append((title, json.dumps(value) if isinstance(value, list) else _text(value)))
    for key, title in (("ExposedPorts", "Ports"), ("Volumes", "Volumes")):
        if isinstance(inner.get(key), dict) and inner[key]:
            found.append((title, ", ".join(sorted(map(str, inner[key])))))
    found += [(f"Label {name}", value) for name, value in _pairs(inner.get("Labels"))]
    return tuple(found)


def _platform(doc: dict[str, Any]) -> str:
    words = [_text(doc.get(key)) for key in ("os", "architecture", "variant")]
    return "/".join(word for word in words if word)


def _pairs(value: object) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((str(key), _text(one)) for key, one in value.items())) if isinstance(value, dict) else ()


def _dicts(doc: dict[str, Any], key: str) -> list[dict[str, Any]]:
    value = doc.get(key)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def when(pushed_s: int) -> str:
    """UTC to the minute; "" for 0."""
    return f"{datetime.fromtimestamp(pushed_s, UTC):%Y-%m-%d %H:%M}" if pushed_s else ""
