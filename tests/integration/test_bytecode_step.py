"""A process compiles modules out of fetched wheels, for the files that pip puts there with the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from wherry.build.ops import bytecode_step as step

CODE = """
import os, sys, time
sys.path.insert(0, SRC)
from wherry.build.ops import bytecode_step as step
step.AHEAD_BYTES = int(sys.argv.pop(1))
ahead = step.Ahead()
time.sleep(float(sys.argv[1]))
print(sorted(map(os.path.basename, ahead.claim(sys.argv[2:]))), ahead.is_done())
"""


class Place:
    """A virtual environment, and pip's temporary folder."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder / "venv", with_pip=False, symlinks=True)
        self.python = folder / "venv/bin/python"
        self.site = next(folder.glob("venv/lib/python3*/site-packages"))
        self.temporary = folder / "tmp"
        self.temporary.mkdir()

    def fetch(self, name: str, files: dict[str, bytes]) -> None:
        folder = self.temporary / f"pip-unpack-{name}"
        folder.mkdir(exist_ok=True)
        with zipfile.ZipFile(folder / f"{name}-1-py3-none-any.whl", "w") as archive:
            for path, data in files.items():
                archive.writestr(path, data)

    def install(self, path: str, data: bytes) -> Path:
        target = self.site / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return target

    def claims(self, expected: str, *paths: Path, limit: int = 1 << 27, **env: str) -> None:
        """What the process says that it has, and whether it wrote that; it gets more time when it has not yet seen
        the wheels.
        """
        code = CODE.replace("SRC", repr(str(Path(step.__file__).parents[3])))
        env = {"PATH": os.environ["PATH"], "TMPDIR": str(self.temporary), **env}
        for wait_s in ("0.2", "0.4", "2", "10"):
            argv = [str(self.python), "-B", "-c", code, str(limit), wait_s, *map(str, paths)]
            done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
            assert done.stderr == ""
            if done.stdout.strip() == expected:
                return
        assert done.stdout.strip() == expected


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def pyc(path: Path) -> Path:
    return path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc"


def imported(place: Place, module: str) -> str:
    """What Python says about importing it."""
    argv = [str(place.python), "-B", "-v", "-c", f"import {module}"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stderr


@pytest.mark.parametrize("epoch", ["", "0"])
def test_what_is_claimed_is_what_python_loads(place: Place, epoch: str) -> None:
    source = b"def f():\n    return 'a \\w'\n"
    place.fetch("demo", {"demo/__init__.py": b"", "demo_one.py": source})
    paths = [place.install("demo/__init__.py", b""), place.install("demo_one.py", source)]
    env = {"SOURCE_DATE_EPOCH": epoch} if epoch else {}
    place.claims("['__init__.py', 'demo_one.py'] True", *paths, **env)
    assert f"{pyc(paths[1])} matches {paths[1]}" in imported(place, "demo_one")
    assert pyc(paths[1]).read_bytes()[4] == (3 if epoch else 0)
    assert pyc(paths[1]).stat().st_mode == paths[1].stat().st_mode


def test_other_bytes_than_the_wheels_are_left_to_the_compiler(place: Place) -> None:
    place.fetch("demo", {"same.py": b"x = 1\n", "other.py": b"x = 1\n", "longer.py": b"x = 1\n", "gone.py": b"x = 1\n"})
    paths = [
        place.install("same.py", b"x = 1\n"), place.install("other.py", b"x = 2\n"),
        place.install("longer.py", b"x = 1\ny = 2\n"), place.install("new.py", b""), place.site / "gone.py",
    ]  # fmt: skip
    place.claims("['same.py'] True", *paths)
    assert [path.stem for path in paths if pyc(path).exists()] == ["same"]


def test_one_large_wheel_is_not_kept_whole(place: Place) -> None:
    source = b"x = '" + b"y" * 50_000 + b"'\n"
    place.fetch("demo", {f"m{number}.py": source for number in range(4)})
    paths = [place.install(f"m{number}.py", source) for number in range(4)]
    # Two modules, source and code, are more than this
    place.claims("['m0.py', 'm1.py'] True", *paths, limit=150_000)


def broken(place: Place) -> None:
    (place.temporary / "pip-unpack-a").mkdir()
    (place.temporary / "pip-unpack-a/half.whl").write_bytes(b"PK\x03\x04 and no end")


def fifo(place: Place) -> None:
    (place.temporary / "pip-unpack-a").mkdir()
    os.mkfifo(place.temporary / "pip-unpack-a/f.whl")


def a_file(place: Place) -> None:
    (place.temporary / "pip-unpack-a").write_bytes(b"")


def a_loop(place: Place) -> None:
    (place.temporary / "pip-unpack-a").symlink_to("pip-unpack-a")


@pytest.mark.parametrize("make", [broken, fifo, a_file, a_loop])
def test_what_is_no_wheel_stops_nothing(place: Place, make: Callable[[Place], None]) -> None:
    make(place)
    place.fetch("z", {"one.py": b""})
    place.claims("['one.py'] True", place.install("one.py", b""))


def test_without_pips_folder_there_is_nothing(place: Place) -> None:
    place.temporary.rmdir()
    # Its process ended with the failure: nobody waits, and everything is compiled afterwards
    place.claims("[] False", place.install("one.py", b""))


def test_a_file_that_cannot_be_written_is_told(place: Place) -> None:
    place.fetch("demo", {"one.py": b""})
    path = place.install("one.py", b"")
    (place.site / "__pycache__").write_bytes(b"")
    place.claims("['one.py'] False", path)
