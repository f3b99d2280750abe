"""What goes to the machine, what it can't do, and what its answers mean."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.deploy.cloudrun.fake import IMAGE, PLAIN
from wherry.cancel import Cancel
from wherry.compose import dotenv
from wherry.compose.load import LoadRequest, load
from wherry.compose.source import Source
from wherry.deploy.application import Application, Gpu, Secret, Weights
from wherry.deploy.compose_ssh import look
from wherry.deploy.compose_ssh.choice import Address, Choice, Publish
from wherry.deploy.compose_ssh.document import compose, image_name, secrets_env
from wherry.deploy.compose_ssh.machine import Machine, connected
from wherry.deploy.compose_ssh.ssh import refusal
from wherry.deploy.compose_ssh.validate import notes, problems
from wherry.errors import DeployError, InputError, NotSignedIn, Unreachable
from wherry.host import Completed

GOLDEN = Path(__file__).parents[3] / "cases" / "deploy" / "compose-ssh"
HERE = Choice(host="deploy@gpu1")
LOCAL = replace(PLAIN, image=replace(IMAGE, digest="", user="1000"))
FULL = replace(
    LOCAL,
    env={"PRICE": "5$ and ${HOME}", "EMPTY": ""},
    secrets=(Secret("API_KEY", "env", "API_KEY"), Secret("TOKEN", "ref", "/etc/iris.env")),
    cpu_m=2500, memory_bytes=3 << 30, gpu=Gpu(2), entrypoint=("python",), command=("-m", "serve $X"),
    labels={"team": "vision"}, weights=(Weights("r.example.com/iris:3", "/models"),), grace_s=60,
)  # fmt: skip
CASES: dict[str, tuple[Application, Choice]] = {
    "plain": (LOCAL, HERE),
    "full": (FULL, replace(HERE, publish="127.0.0.1:80")),
    "registry": (LOCAL, replace(HERE, registry="r.example.com/team", is_writable=True)),
    "root": (replace(LOCAL, image=replace(LOCAL.image, user="")), HERE),
}


@pytest.mark.parametrize("case", CASES)
def test_documents_are_as_they_were_looked_over(case: str, tmp_path: Path) -> None:
    app, choice = CASES[case]
    text = compose(app, choice)
    golden = GOLDEN / f"{case}.yaml"
    if os.environ.get("WRITE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text()
    assert problems(app, choice) == []


def test_compose_reads_what_was_meant(tmp_path: Path) -> None:
    """A $ of the user's is no variable of the machine's."""
    (tmp_path / "compose.yaml").write_text(compose(replace(FULL, secrets=()), HERE))
    project = load(LoadRequest(current_dir=str(tmp_path), environment={"HOME": "/x", "X": "y"}, files=["compose.yaml"]))
    service = project.services["app"]
    assert project.name == "wherry-iris"
    assert service.environment["PRICE"] == "5$ and ${HOME}"
    assert list(service.command or ()) == ["-m", "serve $X"]
    assert service.image == f"wherry-deploy/iris:{'cd' * 6}"


_NAMES = st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True)
_VALUES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"))


@given(st.dictionaries(_NAMES, _VALUES, max_size=4))
def test_every_value_of_a_secret_comes_through(values: dict[str, str]) -> None:
    source = Source("secrets.env", secrets_env(values).encode())
    assert dotenv.parse(source, lambda name: "replaced", lambda name: None) == values


def test_where_the_image_comes_from() -> None:
    team = replace(HERE, registry="r.example.com/team")
    pushed = LOCAL.with_image("r.example.com/team/iris", "sha256:" + "ab" * 32)
    assert image_name(LOCAL, team) == f"r.example.com/team/iris:{'cd' * 6}"
    assert image_name(pushed, team) == pushed.image.reference
    assert image_name(pushed, HERE) == f"wherry-deploy/iris:{'cd' * 6}"
    elsewhere = replace(LOCAL, image=replace(IMAGE, id="", reference="ghcr.io/a/b@sha256:" + "ab" * 32))
    assert image_name(elsewhere, team) == elsewhere.image.reference


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("gpu1", Address("gpu1")),
        ("me@gpu1.example.com:2222", Address("gpu1.example.com", "me", 2222)),
        ("ssh://me@gpu1:22/", Address("gpu1", "me", 22)),
        ("[2001:db8::1]:22", Address("2001:db8::1", "", 22)),
        ("-oProxyCommand=touch /tmp/x", None),
        ("me@-oProxyCommand=x", None),
        ("a b", None),
        ("gpu1;reboot", None),
        ("gpu1:99999", None),
        ("", None),
    ],
)
def test_an_address_is_one_and_never_an_option(text: str, address: Address | None) -> None:
    assert Address.parse(text) == address
    if address:
        assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    ("text", "publish"),
    [("8080", Publish("", 8080)), ("10.0.0.1:80", Publish("10.0.0.1", 80)), ("0", None), ("1.2.3.400:80", None),
     ("80:90", None), ("x", None)],
)  # fmt: skip
def test_where_it_answers(text: str, publish: Publish | None) -> None:
    assert Publish.parse(text) == publish


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "host": ({}, {"host": ""}, "--host [USER@]HOST[:PORT]"),
    "option": ({}, {"host": "-oProxyCommand=x"}, "is no [USER@]HOST"),
    "engine": ({}, {"engine": "podman"}, "neither wherry nor docker"),
    "publish": ({}, {"publish": "all"}, "--publish 127.0.0.1:8080"),
    "registry": ({}, {"registry": "https://r"}, "neither HOST nor"),
    "max": ({"max_instances": 3}, {}, "one instance"),
    "min": ({"min_instances": 0}, {}, "--min 1"),
    "ref": ({"secrets": (Secret("A", "ref", "mine"),)}, {}, "A=ref:/etc/iris.env"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_machine_can_not_do_is_said_first(case: str) -> None:
    changed, chosen, words = REFUSED[case]
    found = problems(replace(LOCAL, **changed), replace(HERE, **chosen))
    assert [words in f"{one.message} {one.hint}" for one in found] == [True]


def test_plain_http_to_everybody_is_noted() -> None:
    assert "all addresses" in notes(LOCAL, HERE)[0]
    assert notes(LOCAL, replace(HERE, publish="127.0.0.1:80")) == ()


@pytest.mark.parametrize(
    ("stderr", "kind", "words"),
    [
        ("me@x: Permission denied (publickey).", NotSignedIn, "ssh-add"),
        ("Host key verification failed.", NotSignedIn, "compare the fingerprint"),
        ("@@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.", NotSignedIn,
         "ssh-keygen -R"),
        ("ssh: Could not resolve hostname x: Name or service not known", Unreachable, "Could not resolve"),
        ("ssh: connect to host x port 22: Connection refused", Unreachable, "Connection refused"),
        ("", Unreachable, "said nothing"),
    ],
)  # fmt: skip
def test_what_ssh_refuses_is_one_line_with_what_to_do(stderr: str, kind: type, words: str) -> None:
    fault = refusal("me@x", stderr.encode())
    assert type(fault) is kind
    assert words in f"{fault.message} {fault.hint}"
    assert "\n" not in fault.message


def container(status: str, health: str = "", restarts: int = 0, **state: Any) -> dict[str, Any]:
    known = {"Status": status, **({"Health": {"Status": health}} if health else {}), **state}
    return {"Name": "/wherry-iris-app-1", "State": known, "RestartCount": restarts, "Config": {"Labels": {}}}


@pytest.mark.parametrize(
    ("found", "is_ready", "failed"),
    [
        ([], False, "no container"),
        ([container("running")], True, ""),
        ([container("running", "starting")], False, ""),
        ([container("running", "healthy")], True, ""),
        ([container("running", "unhealthy")], False, "unhealthy"),
        ([container("exited", ExitCode=3)], False, "exit code 3"),
        ([container("restarting", restarts=1, ExitCode=1)], False, ""),
        ([container("restarting", restarts=3, ExitCode=1)], False, "restarted 3 times"),
        ([container("exited", OOMKilled=True, ExitCode=137)], False, "out of memory"),
    ],
)
def test_what_the_state_of_a_container_means(found: list[dict[str, Any]], is_ready: bool, failed: str) -> None:
    view = look.judge(found)
    assert view.is_ready == is_ready
    assert bool(view.failed) == bool(failed)
    assert failed in view.failed
    assert look.containers(b"{") == []
    assert look.image_of("services: [") == ""


class FakeRemote:
    """Answers by the first word that the script has."""

    where = "gpu1"

    def __init__(self, **answers: tuple[int, str]) -> None:
        self.answers, self.asked = answers, list[str]()

    def run(self, script: str, cancel: Cancel, data: bytes = b"") -> Completed:
        self.asked.append(script)
        status, text = next((one for word, one in self.answers.items() if word in script), (0, ""))
        return Completed(status, text.encode() if not status else b"", text.encode() if status else b"")


def test_what_is_there_is_found_out() -> None:
    found = connected(FakeRemote(uname=(0, "aarch64\ndocker\n")), "", "sudo -n ", Cancel())  # type: ignore[arg-type]
    assert (found.engine, found.architecture, found.where) == ("sudo -n docker", "arm64", "gpu1, docker")


@pytest.mark.parametrize(
    ("answers", "engine", "words"),
    [
        ({"uname": (0, "x86_64\n")}, "", "neither wherry nor docker is installed at gpu1"),
        ({"uname": (0, "x86_64\n")}, "wherry", "wherry is not installed at gpu1"),
        ({"uname": (0, "x86_64 docker"), "compose": (1, "docker: 'compose' is not a docker command.")}, "", "compose"),
        ({"uname": (0, "x86_64 docker"), "ps": (1, "permission denied")}, "", "--sudo"),
    ],
)
def test_a_machine_without_an_engine_is_told_as_that(
    answers: dict[str, tuple[int, str]], engine: str, words: str
) -> None:
    with pytest.raises(DeployError) as told:
        connected(FakeRemote(**answers), engine, "", Cancel())  # type: ignore[arg-type]
    assert words in f"{told.value.message} {told.value.hint}"


@pytest.mark.parametrize("name", ["../../etc", "a b", "", "$(reboot)", "x;y"])
def test_a_name_never_leaves_the_folder(name: str) -> None:
    remote = FakeRemote()
    with pytest.raises(InputError, match="is no name for a deployment"):
        Machine(remote, "docker", "amd64").remove_files(name, Cancel())  # type: ignore[arg-type]
    assert remote.asked == []
