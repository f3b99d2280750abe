"""Making with everything real but the programs: those are played by a function that writes what they would leave."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.unit.bootstrap.answering import AnsweringHost
from wherry.bootstrap.make import Machine, Maker
from wherry.bootstrap.pythons import Python
from wherry.bootstrap.recipe import LABEL, DebianRecipe, PythonRecipe
from wherry.engine import Engine
from wherry.errors import HostError, NotFound
from wherry.host import Command
from wherry.oci.config import ImageConfig
from wherry.oci.platform import Platform
from wherry.settings import Paths, Settings
from wherry.store.lease import Lease

SOURCES = (("/etc/apt/sources.list", "deb http://joe:secret@mirror.example/debian trixie main\n"),)


class Stage:
    """A store in a temporary folder, a machine, and a record of which programs were run."""

    def __init__(self, folder: Path, machine: Machine) -> None:
        self.host = AnsweringHost({"/sbin/ldconfig": "", "dpkg-query": ""})
        self.engine = Engine(Settings(Paths.for_user({}, 1, str(folder / "store")), {}, 1, "/"), self.host)
        self.said: list[str] = []
        self.ran: list[tuple[Command, str]] = []
        self.maker = Maker(
            self.host, self.engine.layers, machine, self.play, cache=str(folder / "cache"), say=self.said.append
        )

    def play(self, command: Command, title: str) -> None:
        """What mmdebstrap leaves behind, good and bad."""
        self.ran.append((command, title))
        argv = list(command.argv)
        is_root = "--variant=minbase" in argv
        target = Path(argv[-2]) if is_root else Path(argv[argv.index("sh") + 5])
        files = {"etc/apt/sources.list.d/0000sources.list": "x", "dev/null": "", "var/log/dpkg.log": "today"}
        if is_root:
            files |= {"etc/apt/apt.conf.d/70debconf": "", "etc/dpkg/dpkg.cfg.d/x": "", "usr/bin/dpkg": "", "tmp/x": ""}
        else:
            files |= {"usr/local/lib/python-version": "3.13.5\n", "usr/lib/python3/__pycache__/a.pyc": "x"}
        for name, text in files.items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_text(text)

    def tree(self, config: ImageConfig, layer: int) -> dict[str, Path]:
        folder = Path(self.engine.layers.path(config.diff_ids[layer]))
        return {str(path.relative_to(folder)): path for path in folder.rglob("*") if not path.is_dir()}


def machine(*pythons: Python, codename: str = "trixie") -> Machine:
    return Machine(codename, "/usr/share/keyrings/debian-archive-keyring.pgp", pythons, SOURCES, "",
                   {"PIP_CERT": "/host.pem"}, Platform("linux", "amd64"))  # fmt: skip


Staged = Callable[[Machine], tuple[Stage, Lease]]


@pytest.fixture
def staged(tmp_path: Path) -> Iterator[Staged]:
    with ExitStack() as stack:

        def make(found: Machine) -> tuple[Stage, Lease]:
            stage = Stage(tmp_path, found)
            stack.callback(stage.engine.close)
            return stage, stack.enter_context(stage.engine.leases.hold("test"))

        yield make


def test_a_debian_root_has_its_own_sources_and_nothing_that_changes_from_run_to_run(staged: Staged) -> None:
    stage, lease = staged(machine())
    config = stage.maker.make_debian(DebianRecipe("trixie", True), lease, fresh=False)
    tree = stage.tree(config, 0)
    assert not {"etc/apt/sources.list.d/0000sources.list", "dev/null", "var/log/dpkg.log", "tmp/x"} & tree.keys()
    text = tree["etc/apt/sources.list.d/debian.sources"].read_text()
    assert "URIs: http://mirror.example/debian\n" in text
    assert "secret" not in text
    assert config.config.cmd == ("bash",)
    assert "not the official debian:trixie-slim" in config.config.labels[LABEL]
    assert "PIP_CERT" not in (stage.ran[0][0].env or {})


def test_the_second_image_takes_the_root_of_the_first_unless_it_shall_be_fresh(staged: Staged) -> None:
    stage, lease = staged(machine())
    recipe = DebianRecipe("trixie", True)
    first = stage.maker.make_debian(recipe, lease, fresh=False)
    assert stage.maker.make_debian(recipe, lease, fresh=False).diff_ids == first.diff_ids
    assert len(stage.ran) == 1
    stage.maker.make_debian(recipe, lease, fresh=True)
    stage.maker.make_debian(DebianRecipe("trixie", False), lease, fresh=False)
    assert len(stage.ran) == 3


def test_a_root_older_than_a_week_is_made_anew(staged: Staged, tmp_path: Path) -> None:
    stage, lease = staged(machine())
    stage.maker.make_debian(DebianRecipe("trixie", True), lease, fresh=False)
    for path in (tmp_path / "cache").iterdir():
        os.utime(path, (0, 0))
    stage.maker.make_debian(DebianRecipe("trixie", True), lease, fresh=False)
    assert len(stage.ran) == 2


def test_without_a_cpython_debians_own_python_is_taken(staged: Staged) -> None:
    stage, lease = staged(machine())
    config = stage.maker.make_python(PythonRecipe("3", ""), lease, packages=("git",), fresh=False)
    assert "PYTHON_VERSION=3.13.5" in config.config.env
    assert config.config.labels[LABEL].startswith("Debian's own Python 3.13.5")
    assert not {"usr/local/lib/python-version", "usr/lib/python3/__pycache__/a.pyc"} & stage.tree(config, 1).keys()
    include = next(word for word in stage.ran[1][0].argv if word.startswith("--include="))
    assert {"python3.13", "python3-pip", "git"} <= set(include.removeprefix("--include=").split(","))
    assert [step.created_by for step in config.history] == [
        "wherry bootstrap debian:trixie-slim", "wherry bootstrap python:3.13.5"]  # fmt: skip


@pytest.fixture
def cpython(tmp_path: Path) -> Python:
    prefix = tmp_path / "pythons" / "3.10.13"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "python3.10").write_text("#!interpreter\n")
    (prefix / "lib" / "python3.10").mkdir(parents=True)
    (prefix / "lib" / "python3.10" / "os.py").write_text("")
    return Python("3.10.13", str(prefix))


def test_a_cpython_of_the_machine_is_preferred_and_named_in_the_label(staged: Staged, cpython: Python) -> None:
    stage, lease = staged(machine(cpython))
    config = stage.maker.make_python(PythonRecipe("3.10", ""), lease, fresh=False)
    assert config.config.env[-1] == "PYTHON_VERSION=3.10.13"
    assert "CPython 3.10.13 of this machine" in config.config.labels[LABEL]
    assert "usr/local/lib/python3.10/os.py" in stage.tree(config, 1)
    assert os.readlink(stage.tree(config, 1)["usr/local/bin/python3"]) == "python3.10"


@pytest.mark.parametrize(
    ("recipe", "says"), [(PythonRecipe("3.7", ""), "no Python 3.7"), (PythonRecipe("3.13", "bookworm"), "bookworm")]
)
def test_what_the_machine_does_not_have_is_said_before_anything_runs(
    staged: Staged, recipe: PythonRecipe, says: str
) -> None:
    stage, lease = staged(machine())
    with pytest.raises(NotFound, match=says):
        stage.maker.make_python(recipe, lease, fresh=False)
    assert stage.ran == []


def test_a_machine_that_is_no_debian_makes_no_python(staged: Staged) -> None:
    stage, lease = staged(machine(codename=""))
    with pytest.raises(HostError, match="no Debian machine"):
        stage.maker.make_python(PythonRecipe("3", ""), lease, fresh=False)
