"""COPY writes new files beside the overlay: the layer must be the one that writing through the overlay gives."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from wherry.build.gather import Gathered
from wherry.build.ops.place import Placer
from wherry.build.tree import Match, Tree, walk
from wherry.cancel import Cancel
from wherry.host import Overlay
from wherry.host.linux import LinuxHost
from wherry.image.tar import diff, pack
from wherry.oci.digest import DiffID

NAMES = ["a", "b", "c", "d", "e.txt", "f"]


def grow(folder: Path, draw: random.Random, depth: int = 0) -> None:
    """Files, folders, links and hard links of few names, so that two trees often meet in one."""
    folder.mkdir(exist_ok=True)
    files: list[Path] = []
    for name in draw.sample(NAMES, draw.randint(0, len(NAMES))):
        path = folder / name
        kind = draw.choice(["file", "file", "folder", "link", "hard"])
        if kind == "folder" and depth < 3:
            grow(path, draw, depth + 1)
            path.chmod(draw.choice([0o755, 0o700, 0o2775]))
        elif kind == "link":
            path.symlink_to(draw.choice(["a", "/etc", "nowhere"]))
        elif kind == "hard" and files:
            os.link(files[0], path)
        else:
            path.write_bytes(draw.randbytes(draw.choice([0, 10, 70_000])))
            path.chmod(draw.choice([0o644, 0o755, 0o4755]))
            files.append(path)


def whiteouts(layer: Path, draw: random.Random) -> None:
    for folder, _, files in os.walk(layer):
        for name in files:
            path = Path(folder, name)
            if draw.random() < 0.3:
                path.unlink()
                os.mknod(path, 0o020000, os.makedev(0, 0))


def layer(place: Path, source: Path, lowers: list[Path], *, direct: bool) -> DiffID | str:
    """The DiffID of `COPY source /top`, or what went wrong."""
    upper, work = place / "upper", place / "work"
    for folder in (place, upper, work):
        folder.mkdir()
    root_fd = LinuxHost({}).overlay(Overlay(tuple(map(str, lowers)), str(upper), str(work), volatile=True))
    tree_fd = os.open(source, os.O_RDONLY)
    tree = Tree(tree_fd, "the context", True)
    one = Gathered(Match("", "", True), tuple(walk(tree, "")))
    placer = Placer(tree, root_fd, None, None, Cancel(), str(upper) if direct else None)
    try:
        for entry in one.entries:
            placer.put(entry, f"top/{entry.path}".strip("/"), "top")
    except Exception as fault:
        return str(fault)
    finally:
        placer.close()
        os.close(root_fd)
        os.close(tree_fd)
    diff.normalise(str(upper), clamp_ns=0)
    return pack.diff_id(str(upper))[0]


@pytest.mark.requires("root")
@pytest.mark.parametrize("seed", range(25))
def test_the_layer_is_the_one_that_writing_through_the_overlay_gives(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    source, lowers = tmp_path / "source", [tmp_path / "base", tmp_path / "above"]
    grow(source, draw)
    for lower in lowers:
        lower.mkdir()
        if draw.random() < 0.8:
            grow(lower / "top", draw)
    whiteouts(lowers[1], draw)
    found = [layer(tmp_path / name, source, lowers, direct=name == "direct") for name in ("through", "direct")]
    assert found[0] == found[1]
