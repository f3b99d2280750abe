"""COPY, ADD and WORKDIR: each case is a Dockerfile and the tree that BuildKit made of it (docker 26.1.5, recorded)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.build_lab import CASES, Lab, make_archives, make_tree

pytestmark = pytest.mark.requires("root", "runc", "busybox")
NAMES = sorted(path.name for path in (CASES / "copy").iterdir())
DIFFERENT = {
    "chown_unknown": "an owner that the image does not know is an error; BuildKit gives the files to root in silence",
    "chown_unknown_group": "the same for the group",
    "link_through_symlink": "--link is laid over as a layer of its own: the folder replaces the link, as it does with"
    " BuildKit's containerd store; docker's own store, on which the cases were recorded, does not know --link",
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("copy"))
    for name in ("plain", "archives"):
        folder = lab.folder / name
        folder.mkdir()
        make_tree(folder, (CASES / "context.tree").read_text())
    make_archives(lab.folder / "archives")
    yield lab
    assert lab.leftovers() == {}
    lab.close()


def outcome(lab: Lab, case: Path) -> str:
    text = (case / "Dockerfile").read_text()
    context = lab.folder / ("archives" if "ar.t" in text or "ar.bin" in text or "broken" in text else "plain")
    argv = ["build", "--network", "none", "-q", "-f", str(case / "Dockerfile"), str(context)]
    done = lab.wherry(*argv)
    if done.returncode:
        assert done.returncode == 1
        assert "Dockerfile:" in done.stderr, done.stderr
        return "ERROR\n"
    return lab.listing(done.stdout.strip())


@pytest.mark.parametrize("name", [name for name in NAMES if name not in DIFFERENT])
def test_it_gives_the_tree_that_buildkit_gives(lab: Lab, name: str) -> None:
    case = CASES / "copy" / name
    assert outcome(lab, case) == (case / "result").read_text()


@pytest.mark.parametrize("name", ["chown_unknown", "chown_unknown_group"])
def test_an_owner_that_the_image_does_not_know_is_an_error(lab: Lab, name: str) -> None:
    assert outcome(lab, CASES / "copy" / name) == "ERROR\n"


def test_a_linked_copy_replaces_a_link_with_the_same_name(lab: Lab) -> None:
    assert outcome(lab, CASES / "copy" / "link_through_symlink") == (
        "dir 0755 0:0 l\nfile 0755 0:0 l/c.txt 'ccc'\ndir 0755 0:0 real\n"
    )
