"""Image archives as other tools write them, made by code."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
TAR = "application/vnd.oci.image.layer.v1.tar"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"

Files = dict[str, bytes]


def sha(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer_tar(**files: str) -> bytes:
    """Not as wherry packs: GNU format, an odd order, a mode of its own."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        root = tarfile.TarInfo("./")
        root.type, root.mode, root.mtime = tarfile.DIRTYPE, 0o755, 1_700_000_000
        tar.addfile(root)
        for name, text in sorted(files.items(), reverse=True):
            entry = tarfile.TarInfo("./" + name.replace("__", "/"))
            entry.size, entry.mode, entry.mtime = len(text), 0o640, 1_700_000_000
            tar.addfile(entry, io.BytesIO(text.encode()))
    return out.getvalue()


def config(*layers: bytes, arch: str = "amd64", **more: Any) -> bytes:
    doc = {"architecture": arch, "os": "linux", "config": {"Cmd": ["sh"]},
           "rootfs": {"type": "layers", "diff_ids": [sha(one) for one in layers]}, **more}  # fmt: skip
    return json.dumps(doc).encode()


def put(files: Files, data: bytes) -> str:
    files["blobs/sha256/" + hashlib.sha256(data).hexdigest()] = data
    return sha(data)


def descriptor(files: Files, data: bytes, media_type: str, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": put(files, data), "size": len(data), **more}


def manifest(files: Files, *layers: bytes, compress: bool = True, arch: str = "amd64", **more: Any) -> bytes:
    stored = [gzip.compress(one, mtime=0) if compress else one for one in layers]
    return json.dumps({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": descriptor(files, config(*layers, arch=arch), CONFIG),
        "layers": [descriptor(files, one, GZIP if compress else TAR) for one in stored], **more,
    }).encode()  # fmt: skip


def index(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(entries)}).encode()


def layout(*layers: bytes, name: str = "docker.io/library/app:1", compress: bool = True) -> Files:
    """A whole OCI image layout of one image."""
    files: Files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
    entry = descriptor(files, manifest(files, *layers, compress=compress), MANIFEST)
    if name:
        entry["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": "1"}
    files["index.json"] = index(entry)
    return files


def docker_archive(*layers: bytes, tags: list[str] | None = None) -> Files:
    """As docker before 25, podman and skopeo write it."""
    data = config(*layers)
    files = {hashlib.sha256(data).hexdigest() + ".json": data}
    names = []
    for layer in layers:
        name = hashlib.sha256(layer).hexdigest() + "/layer.tar"
        files[name] = layer
        names.append(name)
    entry = {"Config": next(iter(files)), "RepoTags": tags if tags is not None else ["app:1"], "Layers": names}
    files["manifest.json"] = json.dumps([entry]).encode()
    return files


def tar(files: Files, path: Path, *, mode: str = "w", links: dict[str, str] | None = None) -> str:
    with tarfile.open(path, mode) as out:  # type: ignore[call-overload]
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            out.addfile(entry, io.BytesIO(data))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            out.addfile(entry)
    return str(path)


def folder(files: Files, path: Path) -> str:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return str(path)
