"""SBOM and provenance of a build: made after the image, kept beside it, pushed as its referrers."""

from __future__ import annotations

import os
import time
from hashlib import sha256
from importlib.util import find_spec
from typing import NamedTuple

from wherry.engine.attach import attach, attachments
from wherry.errors import HostError, InvalidReference, NotFound
from wherry.oci.digest import Digest
from wherry.oci.reference import Reference
from wherry.store.images import rfc3339

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from wherry.build.graph import Graph
    from wherry.build.options import BuildOptions
    from wherry.build.progress import Progress
    from wherry.build.tree import Entry, Tree
    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.oci.digest import DiffID
    from wherry.store.images import ImageRecord
    from wherry.trust.provenance import Dependency

__all__ = ["Attest", "Built", "context_digest", "sbom_formats"]

_LIBRARIES = {"spdx": ("spdx_tools", "license_expression", "packageurl"), "cyclonedx": ("cyclonedx", "packageurl")}


def sbom_formats(text: str) -> tuple[str, ...]:
    """Of --sbom. Raises: InputError."""
    from wherry.engine.trust_sbom import formats

    return formats(text)


class Built(NamedTuple):
    """What an image was built from. `name` and `dockerfile` are the Dockerfile's; `context` None: none was read."""

    graph: Graph
    options: BuildOptions
    context: Tree | None
    name: str
    dockerfile: bytes


class Attest:
    """Made when a build begins: its start is part of the provenance. `sbom` are formats, `provenance` "min" or "max".

    Raises: HostError when a library is missing, rather than when all the work is done.
    """

    def __init__(self, engine: Engine, sbom: tuple[str, ...], provenance: str) -> None:
        for kind in sbom:
            for name in _LIBRARIES[kind]:
                if find_spec(name) is None:
                    raise HostError(f"--sbom needs the Python package {name}", hint="pip install 'wherry[sbom]'")
        self._engine, self._sbom, self._provenance = engine, sbom, provenance
        self._started_ns = time.time_ns()

    def attach(self, image: ImageRecord, built: Built, progress: Progress, cancel: Cancel) -> None:
        """Beside `image`; nothing in the image changes."""
        progress.start("attest", "attaching to image")
        if self._provenance:
            self._attach_provenance(image, built, cancel)
            progress.output("attest", b"provenance done\n")
        if self._sbom:
            from wherry.engine.trust_sbom import sbom

            for kind, one in zip(self._sbom, sbom(self._engine, image, self._sbom), strict=True):
                attach(self._engine, image, one, replace=True)
                progress.output("attest", f"sbom {kind} done\n".encode())
        progress.done("attest")

    def _attach_provenance(self, image: ImageRecord, built: Built, cancel: Cancel) -> None:
        from wherry.trust.provenance import Facts, is_same_build, payload

        graph, options = built.graph, built.options
        facts = Facts(
            dockerfile_name=built.name,
            dockerfile=built.dockerfile,
            target=options.target,
            platform=str(graph.config.platform),
            network=options.network,
            build_args=options.build_args,
            labels=options.labels,
            source_date_epoch=options.clamp_ns // 10**9,
            context=context_digest(self._engine, built.context, cancel) if built.context else None,
            dependencies=tuple(self._dependencies(graph)),
            started=_seconds(self._started_ns),
            finished=_seconds(time.time_ns()),
            is_whole=self._provenance == "max",
        )
        made = payload(facts)
        for one in attachments(self._engine, image):
            # The same build again, perhaps all from the cache: the image is the one that was made then
            if one.artifact_type == made.artifact_type and is_same_build(
                self._engine.blobs.read(one.digest), made.data
            ):
                return
        attach(self._engine, image, made, replace=True)

    def _dependencies(self, graph: Graph) -> Iterator[Dependency]:
        """The images that this build really used, each once."""
        from wherry.build.graph import Source
        from wherry.trust.provenance import Dependency

        seen = set()
        for vertex in graph.vertices:
            if isinstance(vertex.op, Source) and (vertex.op.image, vertex.platform) not in seen:
                seen.add((vertex.op.image, vertex.platform))
                yield Dependency(vertex.op.image, vertex.platform, self._digest(vertex.op.image, vertex.op.layers))

    def _digest(self, name: str, layers: tuple[DiffID, ...]) -> Digest | None:
        """What the registry calls the base, else its manifest here; None when the name means another image by now."""
        try:
            image = self._engine.image_store.resolve(name)
            wanted = Reference.parse(name)
        except (NotFound, InvalidReference):
            return None
        if image.layers != layers:
            return None
        for text in image.references:
            known = Reference.known(text)
            if known.digest and (known.registry, known.repository) == (wanted.registry, wanted.repository):
                return known.digest
        return image.manifest


def context_digest(engine: Engine, tree: Tree, cancel: Cancel) -> Digest:
    """Of all that .dockerignore lets through: the SHA-256 of one line for each entry, in byte order of their paths.

    A line is the mode in octal, the kind (f, d, l), the content's digest or the link's target, and the path, with NUL
    between them and a newline behind. Times and owners do not count, as in COPY's keys. Raises: BuildError, Cancelled.
    """
    from wherry.build.filehash import FileHashes
    from wherry.build.tree import walk

    entries = [one for one in walk(tree, "", tree.excludes) if one.path]
    contents = FileHashes(engine.db, engine.settings.jobs).digests(tree, entries, cancel)
    total = sha256()
    for one in sorted(entries, key=lambda entry: os.fsencode(entry.path)):
        total.update(b"\0".join(_line(one, contents)) + b"\n")
    return Digest.from_hex(total.hexdigest())


def _line(one: Entry, contents: dict[str, str]) -> tuple[bytes, ...]:
    kind = b"f" if one.is_file else b"d" if one.is_folder else b"l"
    content = contents.get(one.source, "") if one.is_file else one.link
    return b"%04o" % (one.mode & 0o7777), kind, os.fsencode(content), os.fsencode(one.path)


def _seconds(moment_ns: int) -> str:
    return rfc3339(moment_ns // 10**9 * 10**9)
