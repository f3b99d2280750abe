"""What a cache that traces must not overlook: one small world for each thing that a step can depend on.

Each has a step, a context, and edits. After every edit the build with the cache must equal the one without, and the way
back must be a hit, as must be an edit of a file that the step does not look at. The random worlds of `make soundness`
find the same things by chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.soundness.context import Context, Node, drop, put
from tests.soundness.dockerfile import Doc, Line, Stage
from tests.soundness.judge import Judge
from tests.soundness.lab import Root
from tests.soundness.world import State, World

BUILDS = pytest.mark.requires("root", "runc", "busybox")


def file(text: str = "1\n", mode: int = 0o644) -> Node:
    return Node("file", mode, text.encode())


FOLDER = Node("dir", 0o755)
CAPABLE = file()._replace(is_capable=True)
BASE: Context = {
    "a": file(), "sub": FOLDER, "sub/c": file(), "sub/deep": FOLDER, "sub/deep/e": file(), "README": file(),
    "run.sh": file("#!/bin/sh\necho run\n", 0o755), "bin": FOLDER, "lnk": Node("link", target="a"),
}  # fmt: skip


def script(text: str) -> Node:
    return file(text, 0o755)


class Trap(NamedTuple):
    """`edited` is the context after the edit that the step must see, `copy_then` what COPY becomes ("": it stays)."""

    step: str
    edited: Context
    before: Context = BASE
    copy: str = "COPY . /app"
    copy_then: str = ""


def _with(path: str, node: Node, tree: Context = BASE) -> Context:
    return put(tree, path, node)


TRAPS = {
    "content": Trap("cat /app/a", _with("a", file("2\n"))),
    "content of the same size through a link": Trap("cat /app/lnk", _with("a", file("2\n"))),
    "another target of a link": Trap("cat /app/lnk", _with("lnk", Node("link", target="sub/c"))),
    "a link's target of the same length": Trap(
        "cat /app/lnk", _with("lnk", Node("link", target="b"), _with("b", file("9\n"))), _with("b", file("9\n"))
    ),
    "what a link says": Trap("readlink /app/lnk", _with("lnk", Node("link", target="./a"))),
    "size alone": Trap("stat -c %s /app/a", _with("a", file("longer\n"))),
    "mode alone": Trap("stat -c %a /app/a", _with("a", file("1\n", 0o600))),
    "owner alone": Trap("stat -c %u:%g /app/a", BASE, copy_then="COPY --chown=7:8 . /app"),
    "owner that a change takes along": Trap("chmod 600 /app/a", BASE, copy_then="COPY --chown=7:8 . /app"),
    "mode by COPY alone": Trap("stat -c %a /app/a", BASE, copy_then="COPY --chmod=600 . /app"),
    "another file under its name": Trap("cat /app/c", BASE, copy="COPY sub /app", copy_then="COPY sub/deep /app"),
    "executable or not": Trap("test -x /app/a && echo yes", _with("a", file("1\n", 0o755))),
    "an absent file that appears": Trap("test -e /app/new && echo yes", _with("new", file())),
    "an absent file in an absent folder": Trap("cat /app/x/y/z", _with("x/y/z", file())),
    "a file that vanishes": Trap("test -e /app/a && echo yes", drop(BASE, "a")),
    "a name in a listed folder": Trap("ls /app", _with("new", file())),
    "a name less in a listed folder": Trap("echo /app/sub/*", drop(BASE, "sub/c")),
    "a name deep below": Trap("find /app | sort", _with("sub/deep/new", file())),
    "a file that becomes a folder": Trap("ls -F /app", _with("a/b", file(), drop(BASE, "a"))),
    "a folder that becomes a link": Trap(
        "readlink -f /app/sub/c", _with("sub", Node("link", target="old"), _with("old/c", file(), drop(BASE, "sub")))
    ),
    "an attribute": Trap("getfattr -n security.capability /app/a | wc -c", _with("a", CAPABLE)),
    "an attribute that a change takes along": Trap("chmod 600 /app/a", _with("a", CAPABLE)),
    "hard links": Trap("stat -c %h /app/a", _with("h", Node("hard", target="a"))),
    "which names are one file": Trap(
        "test /app/a -ef /app/h && echo same", _with("h", file()), _with("h", Node("hard", target="a"))
    ),
    "content that an append takes along": Trap("echo more >>/app/a", _with("a", file("2\n"))),
    "content that chmod takes along": Trap("chmod 600 /app/a", _with("a", file("2\n"))),
    "content that mv takes along": Trap("mv /app/a /out/z", _with("a", file("2\n"))),
    "content that ln takes along": Trap("ln /app/a /out/z", _with("a", file("2\n"))),
    "mode that a truncating write keeps": Trap("echo 1 >/app/a", _with("a", file("1\n", 0o600))),
    "mode of a folder that is written into": Trap("echo 1 >/app/sub/new", _with("sub", Node("dir", 0o700), BASE)),
    "group that a folder hands down": Trap(
        "chgrp staff /app/sub; echo 1 >/app/sub/new", _with("sub", Node("dir", 0o2755))
    ),
    "a removal without effect that gets one": Trap("rm -f /app/new", _with("new", file())),
    "a removal that loses its effect": Trap("rm -f /app/a", drop(BASE, "a")),
    "names in a folder that is removed": Trap("rm -rf /app/sub; mkdir /app/sub", drop(BASE, "sub")),
    "names in a folder that is copied": Trap("cp -a /app/sub /out/sub", _with("sub/new", file())),
    "its own file meets one of ours": Trap("echo 1 >/app/new", _with("new", file("2\n", 0o600))),
    "a folder that is there already": Trap("mkdir /app/x && echo made", _with("x", FOLDER)),
    "by the current folder": Trap("cd /app/sub && cat c ../a", _with("a", file("2\n"))),
    "by a descriptor": Trap("exec 3</app; cat /proc/self/fd/3/a", _with("a", file("2\n"))),
    "by another root": Trap(
        "cp /bin/busybox /app && chroot /app /busybox cat /sub/c; rm /app/busybox", _with("sub/c", file("2\n"))
    ),
    "by a link of the base": Trap("cat /via/a /opt/up/c", _with("sub/c", file("2\n"))),
    "in the background": Trap("(sleep 0.01; cat /app/a) & wait", _with("a", file("2\n"))),
    "a script": Trap("/app/run.sh", _with("run.sh", script("#!/bin/sh\necho other\n"))),
    "a script's interpreter": Trap(
        "/app/x.sh", _with("tool", script("#!/bin/cat\n")), _with("x.sh", script("#!/app/tool\n"), BASE)
    ),
    "a program earlier in PATH": Trap("PATH=/app/bin:$PATH tool", _with("bin/tool", script("#!/bin/sh\necho first\n"))),
    "permission of a folder on the way": Trap("su app -c 'cat /app/sub/c'", _with("sub", Node("dir", 0o700))),
    "permission of a file": Trap("su app -c 'cat /app/a'", _with("a", file("1\n", 0o600))),
    "a file of the base that ours covers": Trap("cat /srv/a", _with("a", file("2\n")), drop(BASE, "a"), "COPY . /srv"),
    "the time of a file of the base that ours covers": Trap(
        "stat -c %Y /srv/a", BASE, drop(BASE, "a"), "COPY . /srv"
    ),
    "names of a folder of the base and ours": Trap("ls /srv", drop(BASE, "a"), _with("b", file()), "COPY . /srv"),
    "a list of what is read next": Trap("cat $(find /app -name c)", _with("sub/deep/c", file("3\n"))),
    "what it read, written over": Trap("sort -r /app/a >/out/s; mv /out/s /app/a", _with("a", file("2\n3\n"))),
}  # fmt: skip


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Root, Root]]:
    made = [Root(tmp_path_factory.mktemp(name), with_tools=False) for name in ("cached", "anew")]
    yield made[0], made[1]
    for root in made:
        root.close()


def _whole(tree: Context, path: str, node: Node) -> Context:
    """`put` takes away what is below a folder: here it stays."""
    return {**tree, path: node}


def _world(name: str, trap: Trap) -> World:
    edited = trap.edited
    if trap.edited.get("sub", FOLDER) != FOLDER and trap.edited["sub"].kind == "dir":
        edited = _whole(trap.before, "sub", trap.edited["sub"])
    # Its number keeps it apart: another trap may have the same command, and its result would be a right one here
    step = f"{{ {trap.step} ; }} >/out/said 2>&1; echo $? >>/out/said; : {list(TRAPS).index(name)}"

    def state(context: Context, copy: str) -> State:
        lines = (Line("copy", copy), Line("run", f"RUN {step}", name))
        return State(context, Doc((), (Stage("s0", "busybox", lines),), "busybox"))

    then = trap.copy_then or trap.copy
    first, second = state(trap.before, trap.copy), state(edited, then)
    return World(0, (first, second, first, state(_whole(edited, "README", file("edited\n")), then)))


@BUILDS
@pytest.mark.parametrize("name", TRAPS)
def test_a_step_is_made_again_when_what_it_depends_on_changes(
    roots: tuple[Root, Root], tmp_path: Path, name: str
) -> None:
    found = Judge(*roots, tmp_path / "context").world(_world(name, TRAPS[name]))
    assert not found.faults
    assert len(found.cases) == 3
    assert not found.cases[0].is_hit
    assert found.cases[1].is_hit
    if not any(word in TRAPS[name].step for word in ("ls ", "find ", "*")):
        # The last edit is of a file that the step does not look at
        assert found.cases[2].is_hit
