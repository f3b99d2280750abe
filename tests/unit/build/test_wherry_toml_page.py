"""docs/wherry-toml.md names every key that is read, table by table."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from wherry.build import project
from wherry.deploy import wherry_toml
from wherry.deploy.options import OPTIONS
from wherry.engine.verify_contract import Defaults
from wherry.lint import settings

PAGE = (Path(__file__).parents[3] / "docs" / "wherry-toml.md").read_text()
KEYS = {
    "build": {name.replace("_", "-") for name in project.Project._fields},
    "lint": {*settings._KEYS},
    "verify": {*Defaults._fields},
    "deploy": {*wherry_toml._KEYS, *wherry_toml._PLACES},
}


@pytest.mark.parametrize("table", KEYS)
def test_every_key_of_a_table_stands_in_its_section(table: str) -> None:
    section = PAGE.split(f"\n## {table}\n")[1].split("\n## ")[0]
    assert KEYS[table] <= set(re.findall(r"`([\w-]+)`", section))


@pytest.mark.parametrize("target", OPTIONS)
def test_a_targets_options_are_those_that_it_has(target: str) -> None:
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| `[deploy.{target}]`")]
    assert re.findall(r"`([\w-]+)`", line) == [option.name for option in OPTIONS[target]]


def test_the_example_is_read_by_all_of_them() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    data = text.encode()
    assert project.parse(data).traced_cache is True
    assert settings.parse_toml(data).ignore == {"DL3008"}
    assert Defaults(**tomllib.loads(text)["verify"]).memory == "4g"
    found = wherry_toml.parse(data, "ecs", OPTIONS["ecs"], list(OPTIONS))
    assert (found.contract, found.wishes.max_instances, found.chosen["region"]) == ("contract.yaml", 4, "eu-central-1")
