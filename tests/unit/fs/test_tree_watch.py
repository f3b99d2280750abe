"""Watching trees: what is told is the difference between two looks, however it came about."""

from __future__ import annotations

import os
import random
import shutil
import struct
from pathlib import Path

import pytest

from wherry.cancel import Cancel
from wherry.errors import Cancelled
from wherry.fs import inotify
from wherry.fs.tree_watch import Changes, Pace, TreeWatch

QUICK = Pace(quiet_s=0.02, many_quiet_s=0.02, poll_s=0.01, turn_s=0.02)


def _next(watch: TreeWatch) -> Changes:
    return watch.wait(Cancel(20))


def _nothing(watch: TreeWatch, tree: Path) -> None:
    """Nothing was pending: the next thing told is a file made now."""
    (tree / "sentinel").write_text("")
    assert _next(watch) == Changes((f"{tree}/sentinel",))


class _Polling(TreeWatch):
    """As where the kernel gives no watches at all."""

    def _watch(self, folder: str) -> bool:
        if self._inotify is not None:
            self._give_up(inotify.Exhausted(28, "No space left on device"))
        return super()._watch(folder)


@pytest.fixture(params=[TreeWatch, _Polling], ids=["told", "polling"])
def kind(request: pytest.FixtureRequest) -> type[TreeWatch]:
    found: type[TreeWatch] = request.param
    return found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path.resolve() / "project"
    (root / "src" / "deep").mkdir(parents=True)
    (root / "src" / "a.py").write_text("a")
    (root / "src" / "deep" / "b.py").write_text("b")
    return root


def test_an_edit_is_told(kind: type[TreeWatch], tree: Path) -> None:
    with kind([str(tree)], pace=QUICK) as watch:
        (tree / "src" / "a.py").write_text("aa")
        assert _next(watch) == Changes((f"{tree}/src/a.py",))


def test_a_save_by_rename_is_one_change(kind: type[TreeWatch], tree: Path) -> None:
    with kind([str(tree)], pace=QUICK) as watch:
        (tree / "src" / ".a.tmp").write_text("new")
        os.rename(tree / "src" / ".a.tmp", tree / "src" / "a.py")
        assert _next(watch) == Changes((f"{tree}/src/a.py",))


def test_a_save_with_a_backup_that_goes_away_is_one_change(tree: Path) -> None:
    file = tree / "src" / "a.py"
    with TreeWatch([str(tree)], pace=QUICK) as watch:
        os.rename(file, tree / "src" / "a.py~")
        file.write_text("new")
        os.unlink(tree / "src" / "a.py~")
        assert _next(watch) == Changes((str(file),))


def test_what_came_and_went_is_nothing(tree: Path) -> None:
    with TreeWatch([str(tree)], pace=QUICK) as watch:
        (tree / "4913").write_text("")
        os.unlink(tree / "4913")
        _nothing(watch, tree)


def test_a_write_of_the_same_size_within_a_tick_of_the_clock_is_told(tree: Path) -> None:
    file = tree / "src" / "a.py"
    status = file.stat()
    with TreeWatch([str(tree)], pace=QUICK) as watch:
        file.write_text("b")
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert _next(watch) == Changes((str(file),))


def test_new_folders_are_watched_with_what_they_held_before_that(kind: type[TreeWatch], tree: Path) -> None:
    with kind([str(tree)], pace=QUICK) as watch:
        (tree / "x" / "y" / "z").mkdir(parents=True)
        (tree / "x" / "y" / "z" / "f").write_text("1")
        assert _next(watch).changed == tuple(f"{tree}/{name}" for name in ("x", "x/y", "x/y/z", "x/y/z/f"))
        (tree / "x" / "y" / "z" / "f").write_text("12")
        assert _next(watch) == Changes((f"{tree}/x/y/z/f",))


def test_a_removed_folder_is_told_with_all_that_was_in_it(kind: type[TreeWatch], tree: Path) -> None:
    with kind([str(tree)], pace=QUICK) as watch:
        shutil.rmtree(tree / "src")
        gone = tuple(f"{tree}/{name}" for name in ("src", "src/a.py", "src/deep", "src/deep/b.py"))
        assert _next(watch) == Changes((), gone)


def test_a_moved_folder_is_watched_where_it_is_now(kind: type[TreeWatch], tree: Path) -> None:
    with kind([str(tree)], pace=QUICK) as watch:
        os.rename(tree / "src" / "deep", tree / "moved")
        told = _next(watch)
        assert told.changed == (f"{tree}/moved", f"{tree}/moved/b.py")
        assert told.removed == (f"{tree}/src/deep", f"{tree}/src/deep/b.py")
        (tree / "moved" / "b.py").write_text("bb")
        assert _next(watch) == Changes((f"{tree}/moved/b.py",))


def test_what_is_moved_out_is_not_watched_any_more(tree: Path, tmp_path: Path) -> None:
    with TreeWatch([str(tree)], pace=QUICK) as watch:
        os.rename(tree / "src", tmp_path / "elsewhere")
        assert len(_next(watch).removed) == 4
        (tmp_path / "elsewhere" / "a.py").write_text("unseen")
        _nothing(watch, tree)


def test_a_root_may_be_a_file_and_may_come_later(kind: type[TreeWatch], tree: Path) -> None:
    wanted = [str(tree / "src" / "a.py"), str(tree / "no" / "such" / "file")]
    with kind(wanted, pace=QUICK) as watch:
        (tree / "src" / "other.py").write_text("not asked for")
        (tree / "src" / "a.py").write_text("aa")
        assert _next(watch) == Changes((wanted[0],))
        (tree / "no" / "such").mkdir(parents=True)
        (tree / "no" / "such" / "beside").write_text("")
        (tree / "no" / "such" / "file").write_text("1")
        assert _next(watch) == Changes((wanted[1],))
        os.unlink(wanted[0])
        assert _next(watch) == Changes((), (wanted[0],))
        (tree / "src" / "a.py").write_text("again")
        assert _next(watch) == Changes((wanted[0],))


def test_a_root_that_is_taken_away_with_its_parent_is_found_again(kind: type[TreeWatch], tree: Path) -> None:
    root = tree / "src" / "deep"
    with kind([str(root)], pace=QUICK) as watch:
        os.rename(tree / "src", tree / "old")
        assert _next(watch) == Changes((), (str(root), f"{root}/b.py"))
        root.mkdir(parents=True)
        (root / "c.py").write_text("c")
        assert _next(watch) == Changes((str(root), f"{root}/c.py"))


def test_skipped_folders_and_files_are_not_told(kind: type[TreeWatch], tree: Path) -> None:
    (tree / ".git").mkdir()

    def skips(path: str, is_folder: bool) -> bool:
        return path.endswith("/.git") if is_folder else path.endswith(".swp")

    with kind([str(tree)], skips, pace=QUICK) as watch:
        (tree / ".git" / "index").write_text("x")
        (tree / "src" / ".a.swp").write_text("x")
        _nothing(watch, tree)


def test_links_are_entries_and_never_followed(kind: type[TreeWatch], tree: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    with kind([str(tree)], pace=QUICK) as watch:
        (tree / "link").symlink_to(tmp_path / "outside")
        assert _next(watch) == Changes((f"{tree}/link",))
        (tmp_path / "outside" / "f").write_text("not in the tree")
        _nothing(watch, tree)


def test_modes_and_names_of_any_bytes_are_told(kind: type[TreeWatch], tree: Path) -> None:
    odd = os.fsdecode(b"o\xffdd \n")
    with kind([str(tree)], pace=QUICK) as watch:
        (tree / odd).write_text("x")
        assert _next(watch) == Changes((f"{tree}/{odd}",))
        os.chmod(tree / "src" / "a.py", 0o755)
        assert _next(watch) == Changes((f"{tree}/src/a.py",))


def test_two_thousand_files_are_one_batch(tree: Path) -> None:
    with TreeWatch([str(tree)], pace=Pace(is_busy=(tree / "lock").exists)) as watch:
        (tree / "lock").touch()
        for number in range(2000):
            (tree / f"f{number}").write_text(str(number))
        os.unlink(tree / "lock")
        assert len(_next(watch).changed) == 2000


def test_after_an_overflow_everything_is_looked_at(tree: Path) -> None:
    with TreeWatch([str(tree)], pace=QUICK) as watch:
        assert watch._inotify
        (tree / "src" / "a.py").write_text("lost")
        (tree / "fresh").mkdir()
        (tree / "fresh" / "f").write_text("1")
        while watch._inotify.read(0):  # the kernel threw these away
            pass
        watch._take(inotify.Event(-1, inotify.OVERFLOW, ""))
        assert _next(watch).changed == (f"{tree}/fresh", f"{tree}/fresh/f", f"{tree}/src/a.py")


def test_without_watches_one_line_says_so(tree: Path) -> None:
    lines: list[str] = []
    with _Polling([str(tree), str(tree / "src")], tell=lines.append, pace=QUICK) as watch:
        assert watch.is_polling
    assert len(lines) == 1
    assert "fs.inotify.max_user_watches" in lines[0]


def test_a_wait_ends_when_it_is_cancelled(kind: type[TreeWatch], tree: Path) -> None:
    with kind([str(tree)], pace=QUICK) as watch, pytest.raises(Cancelled):
        watch.wait(Cancel(0.05))


def _disturb(tree: Path, rng: random.Random) -> None:
    """One random act below the tree."""
    folders = [Path(folder) for folder, _, _ in os.walk(tree)]
    files = [Path(folder) / name for folder, _, names in os.walk(tree) for name in names]
    act, name = rng.randrange(6), rng.choice("abcdef")
    if act <= 1:
        target = rng.choice(folders) / name
        if not target.is_dir():
            target.write_text(rng.choice(["", "x", "xyz"]))
    elif act == 2:
        shutil.rmtree(rng.choice(folders[1:]) if folders[1:] else tree / "none", ignore_errors=True)
    elif act == 3 and files:
        os.unlink(rng.choice(files))
    elif act == 4:
        (rng.choice(folders) / name / name).parent.mkdir(exist_ok=True) if not files else None
        target = rng.choice(folders) / (name + "d")
        target.mkdir(exist_ok=True)
    elif len(folders) > 1:
        source, into = rng.choice(folders[1:]), rng.choice(folders)
        if not into.is_relative_to(source) and not (into / source.name).exists():
            os.rename(source, into / source.name)


def _content(tree: Path) -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = {}
    for folder, folders, names in os.walk(tree):
        found |= {f"{folder}/{name}": None for name in folders}
        found |= {f"{folder}/{name}": Path(f"{folder}/{name}").read_bytes() for name in names}
    return found


@pytest.mark.parametrize("seed", range(12))
def test_whoever_follows_what_is_told_has_the_same_tree(kind: type[TreeWatch], tree: Path, seed: int) -> None:
    rng = random.Random(seed)
    mirror = _content(tree)
    with kind([str(tree)], pace=QUICK) as watch:
        for _ in range(6):
            for _ in range(rng.randrange(1, 12)):
                _disturb(tree, rng)
            (tree / "tick").write_text(str(rng.random()))
            told = _next(watch)
            for path in told.removed:
                del mirror[path]
            now = _content(tree)
            for path in told.changed:
                mirror[path] = now[path]
            assert mirror == now


def test_the_kernels_records_are_read() -> None:
    head = struct.Struct("iIII")
    data = head.pack(1, 2, 0, 16) + b"name".ljust(16, b"\0") + head.pack(-1, inotify.OVERFLOW, 0, 0)
    assert inotify.parse(data) == [inotify.Event(1, 2, "name"), inotify.Event(-1, inotify.OVERFLOW, "")]
    assert inotify.parse(b"") == []
