"""volume export, import and du over an engine of their own."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.engine import Engine
from wherry.errors import Conflict, HostileArchive, InputError, NotFound, WherryError
from wherry.host.fake import FakeHost
from wherry.settings import Paths, Settings
from wherry.volume.model import Wanted


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    paths = Paths(str(tmp_path / "root"), str(tmp_path / "run"))
    with Engine(Settings(paths, {}, 0, "/"), FakeHost()) as made:
        yield made


def exported(engine: Engine, name: str) -> bytes:
    buffer = io.BytesIO()
    assert engine.volumes.export(name, buffer.write) == len(buffer.getvalue())
    return buffer.getvalue()


def tar_of(*entries: tuple[str, bytes | str]) -> bytes:
    """(name, content) files, (name, "-> TARGET") symbolic and (name, "= TARGET") hard links, (name/, b"") folders."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.uid, info.gid = os.getuid(), os.getgid()
            if isinstance(content, str):
                info.type = tarfile.SYMTYPE if content.startswith("->") else tarfile.LNKTYPE
                info.linkname = content.partition(" ")[2]
                tar.addfile(info)
                continue
            info.type, info.size = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE, len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def contents(engine: Engine, name: str) -> list[str]:
    return sorted(os.listdir(engine.volumes.store.get(name).folder))


def left_behind(engine: Engine) -> list[str]:
    return [name for name in os.listdir(engine.settings.paths.volumes) if name.startswith(".")]


def test_what_comes_out_goes_in_again(engine: Engine) -> None:
    first = Path(engine.volumes.create("first").folder)
    (first / "sub").mkdir()
    (first / "sub" / "file").write_bytes(b"x" * 100_000)
    (first / "sub" / "file").chmod(0o4751)
    os.link(first / "sub" / "file", first / "twin")
    os.symlink("/etc/passwd", first / "link")
    os.mkfifo(first / "pipe")
    os.utime(first / "sub", ns=(1, 1_500_000_000_123_456_789))
    first.chmod(0o1770)
    try:
        os.setxattr(first / "twin", "user.note", b"kept")
        has_xattrs = True
    except OSError:
        has_xattrs = False
    data = exported(engine, "first")
    engine.volumes.import_("second", io.BytesIO(data))
    second = Path(engine.volumes.store.get("second").folder)
    assert (second / "twin").stat().st_ino == (second / "sub" / "file").stat().st_ino
    assert (second / "twin").stat().st_mode & 0o7777 == 0o4751
    assert os.readlink(second / "link") == "/etc/passwd"
    assert (second / "sub").stat().st_mtime_ns == 1_500_000_000_123_456_789
    assert second.stat().st_mode & 0o7777 == 0o1770, "the volume's own folder too: databases insist on it"
    assert not has_xattrs or os.getxattr(second / "twin", "user.note") == b"kept"
    assert exported(engine, "second") == data
    assert left_behind(engine) == []


def test_a_killed_copy_from_an_image_does_not_go_on_into_what_was_imported(engine: Engine) -> None:
    folder = Path(engine.volumes.create("data").folder)
    (folder.parent / ".copying").touch()
    engine.volumes.import_("data", io.BytesIO(tar_of(("a", b"1"))))
    assert not (folder.parent / ".copying").exists()


def test_only_a_new_or_an_empty_volume_is_imported_into(engine: Engine) -> None:
    engine.volumes.create("there")
    engine.volumes.import_("there", io.BytesIO(tar_of(("a", b"1"))))
    with pytest.raises(Conflict, match="volume there is not empty"):
        engine.volumes.import_("there", io.BytesIO(tar_of(("b", b"2"))))
    assert contents(engine, "there") == ["a"]
    engine.volumes.create("bound", options={"type": "none", "o": "bind", "device": "/srv"})
    with pytest.raises(InputError, match="is what its options mount"):
        engine.volumes.import_("bound", io.BytesIO(tar_of(("b", b"2"))))
    with pytest.raises(InputError, match="invalid characters"):
        engine.volumes.import_("../x", io.BytesIO(tar_of(("b", b"2"))))


@pytest.mark.parametrize(
    "data",
    [
        tar_of(("good", b"1"), ("../../evil", b"2")),
        tar_of(("out", "-> /tmp"), ("out/evil", b"2"))[:-1024] + b"\xff" * 1024,
        tar_of(("a", b"x" * 5000))[:2000],
        tar_of(("a", b"1"), ("b", "= ../../../../etc/passwd")),
        b"no tar at all" * 100,
        b"\x1f\x8b\x08broken",
    ],
    ids=["climbs", "garbage", "truncated", "hard-link-out", "no-tar", "no-gzip"],
)
def test_an_archive_that_can_not_be_taken_leaves_nothing(engine: Engine, data: bytes) -> None:
    with pytest.raises(WherryError):
        engine.volumes.import_("new", io.BytesIO(data))
    assert engine.volumes.list() == ()
    assert os.listdir(engine.settings.paths.volumes) == []


def test_a_link_in_an_archive_leads_nowhere_outside(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    data = tar_of(("out", f"-> {tmp_path}/outside"), ("out/evil", b"2"))
    with pytest.raises((WherryError, OSError)):
        engine.volumes.import_("new", io.BytesIO(data))
    assert os.listdir(tmp_path / "outside") == []
    assert engine.volumes.list() == ()


def test_a_root_that_is_a_link_is_hostile(engine: Engine) -> None:
    with pytest.raises(HostileArchive):
        engine.volumes.import_("new", io.BytesIO(tar_of((".", "-> /etc"))))
    assert engine.volumes.list() == ()


def test_a_volume_whose_folder_became_a_link_is_not_exported(engine: Engine, tmp_path: Path) -> None:
    folder = Path(engine.volumes.create("data").folder)
    (tmp_path / "secret").write_text("host")
    folder.rmdir()
    os.symlink(tmp_path, folder)
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        exported(engine, "data")


def test_what_a_killed_import_left_is_swept_and_a_living_one_is_not(engine: Engine) -> None:
    import fcntl

    engine.volumes.create("data")
    root = Path(engine.settings.paths.volumes)
    (root / ".import-dead" / "_data").mkdir(parents=True)
    (root / ".import-alive").mkdir()
    fd = os.open(root / ".import-alive", os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    engine.volumes.prune()
    assert left_behind(engine) == [".import-alive"]
    os.close(fd)
    engine.volumes.import_("new", io.BytesIO(tar_of(("a", b"1"))))
    assert left_behind(engine) == []


def test_space_is_told_largest_first_and_not_for_what_lies_elsewhere(engine: Engine) -> None:
    for name, size in (("small", 10), ("large", 1000)):
        (Path(engine.volumes.create(name).folder) / "f").write_bytes(b"x" * size)
    engine.volumes.create("bound", options={"type": "none", "o": "bind", "device": "/srv"})
    engine.volumes.settle("gone", [Wanted("volume", "small", "/x")], ())
    found = engine.volumes.space()
    assert [(one.volume.name, one.size) for one in found] == [("large", 1000), ("small", 10), ("bound", None)]
    assert [one.volume.name for one in engine.volumes.space(["small"])] == ["small"]
    with pytest.raises(NotFound):
        engine.volumes.space(["nope"])
