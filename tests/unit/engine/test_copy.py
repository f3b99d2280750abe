"""cp with a container that is only a folder, and that attacks: links swapped in while the copy runs."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import cast

import pytest

from tests.unit.image.trees import entry, names, tar
from wherry.engine import Engine, copy
from wherry.errors import Conflict, HostileArchive, InvalidSpec, NotFound
from wherry.image.tar import header
from wherry.runtime.options import RunOptions


class Containers:
    """One container, which runs; its root is a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def find(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(id=name, options=RunOptions)

    def state(self, id: str) -> SimpleNamespace:
        return SimpleNamespace(pid=1)

    @contextmanager
    def root_fd(self, name: str) -> Iterator[int]:
        fd = os.open(self._root, os.O_PATH | os.O_DIRECTORY)
        yield fd
        os.close(fd)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    (tmp_path / "root" / "srv").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    fake = SimpleNamespace(
        containers=Containers(tmp_path / "root"),
        settings=SimpleNamespace(cwd=str(tmp_path / "here")),
        events=SimpleNamespace(container=lambda row, action: None),
    )
    return cast(Engine, fake)


def test_a_tree_goes_in_and_comes_out_again(engine: Engine, tmp_path: Path) -> None:
    source = tmp_path / "here" / "conf"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "big").write_bytes(os.urandom(3 << 20))
    (source / "link").symlink_to("/etc/passwd")
    (source / "sub" / "run").touch(mode=0o755)
    size = copy.copy_in(engine, "conf", "box", "/srv")
    assert size > 3 << 20
    assert copy.copy_out(engine, "box", "srv/conf", "back") == size
    assert names(tmp_path / "here" / "back") == names(source)
    assert (tmp_path / "here" / "back" / "sub" / "big").read_bytes() == (source / "sub" / "big").read_bytes()
    assert os.readlink(tmp_path / "here" / "back" / "link") == "/etc/passwd"


def test_an_absolute_link_inside_leads_within_the_container(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "root" / "run").mkdir()
    (tmp_path / "root" / "var").mkdir()
    (tmp_path / "root" / "var" / "run").symlink_to("/run")
    (tmp_path / "here" / "pid").write_bytes(b"1")
    copy.copy_in(engine, "pid", "box", "/var/run/pid")
    assert (tmp_path / "root" / "run" / "pid").read_bytes() == b"1"
    copy.stream_in(engine, io.BytesIO(tar(entry(b"run/other"))), "box", "/var")
    assert (tmp_path / "root" / "run" / "other").exists()


@pytest.mark.parametrize("target", ["/", "../../../../../..", "../../witness"])
def test_a_link_in_the_container_never_leads_out_of_it(engine: Engine, tmp_path: Path, target: str) -> None:
    witness = tmp_path / "witness"
    witness.mkdir()
    (witness / "secret").write_bytes(b"secret")
    (tmp_path / "root" / "srv" / "link").symlink_to(target)
    (tmp_path / "here" / "file").write_bytes(b"new")
    for path in ("/srv/link/secret", f"/srv/link/{witness}/secret", "/srv/../../witness/secret"):
        with pytest.raises(NotFound):
            copy.copy_out(engine, "box", path, "stolen", follow=True)
        with pytest.raises((NotFound, Conflict)):
            copy.copy_in(engine, "file", "box", path + "/x")
    assert names(witness) == [b"secret"]


def test_a_hostile_stream_is_refused(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(HostileArchive):
        copy.stream_in(engine, io.BytesIO(tar(entry(b"../../witness"))), "box", "/srv")
    with pytest.raises(InvalidSpec):
        copy.stream_in(engine, io.BytesIO(b"junk\n"), "box", "/srv")
    with pytest.raises(Conflict, match="must be a directory"):
        copy.stream_in(engine, io.BytesIO(b""), "box", "/nowhere")
    assert names(tmp_path) == [b"here", b"root", b"root/srv"]


def test_what_comes_out_is_written_below_the_destination_only(engine: Engine, tmp_path: Path) -> None:
    """A link that already stands at the destination is not a way out of it (moby#52948)."""
    (tmp_path / "witness").mkdir()
    (tmp_path / "root" / "srv" / "d").mkdir()
    (tmp_path / "root" / "srv" / "d" / "file").touch()
    (tmp_path / "here" / "srv").mkdir()
    (tmp_path / "here" / "srv" / "d").symlink_to(tmp_path / "witness")
    with pytest.raises(Conflict, match="cannot overwrite non-directory"):
        copy.copy_out(engine, "box", "/srv", ".")
    assert not names(tmp_path / "witness")


def test_a_file_never_replaces_a_folder(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "root" / "srv" / "x" / "kept").mkdir(parents=True)
    (tmp_path / "here" / "x").touch()
    with pytest.raises(Conflict, match="cannot overwrite directory"):
        copy.copy_in(engine, "x", "box", "/srv")
    assert (tmp_path / "root" / "srv" / "x" / "kept").exists()


def test_a_stream_out_holds_the_folder_or_its_content(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "root" / "srv" / "f").write_bytes(b"1")
    (tmp_path / "root" / "srv" / "l").symlink_to("f")

    def found(path: str, *, follow: bool = False) -> list[str]:
        out = io.BytesIO()
        copy.stream_out(engine, "box", path, out.write, follow=follow)
        out.seek(0)
        with tarfile.open(fileobj=out) as file:
            return [one.name for one in file if one.name != "."]

    assert found("/srv") == ["srv", "srv/f", "srv/l"]
    assert found("/srv/.") == ["f", "l"]
    assert found("/srv/l") == ["l"]
    with pytest.raises(NotFound, match="Could not find the file /no in container box"):
        found("/no")


def test_the_writers_fault_is_told_and_not_the_broken_pipe(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "here" / "big").write_bytes(bytes(8 << 20))
    (tmp_path / "root" / "srv" / "big").mkdir()
    with pytest.raises(Conflict):
        copy.copy_in(engine, "big", "box", "/srv/")


@contextmanager
def swapping(path: Path, target: Path) -> Iterator[None]:
    """Another thread turns `path` from a folder into a link to `target` and back, as fast as it can."""
    stop = Event()
    aside, link = path.with_name("aside"), path.with_name("link")
    link.symlink_to(target)

    def swap() -> None:
        while not stop.is_set():
            path.rename(aside)
            link.rename(path)
            path.rename(link)
            aside.rename(path)

    thread = Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_links_swapped_in_while_copying_in_write_nothing_outside(engine: Engine, tmp_path: Path) -> None:
    """CVE-2018-15664."""
    (tmp_path / "witness").mkdir()
    (tmp_path / "root" / "srv" / "d").mkdir()
    (tmp_path / "here" / "file").write_bytes(b"x")
    with swapping(tmp_path / "root" / "srv" / "d", tmp_path / "witness"):
        for _ in range(150):
            try:
                copy.copy_in(engine, "file", "box", "/srv/d/file")
            except (NotFound, Conflict, InvalidSpec, OSError):
                continue
    copy.copy_in(engine, "file", "box", "/srv/d/file")
    assert not names(tmp_path / "witness")


def test_links_swapped_in_while_copying_out_read_nothing_outside(engine: Engine, tmp_path: Path) -> None:
    """CVE-2018-15664, the other way."""
    (tmp_path / "witness").mkdir()
    (tmp_path / "witness" / "secret").write_bytes(b"secret")
    (tmp_path / "root" / "srv" / "d").mkdir()
    (tmp_path / "root" / "srv" / "d" / "own").touch()
    with swapping(tmp_path / "root" / "srv" / "d", tmp_path / "witness"):
        for turn in range(150):
            try:
                copy.copy_out(engine, "box", "/srv", f"got{turn}")
            except (NotFound, Conflict, OSError):
                continue
    copy.copy_out(engine, "box", "/srv", "got")
    assert b"got/d/own" in names(tmp_path / "here")
    assert not [name for name in names(tmp_path / "here") if name.endswith(b"secret")]


def test_a_device_is_copied_by_name_and_never_opened(engine: Engine, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "root" / "srv" / "fifo")
    copy.copy_out(engine, "box", "/srv/fifo", "fifo")
    assert (tmp_path / "here" / "fifo").is_fifo()
    assert header.FIFO == b"6"
