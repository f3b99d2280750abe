"""One small image that runs (`true` of busybox), in every format that registries keep."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.registries.fake import FakeRegistry

__all__ = ["FORMATS", "Sample", "make"]

FORMATS = ("schema2", "oci", "index", "docker list", "zstd", "uncompressed", "foreign")

_OCI = "application/vnd.oci.image"
_DOCKER = "application/vnd.docker"
_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)


class Sample(NamedTuple):
    """`digest` is that of the manifest or index; `image` that of this machine's manifest."""

    digest: str
    image: str
    blobs: dict[str, bytes]
    manifests: dict[str, tuple[bytes, str]]

    def seed(self, registry: FakeRegistry, repository: str, tag: str) -> None:
        for data in self.blobs.values():
            registry.put_blob(repository, data)
        for digest, (data, kind) in self.manifests.items():
            registry.put_manifest(repository, tag if digest == self.digest else digest, data, kind)


class _Maker:
    """Each form has a config of its own: of one image a store keeps one manifest."""

    def __init__(self, form: str) -> None:
        self._form = form
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[bytes, str]] = {}

    def blob(self, data: bytes, kind: str, **more: Any) -> dict[str, Any]:
        digest = _digest(data)
        self.blobs[digest] = data
        return {"mediaType": kind, "size": len(data), "digest": digest, **more}

    def manifest(self, document: dict[str, Any], **more: Any) -> dict[str, Any]:
        data = json.dumps(document, indent=3).encode()
        digest = _digest(data)
        self.manifests[digest] = (data, document["mediaType"])
        return {"mediaType": document["mediaType"], "size": len(data), "digest": digest, **more}

    def image(self, kind: str, layers: list[tuple[bytes, dict[str, Any]]], arch: str = _ARCH) -> dict[str, Any]:
        """`layers` are tars with the descriptors of how they are kept."""
        config = {
            "architecture": arch,
            "os": "linux",
            "created": "2026-11-24T00:00:00Z",
            "config": {"Env": ["PATH=/bin"], "Cmd": ["true"], "Labels": {"form": self._form}},
            "rootfs": {"type": "layers", "diff_ids": [_digest(tar) for tar, _ in layers]},
            "history": [{"created": "2026-11-24T00:00:00Z", "created_by": "tests"} for _ in layers],
        }
        is_docker = kind.startswith(_DOCKER)
        config_kind = f"{_DOCKER}.container.image.v1+json" if is_docker else f"{_OCI}.config.v1+json"
        document = {
            "schemaVersion": 2,
            "mediaType": kind,
            "config": self.blob(json.dumps(config).encode(), config_kind),
            "layers": [described for _, described in layers],
        }
        return self.manifest(document, platform={"architecture": arch, "os": "linux"})

    def sample(self, top: dict[str, Any], image: dict[str, Any]) -> Sample:
        return Sample(top["digest"], image["digest"], self.blobs, self.manifests)


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _more() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("etc/made-by")
        entry.size = 6
        tar.addfile(entry, io.BytesIO(b"wherry"))
    return buffer.getvalue()


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, 4, mtime=0)


def _zstd(data: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor(level=2).compress(data)


def make(form: str, root: bytes) -> Sample:
    """`root` is the tar of the first layer, with /bin/true in it."""
    made, tars = _Maker(form), (root, _more())

    def layers(kind: str, pack: Callable[[bytes], bytes]) -> list[tuple[bytes, dict[str, Any]]]:
        return [(tar, made.blob(pack(tar), kind)) for tar in tars]

    docker = f"{_DOCKER}.distribution.manifest.v2+json"
    docker_layer = f"{_DOCKER}.image.rootfs.diff.tar.gzip"
    oci, oci_layer = f"{_OCI}.manifest.v1+json", f"{_OCI}.layer.v1.tar"
    match form:
        case "schema2":
            top = made.image(docker, layers(docker_layer, _gzip))
        case "oci":
            top = made.image(oci, layers(f"{oci_layer}+gzip", _gzip))
        case "zstd":
            top = made.image(oci, layers(f"{oci_layer}+zstd", _zstd))
        case "uncompressed":
            top = made.image(oci, layers(oci_layer, lambda tar: tar))
        case "foreign":
            url = "https://layers.invalid/second.tar.gz"
            first, second = layers(docker_layer, _gzip)
            second[1].update(mediaType=f"{_DOCKER}.image.rootfs.foreign.diff.tar.gzip", urls=[url])
            top = made.image(docker, [first, second])
        case _:
            is_docker = form == "docker list"
            found = layers(docker_layer if is_docker else f"{oci_layer}+gzip", _gzip)
            kind = docker if is_docker else oci
            other = "arm64" if _ARCH == "amd64" else "amd64"
            image = made.image(kind, found)
            top = made.manifest({
                "schemaVersion": 2,
                "mediaType": f"{_DOCKER}.distribution.manifest.list.v2+json" if is_docker else f"{_OCI}.index.v1+json",
                "manifests": [made.image(kind, found, other), image],
            })  # fmt: skip
            return made.sample(top, image)
    return made.sample(top, top)
