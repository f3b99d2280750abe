from __future__ import annotations

import struct
from pathlib import Path

import pytest

from wherry.errors import HostError
from wherry.runtime import docker_init


def elf(*segments: int) -> bytes:
    head = b"\x7fELF" + bytes([2, 1]) + bytes(10) + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, 56,
                                                                len(segments), 0, 0, 0)  # fmt: skip
    return head + b"".join(struct.pack("<I", kind) + bytes(52) for kind in segments)


@pytest.fixture
def bin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(docker_init, "_FOLDERS", str(tmp_path))
    return tmp_path


def put(folder: Path, name: str, data: bytes) -> None:
    (folder / name).write_bytes(data)
    (folder / name).chmod(0o755)


def test_a_static_init_is_taken(bin: Path) -> None:
    put(bin, "tini", elf(1, 3))
    put(bin, "catatonit", elf(1, 2))
    assert docker_init.find_init("") == str(bin / "catatonit")


def test_an_init_that_needs_the_images_libraries_is_not(bin: Path) -> None:
    put(bin, "tini", elf(1, 3))
    put(bin, "docker-init", b"#!/bin/sh\n")
    with pytest.raises(HostError, match="needs a statically linked init") as caught:
        docker_init.find_init("")
    assert caught.value.hint == "apt-get install --no-install-recommends tini"
