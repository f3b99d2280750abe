"""A project with a provider, from `up` to `down`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.container_lab import Wherry

pytestmark = pytest.mark.requires("root", "busybox", "runc", "nft")

PROVIDER = """#!/bin/sh
[ $2 = metadata ] && exit 1
echo "$*" >> {folder}/calls
echo '{{"type":"setenv","message":"URL='$(cat {folder}/address)'"}}'
"""
COMPOSE = """
services:
  web:
    image: busybox
    command: sleep 1000
    stop_signal: KILL
    network_mode: none
    depends_on: [my-db]
  other:
    image: busybox
    command: sleep 1000
    stop_signal: KILL
    network_mode: none
  my-db:
    provider: {{type: {folder}/cloud, options: {{size: small}}}}
"""


def test_its_variables_are_what_containers_are_made_of(wherry: Wherry, tmp_path: Path) -> None:
    folder = tmp_path.resolve() / "demo"
    folder.mkdir()
    (folder / "cloud").write_text(PROVIDER.format(folder=folder))
    (folder / "cloud").chmod(0o755)
    (folder / "compose.yaml").write_text(COMPOSE.format(folder=folder))
    files = ("compose", "-f", f"{folder}/compose.yaml")

    def up(address: str) -> dict[str, str]:
        (folder / "address").write_text(address)
        wherry(*files, "up", "-d")
        return {name: wherry("inspect", "-f", "{{.Id}}", name).stdout for name in ("demo-web-1", "demo-other-1")}

    first = up("db://one")
    assert "MY_DB_URL=db://one" in wherry("exec", "demo-web-1", "env").stdout
    assert "MY_DB_URL" not in wherry("exec", "demo-other-1", "env").stdout
    assert (folder / "calls").read_text() == "compose --project-name=demo up --size=small my-db\n", "once for each up"
    assert up("db://one") == first
    moved = up("db://two")
    assert moved["demo-web-1"] != first["demo-web-1"], "another address makes another container"
    assert moved["demo-other-1"] == first["demo-other-1"]
    assert "MY_DB_URL=db://two" in wherry("exec", "demo-web-1", "env").stdout
    (folder / "calls").write_text("")
    wherry(*files, "down", "-t", "0")
    assert (folder / "calls").read_text() == "compose --project-name=demo down --size=small my-db\n"
    assert wherry("ps", "-aq").stdout == ""


def test_a_provider_that_fails_makes_nothing(wherry: Wherry, tmp_path: Path) -> None:
    folder = tmp_path.resolve() / "demo"
    folder.mkdir()
    (folder / "cloud").write_text('#!/bin/sh\necho \'{"type":"error","message":"quota exceeded"}\'\n')
    (folder / "cloud").chmod(0o755)
    (folder / "compose.yaml").write_text(COMPOSE.format(folder=folder))
    done = wherry("compose", "-f", f"{folder}/compose.yaml", "up", "-d", code=1)
    assert "quota exceeded" in done.stderr
    assert wherry("ps", "-aq").stdout == ""
