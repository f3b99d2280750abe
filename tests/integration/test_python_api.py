"""wherry.Engine and wherry.testing, with real containers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import wherry as package
from tests.integration.container_lab import Wherry, eventually
from wherry import CommandFailed, Engine
from wherry.errors import CommandNotFound, Conflict, NotFound
from wherry.testing import NotReady, exits, is_healthy, listens, says, throwaway
from wherry.testing.guard import LABEL
from wherry.testing.throwaway import guard_of

pytestmark = pytest.mark.requires("root", "busybox", "runc")
ALONE = {"network": "none"}


@pytest.fixture
def engine(wherry: Wherry) -> Iterator[Engine]:
    with Engine(wherry.root) as found:
        yield found


def test_run_is_subprocess_run_in_an_image(engine: Engine) -> None:
    done = engine.run(
        "busybox", "sh -c 'cat; echo $A; id -u; echo err >&2'", input=b"in\n", env={"A": "b c"}, user="7", **ALONE
    )
    assert (done.code, done.stdout, done.stderr) == (0, b"in\nb c\n7\n", b"err\n")
    assert done.text == "in\nb c\n7\n"
    assert engine.ps(all=True) == []


def test_more_output_than_pipes_hold_and_more_input_than_is_read(engine: Engine) -> None:
    done = engine.run("busybox", "head -c 5000000 /dev/zero", input=b"x" * 1_000_000, **ALONE)
    assert len(done.stdout) == 5_000_000


def test_what_fails_says_how(engine: Engine) -> None:
    with pytest.raises(CommandFailed, match="sh in busybox ended with code 3:\nit broke") as told:
        engine.run("busybox", ["sh", "-c", "echo it broke >&2; exit 3"], **ALONE)
    assert told.value.finished.code == 3
    assert engine.run("busybox", "false", check=False, **ALONE).code == 1
    with pytest.raises(CommandNotFound):
        engine.run("busybox", "nosuch", **ALONE)
    with pytest.raises(NotFound, match="No such image"):
        engine.run("nosuch", "true", pull="never")
    with pytest.raises(package.WherryError, match="Invalid containerPort"):
        engine.run("busybox", "true", ports=["99999999"])
    assert engine.ps(all=True) == []


def test_a_command_that_takes_too_long_is_killed(engine: Engine) -> None:
    with pytest.raises(TimeoutError, match=r"sleep in busybox was killed after 0.3 s"):
        engine.run("busybox", "sleep 100", timeout_s=0.3, **ALONE)
    assert engine.ps(all=True) == []


INTERRUPTED = """\
import os, signal, sys, threading, time, wherry
engine = wherry.Engine(sys.argv[1])
def interrupt():
    time.sleep(float(sys.argv[2]))
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    engine.run("busybox", "sleep 1000", input=b"x" * 1_000_000, network="none")
except KeyboardInterrupt:
    print(len(engine.ps(all=True)), threading.active_count())
"""


def test_a_run_that_is_interrupted_at_any_moment_leaves_nothing(wherry: Wherry) -> None:
    for step in range(14):
        done = subprocess.run(
            [sys.executable, "-c", INTERRUPTED, str(wherry.root), str(0.04 + step * 0.008)], check=False,
            capture_output=True, text=True, timeout=30,
        )  # fmt: skip
        assert done.stdout == "0 1\n", (step, done.stderr)


def zombies() -> set[str]:
    """Dead children of this process that nobody has asked about yet."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {pid for pid in children if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"}


def test_containers_that_are_over_stay_not_in_the_process_table(engine: Engine) -> None:
    others = zombies()
    for _ in range(5):
        with engine.start("busybox", "sleep 1000", **ALONE):
            pass

    def are_reaped() -> bool:
        engine.run("busybox", "true", **ALONE)
        return not zombies() - others

    # Each start reaps what is dead by then
    eventually(are_reaped, "they are reaped")


def test_a_container_to_talk_to(engine: Engine, tmp_path: Path) -> None:
    script = "echo ready; trap 'exit 4' TERM; while :; do sleep 0.05; done"
    with engine.start("busybox", ["sh", "-c", script], name="talk", labels={"a": "b"}, **ALONE) as box:
        assert (box.name, box.status, box.health) == ("talk", "running", "")
        assert [one.id for one in engine.ps()] == [box.id]
        assert box.exec("sh -c 'cat; echo $X'", input=b"1", env={"X": "2"}).stdout == b"12\n"
        with pytest.raises(CommandFailed, match="false in container talk"):
            box.exec("false")
        box.write("/tmp/f", b"data", mode=0o600)
        assert box.read("/tmp/f") == b"data"
        with pytest.raises(Conflict):
            box.read("/tmp")
        with pytest.raises(NotFound):
            box.read("/nosuch")
        (tmp_path / "here").write_text("x")
        box.copy_in(str(tmp_path / "here"), "/tmp/there")
        box.copy_out("/tmp/there", str(tmp_path / "back"))
        assert (tmp_path / "back").read_text() == "x"
        assert box.inspect()["Config"]["Labels"]["a"] == "b"
        assert box.logs() == "ready\n"
        image = box.commit("talk:1")
        assert engine.run("talk:1", "cat /tmp/f", **ALONE).text == "data"
        assert engine.images.resolve("talk:1").id == image.id
        box.pause()
        assert box.status == "paused"
        box.unpause()
        box.stop()
        assert box.wait() == 4
        box.start()
        assert box.is_running
    with pytest.raises(NotFound):
        engine.container("talk")
    engine.images.remove("talk:1")


def test_build_and_everything_below(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox AS a\nARG W\nRUN echo $W > /w\nFROM a\nRUN false\n")
    image = engine.build(tmp_path, tag="made:1", target="a", build_args={"W": "words"}, flags=["--label", "x=y"])
    assert engine.images.config(image.id).config.labels["x"] == "y"
    assert engine.run("made:1", "cat /w", **ALONE).text == "words\n"
    with pytest.raises(package.WherryError):
        engine.build(tmp_path)
    volume = engine.volumes.create("kept")
    engine.run("busybox", "touch /v/x", volumes=["kept:/v"], **ALONE)
    assert engine.run("busybox", "ls /v", volumes=["kept:/v"], **ALONE).text == "x\n"
    engine.volumes.remove(volume.name)
    engine.images.remove("made:1")


@pytest.mark.requires("nft", "ip")
def test_a_throwaway_is_ready_when_it_is_given(engine: Engine) -> None:
    script = "sleep 0.3; echo serving; mkdir /www; echo hello > /www/index.html; exec httpd -f -p 8000 -h /www"
    with throwaway(engine, "busybox", ["sh", "-c", script], ports=[8000], ready=[says("^serv"), listens(8000)]) as web:
        import urllib.request

        assert web.port(8000) > 1024
        with urllib.request.urlopen(web.url(8000)) as answer:
            assert answer.read() == b"hello\n"
        with pytest.raises(NotFound, match=r"9/tcp of container .* is not published"):
            web.port(9)
    assert engine.ps(all=True) == []


def test_what_never_becomes_ready_says_why_and_is_removed(engine: Engine) -> None:
    with (
        pytest.raises(NotReady, match=r"it ended with code 9 before a line matches 'never'; its last lines:\noh no"),
        throwaway(engine, "busybox", ["sh", "-c", "echo oh no; exit 9"], ready=says("never"), **ALONE),
    ):
        pass
    with (
        pytest.raises(NotReady, match=r"waited 0.2 s in vain until something listens on port 1; it wrote nothing"),
        throwaway(engine, "busybox", "sleep 100", ready=listens(1), timeout_s=0.2, **ALONE),
    ):
        pass
    assert engine.ps(all=True) == []


def test_health_and_ends_can_be_waited_for(engine: Engine) -> None:
    check = ["--health-cmd", "test -e /ok", "--health-interval", "50ms"]
    with throwaway(
        engine, "busybox", "sh -c 'sleep 0.2; touch /ok; sleep 100'", ready=is_healthy(), flags=check, **ALONE
    ):
        pass
    with throwaway(engine, "busybox", "true", ready=exits(0), **ALONE) as done:
        assert done.status == "exited"


KILLED = """\
import sys, time
from wherry import Engine
from wherry.testing import says, throwaway
engine = Engine(sys.argv[1])
context = throwaway(engine, "busybox", "sh -c 'echo up; sleep 1000'", ready=says("up"), network="none")
context.__enter__()
print("up", flush=True)
time.sleep(1000)
"""


def test_containers_of_killed_tests_are_removed_all_the_same(wherry: Wherry, engine: Engine) -> None:
    tests = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(wherry.root)], stdout=subprocess.PIPE, env={**os.environ, "LANG": "C.UTF-8"}
    )
    assert tests.stdout
    assert tests.stdout.readline() == b"up\n"
    assert len(engine.ps()) == 1
    tests.send_signal(signal.SIGKILL)
    tests.wait()
    tests.stdout.close()
    eventually(lambda: engine.ps(all=True) == [], "the guard removes it")


def test_threads_share_one_guard_and_its_death_is_no_fault(wherry: Wherry) -> None:
    with Engine(wherry.root) as engine:
        with ThreadPoolExecutor(8) as pool:
            guards = list(pool.map(lambda _: guard_of(engine), range(8)))
        assert len({id(one) for one in guards}) == len({one.labels[LABEL] for one in guards}) == 1
        os.kill(guards[0]._pid, signal.SIGKILL)
    with Engine(wherry.root) as engine:
        assert engine.ps(all=True) == []


TEST_FILE = """\
from wherry.testing import says

def test_good(throwaway):
    box = throwaway("busybox", "sh -c 'echo fine; sleep 1000'", ready=says("fine"), network="none")
    assert box.is_running

def test_bad(throwaway):
    throwaway("busybox", "sh -c 'echo the reason; sleep 1000'", ready=says("reason"), network="none")
    assert False

def test_gone(throwaway):
    throwaway("busybox", "sleep 1000", network="none").remove(force=True)
    assert False, "for its own reason"
"""


def test_the_fixtures_show_what_the_containers_of_a_failed_test_wrote(
    wherry: Wherry, engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["wherry.testing.fixtures"]\n')
    (tmp_path / "test_it.py").write_text(TEST_FILE)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(tmp_path)], cwd=tmp_path, check=False,
        capture_output=True, text=True, env={**os.environ, "WHERRY_ROOT": str(wherry.root)},
    )  # fmt: skip
    assert "2 failed, 1 passed" in done.stdout
    assert "for its own reason" in done.stdout
    assert "the reason" in done.stdout
    assert "fine" not in done.stdout
    deadline = time.monotonic() + 20
    while engine.ps(all=True):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def blocks(page: str) -> list[str]:
    text = (Path(__file__).parents[2] / "docs" / page).read_text()
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.requires("nft", "ip")
@pytest.mark.parametrize("page", ["python.md", "testing.md"])
def test_the_examples_of_the_guides_run(wherry: Wherry, engine: Engine, tmp_path: Path, page: str) -> None:
    """All blocks of a page, one after the other, as one program; busybox stands in for Debian."""
    wherry("tag", "busybox", "debian:trixie-slim")
    code = "\n".join(one for one in blocks(page) if not one.startswith(("# conftest.py", "# test_")))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "WHERRY_ROOT": str(wherry.root)}, check=False,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    wherry("rmi", "debian:trixie-slim")
    assert engine.ps(all=True) == []
