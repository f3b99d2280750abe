from __future__ import annotations

import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from wherry.oci import mediatype
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Manifest
from wherry.registry.media.sink import LayoutSink


def fill(folder: Path, name: str) -> None:
    """What every writer brings is the same, but for its name."""
    sink = LayoutSink(str(folder), name)
    for number in range(10):
        data = bytes([number]) * 10_000
        blob = Descriptor(mediatype.LAYER, Digest.of(data), len(data))
        sink.push_blob(blob, lambda offset, data=data: io.BytesIO(data[offset:]))  # type: ignore[misc]
    config = Descriptor(mediatype.CONFIG, Digest.of(b"{}"), 2)
    sink.put_manifest(name, Manifest(config, ()).to_bytes(), mediatype.MANIFEST)


def test_many_writers_of_one_layout_all_come_to_an_end_and_stay(tmp_path: Path) -> None:
    """What was seen: "No such file or directory", of two builds that exported their caches at the same time."""
    names = [f"n{number}" for number in range(12)]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: fill(tmp_path, name), names))
    index = json.loads((tmp_path / "index.json").read_text())
    found = [one["annotations"]["org.opencontainers.image.ref.name"] for one in index["manifests"]]
    assert sorted(found) == sorted(names)
    assert sorted(os.listdir(tmp_path)) == ["blobs", "index.json", "oci-layout"]
    assert not list(tmp_path.rglob("*.tmp"))
    assert len(os.listdir(tmp_path / "blobs" / "sha256")) == 11
