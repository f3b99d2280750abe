"""Every flag with a wrong value: docker's exit code or 125, one error that names what is wrong, and nothing made.

`tests/cases/cli/wrong-values.txt` has the flags whose values have a grammar; those of a type are taken from the tables
of flags themselves. tests/compat/test_wrong_values.py asks docker about the same lines.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.integration.container_lab import _ENV, Wherry, add_busybox, busybox_tar
from tests.integration.forks import Answer, ask
from wherry.cli import table
from wherry.cli.flags import Flag, Verb

pytestmark = pytest.mark.requires("root", "runc", "nft", "ip", "busybox")
CASES = Path(__file__).parents[1] / "cases" / "cli" / "wrong-values.txt"
_BAD_WORDS = ("Traceback", "fault of wherry's", "Exception ignored")
_OF_TYPE = {
    "bytes": ("x", "1q", "9" * 5000), "duration": ("x", "1", "9" * 5000 + "h"), "uint16": ("x", "-1", "70000"),
    "decimal": ("x", "9" * 5000), "filter": ("x",), "ulimit": ("x", "nofile=" + "9" * 5000), "mount": ("x",),
}  # fmt: skip
# No value of these is wrong before the command looks at what it names
FREE = {"string", "list", "file", "dir", "url", "strings", "map", "stringToString", "network", "gpu-request", "scale",
        "stringArray", "FILE", "DIR"}  # fmt: skip
# Values that wherry's own commands look at, each with what makes the command get that far
_IRIS = ("--image", "busybox", "--port", "80", "--name", "iris", "--output", "out")
OWN = {
    "LEVEL": [(125, "lint", "--failure-threshold={}", "ctx")],
    "METHOD": [(125, "build", "--call={}", "ctx"), (125, "build", "--call=check,{}", "ctx")],
    "RULE": [(1, "lint", "--ignore={}", "ctx"), (1, "lint", "--only={}", "ctx")],
    "NAME": [(1, "ci", "github", "--image={} {}")],
    "TARGET": [(1, "ci", "gitlab", "--deploy={}")],
    "ARN": [(1, "deploy", "ecs", *_IRIS, "--certificate={}"), (1, "deploy", "ecs", *_IRIS, "--task-role={}")],
    "EMAIL": [(1, "deploy", "cloudrun", *_IRIS, "--service-account={}")],
    "HOST": [(1, "deploy", "kubernetes", *_IRIS, "--ingress={} {}")],
    "HOST/PREFIX": [(1, "deploy", "kubernetes", *_IRIS, "--registry={} {}")],
    "[USER@]HOST[:PORT]": [
        (1, "deploy", "compose-ssh", "--image", "busybox", "--port", "80", "--name", "iris", "--host={} {}")
    ],
    "URL": [(125, "deploy", "ecs", *_IRIS, "--verify-url={}")],
    "": [
        (125, "verify", "--timeout={}", "busybox"),
        (125, "record", "--listen={}", "busybox"),
        (125, "deploy", "kubernetes", *_IRIS, "--timeout={}"),
    ],
}


class Line(NamedTuple):
    code: int
    docker: int
    argv: list[str]


def lines() -> list[Line]:
    found = [text.split(" ", 2) for text in CASES.read_text().splitlines() if text and not text.startswith("#")]
    return [Line(int(code), int(docker), shlex.split(argv)) for code, docker, argv in found]


def declared() -> Iterator[tuple[str, Verb]]:
    for name, (module, _) in table.SUMMARIES.items():
        verb = import_module(f"wherry.cli.{module}").VERB
        yield name, verb[name] if isinstance(verb, dict) else verb


def wrong_of(flag: Flag) -> tuple[str, ...]:
    if flag.kind == "bool":
        return ("maybe", "")
    if flag.kind == "int":
        return ("x", "1.5", "", "9" * 30)
    return _OF_TYPE.get(flag.type_name, ())


@pytest.fixture(scope="module")
def there(make_root: Callable[[], Wherry], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Wherry, Path]]:
    """One container that runs and one that doesn't, a network, a volume, an archive, a build context."""
    wherry, here = make_root(), tmp_path_factory.mktemp("here")
    add_busybox(wherry)
    for argv in ("run -d --name box --network none busybox sleep 1000", "create --name box2 --network none busybox",
                 "create --name box3 busybox", "network create net", "volume create vol"):  # fmt: skip
        wherry(*argv.split())
    (here / "ctx").mkdir()
    (here / "ctx" / "Dockerfile").write_text("FROM busybox\n")
    (here / "base.tar").write_bytes(busybox_tar())
    yield wherry, here
    wherry.remove_all()
    wherry("network", "prune", "-f")


def fault(answer: Answer, codes: tuple[int, ...], flag: str, value: str) -> str:
    """What is wrong with this answer, or ""."""
    code, _, said = answer
    if any(word in said for word in _BAD_WORDS):
        return said[-500:]
    if code not in codes:
        return f"exit code {code}, not {codes}: {said[:300]}"
    pieces = [piece[:40] for piece in re.split(r"[^\w.]+", value) if piece]
    # In docker's words: CAP_NOSUCH for nosuch, Interval for --health-interval
    heard = said.lower()
    if pieces and not any(word.lower() in heard for word in (flag, flag.rpartition("-")[2], *pieces)):
        return f"neither --{flag} nor its value is named: {said[:300]}"
    return ""


def test_a_wrong_value_of_a_type_is_refused_at_once(there: tuple[Wherry, Path]) -> None:
    asked = [
        (flag.name, value, [*name.split(), f"--{flag.name}={value}", "busybox", "x"][: 3 + len(name.split())])
        for name, verb in declared()
        for flag in verb.flags
        for value in wrong_of(flag)
    ]
    assert len(asked) > 500
    # As many arguments as the command wants, so that it is not their number that is refused
    least = {name: (verb.least, verb.most) for name, verb in declared()}
    argvs = []
    for _, _, argv in asked:
        count = next(len(name.split()) for name in (" ".join(argv[:2]), argv[0]) if name in least)
        least_, most = least[" ".join(argv[:count])]
        argvs.append([*argv[: count + 1], *["box"] * max(least_, min(1, most if most is not None else 1))])
    answers = ask(argvs, root=str(there[0].root), cwd=there[1], env=_ENV)
    found = [
        f"{' '.join(argv)[:120]}: {text}"
        for (flag, value, _), argv, answer in zip(asked, argvs, answers, strict=True)
        if (text := fault(answer, (16 if argv[0] == "compose" else 125,), flag, value))
        and not (value == "" and answer[0] == 0)
    ]
    assert not found, "\n".join(found)


def test_a_wrong_value_is_refused_as_docker_does_and_makes_nothing(there: tuple[Wherry, Path]) -> None:
    wherry, here = there
    before = [wherry(*argv).stdout for argv in (["ps", "-aq"], ["network", "ls", "-q"], ["images", "-aq"])]
    asked = lines()
    answers = ask([line.argv for line in asked], root=str(wherry.root), cwd=here, env=_ENV)
    found = []
    for line, answer in zip(asked, answers, strict=True):
        word = next(word for word in line.argv if word.startswith("--"))
        flag, _, value = word[2:].partition("=")
        if text := fault(answer, (line.code,), flag, value):
            found.append(f"{shlex.join(line.argv)}: {text}")
    assert not found, "\n".join(found)
    assert [wherry(*argv).stdout for argv in (["ps", "-aq"], ["network", "ls", "-q"], ["images", "-aq"])] == before
    assert wherry("volume", "ls", "-q").stdout == "vol\n"
    assert os.listdir(wherry.paths.tmp) == []


def test_a_wrong_value_of_a_command_of_our_own_is_named_and_makes_nothing(there: tuple[Wherry, Path]) -> None:
    wherry, here = there
    before = sorted(os.listdir(here))
    asked = [(code, [word.replace("{}", "wr0ng") for word in words]) for rows in OWN.values() for code, *words in rows]
    answers = ask([argv for _, argv in asked], root=str(wherry.root), cwd=here, env=_ENV)
    found = [
        f"{shlex.join(argv)}: {answer[0]}: {answer[2][-300:]}"
        for (code, argv), answer in zip(asked, answers, strict=True)
        if answer[0] != code or "wr0ng" not in answer[2] or any(word in answer[2] for word in _BAD_WORDS)
    ]
    assert not found, "\n".join(found)
    assert sorted(os.listdir(here)) == before


HUGE = "9" * 5000
_HUGE = """
ps --filter=exited={}|ps --filter=publish={}|images --filter=until={}|image prune -f --filter=until={}h
events --since={}h --until=1|search --filter=stars={} x|container prune -f --filter=until={}
stop -s {} box|kill -s {} box|exec -u {} box true|exec --detach-keys {} box true|port box {}|top box -o {}
network create --subnet=10.0.0.0/{} new|network create --opt=com.docker.network.driver.mtu={} new
build --shm-size={} ctx|build --ulimit=nofile={} ctx|update --memory={} box|registry serve --addr=1:{}
boot run --jobs {}
import -c EXPOSE\\ {} base.tar|commit -c STOPSIGNAL\\ {} box|cp box:/{} .|tag busybox x:{}|logs --since={} box
create --log-opt=max-size={} busybox|create --log-opt=max-file={} busybox|create --publish={} busybox
create --publish=1-{} busybox|create --expose={} busybox|create --blkio-weight-device=/dev/null:{} busybox
create --device-cgroup-rule=c\\ 1:{} busybox|create --mount=type=tmpfs,dst=/x,tmpfs-size={} busybox
create --mount=type=tmpfs,dst=/x,tmpfs-mode={} busybox|create --gpus=count={} busybox|create --cpuset-cpus={} busybox
create --stop-signal=RTMIN+{} busybox|create --restart=on-failure:{} busybox|create --ip=1.{} busybox
create --dns={} busybox|create --add-host=a:{} busybox|create --oom-score-adj={} busybox|create --shm-size={} busybox
"""


def test_a_number_of_five_thousand_digits_is_refused_in_words(there: tuple[Wherry, Path]) -> None:
    """Python reads none of more than 4300: it is no number for us either, wherever it stands."""
    texts = [text for line in _HUGE.split("\n") for text in line.split("|") if text]
    answers = ask([shlex.split(text.format(HUGE)) for text in texts], root=str(there[0].root), cwd=there[1], env=_ENV)
    found = [
        f"{text}: {code}: {said[-300:]}"
        for text, (code, _, said) in zip(texts, answers, strict=True)
        if not 0 < code < 127 or any(word in said for word in _BAD_WORDS) or not said.strip()
    ]
    assert not found, "\n".join(found)


def test_every_flag_whose_value_has_a_grammar_has_wrong_ones() -> None:
    cased = {(" ".join(line.argv[:2]), line.argv[0]) for line in lines()}
    assert cased
    unknown = {flag.type_name for _, verb in declared() for flag in verb.flags if flag.kind not in ("bool", "int")}
    assert unknown - FREE <= _OF_TYPE.keys() | OWN.keys(), "a new type of value needs wrong ones"
    given = {word[2:].partition("=")[0] for line in lines() if line.argv[0] in ("create", "run") for word in line.argv}
    create = dict(declared())["create"].flags
    plain = {
        "attach", "cgroup-parent", "cidfile", "dns-option", "dns-opt", "dns-search", "domainname", "entrypoint",
        "health-cmd", "name", "net", "net-alias", "network-alias", "label", "link", "hostname", "group-add",
        "volume-driver",
    }  # fmt: skip
    missing = {flag.name for flag in create if not wrong_of(flag)} - given - plain
    assert not missing
