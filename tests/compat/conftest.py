"""One dockerd and one wherry for each module, with the same busybox image: what one leaves is not another's to see."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compat.sides import Docker, Side, Wherry
from tests.integration.container_lab import busybox_tar


@pytest.fixture(scope="module")
def sides() -> Iterator[tuple[Side, Side]]:
    # A short name, as the sockets' paths must fit in 107 bytes
    with tempfile.TemporaryDirectory(prefix="compat-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "base.tar").write_bytes(busybox_tar())
        docker = Docker(folder / "docker")
        try:
            wherry = Wherry(folder / "wherry")
            try:
                changes = "-c 'ENV PATH=/bin' -c 'CMD [\"sh\"]'"
                wherry.must(
                    f"docker import {changes} {folder}/base.tar busybox && docker save -o {folder}/b.tar busybox"
                )
                docker.must(f"docker load -i {folder}/b.tar")
                yield docker, wherry
            finally:
                wherry.close()
        finally:
            docker.close()
