"""The quick look for a project's name says what reading says, or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.compose.load import LoadRequest
from wherry.compose.quick_name import name_in, quick_name
from wherry.compose.read import read_name
from wherry.errors import ComposeError


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("services: {}\n", ""),
        ("name: shop\nservices: {}\n", "shop"),
        ("# name: no\nname: shop  # yes\n", "shop"),
        ("services:\n  name:\n    image: x\n", ""),
        ("x-a: |\n  name: no\nservices: {}\n", ""),
        ('name: "shop"\n', None),
        ("name: ${X}\n", None),
        ("name: Shop\n", None),
        ("name: 12\n", None),
        ("name: true\n", None),
        ("name:\n", None),
        ("name: a\nname: b\n", None),
        ("{name: shop}\n", None),
        ("---\nname: shop\n", None),
        ('"name": shop\n', None),
        ("x: {\nname: shop\n}\n", None),
        ("<<: *a\n", None),
        ("x: 'a\nb'\n", None),
    ],
)
def test_a_name_is_read_where_it_is_plain(text: str, want: str | None) -> None:
    assert name_in(text) == want


def told(folder: Path, environment: dict[str, str]) -> str:
    request = LoadRequest(current_dir=str(folder), environment=environment)
    return read_name(request, stdin=lambda: b"", warn=lambda _text: None)


LINES = st.sampled_from(
    ["name: shop", "name: 'q'", "name: A", "services: {}", "x-a: |", "  name: no", "# c", "", "---", "x: {", "}", " }",
     "volumes:", "x: [", "  a]",
     '  a: "', "  b'", "  a: {}", "name:", "name: on", 'x-b: "', '"', "name: a b", "? x", "name : y"]
)  # fmt: skip


@settings(max_examples=3 * settings.default.max_examples, deadline=None)
@given(lines=st.lists(LINES, max_size=6))
def test_it_never_contradicts_the_parser(lines: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("here")
    (folder / "compose.yaml").write_text("\n".join(lines))
    if name := quick_name(str(folder), {}):
        try:
            assert name == told(folder, {})
        except ComposeError:
            pass  # what no parser takes has no name, and `config` says so


def test_it_looks_where_compose_looks(tmp_path: Path) -> None:
    (tmp_path / "Deep").mkdir()
    below = tmp_path / "shop" / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "shop" / "docker-compose.yml").write_text("services: {}\n")
    assert quick_name(str(below), {}) == "shop" == told(below, {})
    (tmp_path / "shop" / "compose.override.yaml").write_text("name: other\n")
    assert quick_name(str(below), {}) == "other" == told(below, {})


def test_the_files_of_the_command_line_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.yaml").write_text("services: {}\n")
    (tmp_path / "b.yaml").write_text("name: other\n")
    for files in (("sub/a.yaml",), ("sub/a.yaml", "b.yaml"), ("./sub/../sub/a.yaml",)):
        request = LoadRequest(current_dir=str(tmp_path), files=files)
        name = quick_name(str(tmp_path), {}, files)
        assert name == read_name(request, stdin=lambda: b"", warn=lambda _text: None)
        assert name == ("sub" if len(files) == 1 else "other")
    assert quick_name(str(tmp_path), {}, ("-",)) == ""
    assert quick_name(str(tmp_path), {}, ("nosuch.yaml",)) == ""
    (tmp_path / "sub" / ".env").write_text("COMPOSE_PROJECT_NAME=x\n")
    assert quick_name(str(tmp_path), {}, ("sub/a.yaml",)) == ""


@pytest.mark.parametrize(
    ("files", "environment"),
    [
        ({"compose.yaml": "name: a\n"}, {"COMPOSE_PROJECT_NAME": "b"}),
        ({"compose.yaml": "name: a\n", "x.yaml": "name: b\n"}, {"COMPOSE_FILE": "x.yaml"}),
        ({"compose.yaml": "name: a\n", ".env": "COMPOSE_PROJECT_NAME=b\n"}, {}),
        ({"compose.yaml": "name: a\n", "compose.yml": "name: b\n"}, {}),
        ({"compose.yaml": "name: a\n", ".env/x": ""}, {}),
        ({"Compose.yaml": ""}, {}),
    ],
)
def test_in_doubt_it_says_nothing(tmp_path: Path, files: dict[str, str], environment: dict[str, str]) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert quick_name(str(tmp_path), environment) == ""


def test_an_env_file_of_other_things_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("name: shop\n")
    (tmp_path / ".env").write_text("DB=1\n")
    assert quick_name(str(tmp_path), {}) == "shop"
