"""From a project's `develop` sections to rules."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wherry.compose.model import Project, Service
from wherry.compose.model_build import Build, Develop, WatchRule
from wherry.compose.model_parts import Hook, Mount
from wherry.compose.watch_rules import select
from wherry.errors import InputError


def _project(folder: Path, *rules: WatchRule, build: bool = True, volumes: tuple[Mount, ...] = ()) -> Project:
    service = Service(
        name="web",
        image="app",
        build=Build(context=str(folder)) if build else None,
        develop=Develop(watch=rules),
        volumes=volumes,
    )
    return Project(name="demo", working_dir=str(folder), services={"web": service, "db": Service(name="db")})


def _sync(folder: Path, **more: object) -> WatchRule:
    return WatchRule(path=f"{folder}/src", action="sync", target="/app").replace(**more)


def test_the_dockerfiles_own_dockerignore_comes_first(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("*.a\n")
    rule = WatchRule(path=str(tmp_path), action="rebuild")
    assert not select(_project(tmp_path, rule)).rules[0].filter.takes(f"{tmp_path}/x.a")
    (tmp_path / "Dockerfile.dockerignore").write_text("*.b\nDockerfile\n")
    paths = select(_project(tmp_path, rule)).rules[0].filter
    assert paths.takes(f"{tmp_path}/x.a")
    assert not paths.takes(f"{tmp_path}/x.b")
    assert paths.takes(f"{tmp_path}/Dockerfile"), "the builder reads it though it is no part of the context"


def test_a_path_that_is_a_link_is_watched_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "src").symlink_to("real")
    (rule,) = select(_project(tmp_path, _sync(tmp_path))).rules
    assert rule.filter.root == os.path.realpath(tmp_path / "real")
    assert rule.target_of(f"{rule.filter.root}/a/b") == "/app/a/b"


def test_what_is_mounted_is_not_synced(tmp_path: Path) -> None:
    mount = Mount(type="bind", source=str(tmp_path), target="/app")
    rebuild = WatchRule(path=f"{tmp_path}/requirements.txt", action="rebuild")
    found = select(_project(tmp_path, _sync(tmp_path), rebuild, volumes=(mount,)))
    assert [rule.action for rule in found.rules] == ["rebuild"]
    assert found.warnings == (
        f"path '{tmp_path}/src' also declared by a bind mount volume, this path won't be monitored!",
    )


def test_the_files_that_say_what_is_watched_are_known(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("*.a\n")
    project = _project(tmp_path, _sync(tmp_path)).replace(files=(f"{tmp_path}/compose.yaml",))
    assert select(project).sources == {f"{tmp_path}/compose.yaml", f"{tmp_path}/.dockerignore"}


def test_what_cannot_be_watched_is_said(tmp_path: Path) -> None:
    rebuild = WatchRule(path=str(tmp_path), action="rebuild")
    with pytest.raises(InputError, match='can\'t watch service "web" with action rebuild without a build context'):
        select(_project(tmp_path, rebuild, build=False))
    with pytest.raises(InputError, match="none of the selected services is configured for watch"):
        select(_project(tmp_path, _sync(tmp_path)), ["db"])
    with pytest.raises(InputError, match="no such service: nope"):
        select(_project(tmp_path, _sync(tmp_path)), ["nope"])
    with pytest.raises(InputError, match=r"services\.web\.develop\.watch\[0\]: action sync needs a target"):
        select(_project(tmp_path, _sync(tmp_path, target="")))
    with pytest.raises(InputError, match=r"needs exec\.command"):
        select(_project(tmp_path, _sync(tmp_path, action="sync+exec", exec=Hook())))


def test_syncing_needs_no_build(tmp_path: Path) -> None:
    assert select(_project(tmp_path, _sync(tmp_path), build=False)).services == ("web",)


def test_a_broken_dockerignore_names_its_line(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("ok\n[\n")
    with pytest.raises(InputError) as caught:
        select(_project(tmp_path, _sync(tmp_path)))
    assert caught.value.where == f"{tmp_path}/.dockerignore:2"
