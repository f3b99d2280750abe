"""The cases of tests/cases/compose/load, put to docker-compose: it must say what the cases say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compose_cases import Case, ask_docker, cases


@pytest.mark.requires("docker-compose")
@pytest.mark.parametrize(
    "case", [case for case in cases("load") if "differs" not in case.talk], ids=lambda case: case.name
)
def test_docker_compose_says_the_same(case: Case, tmp_path: Path) -> None:
    folder = tmp_path / "case"
    folder.mkdir()
    result = ask_docker(case, folder)
    if "want" in case.talk:
        assert (result.error, result.output) == ("", case.talk["want"])
    else:
        ours = case.talk["error"].rstrip("\n").partition("\n")[2]
        assert case.talk.get("docker", ours).rstrip("\n") in result.error
    assert result.warnings == case.warnings
