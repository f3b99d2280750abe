from __future__ import annotations

import pytest

from wherry.build.graph import Copy, Run, RunMount, Source, Vertex, Workdir
from wherry.build.weakkey import Stack, strong_key, weak_key
from wherry.oci.digest import DiffID

A, B, C = DiffID.of(b"a"), DiffID.of(b"b"), DiffID.of(b"c")
RUN = Run(
    ("sh", "-c", "x"), env=("A=1", "B=2"), hidden_env=("http_proxy=p",), mounts=(RunMount("secret", "/s", id="s"),)
)
BELOW = Stack((A, B, C), (False, True, False))


def key(
    op: Run = RUN,
    below: Stack = BELOW,
    *,
    inputs: tuple[tuple[DiffID, ...], ...] = (),
    contents: str = "",
    platform: str = "linux/amd64",
    shape: tuple[object, ...] = (0, (0, 0, 0o755)),
) -> str:
    return weak_key(Vertex(0, op, None, (), "name", platform), below, inputs, contents, shape)


OTHERS = {
    "command": key(RUN._replace(argv=("sh", "-c", "y"))),
    "words": key(RUN._replace(argv=("sh", "-cx"))),
    "shell": key(RUN._replace(argv=("bash", "-c", "x"))),
    "environment": key(RUN._replace(env=("A=1", "B=3"))),
    "order of the environment": key(RUN._replace(env=("B=2", "A=1"))),
    "user": key(RUN._replace(user="app")),
    "workdir": key(RUN._replace(workdir="/w")),
    "network": key(RUN._replace(network="none")),
    "script": key(RUN._replace(script=("EOF", b"x"))),
    "hosts": key(RUN._replace(hosts=(("a", "1.1.1.1"),))),
    "shm": key(RUN._replace(shm_size=1)),
    "ulimits": key(RUN._replace(ulimits=(("nofile", 1, 1),))),
    "cache mount": key(RUN._replace(mounts=(*RUN.mounts, RunMount("cache", "/c")))),
    "cache of another name": key(RUN._replace(mounts=(*RUN.mounts, RunMount("cache", "/c", id="x")))),
    "tmpfs": key(RUN._replace(mounts=(*RUN.mounts, RunMount("tmpfs", "/c")))),
    "a secret in another place": key(RUN._replace(mounts=(RunMount("secret", "/t", id="s"),))),
    "bound stage": key(inputs=((A,),)),
    "bound context": key(contents="digest"),
    "platform": key(platform="linux/arm64"),
    "times": key(shape=(1, (0, 0, 0o755))),
    "root folder": key(shape=(0, (0, 0, 0o700))),
    "opaque layer": key(below=Stack((B, B, C), BELOW.clear)),
    "another opaque layer": key(below=Stack((A, B, A), BELOW.clear)),
    "order": key(below=Stack((A, C, B), (False, False, True))),
    "one more transparent": key(below=Stack((A, B, B, C), (False, True, True, False))),
    "one less": key(below=Stack((A, C), (False, False))),
    "none transparent": key(below=Stack((A, B, C), (False, False, False))),
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_a_step_can_see_beside_its_files_is_in_the_weak_key(what: str) -> None:
    assert OTHERS[what] != key()
    assert list(OTHERS.values()).count(OTHERS[what]) == 1


def test_what_a_transparent_layer_holds_is_not() -> None:
    assert key(below=Stack((A, A, C), BELOW.clear)) == key()


def test_proxies_and_the_name_shown_are_not() -> None:
    assert key(RUN._replace(hidden_env=())) == key()
    vertex = Vertex(7, RUN, None, (), "another", "linux/amd64", "source", "where", True)
    assert weak_key(vertex, BELOW, (), "", (0, (0, 0, 0o755))) == key()


def test_only_what_copies_is_transparent() -> None:
    stack = Stack().with_step(Source("b", (A,)), (A,)).with_step(Workdir("/w"), (A, B))
    stack = stack.with_step(Copy((".",), "/"), (A, B, C, A)).with_step(RUN, (A, B, C, A, B))
    assert stack == Stack((A, B, C, A, B), (False, False, True, True, False))
    assert stack.transparent == (2, 3)


def test_the_strong_key_holds_the_weak_one_the_set_and_each_value() -> None:
    assert len({
        strong_key("w", "p", ["a", "b"]), strong_key("x", "p", ["a", "b"]), strong_key("w", "q", ["a", "b"]),
        strong_key("w", "p", ["b", "a"]), strong_key("w", "p", ["ab"]), strong_key("w", "p", []),
    }) == 6  # fmt: skip
