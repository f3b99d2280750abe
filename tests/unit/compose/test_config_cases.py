"""tests/cases/compose/config: what `compose config` says is what docker-compose was recorded to say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compose_records import Record, ask_wherry, records

RECORDS = records()


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_config_says_what_docker_compose_said(record: Record, tmp_path: Path) -> None:
    folder = tmp_path / "case"
    folder.mkdir()
    own = ask_wherry(record, folder)
    assert own.code == record.said.code, own.text
    if own.code:
        assert same_words(record.said.text, own.text)
    else:
        assert own.text == record.said.text


def same_words(docker: str, own: str) -> bool:
    """Whether our one line tells the fault that docker-compose tells, perhaps with more around it."""
    _, _, reason = docker.rpartition("error decoding ")
    reason = reason.partition("': ")[2] or docker
    return reason in own


def test_there_are_enough_cases_and_their_names_differ() -> None:
    names = [record.name for record in RECORDS]
    assert len(set(names)) == len(names) >= 300
