"""engine.volumes: which mounts a container gets."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.engine import Engine
from wherry.engine.volumes_open import open_mounts
from wherry.errors import Conflict, HostError, InputError, NotFound
from wherry.host.fake import FakeHost
from wherry.settings import Paths, Settings
from wherry.volume.model import Wanted


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    paths = Paths(str(tmp_path / "root"), str(tmp_path / "run"))
    with Engine(Settings(paths, {}, 0, "/"), FakeHost()) as made:
        yield made


@pytest.fixture
def rootfs(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "image" / "data").mkdir(parents=True)
    (tmp_path / "image" / "data" / "seed").write_text("image")
    fd = os.open(tmp_path / "image", os.O_RDONLY)
    yield fd
    os.close(fd)


def test_v_makes_a_missing_folder_and_mount_does_not(engine: Engine, tmp_path: Path) -> None:
    missing = str(tmp_path / "a" / "b")
    with pytest.raises(InputError, match=f"bind source path does not exist: {missing}"):
        engine.volumes.settle("c1", [Wanted("bind", missing, "/x")], ())
    bound = engine.volumes.settle("c1", [Wanted("bind", missing, "/x", create_source=True)], ())
    assert os.path.isdir(missing)
    assert (bound[0].source, bound[0].volume) == (missing, "")


def test_a_file_can_be_bound(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    engine.volumes.settle("c1", [Wanted("bind", str(tmp_path / "f"), "/x")], ())


def test_image_volumes_are_anonymous_unless_covered_and_stay_inside(engine: Engine) -> None:
    found = engine.volumes.settle("c1", [Wanted("volume", "mine", "/b")], ["/a", "/b", "/../../etc", "/", "/a/deeper/"])
    assert [(one.target, one.is_anonymous) for one in found] == [
        ("/a", True), ("/b", False), ("/etc", True), ("/a/deeper", True),
    ]  # fmt: skip


def test_two_mounts_on_one_place_are_refused(engine: Engine) -> None:
    with pytest.raises(InputError, match="Duplicate mount point: /x"):
        engine.volumes.settle("c1", [Wanted("volume", "one", "/x"), Wanted("volume", "two", "/x")], ())


def test_image_content_is_copied_once_and_not_with_nocopy(engine: Engine, rootfs: int) -> None:
    wanted = [Wanted("volume", "data", "/data"), Wanted("volume", "bare", "/data2", copy=False)]
    found = engine.volumes.resolve("c1", wanted, (), rootfs)
    seed = Path(found[0].source) / "seed"
    assert seed.read_text() == "image"
    assert os.listdir(found[1].source) == []
    seed.unlink()
    engine.volumes.resolve("c1", wanted, (), rootfs)
    assert not seed.exists(), "what the user removed stays removed at the next start"
    engine.volumes.resolve("c2", wanted, (), rootfs)
    assert seed.exists(), "an empty volume is filled for another container, as docker does"


def test_a_volume_of_options_is_what_they_say(engine: Engine, tmp_path: Path) -> None:
    engine.volumes.create("bound", options={"type": "none", "o": "bind,ro", "device": str(tmp_path)})
    engine.volumes.create("ram", options={"type": "tmpfs", "o": "size=1m,uid=1000", "device": "tmpfs"})
    bound, ram = engine.volumes.settle("c1", [Wanted("volume", "bound", "/a"), Wanted("volume", "ram", "/b")], ())
    assert (bound.type, bound.source, bound.read_only) == ("bind", str(tmp_path), True)
    assert ram.plan is not None
    assert (ram.plan.fstype, ram.plan.options) == ("tmpfs", ("size=1m", "uid=1000"))


def test_a_subpath_stays_in_its_volume(engine: Engine, tmp_path: Path) -> None:
    folder = Path(engine.volumes.create("data").folder)
    (folder / "in" / "side").mkdir(parents=True)
    os.symlink("/etc", folder / "out")
    fds: list[int] = []
    found = engine.volumes.settle("c1", [Wanted("volume", "data", "/x", subpath="in/side")], ())
    opened = open_mounts(engine, str(tmp_path), found, fds)
    assert opened[0].source == str(tmp_path / "mounts" / "0")
    assert os.path.samestat(os.fstat(fds[0]), os.stat(folder / "in" / "side"))
    for path in ("out", "out/passwd", "../..", "/etc", "missing"):
        found = engine.volumes.settle(f"c{path}", [Wanted("volume", "data", "/x", subpath=path)], ())
        with pytest.raises(InputError, match=r"subpath|cannot access path"):
            open_mounts(engine, str(tmp_path), found, fds)
    assert len(fds) == 1
    os.close(fds[0])


def test_rm_v_takes_the_anonymous_volumes_and_keeps_the_named_ones(engine: Engine) -> None:
    engine.volumes.settle("c1", [Wanted("volume", "data", "/x")], ["/y"])
    engine.volumes.forget("c1", anonymous=True)
    engine.volumes.forget("c1", anonymous=True)
    assert [one.name for one in engine.volumes.list()] == ["data"]


def test_prune_takes_unused_anonymous_volumes_and_all_when_asked(engine: Engine) -> None:
    used = engine.volumes.settle("c1", [], ["/y"])[0].volume
    loose = engine.volumes.create().name
    engine.volumes.create("kept", {"keep": "1"})
    named = engine.volumes.create("named")
    engine.volumes.create("optioned", options={"type": "tmpfs", "device": "tmpfs"})
    (Path(named.folder) / "big").write_bytes(b"x" * 1000)
    assert engine.volumes.prune() == ((loose,), 0)
    assert engine.volumes.prune(everything=True, labels=["!keep"]) == (("named",), 1000)
    assert {one.name for one in engine.volumes.list()} == {used, "kept", "optioned"}


def test_remove_says_who_uses_it_and_force_forgives_a_missing_one(engine: Engine) -> None:
    engine.volumes.settle("c1", [Wanted("volume", "data", "/x")], ())
    with pytest.raises(Conflict, match=r"volume is in use - \[c1\]"):
        engine.volumes.remove("data", force=True)
    engine.volumes.remove("nope", force=True)
    with pytest.raises(NotFound) as caught:
        engine.volumes.remove("dato")
    assert caught.value.hint == "did you mean data?"


def test_a_subpath_of_a_bound_folder_is_opened_there_with_its_options(tmp_path: Path) -> None:
    (tmp_path / "srv" / "a").mkdir(parents=True)
    host, fds = FakeHost(), list[int]()
    with Engine(Settings(Paths(str(tmp_path / "root"), str(tmp_path / "run")), {}, 0, "/"), host) as engine:
        engine.volumes.create("bound", options={"type": "none", "o": "bind,nosuid", "device": str(tmp_path / "srv")})
        found = engine.volumes.settle("c1", [Wanted("volume", "bound", "/x", subpath="a")], ())
        open_mounts(engine, str(tmp_path), found, fds)
    assert host.calls == [("clone", (str(tmp_path / "srv" / "a"), False, ("private", "nosuid")))]
    os.close(fds[0])


def test_what_a_failed_opening_made_is_the_callers_to_close(tmp_path: Path) -> None:
    host, fds = FakeHost(fail_on=2), list[int]()
    with Engine(Settings(Paths(str(tmp_path / "root"), str(tmp_path / "run")), {}, 0, "/"), host) as engine:
        for name in ("one", "two"):
            engine.volumes.create(name, options={"type": "tmpfs", "device": "tmpfs"})
        found = engine.volumes.settle("c1", [Wanted("volume", "one", "/a"), Wanted("volume", "two", "/b")], ())
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(HostError, match=r"error while mounting volume .*two/_data'.* fake: file_system"):
            open_mounts(engine, str(tmp_path), found, fds)
    assert len(fds) == 1
    os.close(fds[0])
    assert len(os.listdir("/proc/self/fd")) <= before


def test_what_happens_to_volumes_is_told_once_each(engine: Engine) -> None:
    from wherry.engine.events_read import EventQuery

    engine.volumes.create("data")
    engine.volumes.create("data")
    name = engine.volumes.settle("c1", [Wanted("volume", "data", "/x")], ["/y"])[1].volume
    engine.volumes.settle("c1", [Wanted("volume", "data", "/x")], ["/y"])
    engine.volumes.forget("c1", anonymous=True)
    engine.volumes.remove("nope", force=True)
    engine.volumes.prune(everything=True)
    told = list(engine.events.stream(EventQuery(until_ns=time.time_ns())))
    assert [(one.action, one.id) for one in told] == [
        ("create", "data"), ("create", name), ("destroy", name), ("destroy", "data"), ("prune", ""),
    ]  # fmt: skip
    assert told[0].attributes == {"driver": "local"}
    assert told[-1].attributes == {"reclaimed": "0"}
