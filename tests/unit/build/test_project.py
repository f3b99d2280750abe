"""wherry.toml."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wherry.build.project import Project, parse, read
from wherry.errors import InputError


def test_each_switch_is_read_and_the_others_are_not_said() -> None:
    assert parse(b"[build]\ntraced-cache = false\n") == Project(traced_cache=False)
    assert parse(b"[build]\nsplit-packages = false\nambient-cache = true\nhost-ca = false\n") == Project(
        split_packages=False, ambient_cache=True, host_ca=False
    )
    assert parse(b"# nothing\n") == parse(b"[build]\n") == Project()


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("[build]\n\ntraced-cahce = false\n", "w:3: traced-cahce is no switch", "did you mean traced-cache?"),
        ("[build]\ntraced_cache = false\n", "w:2: traced_cache is no switch", "did you mean traced-cache?"),
        ("[build]\nzzz = 1\n", "w:2: zzz is no switch", "split-packages"),
        ("[bulid]\n", "w:1: bulid is no table", "did you mean build?"),
        ("build.host_ca = true\n", "w:1: host_ca is no switch", "did you mean host-ca?"),
        ("build = 3\n", "w:1: build must be a table", None),
        ("[build]\nhost-ca = 'no'\n", "w:2: host-ca must be true or false, not 'no'", None),
        ("[build]\nhost-ca = 0\n", "w:2: host-ca must be true or false", None),
        ("[build\n", "w: ", None),
        ("[build]\nhost-ca = true\nhost-ca = true\n", "w: ", None),
    ],
)
def test_what_it_does_not_know_is_named_with_its_line(text: str, says: str, hint: str | None) -> None:
    with pytest.raises(InputError) as caught:
        parse(text.encode(), "w")
    shown = caught.value.message if caught.value.where is None else f"{caught.value.where}: {caught.value.message}"
    assert says in shown
    assert shown.count("w:") == 1
    assert hint is None or hint in (caught.value.hint or "")


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(InputError, match="not UTF-8"):
        parse(b"\xff\xfe")


def test_no_file_no_folder_and_stdin_say_nothing(tmp_path: Path) -> None:
    assert read(str(tmp_path)) == read(str(tmp_path / "nowhere")) == read("-") == Project()


def test_it_is_read_from_the_context(tmp_path: Path) -> None:
    (tmp_path / "wherry.toml").write_text("[build]\nhost-ca = false\n")
    assert read(str(tmp_path)) == Project(host_ca=False)


def test_a_link_a_pipe_a_folder_and_a_giant_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("secret = 1\n")
    path = tmp_path / "wherry.toml"
    path.symlink_to(tmp_path / "other")
    with pytest.raises(InputError, match="symbolic link") as caught:
        read(str(tmp_path))
    assert "secret" not in str(caught.value)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(InputError, match="not a file"):
        read(str(tmp_path))
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match="not a file"):
        read(str(tmp_path))
    path.rmdir()
    path.write_bytes(b"#" * (1 << 20) + b"\n\n")
    with pytest.raises(InputError, match="larger than"):
        read(str(tmp_path))
