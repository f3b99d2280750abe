"""Random command lines over a few names, so that they meet each other; drawn from a seed alone."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Act", "draw"]

CONTAINERS = tuple(f"box{number}" for number in range(6))
VOLUMES = tuple(f"vol{number}" for number in range(3))
NETWORKS = tuple(f"net{number}" for number in range(2))
IMAGES = tuple(f"img{number}" for number in range(3))


class Act(NamedTuple):
    """One command line. `writes` is a word that it puts into volume `volume` when it says so on standard output.

    `drops` are volumes that it may remove. `patience_s` is about how long it takes: it is killed within that.
    """

    argv: tuple[str, ...]
    volume: str = ""
    writes: str = ""
    drops: tuple[str, ...] = ()
    patience_s: float = 0.25


def draw(random_: random.Random, serial: int) -> Act:
    """The next act; `serial` makes what it writes its own."""
    makers, weights = zip(*_ACTS, strict=True)
    return random_.choices(makers, weights)[0](random_, serial)


def _network(random_: random.Random) -> list[str]:
    chosen = random_.choice(("none", "none", "bridge", *NETWORKS))
    return ["--network", chosen]


def _write(random_: random.Random, serial: int) -> Act:
    volume, word = random_.choice(VOLUMES), f"word{serial}"
    # The word is in the volume before it is told
    script = f"echo {word} >> /v/log && sync && echo {word}"
    argv = ("run", "--rm", "--network", "none", "-v", f"{volume}:/v", "busybox", "sh", "-c", script)
    return Act(argv, volume, word)


def _start_new(random_: random.Random, serial: int) -> Act:
    name = random_.choice(CONTAINERS)
    more = random_.choice(
        ([], ["--rm"], ["--restart", "always"], ["--restart", "on-failure:3"], ["-p", "127.0.0.1::80"], ["-v", "/anon"],
         ["-v", f"{random_.choice(VOLUMES)}:/v"], ["--health-cmd", "true", "--health-interval", "100ms"], ["-t"],
         ["--memory", "64m"], ["--tmpfs", "/t"])
    )  # fmt: skip
    life = random_.choice(("sleep 1000", "sleep 0.1", "exit 1", "while :; do echo line; sleep 0.01; done"))
    return Act(("run", "-d", "--name", name, *_network(random_), *more, "busybox", "sh", "-c", life))


def _create(random_: random.Random, serial: int) -> Act:
    return Act(("create", "--name", random_.choice(CONTAINERS), *_network(random_), "busybox", "sleep", "1000"))


def _on_container(*verbs: str) -> Callable[[random.Random, int], Act]:
    def make(random_: random.Random, serial: int) -> Act:
        return Act((*random_.choice(verbs).split(), random_.choice(CONTAINERS)))

    return make


def _exec(random_: random.Random, serial: int) -> Act:
    return Act(("exec", random_.choice(CONTAINERS), "sh", "-c", "echo in > /exec; cat /exec"))


def _rename(random_: random.Random, serial: int) -> Act:
    return Act(("rename", *random_.sample(CONTAINERS, 2)))


def _copy(random_: random.Random, serial: int) -> Act:
    name = random_.choice(CONTAINERS)
    return Act(random_.choice((("cp", "/bin/busybox", f"{name}:/copied"), ("cp", f"{name}:/bin", "/dev/null/no"))))


def _commit(random_: random.Random, serial: int) -> Act:
    return Act(("commit", random_.choice(CONTAINERS), random_.choice(IMAGES)))


def _build(random_: random.Random, serial: int) -> Act:
    argv = ("build", "-q", "-t", random_.choice(IMAGES), "--build-arg", f"W={random_.randrange(6)}", "CONTEXT")
    return Act(argv, patience_s=0.6)


def _images(random_: random.Random, serial: int) -> Act:
    image = random_.choice(IMAGES)
    return Act(random_.choice((
        ("rmi", image), ("rmi", "-f", image), ("tag", "busybox", image), ("image", "prune", "-f"),
        ("save", "-o", "SCRATCH/saved.tar", "busybox"), ("load", "-i", "SCRATCH/image.tar"),
    )))  # fmt: skip


def _volumes(random_: random.Random, serial: int) -> Act:
    volume = random_.choice(VOLUMES)
    return random_.choice((
        Act(("volume", "create", volume)), Act(("volume", "rm", volume), drops=(volume,)),
        Act(("volume", "prune", "-f")),
    ))  # fmt: skip


def _networks(random_: random.Random, serial: int) -> Act:
    network, name = random_.choice(NETWORKS), random_.choice(CONTAINERS)
    return Act(random_.choice((
        ("network", "create", network), ("network", "rm", network), ("network", "prune", "-f"),
        ("network", "connect", network, name), ("network", "disconnect", network, name),
    )))  # fmt: skip


def _prune(random_: random.Random, serial: int) -> Act:
    return Act(random_.choice((("container", "prune", "-f"), ("system", "prune", "-f"), ("builder", "prune", "-f"))))


def _update(random_: random.Random, serial: int) -> Act:
    more = random_.choice((["--memory", "80m", "--memory-swap", "-1"], ["--restart", "no"], ["--pids-limit", "100"]))
    return Act(("update", *more, random_.choice(CONTAINERS)))


_ACTS: list[tuple[Callable[[random.Random, int], Act], int]] = [
    (_write, 14), (_start_new, 22), (_create, 4), (_on_container("start", "restart -t 0"), 10),
    (_on_container("stop -t 0", "kill", "stop -t 1"), 10), (_on_container("rm -f", "rm -f -v", "rm"), 10),
    (_on_container("pause", "unpause"), 4), (_on_container("logs", "inspect", "top", "port", "diff"), 4), (_exec, 6),
    (_rename, 2), (_copy, 3), (_commit, 4), (_build, 5), (_images, 6), (_volumes, 4), (_networks, 6), (_prune, 3),
    (_update, 3),
]  # fmt: skip
