"""`RUN pip install` compiles on all processors: the image is the one that pip alone makes."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.integration.lesson import Lesson
from tests.integration.test_layers_of_wheels import wheel

pytestmark = pytest.mark.requires("root", "runc", "mmdebstrap", "mirror")

# Not one simple command: this one is pip's alone
ALONE = " && true"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pip meets: many modules, one that is no Python, one in a codec of its own, .pyc files, a shared file."""
    folder = tmp_path_factory.mktemp("wheels")
    many = {f"demo/m{number}.py": f"NAMES = {{'a', 'b', {number}}}\n".encode() * 20 for number in range(120)}
    wheel(folder, "demo", "1.0", {
        **many, "demo/__init__.py": b"", "demo/broken.py": b"def (:\n",
        "demo/old.py": "# -*- coding: big5 -*-\nx = 1\n".encode("big5"),
        "demo/__pycache__/m1.cpython-310.pyc": b"of another machine",
        "demo-1.0.data/data/share/demo/extra.py": b"y = 2\n", "shared/__init__.py": b"",
    }, scripts="demo = demo.m0:main", needs="other")  # fmt: skip
    wheel(folder, "other", "2.0", {"other.py": b"z = 3\n", "shared/__init__.py": b""})
    wheel(folder, "later", "1.0", {"later.py": b"w = 4\n"}, needs="demo")
    return folder


@pytest.fixture(scope="module")
def build(lesson: Lesson, wheels: Path) -> object:
    def make(name: str, command: str, *argv: str) -> None:
        text = f"FROM BASE\nWORKDIR /app\nCOPY . /app\nRUN {command}\n"
        # Modules in the working folder are the project's own
        context = lesson.context(name, {"Dockerfile": text, "csv.py": "raise SystemExit(9)", "re.py": ""})
        shutil.copytree(wheels, context / "wheels", dirs_exist_ok=True)
        (context / "Dockerfile").rename(context.parent / f"{name}.Dockerfile")
        lesson.must("build", "-f", str(context.parent / f"{name}.Dockerfile"), "-t", name, *argv, str(context))

    return make


PIP = "pip install --no-index --find-links wheels"


@pytest.mark.parametrize("flags", [(), ("--no-ambient-cache",), ("--no-traced-cache",)], ids=" ".join)
def test_it_leaves_what_pip_alone_leaves(lesson: Lesson, build: object, flags: tuple[str, ...]) -> None:
    build("alone", f"{PIP} demo{ALONE}", *flags)  # type: ignore[operator]
    for turn in range(2):
        build(f"fast{turn}", f"{PIP} demo", "--no-cache", *flags)  # type: ignore[operator]
        assert lesson.must("image", "diff", "alone", f"fast{turn}") == "no difference\n"


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of the folder; what "demo" needs comes late, so that its modules are compiled meanwhile."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(folder))  # type: ignore[arg-type]

        def do_GET(self) -> None:
            if "/other-" in self.path:
                time.sleep(2)
            super().do_GET()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("flags", [(), ("--no-traced-cache",)], ids=" ".join)
def test_what_is_compiled_while_pip_works_is_the_same(
    lesson: Lesson, wheels: Path, build: object, flags: tuple[str, ...]
) -> None:
    with served(wheels) as address:
        command = f"pip install --no-index --trusted-host 127.0.0.1 --find-links {address} demo"
        build("net-alone", f"{command}{ALONE}", "--network", "host", "--no-cache", *flags)  # type: ignore[operator]
        build("net", command, "--network", "host", "--no-cache", *flags)  # type: ignore[operator]
    assert lesson.must("image", "diff", "net-alone", "net") == "no difference\n"


def test_nothing_that_was_compiled_is_kept_for_another_build(lesson: Lesson, build: object) -> None:
    build("first", f"{PIP} demo")  # type: ignore[operator]
    assert not list(lesson.root.glob("cache/ambient/bytecode*"))
    build("more", f"{PIP} later")  # type: ignore[operator]
    build("more-alone", f"{PIP} later{ALONE}")  # type: ignore[operator]
    assert lesson.must("image", "diff", "more", "more-alone") == "no difference\n"


def test_a_failed_install_fails_with_pips_own_status_and_words(lesson: Lesson) -> None:
    context = lesson.context("failed", {"Dockerfile": "FROM BASE\nRUN pip install --no-index nothing\n"})
    done = lesson.wherry("build", str(context))
    assert done.returncode == 1
    assert "No matching distribution found for nothing" in done.stderr
    assert "exit code: 1" in done.stderr
    assert "posix_spawn" not in done.stderr
