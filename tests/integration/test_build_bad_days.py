"""Builds that are wrong, killed, interrupted, out of space, or many at once."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.build_lab import Lab

pytestmark = pytest.mark.requires("root", "runc", "busybox")
CODE = "import sys; from wherry.cli.main import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    lab.close()


def start(lab: Lab, *argv: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", CODE, "--root", str(lab.root), "build", "--progress", "plain", *argv],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=lab.folder, env=lab.env,
    )  # fmt: skip


def processes(mark: str) -> list[str]:
    """Command lines of live processes that hold `mark`, this one's children by name excluded."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            text = Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if mark in text and int(name) != os.getpid():
            found.append(text)
    return found


def machine() -> dict[str, set[str]]:
    """What of the machine a build touches while it runs: links, cgroups, named namespaces."""
    cgroups = {
        str(path)
        for top in ("/sys/fs/cgroup", *map(str, Path("/sys/fs/cgroup").glob("*")))
        for path in Path(top).glob("wherry/step-*")
    }
    return {"links": {name for name in os.listdir("/sys/class/net") if name.startswith("v")}, "cgroups": cgroups}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("FROM busybox\nCOPPY a b\n", "unknown instruction"),
        ("FROM busybox\nCOPY nope /\n", '"/nope": not found in the build context'),
        ("FROM busybox\nCOPY ../outside /\n", "not found in the build context"),
        ("FROM busybox\nCOPY link /\n", "not found in the build context"),
        ("FROM busybox\nCOPY --from=nope /x /\n", "nope is not on this machine"),
        ("FROM nope/nope\n", "the base image nope/nope is not on this machine"),
        ("FROM busybox AS a\nCOPY --from=b / /\nFROM busybox AS b\nCOPY --from=a / /\n", "circular"),
        ("FROM busybox\nRUN --mount=type=secret,id=s,required true\n", "secret s: not found"),
        ("FROM busybox\nCOPY --chown=who f /\n", "unknown user 'who'"),
        ("FROM busybox\nUSER who\nRUN true\n", "who"),
        ("", "no "),
        ("FROM busybox\nRUN echo \x00\n", "Dockerfile"),
    ],
)
def test_a_wrong_dockerfile_says_what_and_where(lab: Lab, text: str, says: str) -> None:
    context = lab.context("wrong", {"Dockerfile": text, "f": "f"})
    (lab.folder / "outside").write_text("secret")
    (context / "link").symlink_to(lab.folder / "outside")
    done = lab.wherry("build", str(context))
    assert done.returncode == 1
    assert says in done.stderr.split("------\nwherry:")[-1]
    assert "Traceback" not in done.stderr
    assert lab.leftovers() == {}


def test_a_base_image_that_can_be_made_here_says_how(lab: Lab) -> None:
    done = lab.wherry("build", str(lab.context("hint", {"Dockerfile": "FROM python:3.10\n"})))
    assert "wherry bootstrap python:3.10" in done.stderr


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["nowhere"], "path"),
        (["-f", "Dockerfile.prd", "here"], "did you mean"),
        (["empty"], "failed to read dockerfile"),
        (["-f", "here", "here"], "is not a file"),
        (["-f", "big", "here"], "larger than 1 MB"),
        (["-f", "here/Dockerfile", "here/Dockerfile"], "is not a folder"),
        (["--target", "x", "here"], "target stage 'x' could not be found"),
        (["-t", "UPPER", "here"], "invalid reference format"),
        (["--network", "mine", "here"], "not supported yet"),
        (["--progress", "odd", "here"], "auto, plain or tty"),
        (["--ulimit", "x", "here"], "ulimit"),
        (["--build-arg", "SOURCE_DATE_EPOCH=today", "here"], "SOURCE_DATE_EPOCH"),
    ],
)
def test_a_wrong_command_line_says_so(lab: Lab, argv: list[str], says: str) -> None:
    lab.context("here", {"Dockerfile": "FROM busybox\n"})
    (lab.folder / "Dockerfile.prod").write_text("FROM busybox\n")
    (lab.folder / "empty").mkdir()
    (lab.folder / "big").write_bytes(bytes(2 << 20))
    done = lab.wherry("build", *argv)
    assert done.returncode in (1, 125)
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_binary_dockerfile_is_refused_in_words(lab: Lab) -> None:
    context = lab.context("binary", {"f": ""})
    (context / "Dockerfile").write_bytes(random.Random(1).randbytes(100_000))
    done = lab.wherry("build", str(context))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 20_000


def test_ctrl_c_ends_the_step_and_leaves_nothing(lab: Lab) -> None:
    before = machine()
    context = lab.context("slow", {"Dockerfile": "FROM busybox\nRUN echo begun; sleep 31337\n"})
    build = start(lab, str(context))
    assert build.stderr is not None
    for line in build.stderr:
        if b"begun" in line and b"RUN" not in line:
            break
    started = time.monotonic()
    build.send_signal(signal.SIGINT)
    rest = build.stderr.read().decode()
    build.stderr.close()
    assert build.wait(60) == 130
    assert time.monotonic() - started < 30
    assert "Traceback" not in rest
    assert lab.leftovers() == {}
    assert processes("sleep 31337") == []
    assert machine() == before


STEPS = """FROM busybox AS a
RUN mkdir /d && for i in 1 2 3 4 5 6 7 8; do echo $i > /d/$i; done; sleep 0.1
FROM busybox
WORKDIR /app
COPY . .
RUN cat f* > all; sleep 0.1
COPY --from=a /d /d
RUN rm f1 && sleep 0.1
"""


def test_a_killed_build_leaves_nothing_that_the_next_one_does_not_repair(lab: Lab) -> None:
    before = machine()
    files = {f"f{number}": "x" * 5000 for number in range(40)}
    context = lab.context("killed", {"Dockerfile": STEPS, **files})
    expected = lab.build(context)
    chance = random.Random(7)
    for round_ in range(50):
        # Another file each time, so that there is work to be killed in
        (context / "f0").write_text(str(round_))
        build = start(lab, str(context))
        time.sleep(chance.uniform(0.02, 0.9))
        build.kill()
        build.wait()
        assert build.stderr is not None
        build.stderr.close()
    (context / "f0").write_text("x" * 5000)
    assert lab.build(context) == expected
    assert lab.build(context, "--no-cache") == expected
    assert lab.leftovers() == {}
    assert machine() == before


def test_four_builds_at_once_of_the_same_and_of_different_things(lab: Lab) -> None:
    before = machine()
    contexts = [lab.context(f"many{n}", {"Dockerfile": STEPS, "f1": "same"}) for n in range(4)]
    (contexts[3] / "f1").write_text("different")
    builds = [start(lab, "-t", f"many{n % 3}", str(context)) for n, context in enumerate(contexts)]
    said = []
    for build in builds:
        assert build.stderr is not None
        said.append(build.stderr.read().decode())
        build.stderr.close()
        assert build.wait() == 0, said[-1]
    ids = [re.findall(r"writing image (sha256:\w+)", text)[0] for text in said]
    assert ids[0] == ids[1] == ids[2] != ids[3]
    assert lab.leftovers() == {}
    assert machine() == before


@pytest.mark.requires("mkfs.ext4")
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    stack = ExitStack()
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "wherry-test", str(disk)], check=True)
    try:
        lab = Lab(disk)
        stack.callback(lab.close)
        context = lab.context("big", {"Dockerfile": "FROM busybox\nRUN head -c 60000000 /dev/zero > /f\n"})
        done = lab.wherry("build", str(context))
        assert done.returncode == 1
        assert "No space left" in done.stderr or "no space left" in done.stderr
        (context / "Dockerfile").write_text("FROM busybox\nCOPY big /big\n")
        large = tmp_path / "large"
        large.mkdir()
        (large / "big").write_bytes(bytes(40_000_000))
        done = lab.wherry("build", "-f", str(context / "Dockerfile"), str(large))
        assert done.returncode == 1
        assert "No space left" in done.stderr or "no space left" in done.stderr
        assert "Traceback" not in done.stderr
        assert lab.leftovers() == {}
        (context / "Dockerfile").write_text("FROM busybox\nRUN echo fits > /f\n")
        lab.build(context)
    finally:
        stack.close()
        # Lazily: whatever still holds it, it must not stay in the way of other tests' clean-up
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_twenty_thousand_files_are_built_and_found_again(lab: Lab) -> None:
    context = lab.context("many", {"Dockerfile": "FROM busybox\nCOPY data /data\n"})
    for number in range(20_000):
        folder = context / "data" / str(number // 500)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / str(number)).write_bytes(b"%d" % number)
    image = lab.build(context)
    assert sum(len(files) for _, _, files in os.walk(lab.layers(image)[1])) == 20_000
    assert "#3 CACHED" in lab.wherry("build", str(context)).stderr


def test_a_file_that_changes_all_the_time_is_named(lab: Lab) -> None:
    context = lab.context("restless", {"Dockerfile": "FROM busybox\nCOPY log /log\n"})
    (context / "log").write_bytes(bytes(30_000_000))
    with ThreadPoolExecutor(1) as pool:
        running = [True]

        def write() -> None:
            while running[0]:
                with (context / "log").open("ab") as file:
                    file.write(b"x")
                time.sleep(0.001)

        writer = pool.submit(write)
        done = lab.wherry("build", str(context))
        running[0] = False
        writer.result()
    assert done.returncode == 1
    assert "chang" in done.stderr
    assert "log" in done.stderr
    assert lab.leftovers() == {}
