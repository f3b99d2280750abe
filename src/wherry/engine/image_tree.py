"""An image with everything that hangs on it: platforms, referrers, signatures, attachments."""

from __future__ import annotations

from typing import NamedTuple

from wherry.engine.trust_remote import Remote, Target, fetch_manifest, find
from wherry.errors import InvalidSpec, NotFound
from wherry.oci import mediatype
from wherry.oci.manifest import Index
from wherry.store.images import rfc3339
from wherry.trust import simple_signing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from wherry.engine import Engine
    from wherry.image.packages.merged import Installed
    from wherry.oci.descriptor import Descriptor
    from wherry.oci.digest import DiffID, Digest
    from wherry.store.images import ImageRecord

__all__ = ["Node", "local_tree", "remote_tree"]

# What a registry lists of one image may be anything
_DEEPEST = 4
_MOST = 500
_TITLE = "org.opencontainers.image.title"
CREATED = "org.opencontainers.image.created"
_REFERENCE = "vnd.docker.reference.digest"


class Node(NamedTuple):
    """`name` is the image's name, a platform, a layer's number, a package, or an artifact's type. `size` in bytes: of a
    manifest with its blobs where that is known, else of the manifest; of a layer's tar; of a package's files.
    `digest` of a layer is its DiffID; a package has none. `created` is RFC 3339 or "". `note` says more, as a title.
    """

    name: str
    kind: str
    digest: Digest | DiffID | None
    size: int
    created: str = ""
    note: str = ""
    children: tuple[Node, ...] = ()


def local_tree(engine: Engine, image: ImageRecord, name: str) -> Node:
    """A local image and what will be pushed as its referrers."""
    from wherry.engine.attach import attachments

    attached = tuple(
        Node(one.artifact_type, "attachment", one.digest, one.size, rfc3339(one.created_ns // 10**9 * 10**9), one.title)
        for one in attachments(engine, image)
    )
    children = (*_layers(engine, image), *attached)
    platform = Node(
        str(engine.images.config(image.id).platform), "manifest", image.manifest, image.size, children=children
    )
    created = rfc3339(image.created_ns) if image.created_ns > 0 else ""
    return Node(name, "image", image.id, image.size, created, children=(platform,))


def _layers(engine: Engine, image: ImageRecord) -> Iterator[Node]:
    """Base first, each with the packages that it brought. `note` is the step that made it. What can't be read (a layer
    that is lost, another user's) is shown without.
    """
    steps = [one.created_by for one in engine.images.config(image.id).history if not one.empty_layer]
    steps += [""] * (len(image.layers) - len(steps))
    installed = _installed(engine, image)
    for number, diff_id in enumerate(image.layers):
        packages = tuple(Node(str(one.package), "package", None, one.size) for one in installed if one.layer == number)
        size = engine.layers.get(diff_id).size if engine.layers.has(diff_id) else 0
        yield Node(f"layer {number + 1}", "layer", diff_id, size, note=steps[number], children=packages)


def _installed(engine: Engine, image: ImageRecord) -> list[Installed]:
    from wherry.image.packages.merged import Merged

    try:
        with Merged([engine.layers.path(one) for one in image.layers]) as merged:
            return merged.installed()
    except (FileNotFoundError, PermissionError):
        return []


def remote_tree(remote: Remote, name: str) -> Node:
    """The image as its registry has it now. Raises: NotFound, RegistryError, InvalidSpec."""
    target = find(remote, name)
    walker = _Walker(target)
    return walker.node(target.subject, target.reference.familiar, 0)


class _Walker:
    def __init__(self, target: Target) -> None:
        self._repository = target.repository
        self._seen: set[str] = set()

    def node(self, one: Descriptor, name: str, depth: int) -> Node:
        children: list[Node] = []
        size, kind, created, note = one.size, "manifest", one.annotations.get(CREATED, ""), ""
        is_new = one.digest not in self._seen and len(self._seen) < _MOST and depth < _DEEPEST
        self._seen.add(one.digest)
        if is_new:
            if one.media_type in mediatype.INDEXES:
                kind = "index"
                children += self._members(one, depth)
            else:
                size, created, note, kind = self._measure(one, created)
            children += self._referrers(one, depth)
        return Node(name, kind, one.digest, size, created, note, tuple(children))

    def _measure(self, one: Descriptor, created: str) -> tuple[int, str, str, str]:
        try:
            _, manifest = fetch_manifest(self._repository, one.digest)
        except (NotFound, InvalidSpec):
            return one.size, created, "its manifest can't be read", "manifest"
        size = one.size + manifest.config.size + sum(layer.size for layer in manifest.layers)
        title = manifest.layers[0].annotations.get(_TITLE, "") if manifest.layers else ""
        kind = "referrer" if manifest.subject else "manifest"
        said = manifest.annotations.get(_TITLE, title)
        note = manifest.annotations.get("dev.sigstore.bundle.predicateType", said) if manifest.subject else ""
        return size, created or manifest.annotations.get(CREATED, ""), note, kind

    def _members(self, one: Descriptor, depth: int) -> Iterator[Node]:
        """Platforms; what BuildKit put beside them as "unknown/unknown" goes below the one that it is about."""
        index = Index.from_bytes(self._repository.manifest(str(one.digest)).data)
        about: dict[str, list[Descriptor]] = {}
        for member in index.manifests:
            if subject := member.annotations.get(_REFERENCE):
                about.setdefault(subject, []).append(member)
        listed = {member.digest for member in index.manifests}
        for member in index.manifests:
            if member.annotations.get(_REFERENCE, "") in listed:
                continue
            found = self.node(member, str(member.platform or member.artifact_type or member.media_type), depth + 1)
            beside = [
                self.node(other, other.annotations.get("vnd.docker.reference.type", "attestation"), depth + 2)
                for other in about.get(member.digest, ())
            ]
            yield found._replace(children=(*found.children, *beside))

    def _referrers(self, one: Descriptor, depth: int) -> Iterator[Node]:
        for other in self._repository.referrers(one.digest):
            yield self.node(other, self._type(other), depth + 1)
        tag = simple_signing.tag_of(one.digest)
        if depth < 2 and (signed := self._repository.head_manifest(tag)) and signed.digest != one.digest:
            yield self.node(signed, f"cosign signatures ({tag[:19]}....sig)", depth + 1)

    def _type(self, one: Descriptor) -> str:
        """What it is; a fallback tag may say less than the manifest."""
        if one.artifact_type and one.artifact_type != mediatype.EMPTY:
            return one.artifact_type
        try:
            _, manifest = fetch_manifest(self._repository, one.digest)
        except (NotFound, InvalidSpec):
            return one.media_type
        return manifest.artifact_type or manifest.config.media_type


def lines(node: Node) -> Iterator[tuple[str, Node]]:
    """(the name with its branch, the node), top down: as `docker image ls --tree` draws it."""
    yield node.name, node
    yield from _below(node, "")


def _below(node: Node, indent: str) -> Iterator[tuple[str, Node]]:
    for number, child in enumerate(node.children, 1):
        is_last = number == len(node.children)
        yield f"{indent}{'└─ ' if is_last else '├─ '}{child.name}", child
        yield from _below(child, indent + ("   " if is_last else "│  "))
