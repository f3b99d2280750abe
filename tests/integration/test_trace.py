"""Which command looks at what: the server below a step's overlay hears all of it, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.trace_lab import TraceLab

pytestmark = pytest.mark.requires("root", "fuse")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> TraceLab:
    return TraceLab(tmp_path_factory.mktemp("trace"))


def fill(folder: Path) -> None:
    app = folder / "app"
    (app / "sub").mkdir(parents=True)
    (app / "a.txt").write_text("hello\n")
    (app / "b.py").write_text("print('from b')\n")
    (app / "l").symlink_to("a.txt")
    (app / "sub" / "x").write_text("x")
    (app / "s.sh").write_text("#!/bin/sh\necho script\n")
    (app / "s.sh").chmod(0o755)


@pytest.fixture(scope="module")
def layer(lab: TraceLab) -> Path:
    return lab.layer("one", fill)


# N: there or not, and its attributes; C: content; K: target of a link; L: listing; X: extended attributes
LOOKS: dict[str, dict[str, str]] = {
    "true": {},
    "cat a.txt": {"a.txt": "NC"},
    "cat l": {"l": "NK", "a.txt": "NC"},
    "readlink l": {"l": "NK"},
    "test -e a.txt": {"a.txt": "N"},
    "test -r a.txt": {"a.txt": "N"},
    "test -x s.sh": {"s.sh": "N"},
    "test -e gone": {"gone": "N"},
    "stat -c %n sub": {"sub": "N"},
    "cd sub && pwd": {"sub": "N"},
    "exec 3< a.txt": {"a.txt": "N"},
    "./s.sh": {"s.sh": "NC"},
    "python3 -S b.py": {"b.py": "NC"},
    "ls": {".": "NL"},
    "ls sub": {"sub": "NL"},
    "find sub": {"sub": "NL"},
    "rmdir sub 2>/dev/null": {"sub": "NL"},
    "echo new > a.txt": {".": "NX", "a.txt": "NX"},
    "echo more >> a.txt": {".": "NX", "a.txt": "NCX"},
    "chmod 600 a.txt": {".": "NX", "a.txt": "NCX"},
    "rm a.txt": {".": "NX", "a.txt": "N"},
    "echo new > other": {".": "NX", "other": "N"},
    "mv a.txt c.txt": {".": "NX", "a.txt": "NCX", "c.txt": "N"},
    "ln a.txt h": {".": "NX", "a.txt": "NCX", "h": "N"},
    "rm -r sub": {".": "NX", "sub": "NLX", "sub/x": "N"},
    "PATH=/app/sub:$PATH; nothing-of-this-name 2>/dev/null": {"sub": "N", "sub/nothing-of-this-name": "N"},
}


@pytest.mark.parametrize("command", LOOKS)
def test_a_command_is_known_by_its_looks(lab: TraceLab, layer: Path, command: str) -> None:
    done = lab.traced([layer], "/bin/sh", "-c", command)
    said = done.kinds("app/")
    expected = {"app": "N", **{f"app/{path}".removesuffix("/."): kinds for path, kinds in LOOKS[command].items()}}
    assert said == expected, done.output
