"""Reading as a whole: names, what is told once, bounds, and what a hostile project gets."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

from wherry.compose.load import LoadRequest, load
from wherry.compose.read import read_name
from wherry.compose.source import Source, fault_in
from wherry.compose.tree import Map
from wherry.errors import ComposeError


def nothing() -> bytes:
    return b""


def name_of(folder: Path, **keys: object) -> tuple[str, list[str]]:
    told: list[str] = []
    request = LoadRequest(current_dir=str(folder), **keys)  # type: ignore[arg-type]
    return read_name(request, stdin=nothing, warn=told.append), told


def test_a_name_needs_no_file(tmp_path: Path) -> None:
    (tmp_path / "My.App").mkdir()
    assert name_of(tmp_path / "My.App") == ("myapp", [])


def test_a_name_that_is_given_asks_nothing_of_broken_files(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("a: [")
    assert name_of(tmp_path, project_name="mine") == ("mine", [])
    with pytest.raises(ComposeError, match="did not find expected"):
        name_of(tmp_path)


def test_a_project_named_after_a_link_is_told(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "compose.yaml").write_text("services: {}")
    (tmp_path / "link").symlink_to("real")
    name, told = name_of(tmp_path / "link")
    assert name == "link"
    assert told == ['project has been loaded without an explicit name from a symlink. Using name "link"']


def test_the_collector_is_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {a: {image: x}}")
    load(LoadRequest(current_dir=str(tmp_path)))
    assert gc.isenabled()
    (tmp_path / "compose.yaml").write_text("services: [")
    with pytest.raises(ComposeError):
        load(LoadRequest(current_dir=str(tmp_path)))
    assert gc.isenabled()


def test_standard_input_is_read_once(tmp_path: Path) -> None:
    asked: list[int] = []

    def stdin() -> bytes:
        asked.append(1)
        return b"services: {a: {image: x}}"

    project = load(LoadRequest(current_dir=str(tmp_path), files=("-",)), stdin=stdin)
    assert list(project.services) == ["a"]
    assert asked == [1]


def test_a_fault_of_standard_input_has_a_place(tmp_path: Path) -> None:
    with pytest.raises(ComposeError) as caught:
        load(LoadRequest(current_dir=str(tmp_path), files=("-",)), stdin=lambda: b"services:\n  a: {imag: x}\n")
    assert caught.value.where == "-:2:7"


def test_a_file_that_never_ends_is_refused() -> None:
    with pytest.raises(ComposeError, match="more than 64 MB"):
        load(LoadRequest(current_dir="/", files=("/dev/zero",)))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {}")
    (tmp_path / "compose.yaml").chmod(0)
    with pytest.raises(ComposeError, match="permission denied"):
        load(LoadRequest(current_dir=str(tmp_path)))


def test_words_of_a_file_cannot_steer_the_terminal(tmp_path: Path) -> None:
    # An escape in a YAML string is a control character once it is read
    (tmp_path / "compose.yaml").write_text('services: {a: {image: x, extends: "\\e[2Jx"}}')
    with pytest.raises(ComposeError) as caught:
        load(LoadRequest(current_dir=str(tmp_path)))
    fault = caught.value
    assert "\x1b" not in f"{fault}{fault.hint}{fault.source}"


def test_a_very_long_line_is_cut_where_it_is_shown(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {a: {imag: " + "x" * 100_000 + "}}")
    with pytest.raises(ComposeError) as caught:
        load(LoadRequest(current_dir=str(tmp_path)))
    assert len(str(caught.value)) + len(caught.value.source) < 1500


def test_a_chain_of_extends_and_includes_of_any_length_ends(tmp_path: Path) -> None:
    services = "".join(f"  s{i}: {{extends: s{i + 1}}}\n" for i in range(2000))
    (tmp_path / "compose.yaml").write_text(f"services:\n{services}  s2000: {{image: x}}\n")
    with pytest.raises(ComposeError, match="extends more than"):
        load(LoadRequest(current_dir=str(tmp_path)))
    for i in range(200):
        (tmp_path / f"i{i}.yaml").write_text(f"include: [i{i + 1}.yaml]\nservices: {{s{i}: {{image: x}}}}\n")
    (tmp_path / "i200.yaml").write_text("services: {last: {image: x}}")
    with pytest.raises(ComposeError, match="include goes deeper than"):
        load(LoadRequest(current_dir=str(tmp_path), files=("i0.yaml",)))


def test_includes_that_double_at_each_level_end(tmp_path: Path) -> None:
    for i in range(30):
        (tmp_path / f"i{i}.yaml").write_text(f"include: [i{i + 1}.yaml, ./i{i + 1}.yaml]\n")
    (tmp_path / "i30.yaml").write_text("services: {last: {image: x}}")
    with pytest.raises(ComposeError, match="more than 1000 files"):
        load(LoadRequest(current_dir=str(tmp_path), files=("i0.yaml",)))


def test_a_large_service_that_many_extend_ends(tmp_path: Path) -> None:
    base = ", ".join(f"A{i}: 1" for i in range(5000))
    others = "".join(f"  s{i}: {{extends: base}}\n" for i in range(1000))
    (tmp_path / "compose.yaml").write_text(f"services:\n  base: {{image: x, environment: {{{base}}}}}\n{others}")
    with pytest.raises(ComposeError, match="extends: more than 1,000,000 values come of it"):
        load(LoadRequest(current_dir=str(tmp_path)))


def test_a_variable_that_is_missing_names_the_one_that_may_be_meant(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {a: {image: x, command: '${DB_PASWORD:?}'}}")
    for shell, hint in (({"DB_PASSWORD": "x"}, "DB_PASSWORD is set: is it meant?"), ({}, "set it in the shell, or")):
        with pytest.raises(ComposeError) as caught:
            load(LoadRequest(current_dir=str(tmp_path), environment=shell))
        assert (caught.value.hint or "").startswith(hint)


def test_a_place_that_is_not_known_is_the_one_above() -> None:
    source = Source("compose.yaml", b"services:\n  web:\n    ports: [80]\n")
    (document,) = source.documents
    fault = fault_in(document.tree, ("services", "web", "ports", 0, "target"), "wrong")
    assert fault.where == "compose.yaml:3:13"
    assert fault_in(Map(), ("services",), "wrong").where is None


@pytest.mark.parametrize(
    ("files", "keys", "code"),
    [
        ({"compose.yaml": "services: {}"}, {"project_name": "A.b"}, 1),
        ({"compose.yaml": "services: {}"}, {"env_files": ("none.env",)}, 1),
        ({"compose.yaml": "services: {}", ".env": "A B=1"}, {}, 1),
        ({}, {"environment": {"COMPOSE_FILE": "none.yaml"}}, 1),
        ({}, {}, 14),
        ({}, {"files": ("none.yaml",)}, 14),
        ({"compose.yaml": "include: [none.yaml]"}, {}, 14),
        ({"compose.yaml": "include: [{path: a.yaml, env_file: none.env}]", "a.yaml": ""}, {}, 14),
        ({"compose.yaml": "services: ["}, {}, 15),
        ({"compose.yaml": "services: {a: {image: $${A:?}}}".replace("$$", "$")}, {}, 15),
        ({"compose.yaml": "services: {a: {extends: b}}"}, {}, 15),
    ],
)
def test_exit_codes_are_docker_composes(
    files: dict[str, str], keys: dict[str, object], code: int, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ComposeError) as caught:
        load(LoadRequest(current_dir=str(tmp_path), **keys))  # type: ignore[arg-type]
    assert caught.value.exit_code == code


@pytest.mark.parametrize(
    "text",
    [
        "include: [oci://registry.example/x:1]",
        "include: ['https://git.example/x.git#main:../../etc']",
        "include: [{path: [compose.yaml, git@git.example:x.git]}]",
        "services: {a: {extends: {service: b, file: 'oci://registry.example/x'}}}",
        "services: {a: {extends: {service: b, file: github.com/x/y}}}",
    ],
)
def test_no_repository_and_no_artifact_is_fetched(text: str, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(text)
    with pytest.raises(ComposeError, match="is remote, which is not supported"):
        load(LoadRequest(current_dir=str(tmp_path)))
    with pytest.raises(ComposeError, match="from a repository or a registry"):
        load(LoadRequest(current_dir=str(tmp_path), files=("oci://registry.example/x:1",)))
