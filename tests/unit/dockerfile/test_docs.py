"""The page docs/dockerfile.md names everything that the language has."""

from __future__ import annotations

from pathlib import Path

from wherry.dockerfile.decode import FLAGS, NAMES
from wherry.dockerfile.mounts import TYPES

PAGE = (Path(__file__).parents[3] / "docs" / "dockerfile.md").read_text()
TABLE = [line for line in PAGE.splitlines() if line.startswith("|")]


def test_every_instruction_has_a_row() -> None:
    listed = {name.strip() for line in TABLE for name in line.split("|")[1].split(",")}
    assert set(NAMES) <= listed


def test_every_flag_stands_in_a_row_of_its_instruction() -> None:
    for name, flags in FLAGS.items():
        rows = "\n".join(line for line in TABLE if line.startswith(f"| {name.upper()} "))
        assert [flag for flag in flags if f"`--{flag}" not in rows] == []


def test_every_mount_type_is_told() -> None:
    assert [kind for kind in TYPES if f"type={kind}`" not in PAGE] == []
