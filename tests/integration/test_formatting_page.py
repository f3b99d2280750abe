"""docs/formatting.md: its commands print what it says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

import pytest

from tests.docs_text import PROJECT
from tests.integration.container_lab import Wherry

pytestmark = pytest.mark.requires("root", "runc", "nft", "ip", "busybox")
PAGE = PROJECT / "docs" / "formatting.md"


def examples() -> list[tuple[list[str], str]]:
    """(the words behind `wherry`, what it prints) of each line with a prompt."""
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL)
    parts = [part for block in blocks for part in re.split(r"^\$ wherry ", block, flags=re.MULTILINE)[1:]]
    return [(shlex.split(command), said) for command, _, said in (part.partition("\n") for part in parts)]


def test_each_example_prints_what_the_page_says(make_root: Callable[[], Wherry]) -> None:
    wherry = make_root()
    wherry("volume", "create", "data")
    wherry("create", "--name", "web", "--label", "com.example.tier=front", "-v", "data:/data", "-p", "8080:80",
           "busybox", "sh", "-c", "echo hello")  # fmt: skip
    found = examples()
    assert len(found) > 12
    for argv, said in found:
        assert wherry(*argv).stdout == said, argv


def test_the_page_names_every_field_of_the_lists() -> None:
    from wherry.cli import history, images, network, ps, search, stats, system_df, volume

    page = PAGE.read_text()
    kinds = {
        "ps": ps.HEADERS, "images": images.HEADERS, "history": history._HEADERS, "network ls": network._HEADERS,
        "volume ls": volume.HEADERS, "search": search._HEADERS, "stats": stats._HEADERS,
        "system df": system_df._HEADERS,
    }  # fmt: skip
    for command, fields in kinds.items():
        row = re.search(rf"^\| `{command}` \| (.*) \|$", page, re.MULTILINE)
        assert row, command
        assert not set(fields) - set(re.findall(r"\w+", row[1])), command
