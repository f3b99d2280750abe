"""Names that are paths, programs of a container that this machine might run, one container's secrets in another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.container_lab import Wherry

pytestmark = pytest.mark.requires("root", "runc", "busybox")
ALONE = ("--network", "none")


@pytest.fixture
def victim(wherry: Wherry) -> Iterator[Path]:
    """A file beside what wherry keeps, where a path with ".." in place of a name would lead."""
    folder = wherry.root / "victim"
    (folder / "_data").mkdir(parents=True)
    (folder / "_data" / "kept").write_text("kept")
    yield folder
    assert (folder / "_data" / "kept").read_text() == "kept"
    (folder / "_data" / "kept").unlink()
    (folder / "_data").rmdir()
    folder.rmdir()


@pytest.mark.parametrize(
    "name", ["../victim", "../../victim", "..", ".", "/", "./../victim", "%2e%2e/victim", "..\\victim"]
)
def test_a_path_is_no_name(wherry: Wherry, victim: Path, name: str) -> None:
    whole = str(victim) if name == "/" else name
    volumes = wherry("volume", "ls", "-q").stdout
    for words in (["rm", "-f", "-v"], ["volume", "rm", "-f"], ["volume", "inspect"], ["volume", "export"],
                  ["network", "rm"], ["rmi", "-f"], ["inspect"], ["logs"], ["kill"], ["export"], ["volume", "create"],
                  ["create", *ALONE, "--name"]):  # fmt: skip
        done = wherry(*words, whole, *(["busybox"] if words[0] == "create" else []), code=None)
        # As docker's, `-f` is content with what is not there
        assert done.returncode or "-f" in words, words
        assert "Traceback" not in done.stderr
        assert "kept" not in done.stdout
    assert wherry("volume", "ls", "-q").stdout == volumes
    assert wherry("ps", "-aq").stdout == ""


def test_top_runs_no_program_of_the_container(wherry: Wherry, tmp_path: Path) -> None:
    """CVE-2022-1227: what it calls ps, and the libraries that it has, are for itself alone."""
    script = "printf '#!/bin/sh\\necho mine; echo ran > /ran\\n' > /ps; chmod 755 /ps; cp /ps /bin/ps.new; rm /bin/ps;"
    script += "mv /bin/ps.new /bin/ps; mkdir -p /lib /etc; echo /ps > /etc/ld.so.preload; exec sleep 1000"
    wherry("run", "-d", *ALONE, "--name", "box", "busybox", "sh", "-c", script)
    wherry("exec", "box", "sh", "-c", "until [ -e /etc/ld.so.preload ]; do sleep 0.1; done")
    for words in ([], ["-ef"], ["-o", "pid,args"]):
        said = wherry("top", "box", *words).stdout
        assert "sleep 1000" in said
        assert "mine" not in said
    wherry("exec", "box", "sh", "-c", "! test -e /ran")


def test_one_containers_variables_are_not_anothers(wherry: Wherry) -> None:
    """CVE-2020-14370, by run, exec and what is made of a container."""
    wherry("run", "-d", *ALONE, "--name", "first", "-e", "SECRET=one", "busybox", "sleep", "1000")
    wherry("exec", "-e", "SECRET=two", "first", "true")
    assert "SECRET=one" in wherry("exec", "first", "env").stdout.split()
    wherry("run", "-d", *ALONE, "--name", "second", "busybox", "sleep", "1000")
    for said in (wherry("exec", "second", "env").stdout, wherry("run", "--rm", *ALONE, "busybox", "env").stdout,
                 wherry("inspect", "second").stdout):  # fmt: skip
        assert "SECRET" not in said
    assert "two" not in wherry("exec", "first", "env").stdout
