"""Compose files made at random, over all keys that docker-compose 2.26 knows: mostly right ones, some odd ones.

`Files(seed)` is one project: its files by name (relative), and the environment it is loaded in. Equal seeds give equal
projects.
"""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ENVIRONMENT", "Files"]

ENVIRONMENT = {"FOO": "foo", "EMPTY": "", "NUMBER": "7", "QUOTED": 'it\'s "so"', "SPACED": " a b ", "PATH": "/bin"}

WORDS = (
    "web",
    "db",
    "cache",
    "x",
    "a b",
    "true",
    "null",
    "1",
    "0o17",
    "1.5",
    "1e3",
    "yes",
    "on",
    "~",
    "12:30:45",
    "2024-01-02",
    "a: b",
    "#c",
    "-",
    "- a",
    "é",
    "日本",
    "{a}",
    "[b]",
    "*star",
    "&amp",
    "!bang",
    "%pct",
    "@at",
    "`tick",
    "'q'",
    '"dq"',
    "back\\slash",
    "a#b",
    "a #b",
    "tab\there",
    "line\nbreak",
    "end\n",
    "two\n\n",
    " lead",
    "trail ",
    "",
    "$$esc",
    "${FOO}",
    "$FOO",
    "${NOPE:-def}",
    "${NOPE-}",
    "${EMPTY:-e}",
    "${FOO:+alt}",
    "${FOO+x}",
    "${NUMBER}",
    "pre${FOO}post",
    "${NOPE:-${FOO}}",
    "0x1f",
    "0b11",
    "1_000",
    "+1",
    "-1",
    ".5",
    "5.",
    "NaN",
    ".inf",
    "---",
    "...",
    "?",
    "? a",
    ":",
    "a:b",
    "a,b",
    "<>&",
    "\u2028",
    "🙂",
    "x" * 90,
    "?x",
    "=",
    "<<",
    "n",
    "Y",
    "No",
)
NAMES = ("web", "db", "cache", "worker-1", "worker_2", "a.b", "X", "x10", "x9", "Zed")
DURATIONS = ("10s", "1m30s", "1h", "500ms", "0s", "1.5s", "100us", "2h45m", "90m", "1ns")
SIZES = ("512m", "1g", "64k", "1.5gb", "100", 2048, "2KiB", "10 mb", "1T", "0")
KEYS = ("A", "B_C", "a1", "a10", "a9", "UPPER", "lower", "x.y", "k-1", "_u", "A2", "FOO", "NOPE", "EMPTY")


def without_empty(value: Any) -> Any:
    """Leave out empty lists."""
    if isinstance(value, dict):
        return {key: without_empty(each) for key, each in value.items() if each != []}
    return [without_empty(each) for each in value if each != []] if isinstance(value, list) else value


class Files:
    """A random project."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.services = self.some(NAMES, 1, 4)
        self.named: dict[str, list[str]] = {
            kind: self.some(("one", "two", "n1", "data"), 0, 3)
            for kind in ("networks", "volumes", "secrets", "configs")
        }
        self.extra: dict[str, str] = {"a.env": "A=1\nB_C='x y'\nC=$FOO\n", "b.env": "A=2\nD=${A}-d\n# c\nexport E=e\n"}
        main = self.project()
        if self.chance(0.3):
            # docker-compose takes the empty lists of a first file for null, and refuses them with the second one
            main = without_empty(main)
            over = self.project(is_override=True)
            self.files = {"compose.yaml": self.written(main), "over.yaml": self.written(over)}
        else:
            self.files = {"compose.yaml": self.written(self.with_others(main))}

    # --- dice

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def one(self, choices: Any) -> Any:
        return self.random.choice(list(choices))

    def some(self, choices: Any, least: int, most: int) -> list[Any]:
        choices = list(choices)
        return self.random.sample(choices, min(len(choices), self.random.randint(least, most)))

    def number(self, low: int = 0, high: int = 5) -> int:
        return self.random.randint(low, high)

    def written(self, value: Any) -> str:
        """The text of a file: JSON, or YAML in blocks, where equal objects are aliases."""
        if self.chance(0.5):
            return json.dumps(value, ensure_ascii=False)
        text: str = yaml.safe_dump(value, allow_unicode=True, width=60, sort_keys=False)
        return text

    def with_others(self, main: dict[str, Any]) -> dict[str, Any]:
        """Now and then a service extends another one, of this file or another, and other files are included."""
        name = self.services[0]
        if self.chance(0.2):
            base = {"base": self.service("base"), "other": {"image": "o", "labels": self.labels()}}
            self.extra["base.yaml"] = self.written({"services": without_empty(base)})
            main["services"][name]["extends"] = {"file": "base.yaml", "service": self.one(("base", "base", "other"))}
        elif self.chance(0.2) and len(self.services) > 1:
            main["services"][name]["extends"] = self.one((self.services[1], {"service": self.services[1]}))
        if self.chance(0.15):
            service = {"image": "inc:1", "volumes": ["./rel:/r"], "env_file": "e.env", "environment": ["FOO", "NOT"]}
            self.extra["sub/e.env"], self.extra["sub/.env"] = "FROM=env\n", "INC=included\n"
            self.extra["sub/inc.yaml"] = self.written({"services": {"included": service}})
            main["include"] = self.one((["sub/inc.yaml"], [{"path": "sub/inc.yaml", "project_directory": "."}]))
            self.extra["e.env"] = "FROM=top\n"
        return main

    # --- pieces

    def word(self) -> Any:
        return self.one(WORDS)

    def plain(self) -> str:
        return str(self.one(("alpha", "beta", "gamma-1", "d_2", "/srv/x", "e.f", "${FOO}", "${NOPE:-dflt}")))

    def scalar(self) -> Any:
        return self.one((self.word(), self.number(-3, 99), True, False, None, 1.5, 0.1, 1e21, 100000.0, 1234567.5))

    def words(self, least: int = 0, most: int = 3) -> list[Any]:
        return [self.word() for _ in range(self.number(least, most))]

    def flag(self) -> Any:
        return self.one((True, False, True, "true", "${NOPE:-false}"))

    def integer(self, low: int = 0, high: int = 100) -> Any:
        return self.one((self.number(low, high), self.number(low, high), str(self.number(low, high)), "${NUMBER}"))

    def duration(self) -> Any:
        return self.one(DURATIONS)

    def size(self) -> Any:
        return self.one(SIZES)

    def pairs(self) -> Any:
        if self.chance(0.5):
            return {key: self.scalar() for key in self.some(KEYS, 0, 4)}
        return [self.one((key, f"{key}=", f"{key}={self.word()}")) for key in self.some(KEYS, 0, 4)]

    def labels(self) -> Any:
        return self.pairs()

    def options(self) -> Any:
        return {key: self.one(("v", "1", 2, "x y", "true")) for key in self.some(KEYS, 0, 3)}

    def extension(self) -> Any:
        return self.one(
            (self.scalar(), {"b": 1, "a": [1, "x", None, {"k": "v"}], "c": {}}, [], [[1, 2], []], {"x10": 1, "x9": 2})
        )

    def command(self) -> Any:
        texts = ("echo hi", "sh -c 'a b'", 'a "b c" d\\ e', "", "a;b", "x > y", "env $$HOME", "a 'b' \"c\"")
        return self.one((self.one(texts), ["a", "b c"], [], None, ["${FOO}", "$$X"]))

    def strings(self) -> Any:
        return self.one((self.plain(), [self.plain(), "other"], []))

    def service_name(self) -> str:
        return str(self.one(self.services))

    def refer(self, kind: str) -> str:
        known = self.named[kind]
        return str(self.one(known)) if known and not self.chance(0.02) else "undefined"

    # --- a project

    def project(self, *, is_override: bool = False) -> dict[str, Any]:
        made: dict[str, Any] = {"services": {name: self.service(name) for name in self.services}}
        if is_override:
            made["services"] = {name: made["services"][name] for name in self.some(self.services, 1, 4)}
        if self.chance(0.3):
            made["name"] = self.one(("proj", "Proj-1", "p_${FOO}", "x.y"))
        if self.chance(0.1):
            made["version"] = "3"
        if self.chance(0.2):
            made["x-top"] = self.extension()
        for kind, names in self.named.items():
            if names and not is_override:
                made[kind] = {name: getattr(self, kind.rstrip("s"))() for name in names}
        return made

    def network(self) -> Any:
        pool = {"subnet": "10.0.0.0/8", "gateway": "10.0.0.1", "aux_addresses": {"b": "10.0.0.3", "a": "10.0.0.2"}}
        return self.subset(
            {
                "driver": lambda: "bridge",
                "driver_opts": self.options,
                "internal": self.flag,
                "attachable": self.flag,
                "labels": self.labels,
                "enable_ipv6": self.flag,
                "name": self.plain,
                "x-n": self.extension,
                "ipam": lambda: self.one(
                    ({"driver": "default"}, {"config": [pool]}, {"config": [{"subnet": "fd00::/8"}]}, {})
                ),
            },
            0,
            3,
            also=({"external": True}, {"external": True, "name": "ext"}, None, {"external": {"name": "old"}}),
        )

    def volume(self) -> Any:
        return self.subset(
            {
                "driver": lambda: "local",
                "labels": self.labels,
                "name": self.plain,
                "x-v": self.extension,
                "driver_opts": lambda: self.one((self.options(), {"type": "none", "o": "bind", "device": "./d"})),
            },
            0,
            3,
            also=({"external": True}, None, {"external": True, "name": "ext"}),
        )

    def secret(self) -> Any:
        base = self.one(
            ({"file": "./s"}, {"file": "~/s"}, {"file": "/s"}, {"environment": "FOO"}, {"environment": "NOPE"})
        )
        return {**base, **self.subset({"labels": self.labels, "name": self.plain, "x-s": self.extension}, 0, 1)}

    def config(self) -> Any:
        base = self.one(
            ({"file": "./c"}, {"environment": "FOO"}, {"content": self.word()}, {"external": True, "name": "e"})
        )
        return {**base, **self.subset({"x-c": self.extension}, 0, 1)}

    def subset(self, table: dict[str, Callable[[], Any]], least: int, most: int, also: tuple[Any, ...] = ()) -> Any:
        if also and self.chance(0.25):
            return self.one(also)
        return {key: table[key]() for key in self.some(table, least, most)}

    def service(self, name: str) -> dict[str, Any]:
        from tests.compose_files_service import build, service_keys

        keys = service_keys(self, name)
        made = {key: keys[key]() for key in self.some(keys, 1, 9)}
        if "build" not in made or self.chance(0.7):
            made.setdefault("image", self.one(("nginx", "repo/x:1", "y:${NUMBER}", "z@sha256:" + "a" * 64)))
        if self.chance(0.2):
            made["build"] = build(self)
        if "network_mode" in made and self.chance(0.9):
            made.pop("networks", None)
        return made
