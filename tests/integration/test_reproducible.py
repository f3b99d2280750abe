"""The same inputs give the same image, wherever, whenever and by whomever it is built."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.build_lab import Lab
from wherry.build.options import BuildOptions
from wherry.build.progress import Quiet
from wherry.cancel import Cancel
from wherry.engine.builds import BuildRequest
from wherry.oci.platform import Platform

pytestmark = pytest.mark.requires("root", "runc", "busybox")
CODE = "import sys; from wherry.cli.main import main; sys.exit(main(sys.argv[1:]))"
# What a step could see of the machine and of the caller, written down; folders are listed as they come
STEPS = """FROM busybox AS tools
RUN for i in 9 3 7 1; do mkdir -p /t/$i; echo $i > /t/$i/f; done
FROM busybox
WORKDIR /app
COPY . .
RUN env | sort > /env; umask > /umask; hostname > /host; date +%Z%z > /zone; pwd > /pwd; id > /id
RUN grep stack /proc/self/maps | cut -d' ' -f1 | cut -d- -f2 > /stack; cat /proc/self/personality > /personality
RUN stat -c '%n %a %u %y' /app/* > /stat; ls -l /app > /ls; touch /new; stat -c %a /new >> /stat
COPY --from=tools --chown=1000 /t /t
RUN find /app /bin /etc /t /tmp | sort > /all; ls / >> /all
"""
FILES = {"b": "b", "a": "a", "sub/z": "z", "sub/y/x": "x", "link-target": "t"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("same"))
    yield lab
    assert lab.leftovers() == {}
    lab.close()


@pytest.fixture(scope="module")
def expected(lab: Lab) -> str:
    return lab.build(context(lab, "first"))


def context(lab: Lab, name: str, order: int = 0) -> Path:
    """The files, written in another order for each number: folders list them in another order then."""
    files = list({"Dockerfile": STEPS, **FILES}.items())
    random.Random(order).shuffle(files)
    folder = lab.context(name, dict(files))
    (folder / "link").symlink_to("link-target")
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


@contextmanager
def tmpfs(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m", "wherry-test", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def build(lab: Lab, folder: Path, *around: str, env: dict[str, str] | None = None) -> str:
    """Without the cache, by a command line that `around` starts."""
    command = [*around, sys.executable, "-c", CODE, "--root", str(lab.root), "build", "-q", "--no-cache", str(folder)]
    done = subprocess.run(
        command, cwd=lab.folder, env=lab.env | (env or {}), capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_again_without_the_cache(lab: Lab, expected: str) -> None:
    assert build(lab, lab.folder / "first") == expected


def test_addresses_in_a_step_are_not_random(lab: Lab, expected: str) -> None:
    tree = lab.listing(expected)
    assert r"personality '00040000\n'" in tree
    ends = {lab.listing(build(lab, lab.folder / "first")).partition("stack '")[2].split("'")[0] for _ in range(3)}
    assert len(ends) == 1


def test_in_another_folder_from_files_of_another_time_and_order(lab: Lab, expected: str) -> None:
    folder = context(lab, "another folder", 1)
    for number, path in enumerate(folder.rglob("*")):
        os.utime(path, (number * 1000, number * 1000), follow_symlinks=False)
    assert build(lab, folder) == expected


@pytest.mark.parametrize(
    ("around", "env"),
    [
        (("sh", "-c", 'umask 077; exec "$@"', "sh"), {}),
        (("sh", "-c", 'umask 000; exec "$@"', "sh"), {}),
        ((), {"TZ": "Asia/Tokyo", "LANG": "de_DE.UTF-8", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent", "X": "y" * 9999}),
        ((), {"PYTHONHASHSEED": "7", "USER": "somebody", "HOSTNAME": "elsewhere", "PWD": "/"}),
        (("unshare", "--uts", "sh", "-c", 'hostname elsewhere; exec "$@"', "sh"), {}),
        (("sh", "-c", 'ulimit -s 65536; exec "$@"', "sh"), {}),
        (("taskset", "-c", "0"), {}),
    ],
    ids=["umask-077", "umask-0", "locale", "environment", "hostname", "stack", "one-cpu"],
)
def test_whoever_calls(lab: Lab, expected: str, around: tuple[str, ...], env: dict[str, str]) -> None:
    assert build(lab, lab.folder / "first", *around, env=env) == expected


@pytest.mark.parametrize("jobs", [1, 4])
def test_on_any_number_of_workers(lab: Lab, expected: str, jobs: int) -> None:
    options = BuildOptions(no_cache=True, host_platform=Platform.of("linux", os.uname().machine))
    request = BuildRequest(str(lab.folder / "first"), options, jobs=jobs)
    assert str(lab.engine.builds.build(request, Quiet(), Cancel()).id) == expected


def test_in_another_root_on_a_tmpfs(lab: Lab, expected: str, tmp_path: Path) -> None:
    with tmpfs(tmp_path / "mounted") as folder:
        other = Lab(folder)
        try:
            assert build(other, context(other, "context", 2)) == expected
            assert build(other, lab.folder / "first") == expected
        finally:
            other.close()


def test_split_or_not_and_traced_or_not_the_files_are_the_same(lab: Lab, expected: str) -> None:
    whole = lab.build(lab.folder / "first", "--no-cache", "--no-split-packages", "--no-traced-cache")
    assert lab.listing(whole) == lab.listing(expected)


def test_the_time_is_the_one_that_is_given(lab: Lab, expected: str) -> None:
    folder = lab.folder / "first"
    given = build(lab, folder, env={"SOURCE_DATE_EPOCH": "1700000000"})
    assert given != expected
    assert lab.build(folder, "--no-cache", "--build-arg", "SOURCE_DATE_EPOCH=1700000000") == given
    config = lab.engine.images.config(lab.engine.image_store.resolve(given).id)
    assert config.created == "2023-11-14T22:13:20Z"
    top = Path(lab.layers(given)[-1])
    assert {path.lstat().st_mtime for path in top.rglob("*")} == {1_700_000_000}
    assert build(lab, folder, env={"SOURCE_DATE_EPOCH": "1700000001"}) not in (given, expected)


@pytest.mark.requires("git")
def test_two_clones_give_one_image_that_was_made_when_it_was_committed(lab: Lab, expected: str) -> None:
    origin = context(lab, "origin")
    (origin / ".dockerignore").write_text(".git\n.dockerignore\n")
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@b.c"]
    env = {**lab.env, "GIT_COMMITTER_DATE": "2024-03-01T12:00:00+0100", "GIT_CONFIG_GLOBAL": "/dev/null"}
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        subprocess.run([*git, *words], cwd=origin, env=env, check=True)
    images = []
    for name in ("clone-1", "clone-2"):
        subprocess.run([*git, "clone", "-q", str(origin), str(lab.folder / name)], env=env, check=True)
        images.append(build(lab, lab.folder / name))
    assert images[0] == images[1] != expected
    config = lab.engine.images.config(lab.engine.image_store.resolve(images[0]).id)
    assert config.created == "2024-03-01T11:00:00Z"
    # The commit's time is the image's, not its files': the layers are those of a folder that is in no repository
    ours = lab.engine.images.config(lab.engine.image_store.resolve(expected).id)
    assert config.diff_ids == ours.diff_ids


names = st.sampled_from(["a", "b", "é", "A", "a.b", "-x", "dir"])


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(names, st.binary(max_size=40), min_size=1, max_size=5), st.integers(0, 9), st.integers(0, 9))
def test_any_files_in_any_order(lab: Lab, files: dict[str, bytes], first: int, second: int) -> None:
    images = []
    for number, order in enumerate((first, second)):
        folder = lab.folder / f"any-{number}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        items = [("Dockerfile", b"FROM busybox\nCOPY . /x\nRUN cp -r /x /y; cat /x/* > /z; rm /x/Dockerfile\n")]
        items += list(files.items())
        random.Random(order).shuffle(items)
        for name, data in items:
            (folder / name).write_bytes(data)
            os.utime(folder / name, (order, order))
        images.append(lab.build(folder, "--no-cache"))
    assert images[0] == images[1]
