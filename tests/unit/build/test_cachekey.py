from __future__ import annotations

import pytest

from wherry.build.cachekey import content, step_key
from wherry.build.graph import Copy, InlineFile, Op, Run, RunMount, Vertex, Workdir
from wherry.build.tree import Entry
from wherry.oci.digest import DiffID

A, B = DiffID.of(b"a"), DiffID.of(b"b")
RUN = Run(("sh", "-c", "x"), env=("A=1", "B=2"), hidden_env=("http_proxy=p",))
COPY = Copy(("x",), "/y")


def key(
    op: Op, below: tuple[DiffID, ...] = (A,), content: str = "", platform: str = "linux/amd64", clamp: int = 0
) -> str:
    return step_key(Vertex(0, op, None, (), "name", platform), below, (), content, (clamp,))


@pytest.mark.parametrize(
    "other",
    [
        RUN._replace(argv=("sh", "-c", "y")), RUN._replace(argv=("sh", "-cx")), RUN._replace(env=("A=1", "B=3")),
        RUN._replace(user="app"), RUN._replace(workdir="/w"), RUN._replace(network="none"),
        RUN._replace(script=("EOF", b"x")), RUN._replace(hosts=(("a", "1.1.1.1"),)), RUN._replace(shm_size=1),
        RUN._replace(ulimits=(("nofile", 1, 1),)), RUN._replace(mounts=(RunMount("cache", "/c"),)),
    ],
)  # fmt: skip
def test_everything_that_a_run_can_see_is_in_its_key(other: Run) -> None:
    assert key(other) != key(RUN)


def test_proxies_are_not() -> None:
    assert key(RUN._replace(hidden_env=())) == key(RUN)


def test_the_order_of_the_environment_is_since_a_step_can_read_it() -> None:
    assert key(RUN._replace(env=("B=2", "A=1"))) != key(RUN)


@pytest.mark.parametrize(
    "other",
    [
        COPY._replace(sources=("z",)), COPY._replace(dest="/y/"), COPY._replace(chown="1"), COPY._replace(chmod="1"),
        COPY._replace(link=True), COPY._replace(parents=True), COPY._replace(excludes=("x",)),
        COPY._replace(unpack=True), COPY._replace(from_stage=True), COPY._replace(files=(InlineFile("a", b"1"),)),
        COPY._replace(files=(InlineFile("a", b"2"),)), Workdir("/y"),
    ],
)  # fmt: skip
def test_everything_that_a_copy_says_is_in_its_key(other: Op) -> None:
    assert key(other) != key(COPY)


def test_what_is_below_what_comes_in_the_platform_and_the_time_are_in_the_key() -> None:
    assert len({key(COPY), key(COPY, (A, B)), key(COPY, content="c"), key(COPY, platform="x"), key(COPY, clamp=1)}) == 5


def test_a_linked_copy_does_not_depend_on_what_is_below() -> None:
    linked = COPY._replace(link=True)
    assert key(linked, (A,)) == key(linked, (B,))
    assert key(linked._replace(chown="5:6"), (A,)) == key(linked._replace(chown="5:6"), (B,))
    assert key(linked._replace(chown="app"), (A,)) != key(linked._replace(chown="app"), (B,))


FILE = Entry("x", "a/x", 0o100644, 0, 0, 5, 0, "", "", (), 1, 2, 3, 4)


def content_of(*entries: Entry, name: str = "a", digest: str = "d") -> str:
    return content([(name, entries)], {"a/x": digest})


@pytest.mark.parametrize(
    "other",
    [
        FILE._replace(path="y"), FILE._replace(mode=0o100755), FILE._replace(uid=1), FILE._replace(gid=1),
        FILE._replace(rdev=1), FILE._replace(link="t"), FILE._replace(hard="w"),
        FILE._replace(xattrs=(("user.a", b"1"),)), FILE._replace(source="a/other"),
    ],
)  # fmt: skip
def test_everything_of_a_copied_file_is_in_its_content(other: Entry) -> None:
    assert content_of(other) != content_of(FILE)
    assert content_of(FILE, other) != content_of(FILE)


def test_the_bytes_and_the_name_of_the_match_are_in_the_content_and_times_and_inodes_are_not() -> None:
    assert len({content_of(FILE), content_of(FILE, digest="e"), content_of(FILE, name="b")}) == 3
    assert content_of(FILE._replace(mtime_ns=9, ctime_ns=9, inode=9, device=9)) == content_of(FILE)
