"""wherry login, logout and search, with a registry and a keychain of our own."""

from __future__ import annotations

import json
import os
import pty
import threading
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any

import pytest

from wherry.cli import flags, login, logout, search
from wherry.cli.render import Output
from wherry.errors import InputError, RegistryError, Unauthorized, Unreachable, Unsupported, WherryError
from wherry.host.fake import FakeHost
from wherry.registry.credentials import Credential, Credentials
from wherry.registry.hosts import Endpoint, Hosts
from wherry.registry.search import Found, found_in


class Answer:
    def __init__(self, status: int, data: bytes) -> None:
        self.status, self.data = status, data

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        pass

    def read(self, limit_bytes: int) -> bytes:
        assert limit_bytes <= 4 << 20
        return self.data

    def drop(self) -> None:
        pass


class Registry:
    """Lets alice in with s3:cret; `token` is what it gives instead of the password."""

    def __init__(self) -> None:
        self.token = ""
        self.fault: WherryError | None = None
        self.seen: list[tuple[str, Credential]] = []
        self.answer = Answer(404, b"")
        self.asked: list[tuple[str, str]] = []
        self.names: list[str] | WherryError = []

    def check_login(self, endpoint: Endpoint, credential: Credential) -> str:
        self.seen.append((endpoint.host, credential))
        if self.fault:
            raise self.fault
        if (credential.username, credential.password or credential.identity_token) not in {
            ("alice", "s3:cret"),
            ("alice", "token"),
        }:
            raise Unauthorized("login: authentication required")
        return self.token

    def exchange(self, endpoint: Endpoint) -> Registry:
        self.asked.append((endpoint.host, ""))
        return self

    def send(self, call: Any, cancel: object) -> Answer:
        self.asked[-1] = self.asked[-1][0], call.where
        return self.answer

    def catalog(self, endpoint: Endpoint, cancel: object) -> Iterator[str]:
        if isinstance(self.names, WherryError):
            raise self.names
        yield from self.names


class Streams(Output):
    """Standard input is a given file descriptor."""

    def __init__(self, fd: int = -1, *, is_terminal: bool = False) -> None:
        self.out, self.err = StringIO(), StringIO()
        super().__init__(self.out, self.err, {})
        self._fd, self._is_terminal = fd, is_terminal

    @property
    def in_fd(self) -> int:
        return self._fd

    @property
    def in_is_terminal(self) -> bool:
        return self._is_terminal


class Lab:
    def __init__(self, home: Path) -> None:
        self.home, self.registry = home, Registry()
        self.config = home / ".docker" / "config.json"

    def run(self, module: Any, *argv: str, out: Streams | None = None) -> Streams:
        out = out or Streams()
        credentials = Credentials.load({}, str(self.home), host=FakeHost(), uid=4242)
        registries = SimpleNamespace(client=self.registry, hosts=Hosts(), credentials=credentials)
        engine: Any = SimpleNamespace(registries=registries)
        assert module.run(engine, flags.parse("wherry x", module.VERB, argv), out) == 0
        return out

    def auths(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = json.loads(self.config.read_text())["auths"]
        return found


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def piped(text: bytes) -> Streams:
    read, write = os.pipe()
    os.write(write, text)
    os.close(write)
    return Streams(read)


@pytest.mark.parametrize("text", [b"s3:cret", b"s3:cret\n", b"s3:cret\r\n"])
def test_a_password_from_stdin_loses_its_line_break(lab: Lab, text: bytes) -> None:
    out = piped(text)
    lab.run(login, "-u", "alice", "--password-stdin", "ghcr.io", out=out)
    os.close(out.in_fd)
    assert lab.registry.seen == [("ghcr.io", Credential("alice", "s3:cret"))]
    assert out.out.getvalue() == "Login Succeeded\n"
    assert f"WARNING! Your password will be stored unencrypted in {lab.config}." in out.err.getvalue()
    assert list(lab.auths()) == ["ghcr.io"]


@pytest.mark.parametrize(
    "name", ["", "docker.io", "index.docker.io", "https://index.docker.io/v1/", "registry-1.docker.io"]
)
def test_every_name_of_docker_hub_is_one_login(lab: Lab, name: str) -> None:
    lab.run(login, "-u", "alice", "-p", "s3:cret", *filter(None, [name]))
    assert lab.registry.seen[0][0] == "registry-1.docker.io"
    assert list(lab.auths()) == ["https://index.docker.io/v1/"]
    out = lab.run(logout, *filter(None, [name]))
    assert out.out.getvalue() == "Removing login credentials for https://index.docker.io/v1/\n"
    assert lab.auths() == {}


def test_an_identity_token_is_kept_instead_of_the_password_and_without_the_warning(lab: Lab) -> None:
    lab.registry.token = "token"
    out = lab.run(login, "-u", "alice", "-p", "s3:cret", "ghcr.io")
    assert lab.auths() == {"ghcr.io": {"auth": "YWxpY2U6", "identitytoken": "token"}}
    assert "unencrypted" not in out.err.getvalue()


def test_a_refused_login_keeps_nothing(lab: Lab) -> None:
    with pytest.raises(Unauthorized):
        lab.run(login, "-u", "alice", "-p", "wrong", "ghcr.io")
    assert not lab.config.exists()


def test_what_is_kept_is_tried_first(lab: Lab) -> None:
    lab.run(login, "-u", "alice", "-p", "s3:cret", "ghcr.io")
    out = lab.run(login, "ghcr.io")
    assert out.out.getvalue() == "Authenticating with existing credentials...\nLogin Succeeded\n"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Unauthorized("no"), "Stored credentials invalid or expired"),
        (Unreachable("x: refused"), "Login did not succeed, error: x: refused"),
    ],
)
def test_what_is_kept_and_fails_is_said_before_one_is_asked(lab: Lab, fault: WherryError, said: str) -> None:
    lab.run(login, "-u", "alice", "-p", "s3:cret", "ghcr.io")
    lab.registry.fault = fault
    out = Streams()
    with pytest.raises(InputError, match="non TTY"):
        lab.run(login, "ghcr.io", out=out)
    assert said in out.err.getvalue()


def test_a_terminal_does_not_show_the_password_and_shows_the_next_line_again(lab: Lab) -> None:
    import termios

    master, slave = pty.openpty()
    out = Streams(slave, is_terminal=True)
    hidden: list[bool] = []

    class Watched(StringIO):
        def write(self, text: str) -> int:
            if text.startswith("Password"):
                hidden.append(not termios.tcgetattr(slave)[3] & termios.ECHO)
            return super().write(text)

    out._out = Watched()
    before = termios.tcgetattr(slave)
    typist = threading.Thread(target=os.write, args=(master, b"alice\ns3:cret\n"))
    typist.start()
    try:
        lab.run(login, "ghcr.io", out=out)
        assert termios.tcgetattr(slave) == before
    finally:
        typist.join()
        os.close(master)
        os.close(slave)
    assert hidden == [True]
    assert lab.registry.seen == [("ghcr.io", Credential("alice", "s3:cret"))]
    assert out._out.getvalue() == "Username: Password: \nLogin Succeeded\n"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--password-stdin"], "Must provide --username"),
        (["-u", "a", "-p", "b", "--password-stdin"], "mutually exclusive"),
        (["-u", "a"], "non TTY"),
        (["-u", "a:b", "-p", "c"], "colon"),
        (["-u", "a", "-p", "b\r\nHost: evil"], "control characters"),
        (["-u", "a", "-p", "b", "bad host"], "no registry"),
        (["-u", "a", "-p", "b", "../../x"], "no registry"),
        (["-u", "a", "-p", "b", "https://user@host"], "no registry"),
        (["-u", "a", "-p", "b", "\x1b[2J"], "no registry"),
    ],
)
def test_a_wrong_command_line_asks_no_registry(lab: Lab, argv: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        lab.run(login, *argv)
    assert lab.registry.seen == []
    assert not lab.config.exists()


def test_a_config_that_others_could_read_is_told_of(lab: Lab) -> None:
    lab.run(login, "-u", "alice", "-p", "s3:cret", "ghcr.io")
    lab.config.chmod(0o644)
    out = lab.run(login, "-u", "alice", "-p", "s3:cret", "quay.io")
    assert "could read" in out.err.getvalue()
    assert lab.config.stat().st_mode & 0o777 == 0o600


def test_logout_names_podmans_file_that_still_knows_the_registry(lab: Lab) -> None:
    other = lab.home / ".config" / "containers" / "auth.json"
    other.parent.mkdir(parents=True)
    other.write_text('{"auths": {"ghcr.io": {"auth": "YTpi"}}}')
    assert f"{other} still holds" in lab.run(logout, "ghcr.io").err.getvalue()


RESULTS = [
    {"name": "python", "description": "Python is an interpreted, interactive, object-oriented language.\nx",
     "star_count": 9000, "is_official": True},
    {"name": "user/app", "description": None, "star_count": 5, "is_official": False},
    {"name": 7}, "nonsense",
]  # fmt: skip


def test_search_prints_dockers_table(lab: Lab) -> None:
    lab.registry.answer = Answer(200, json.dumps({"results": RESULTS}).encode())
    assert lab.run(search, "py thon").out.getvalue().splitlines() == [
        "NAME       DESCRIPTION                                     STARS     OFFICIAL",
        "python     Python is an interpreted, interactive, objec…   9000      [OK]",
        "user/app                                                   5",
    ]
    assert lab.registry.asked == [("index.docker.io", "/v1/search?q=py+thon&n=25")]
    out = lab.run(search, "--format", "json", "--filter", "stars=6", "--limit", "7", "--no-trunc", "x")
    assert json.loads(out.out.getvalue()) == {
        "Description": "Python is an interpreted, interactive, object-oriented language. x",
        "IsAutomated": "false", "IsOfficial": "true", "Name": "python", "StarCount": "9000",
    }  # fmt: skip
    assert lab.registry.asked[-1][1].endswith("n=7")


@pytest.mark.parametrize("answer", [Answer(404, b""), Answer(401, b""), Answer(200, b"<html>")])
def test_a_registry_without_search_is_searched_by_its_catalog(lab: Lab, answer: Answer) -> None:
    lab.registry.answer, lab.registry.names = answer, ["a/python", "b/ruby", "python"]
    rows = lab.run(search, "localhost:5000/python").out.getvalue().splitlines()
    assert [row.split()[0] for row in rows] == ["NAME", "a/python", "python"]
    assert lab.registry.asked[0][0] == "localhost:5000"
    rows = lab.run(search, "--limit", "1", "localhost:5000/python").out.getvalue().splitlines()
    assert [row.split()[0] for row in rows] == ["NAME", "a/python"]


def test_a_registry_that_offers_neither_says_so(lab: Lab) -> None:
    lab.registry.names = Unauthorized("x", status=401)
    with pytest.raises(Unsupported, match=r"ghcr\.io has no search") as caught:
        lab.run(search, "ghcr.io/python")
    assert "wherry login ghcr.io may help" in (caught.value.hint or "")


def test_what_goes_wrong_at_docker_hub_is_no_missing_search(lab: Lab) -> None:
    lab.registry.answer = Answer(200, b"<html>")
    with pytest.raises(RegistryError, match="no list of results"):
        lab.run(search, "python")


@pytest.mark.parametrize("data", [b"", b"[]", b'{"results": 3}', b'{"results": {}}', b"{}", b"[" * 100_000])
def test_nonsense_is_no_list_of_results(data: bytes) -> None:
    with pytest.raises(RegistryError):
        found_in(data, "x")


def test_no_results_and_strange_fields_are_no_fault() -> None:
    assert found_in(b'{"results": null}', "x") == []
    strange = {"name": "n", "description": 3, "star_count": True, "is_official": "yes"}
    assert found_in(json.dumps({"results": [strange]}).encode(), "x") == [Found("n")]


@pytest.mark.parametrize(
    ("text", "registry", "term"),
    [
        ("python", "docker.io", "python"),
        ("user/app", "docker.io", "user/app"),
        ("localhost:5000/x", "localhost:5000", "x"),
        ("ghcr.io/a/b", "ghcr.io", "a/b"),
        ("docker.io/a", "docker.io", "a"),
    ],
)
def test_a_term_may_name_its_registry(text: str, registry: str, term: str) -> None:
    assert search.split(text) == (registry, term)


@pytest.mark.parametrize("text", ["../x", "a..b/x", ".:5/x", "user@host:1/x", "\x1b[2J.x/y", "a.b%2f/x"])
def test_a_registry_to_search_has_the_form_of_one(lab: Lab, text: str) -> None:
    with pytest.raises(InputError, match="no registry"):
        lab.run(search, text)
    assert lab.registry.asked == []


@pytest.mark.parametrize(
    ("given", "said"), [("x=1", "invalid filter"), ("stars=many", "stars=many"), ("is-official=maybe", "maybe")]
)
def test_a_filter_that_is_none_is_refused(given: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        search.filters((given,))
