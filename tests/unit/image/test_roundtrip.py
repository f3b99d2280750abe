"""Random trees to a tar and back: the same tree, and the same bytes again."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.image.trees import listing, packed, unpacked
from wherry.oci.digest import DiffID

names = (
    st.one_of(st.binary(min_size=1, max_size=8), st.binary(min_size=90, max_size=255), st.sampled_from([b"a", b"..."]))
    .map(lambda name: name.replace(b"/", b"_").replace(b"\0", b"_"))
    .filter(lambda name: name not in (b".", b"..") and not name.startswith(b".wh."))
)  # fmt: skip
times = st.integers(0, 2**33 * 10**9)


class Made(NamedTuple):
    kind: str
    mode: int
    mtime_ns: int
    data: bytes = b""
    children: dict[bytes, Made] = {}  # noqa: RUF012


contents = st.one_of(st.binary(max_size=600), st.integers(0, 1 << 19).map(bytes))
leaves = st.one_of(
    st.builds(Made, st.just("file"), st.integers(0, 0o7777).map(lambda mode: mode | 0o400), times, contents),
    st.builds(Made, st.just("link"), st.just(0), times, st.one_of(names, st.binary(min_size=1, max_size=300))),
    st.builds(Made, st.just("fifo"), st.integers(0, 0o777), times),
    st.builds(Made, st.just("hard"), st.just(0o600), times),
    st.builds(Made, st.just("whiteout"), st.just(0), times),
)
modes = st.integers(0, 0o7777).map(lambda mode: mode | 0o700)
trees = st.recursive(
    leaves,
    lambda inner: st.builds(
        Made, st.just("folder"), modes, times, st.just(b""), st.dictionaries(names, inner, max_size=5)
    ),
    max_leaves=12,
)


def make(folder: bytes, children: dict[bytes, Made], files: list[bytes]) -> None:
    for name, made in children.items():
        path = os.path.join(folder, name)
        if made.kind == "folder":
            os.mkdir(path)
            make(path, made.children, files)
            os.chmod(path, made.mode)
        elif made.kind == "link":
            os.symlink(made.data.replace(b"\0", b"_"), path)
        elif made.kind == "fifo":
            os.mkfifo(path)
            os.chmod(path, made.mode)
        elif made.kind == "whiteout":
            os.mknod(path, 0o020000, 0)
        elif made.kind == "hard" and files:
            os.link(files[-1], path)
            continue
        else:
            with open(path, "wb") as file:
                file.write(made.data)
            os.chmod(path, made.mode)
            files.append(path)
        os.utime(path, ns=(made.mtime_ns, made.mtime_ns), follow_symlinks=False)


@given(st.dictionaries(names, trees, max_size=5), modes)
@settings(deadline=None, max_examples=settings.default.max_examples // 2)
def test_a_tree_comes_back_as_it_was(children: dict[bytes, Made], mode: int) -> None:
    with tempfile.TemporaryDirectory() as where:
        first, second = Path(where, "first"), Path(where, "second")
        first.mkdir()
        make(os.fsencode(first), children, [])
        first.chmod(mode)
        data = packed(first)
        result = unpacked(data, second)
        assert (result.diff_id, result.size, result.replayable) == (DiffID.of(data), len(data), True)
        assert listing(second) == listing(first)
        assert packed(second) == data


def test_attributes_come_back(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "file").touch()
    try:
        os.setxattr(tmp_path / "first" / "file", "user.bytes", b"\x00\xff=\n")
        os.setxattr(tmp_path / "first" / "file", b"user.\xff", b"value")
        os.setxattr(tmp_path / "first", "user.folder", b"value")
    except OSError as fault:
        pytest.skip(f"the file system of {tmp_path} keeps no attributes: {fault}")
    unpacked(packed(tmp_path / "first"), tmp_path / "second")
    assert listing(tmp_path / "second") == listing(tmp_path / "first")
    assert os.getxattr(tmp_path / "second", "user.folder") == b"value"
