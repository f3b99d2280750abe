from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.build.split.wheels import SITE, install, write
from wherry.engine.image_diff import ADDED, CHANGED, REMOVED, Difference, FileChange, PackageChange, _Side, compare
from wherry.image.packages.merged import Merged


def diff(old: Path, new: Path) -> Difference:
    with Merged([str(old)]) as left, Merged([str(new)]) as right:
        return compare(_Side(left, ["old"]), _Side(right, ["new"]))


@pytest.fixture
def old(tmp_path: Path) -> Path:
    (tmp_path / "old").mkdir()
    return tmp_path / "old"


@pytest.fixture
def new(tmp_path: Path) -> Path:
    (tmp_path / "new").mkdir()
    return tmp_path / "new"


def test_files_are_added_removed_and_changed(old: Path, new: Path) -> None:
    for root, text in ((old, "one"), (new, "three")):
        write(root, "app/main.py", text)
        write(root, "app/same.py", "same")
        write(root, "app/equal-size.py", text[:3])
    write(old, "gone/a", "12345")
    write(new, "added/b", "1")
    (new / "empty").mkdir()
    assert diff(old, new).files == (
        FileChange(ADDED, "/added/b", "file", 0, 1),
        FileChange(CHANGED, "/app/equal-size.py", "file", 3, 3, ("content",)),
        FileChange(CHANGED, "/app/main.py", "file", 3, 5, ("content",)),
        FileChange(ADDED, "/empty", "folder", 0, 0),
        FileChange(REMOVED, "/gone/a", "file", 5, 0),
    )


def test_modes_links_types_and_names_of_any_bytes_are_seen(old: Path, new: Path) -> None:
    for root in (old, new):
        write(root, "mode", "")
        (root / "link").symlink_to(root.name)
    (new / "mode").chmod(0o755)
    (old / "type").mkdir()
    (new / "type").symlink_to("/etc/passwd")
    (new / os.fsdecode(b"\xff")).touch()
    assert [(one.path, one.kind, one.what) for one in diff(old, new).files] == [
        ("/link", "link", ("link",)), ("/mode", "file", ("mode",)), ("/type", "link", ("type",)), ("/?", "file", ()),
    ]  # fmt: skip


def test_times_do_not_count(old: Path, new: Path) -> None:
    for root, time in ((old, 1), (new, 2)):
        write(root, "a", "x")
        os.utime(root / "a", (time, time))
    assert diff(old, new) == Difference((), ())


def test_packages_are_added_removed_and_changed_with_their_sizes(old: Path, new: Path) -> None:
    install(old, "torch", {"torch/lib.so": 100}, version="2.3.0")
    install(new, "torch", {"torch/lib.so": 150, "torch/more.py": 1}, version="2.4.0")
    install(old, "six", {"six.py": 10})
    install(new, "numpy", {"numpy/x.so": 10})
    found = diff(old, new).packages
    assert [one[:4] for one in found] == [
        (ADDED, "numpy", "", "1"), (REMOVED, "six", "1", ""), (CHANGED, "torch", "2.3.0", "2.4.0"),
    ]  # fmt: skip
    assert found[2].to_size > found[2].from_size > 100
    assert {one.package for one in diff(old, new).files} == {"numpy", "six", "torch"}


def test_a_package_of_the_same_version_with_other_files_is_changed(old: Path, new: Path) -> None:
    for root, text in ((old, "a"), (new, "b")):
        install(root, "six", {"six.py": 10})
        write(root, f"{SITE}/six.py", text * 10)
    (found,) = diff(old, new).packages
    assert (found.change, found.from_version, found.to_version, found.files) == (CHANGED, "1", "1", 1)
    assert isinstance(found, PackageChange)


def test_how_a_package_was_installed_makes_no_other_package_of_it(old: Path, new: Path) -> None:
    for root in (old, new):
        install(root, "six", {"six.py": 10})
    (old / SITE / "six-1.dist-info" / "REQUESTED").unlink()
    found = diff(old, new)
    assert found.packages == ()
    assert [(one.path.rpartition("/")[2], one.package) for one in found.files] == [("REQUESTED", "six")]


def test_what_lies_in_a_layer_of_both_is_not_read(old: Path) -> None:
    write(old, "a", "x")
    with Merged([str(old)]) as left, Merged([str(old)]) as right:
        for fd in left.root_fds:
            os.dup2(os.open("/", os.O_PATH), fd)
        assert compare(_Side(left, ["same"]), _Side(right, ["same"])) == Difference((), ())
