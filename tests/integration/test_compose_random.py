"""Projects at random, read by wherry and by docker-compose: what `config` prints is the same.

COMPOSE_RANDOM says how many (15), COMPOSE_SEED where to begin.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from tests.compose_cases import Case, ask_docker, ask_wherry

COUNT = int(os.environ.get("COMPOSE_RANDOM", "15"))
SEED = int(os.environ.get("COMPOSE_SEED", "1"))
SHELL = {"SET": "set", "EMPTY": "", "NUMBER": "5", "YES": "true", "DOLLAR": "$SET", "SPACE": "a b"}
VARIABLES = ["$SET", "${SET}", "${UNSET:-d}", "${EMPTY:-e}", "${EMPTY-e}", "${SET:+alt}", "${UNSET:-${SET}}", "$$x",
             "$DOLLAR", "${SPACE}", "${FILE}", "${UNSET:-a${NUMBER}b}", "pre${SET}post", "${SET:?no}",
             "${UNSET-}"]  # fmt: skip


class Maker:
    """One project: two files, a base to extend, an included file, env files."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def some(self, *choices: object) -> object:
        return self.random.choice(choices)

    def few(self, choices: list[object], most: int = 3) -> list[object]:
        # Never none: an empty list of a first file is null to docker-compose when it reads the second, and refused
        return self.random.sample(choices, self.random.randint(1, min(most, len(choices))))

    def text(self) -> object:
        return self.some("text", "two words", "with: colon", "#hash", "", "123", "true", "null", "1.5", "é", *VARIABLES)

    def value(self) -> object:
        return self.some(self.text(), self.text(), None, 5, 1.5, True, 1e6, -3)

    def pairs(self) -> object:
        keys = self.few(["A", "B", "C", "X.Y", "lower"], 4)
        if self.random.random() < 0.5:
            return {str(key): self.value() for key in keys}
        return [str(key) if self.random.random() < 0.2 else f"{key}={self.text()}" for key in keys]

    def labels(self) -> object:
        keys = self.few(["a", "b", "c.d"])
        pairs = {str(key): str(self.text()) for key in keys}
        return pairs if self.random.random() < 0.5 else [f"{key}={value}" for key, value in pairs.items()]

    def ports(self) -> list[object]:
        short = ["80", "80:80", "127.0.0.1:81:81", "82-83:82-83", "84:84/udp", 85, "${NUMBER}000:86"]
        return self.few([*short, {"target": 80, "published": "80"}, {"target": 87, "mode": "host"}])

    def volumes(self) -> list[object]:
        short = ["v:/v", "./d:/d", "/abs:/a:ro", "/anon", "../up:/u", "v:/v:ro", "./other:/d"]
        return self.few([*short, {"type": "volume", "source": "v", "target": "/w"}, {"type": "tmpfs", "target": "/t"}])

    def depends_on(self) -> object:
        names = self.few(["base", "inc"], 2)
        if self.random.random() < 0.5:
            return names
        return {str(name): {"condition": self.some("service_started", "service_healthy")} for name in names}

    def networks(self) -> object:
        names = self.few(["n", "m"], 2)
        return (
            names if self.random.random() < 0.5 else {str(name): self.some(None, {"aliases": ["x"]}) for name in names}
        )

    def service(self, *, partial: bool) -> dict[str, object]:
        makers = {
            "command": lambda: self.some("run $SET", ["a", "${UNSET:-b}"], None), "environment": self.pairs,
            "labels": self.labels, "ports": self.ports, "volumes": self.volumes, "networks": self.networks,
            "depends_on": self.depends_on, "env_file": lambda: self.some("one.env", ["two.env", "one.env"]),
            "build": lambda: self.some("c", {"context": "c", "args": self.pairs(), "target": "t"}),
            "tty": lambda: self.some(True, "${YES}", "false"), "scale": lambda: self.some(2, "${NUMBER}"),
            "cap_add": lambda: self.few(["A", "B", "C"]), "dns": lambda: self.some("1.1.1.1", ["1.1.1.1", "2.2.2.2"]),
            "tmpfs": lambda: self.some("/t1", ["/t1", "/t2"]), "expose": lambda: self.few(["80", 81, "82"]),
            "extra_hosts": lambda: self.few(["h:1.1.1.1", "i=2.2.2.2"]),
            "ulimits": lambda: {"nofile": self.some(5, "${NUMBER}")},
            "logging": lambda: {"driver": self.some("local", "json-file"), "options": {"a": str(self.text())}},
            "healthcheck": lambda: {"test": self.some("t", ["CMD", "t"]), "interval": self.some("1s", "1m30s")},
            "deploy": lambda: {"labels": self.labels(), "resources": {"limits": {"cpus": self.some("1", "0.5")}}},
            "restart": lambda: self.some("no", "always", "on-failure:3"),
            "x-own": lambda: self.some({"a": 1}, [1], "t"),
        }  # fmt: skip
        keys = self.random.sample(sorted(makers), self.random.randint(1, 7))
        made: dict[str, object] = {key: makers[key]() for key in keys}
        return made if partial else {"image": self.some("x", "x:${SET}"), **made}

    def case(self, name: str) -> Case:
        web = self.service(partial=False)
        if self.random.random() < 0.5:
            web["extends"] = self.some("base", {"service": "other", "file": "sub/other.yaml"})
        main = {
            "include": [self.some("sub/inc.yaml", {"path": "sub/inc.yaml", "project_directory": "sub"})],
            "services": {"web": web, "base": self.service(partial=False)},
            "volumes": {"v": self.some(None, {"labels": self.labels()})},
            "networks": {"n": self.some(None, {"driver": "d", "labels": self.labels()}), "m": {}},
        }
        over = {"services": {"web": self.service(partial=True)}, "volumes": {"v": {"labels": self.labels()}}}
        plain = {"image": "y", "environment": self.pairs(), "volumes": ["./d:/d"], "labels": self.labels()}
        files = {
            "compose.yaml": json.dumps(main),
            "compose.override.yaml": json.dumps(over),
            "sub/inc.yaml": json.dumps({"services": {"inc": plain}}),
            "sub/other.yaml": json.dumps({"services": {"other": {**plain, "build": "./ctx"}}}),
            ".env": "FILE=of file\n",
            "sub/.env": "FILE=of sub\nUNSET=sub\n",
            "one.env": "ONE=1\nA=one $SET\nQ='q $SET'\n",
            "two.env": 'TWO="2 \\n $A"\nA=two\n',
        }
        shell = "".join(f"{key}={value}\n" for key, value in SHELL.items())
        return Case(name, files, {"shell": shell})


@pytest.mark.requires("docker-compose")
@pytest.mark.parametrize("seed", range(SEED, SEED + COUNT))
def test_a_random_project_is_read_as_docker_compose_reads_it(seed: int, tmp_path: Path) -> None:
    case = Maker(seed).case(f"seed {seed}")
    folder = tmp_path / "case"
    folder.mkdir()
    theirs = ask_docker(case, folder)
    ours = ask_wherry(case, folder)
    # Of several faults each says one; which one is not what this is about
    assert bool(ours.error) == bool(theirs.error), (ours.error, theirs.error)
    assert ours.output == theirs.output
    if not ours.error:
        assert ours.warnings == theirs.warnings
