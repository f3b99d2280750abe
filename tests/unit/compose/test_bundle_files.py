"""What of a project goes into a bundle, and what is said to stay behind."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from wherry.compose.bundle_files import Needed, needed
from wherry.compose.load import LoadRequest
from wherry.errors import ComposeFileMissing, InputError


def look(folder: Path, text: str, **more: object) -> tuple[Needed, list[str]]:
    (folder / "compose.yaml").write_text(dedent(text))
    said: list[str] = []
    request = LoadRequest(current_dir=str(folder), **more)  # type: ignore[arg-type]
    return needed(request, said.append), said


def test_included_and_extended_files_and_what_they_read(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "compose.yaml").write_text("services: {db: {image: postgres:17}}")
    (tmp_path / "db" / ".env").write_text("A=1")
    (tmp_path / "base.yaml").write_text("services: {base: {image: api:1, env_file: api.env}}")
    (tmp_path / "api.env").write_text("B=2")
    (tmp_path / "names").write_text("com.example=x")
    (tmp_path / "nginx.conf").write_text("")
    found, said = look(
        tmp_path,
        """
        name: shop
        include: [db/compose.yaml]
        services:
          api: {extends: {file: base.yaml, service: base}, label_file: names}
          web: {build: ., configs: [nginx]}
          off: {image: never, profiles: [off]}
        configs: {nginx: {file: nginx.conf}}
        """,
    )
    assert said == []
    assert sorted(found.names) == ["api:1", "postgres:17", "shop-web"]
    assert sorted(found.files.paths) == [
        "api.env", "base.yaml", "compose.yaml", "db/.env", "db/compose.yaml", "names", "nginx.conf"
    ]  # fmt: skip
    assert (found.files.name, found.files.files) == ("shop", ("compose.yaml",))


def test_mounts_of_the_folder_are_carried_and_others_are_said(tmp_path: Path) -> None:
    (tmp_path / "www" / "empty" / "deep").mkdir(parents=True)
    (tmp_path / "www" / ".git").mkdir()
    (tmp_path / "www" / ".git" / "config").write_text("")
    (tmp_path / "www" / "a").write_text("")
    (tmp_path / "www" / "out").symlink_to("/etc/hostname")
    found, said = look(
        tmp_path,
        """
        services:
          web:
            image: web
            pull_policy: always
            volumes: [./www:/www, /srv/data:/data, named:/x, ./later:/later]
            secrets: [token]
        volumes: {named: {}}
        secrets: {token: {file: ./token}}
        """,
    )
    assert sorted(found.files.paths) == ["compose.yaml", "www/a"]
    assert found.files.folders == ("www/empty/deep",)
    about = " ".join(said)
    for word in ("www/out", "/srv/data", "secret token", "pull policy always"):
        assert word in about
    assert len(said) == 4


def test_models_are_names_or_files(tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_text("GGUF")
    found, _ = look(
        tmp_path,
        """
        services: {chat: {image: chat, models: [far, near]}}
        models: {far: {model: ai/llm:1}, near: {model: ./tiny.gguf}}
        """,
    )
    assert {"chat", "ai/llm:1"} < set(found.names)
    assert "tiny.gguf" in found.files.paths


def test_what_the_project_needs_from_elsewhere_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (tmp_path / "base.yaml").write_text("services: {base: {image: api}}")
    with pytest.raises(InputError, match=r"base\.yaml is a file of the project, and lies outside"):
        look(folder, "services: {api: {extends: {file: ../base.yaml, service: base}}}")
    with pytest.raises(ComposeFileMissing):
        needed(LoadRequest(current_dir=str(folder), files=["none.yaml"]), print)
