"""Installed wheels, made up: trees with dist-info folders as pip leaves them, and layers merged by hand."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from wherry.build.split import stage
from wherry.build.split.rules import Rules
from wherry.build.split.scan import Scan
from wherry.image.tar import diff

SITE = "usr/lib/python3/site-packages"
CLAMP_NS = 10**18
RULES = Rules(heavy=1000, large=5000)
SHARE = 20


def install(root: Path, name: str, files: Mapping[str, int], *, version: str = "1", record: str | None = None) -> None:
    """`files` maps paths below site-packages to sizes; the content is the first letter of `name`. pip's own files come
    with it.
    """
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    sizes = {**files, f"{info}/METADATA": 20}
    for path, size in sizes.items():
        write(root, f"{SITE}/{path}", name[:1] * size)
    rows = [f"{path},sha256={name[:1]}{size},{size}" for path, size in sizes.items()]
    rows += [f"{info}/{one},," for one in ("INSTALLER", "REQUESTED", "RECORD")]
    write(root, f"{SITE}/{info}/INSTALLER", "pip\n")
    write(root, f"{SITE}/{info}/REQUESTED", "")
    write(root, f"{SITE}/{info}/RECORD", "\n".join(rows) if record is None else record)


def write(root: Path, path: str, text: str) -> None:
    place = root / os.path.normpath(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


def split(folder: Path, rules: Rules = RULES, share: int = SHARE, lowers: Sequence[str] = ()) -> list[Path]:
    """What the builder does with `folder`/fs; the layers' trees, base first."""
    scan = Scan()
    diff.normalise(f"{folder}/fs", clamp_ns=CLAMP_NS, note=scan.add)
    plan = stage.plan(f"{folder}/fs", scan, rules, share)
    if plan is None:
        return [folder / "fs"]
    return [Path(one) / "fs" for one in stage.stage(str(folder), plan, lowers, CLAMP_NS)]


def listing(root: Path, *, files_only: bool = False) -> dict[str, tuple[object, ...]]:
    """Every entry of a tree: its type, mode, owner, time, and what is in it. Links of one file have the same number."""
    found: dict[str, tuple[object, ...]] = {}
    numbers: dict[int, str] = {}
    for here, folders, files in os.walk(root):
        for name in [".", *folders, *files] if here == str(root) else [*folders, *files]:
            path = os.path.join(here, name)
            status = os.lstat(path)
            relative = os.path.relpath(path, root)
            if files_only and stat.S_ISDIR(status.st_mode):
                continue
            content: object = ""
            if stat.S_ISREG(status.st_mode):
                content = (Path(path).read_bytes(), numbers.setdefault(status.st_ino, relative), status.st_nlink)
            elif stat.S_ISLNK(status.st_mode):
                content = os.readlink(path)
            found[relative] = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, content)
    return found


def merged(layers: Sequence[Path]) -> dict[str, tuple[object, ...]]:
    """The union of layers that hide nothing of each other, which is checked: what is in two of them is the same."""
    whole: dict[str, tuple[object, ...]] = {}
    for layer in layers:
        for path, entry in listing(layer).items():
            assert whole.setdefault(path, entry) == entry, path
    return whole
