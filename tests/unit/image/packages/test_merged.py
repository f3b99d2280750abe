from __future__ import annotations

from pathlib import Path

from tests.unit.build.split.wheels import SITE, install, write
from wherry.image.packages.merged import Merged


def paths(*layers: Path) -> dict[str, int]:
    """Of each entry the layer that it comes from."""
    with Merged([str(layer) for layer in layers]) as merged:
        return {path.decode(): node.layer for path, node in merged.root.walk()}


def test_upper_files_replace_lower_ones_and_folders_are_one(tmp_path: Path) -> None:
    write(tmp_path / "0", "d/a", "")
    write(tmp_path / "0", "d/b", "")
    write(tmp_path / "1", "d/b", "")
    assert paths(tmp_path / "0", tmp_path / "1") == {"d": 1, "d/a": 0, "d/b": 1}


def test_a_file_hides_a_folder_and_a_folder_a_file(tmp_path: Path) -> None:
    write(tmp_path / "0", "x/deep/a", "")
    write(tmp_path / "0", "y", "")
    write(tmp_path / "1", "x", "")
    write(tmp_path / "1", "y/b", "")
    (tmp_path / "2").mkdir()
    assert paths(tmp_path / "0", tmp_path / "1", tmp_path / "2") == {"x": 1, "y": 1, "y/b": 1}


def test_a_package_is_where_its_metadata_is_and_as_large_as_its_files(tmp_path: Path) -> None:
    install(tmp_path / "0", "six", {"six.py": 10, "../../../bin/six": 5})
    write(tmp_path / "1", f"{SITE}/six.py", "x" * 99)
    with Merged([str(tmp_path / "0"), str(tmp_path / "1")]) as merged:
        (found,) = merged.installed()
    assert (str(found.package), found.layer) == ("six 1", 0)
    assert f"{SITE}/six.py".encode() in found.files
    record = tmp_path / "0" / SITE / "six-1.dist-info" / "RECORD"
    assert found.size == 99 + 5 + 20 + len("pip\n") + record.stat().st_size


def test_a_package_without_a_record_has_no_size(tmp_path: Path) -> None:
    write(tmp_path, f"{SITE}/a-1.dist-info/METADATA", "")
    with Merged([str(tmp_path)]) as merged:
        assert [(str(one.package), one.size) for one in merged.installed()] == [("a 1", 0)]
