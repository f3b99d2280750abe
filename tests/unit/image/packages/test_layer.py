from __future__ import annotations

from pathlib import Path

from wherry.image.packages.layer import Content, look, title


def put(folder: Path, *paths: str) -> str:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("x" * len(path))
    return str(folder)


def test_packages_are_those_whose_metadata_is_here(tmp_path: Path) -> None:
    site = "usr/lib/python3/site-packages"
    folder = put(
        tmp_path, f"{site}/b-2.dist-info/METADATA", f"{site}/A_x-1.dist-info/METADATA", f"{site}/c-3.dist-info/RECORD",
        f"{site}/b/_vendor/d-4.dist-info/METADATA", "opt/venv/lib/e-5.dist-info/METADATA", "big/file",
    )  # fmt: skip
    found = look(folder)
    assert [str(one) for one in found.packages] == ["a-x 1", "b 2", "e 5"]
    assert found.largest == b""
    assert title(found) == "a-x 1, b 2, e 5"


def test_a_layer_without_packages_is_named_by_its_largest_file(tmp_path: Path) -> None:
    folder = put(tmp_path, "a", "models/weights.bin", "z/q")
    (tmp_path / "link").symlink_to("/etc/passwd")
    assert look(folder) == Content((), b"models/weights.bin")
    assert title(look(folder)) == "models/weights.bin"


def test_a_layer_without_files_only_removes(tmp_path: Path) -> None:
    assert title(look(put(tmp_path))) == "removals"


def test_a_long_list_ends_early(tmp_path: Path) -> None:
    folder = put(tmp_path, *(f"site/p{number}-1.dist-info/METADATA" for number in range(9)))
    assert title(look(folder)) == "p0 1, p1 1, p2 1 and 6 more"


def test_a_link_instead_of_metadata_counts_for_nothing(tmp_path: Path) -> None:
    put(tmp_path, "site/real")
    (tmp_path / "site" / "a-1.dist-info").mkdir()
    (tmp_path / "site" / "a-1.dist-info" / "METADATA").symlink_to("../real")
    (tmp_path / "site" / "b-1.dist-info").mkdir()
    assert look(str(tmp_path)).packages == ()
