"""What env files and label files give a service."""

from __future__ import annotations

from pathlib import Path

import pytest

from wherry.compose.envfile import service_environment, service_labels
from wherry.compose.model_parts import EnvFile
from wherry.compose.model_service import Service
from wherry.errors import ComposeError


def service(**keys: object) -> Service:
    return Service(name="web", **keys)  # type: ignore[arg-type]


def environment(one: Service, project: dict[str, str]) -> dict[str, str | None]:
    told: list[str] = []
    return service_environment(one, project, told.append)


def test_a_later_file_wins_and_the_service_over_all(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("A=1\nB=1\nC=1\n")
    (tmp_path / "b").write_text("B=2\nC=$B$A\n")
    files = (EnvFile(path=f"{tmp_path}/a"), EnvFile(path=f"{tmp_path}/b"))
    one = service(env_file=files, environment={"A": "own", "D": None, "E": None})
    # `$B` in the second file is what the first one says
    assert environment(one, {"D": "d"}) == {"A": "own", "B": "2", "C": "11", "D": "d", "E": None}


def test_a_file_that_is_not_required_may_be_missing(tmp_path: Path) -> None:
    files = (EnvFile(path=f"{tmp_path}/none", required=False),)
    assert environment(service(env_file=files), {}) == {}
    with pytest.raises(ComposeError, match=r"env file /.*/none not found: stat /.*/none: no such file or directory"):
        environment(service(env_file=(EnvFile(path=f"{tmp_path}/none"),)), {})


def test_a_raw_file_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "raw").write_text("# comment\n  A='x' # $B\nB\nC\n")
    files = (EnvFile(path=f"{tmp_path}/raw", format="raw"),)
    assert environment(service(env_file=files), {"B": "b"}) == {"A": "'x' # $B", "B": "b"}


def test_a_wrong_line_is_shown(tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("A=1\nB!=1\n")
    with pytest.raises(ComposeError) as caught:
        environment(service(env_file=(EnvFile(path=f"{tmp_path}/wrong"),)), {})
    assert 'line 2: unexpected character "!" in variable name "B!=1"' in str(caught.value)
    assert caught.value.where == f"{tmp_path}/wrong:2:2"
    assert "B!=1" in caught.value.source


def test_labels_of_files_are_below_the_labels_of_the_service(tmp_path: Path) -> None:
    (tmp_path / "labels").write_text("a=1\nb=$a\n")
    one = service(label_file=(f"{tmp_path}/labels",), labels={"a": "own"})
    assert service_labels(one, print) == {"a": "own", "b": "1"}
    with pytest.raises(ComposeError, match="label file"):
        service_labels(service(label_file=(f"{tmp_path}/none",)), print)
