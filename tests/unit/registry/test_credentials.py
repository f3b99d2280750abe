"""Who one is at a registry: which file, which key, which helper; and what login and logout write."""

from __future__ import annotations

import base64
import json
import os
import stat
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from wherry.errors import HostError, InputError
from wherry.host import Command, Completed
from wherry.host.fake import FakeHost
from wherry.registry.credentials import Credential, Credentials
from wherry.registry.credentials_file import host_of

CASES = sorted((Path(__file__).parents[2] / "cases" / "registries" / "credentials").glob("*.json"))
HUB = "registry-1.docker.io"


class Keychain:
    """docker-credential-NAME, as a program would be; `secrets` by key."""

    def __init__(self, secrets: Mapping[str, tuple[str, str]] | None = None) -> None:
        self.secrets = dict(secrets or {})
        self.asked: list[tuple[str, str, str]] = []

    def __call__(self, command: Command) -> Completed:
        program, verb = command.argv
        said = (command.stdin or b"").decode()
        self.asked.append((program, verb, said))
        assert command.timeout_s
        assert command.limit_bytes == 1 << 20
        if verb == "store":
            document = json.loads(said)
            self.secrets[document["ServerURL"]] = document["Username"], document["Secret"]
            return Completed(0, b"", b"")
        if verb == "list":
            return Completed(0, json.dumps({key: user for key, (user, _) in self.secrets.items()}).encode(), b"")
        if said not in self.secrets:
            return Completed(1, b"credentials not found in native keychain\n", b"")
        if verb == "erase":
            del self.secrets[said]
            return Completed(0, b"", b"")
        user, secret = self.secrets[said]
        return Completed(0, json.dumps({"ServerURL": said, "Username": user, "Secret": secret}).encode(), b"")


def auth(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def load(home: Path, host: FakeHost | None = None, **env: str) -> Credentials:
    return Credentials.load(env, str(home), host=host or FakeHost(), uid=4242)


def write(path: Path, document: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path, tmp_path: Path) -> None:
    """`files` below HOME, `env` ($HOME stands for it), `helper` secrets; then questions with their answers."""
    case = json.loads(path.read_text())
    for name, document in case["files"].items():
        write(tmp_path / name, document)
    env = {key: value.replace("$HOME", str(tmp_path)) for key, value in case.get("env", {}).items()}
    keychain = Keychain({key: tuple(value) for key, value in case.get("helper", {}).items()})
    found = load(tmp_path, FakeHost(answer=keychain), **env)
    for question, answer in case["find"].items():
        host, _, repository = question.partition("/")
        wanted = None if answer is None else Credential(*answer) if isinstance(answer, list) else Credential(**answer)
        assert found.find(host, repository) == wanted, question
    assert len(found.notices) == len(case.get("notices", []))
    for text, pattern in zip(found.notices, case.get("notices", []), strict=True):
        assert pattern in text
    if "asked" in case:
        assert [list(one) for one in keychain.asked] == case["asked"]


def test_nothing_shows_a_secret() -> None:
    for secret in (
        Credential("u", "hunter2"),
        Credential(identity_token="hunter2"),
        Credential(registry_token="hunter2"),
    ):
        assert "hunter2" not in f"{secret} {secret!r} {[secret]}"


@pytest.mark.parametrize(
    ("key", "host", "space"),
    [
        ("localhost:5000", "localhost:5000", ""),
        ("https://localhost:5000", "localhost:5000", ""),
        ("http://localhost:5000/v2/", "localhost:5000", ""),
        ("https://index.docker.io/v1/", "docker.io", ""),
        ("index.docker.io/v1/", "docker.io", ""),
        ("registry-1.docker.io", "docker.io", ""),
        ("docker.io/user/app", "docker.io", "user/app"),
        ("QUAY.io/Org", "quay.io", "Org"),
        ("[::1]:5000", "[::1]:5000", ""),
    ],
)
def test_a_key_is_a_host_and_a_namespace(key: str, host: str, space: str) -> None:
    assert host_of(key) == (host, space)


def test_login_writes_what_docker_writes(tmp_path: Path) -> None:
    """As docker 26 left it, byte for byte."""
    credentials = load(tmp_path)
    kept = credentials.login("localhost:25999", Credential("alice", "s3:cret"))
    path = tmp_path / ".docker" / "config.json"
    expected = '{\n\t"auths": {\n\t\t"localhost:25999": {\n\t\t\t"auth": "YWxpY2U6czM6Y3JldA=="\n\t\t}\n\t}\n}'
    assert path.read_text() == expected
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert kept == (str(path), "", False)
    assert credentials.find("localhost:25999") == Credential("alice", "s3:cret")
    credentials.logout("localhost:25999")
    assert path.read_text() == '{\n\t"auths": {}\n}'
    assert credentials.find("localhost:25999") is None


def test_docker_hub_is_kept_under_its_old_url_and_an_identity_token_instead_of_the_password(tmp_path: Path) -> None:
    credentials = load(tmp_path)
    credentials.login("docker.io", Credential("bob", "pw", identity_token="tok"))
    document = json.loads((tmp_path / ".docker" / "config.json").read_text())
    assert document == {"auths": {"https://index.docker.io/v1/": {"auth": auth("bob", ""), "identitytoken": "tok"}}}
    assert load(tmp_path).find(HUB) == Credential("bob", "", "tok")


def test_logout_takes_every_spelling_of_the_host_and_nothing_else(tmp_path: Path) -> None:
    entry = {"auth": auth("a", "b")}
    keys = ["https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io"]
    path = write(
        tmp_path / ".docker/config.json", {"auths": dict.fromkeys([*keys, "ghcr.io", "docker.io/team"], entry)}
    )
    credentials = load(tmp_path)
    credentials.logout("index.docker.io")
    assert list(json.loads(path.read_text())["auths"]) == ["ghcr.io", "docker.io/team"]


def test_logout_names_the_other_files_that_know_the_host(tmp_path: Path) -> None:
    other = write(tmp_path / "auth.json", {"auths": {"ghcr.io": {"auth": auth("a", "b")}}})
    credentials = load(tmp_path, REGISTRY_AUTH_FILE=str(other))
    assert credentials.logout("ghcr.io") == [str(other)]
    assert not (tmp_path / ".docker").exists()


def test_a_linked_config_stays_a_link(tmp_path: Path) -> None:
    real = write(tmp_path / "dotfiles" / "docker.json", "{}")
    (tmp_path / ".docker").mkdir()
    link = tmp_path / ".docker" / "config.json"
    link.symlink_to(real)
    load(tmp_path).login("ghcr.io", Credential("a", "b"))
    assert link.is_symlink()
    assert "ghcr.io" in real.read_text()


def test_a_file_that_others_could_read_is_closed_and_told_of(tmp_path: Path) -> None:
    path = write(tmp_path / ".docker/config.json", {"auths": {"ghcr.io": {"auth": auth("a", "b")}}})
    path.chmod(0o644)
    assert load(tmp_path).login("quay.io", Credential("a", "b")).was_open
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not load(tmp_path).login("quay.io", Credential("a", "b")).was_open


@pytest.mark.parametrize("text", ['{"auths": ', '["auths"]', '{"auths": "x"}', "\ufeff{}"])
def test_a_file_that_is_no_config_is_never_written_over(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / ".docker/config.json", text)
    credentials = load(tmp_path)
    with pytest.raises(InputError):
        credentials.login("ghcr.io", Credential("a", "b"))
    assert path.read_text() == text
    assert credentials.find("ghcr.io") is None


def test_a_helper_keeps_the_secret_and_the_file_the_key(tmp_path: Path) -> None:
    path = write(tmp_path / ".docker/config.json", '{"credsStore": "box"}')
    keychain = Keychain()
    credentials = load(tmp_path, FakeHost(answer=keychain))
    assert credentials.login("ghcr.io", Credential("a", "b")).helper == "box"
    assert credentials.login("docker.io", Credential("c", "", "tok")).helper == "box"
    assert keychain.secrets == {"ghcr.io": ("a", "b"), "https://index.docker.io/v1/": ("<token>", "tok")}
    assert json.loads(path.read_text())["auths"] == {"ghcr.io": {}, "https://index.docker.io/v1/": {}}
    assert credentials.find(HUB) == Credential(identity_token="tok")
    assert credentials.all_hosts() == ["docker.io", "ghcr.io"]
    credentials.logout("ghcr.io")
    credentials.logout("ghcr.io")
    assert list(keychain.secrets) == ["https://index.docker.io/v1/"]
    assert credentials.find("ghcr.io") is None


def test_the_first_login_takes_the_keychain_that_docker_would_take(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("docker-credential-pass", "docker-credential-secretservice"):
        (folder / name).touch(0o755)
    keychain = Keychain()
    credentials = load(tmp_path, FakeHost(answer=keychain), PATH=str(folder))
    assert credentials.keeps_in("ghcr.io").helper == "secretservice"
    assert credentials.login("ghcr.io", Credential("a", "b")).helper == "secretservice"
    document = json.loads((tmp_path / ".docker/config.json").read_text())
    assert document == {"auths": {"ghcr.io": {}}, "credsStore": "secretservice"}
    assert keychain.asked[0][0] == "docker-credential-secretservice"


@pytest.mark.parametrize("name", ["../evil", "/bin/sh", "a b", "x;y", "a\0b"])
def test_a_helper_is_a_name_on_the_path_and_no_path(tmp_path: Path, name: str) -> None:
    write(tmp_path / ".docker/config.json", {"credHelpers": {"ghcr.io": name}})
    host = FakeHost()
    credentials = load(tmp_path, host)
    assert credentials.find("ghcr.io") is None
    assert "not the name of one" in credentials.notices[0]
    with pytest.raises(HostError):
        credentials.login("ghcr.io", Credential("a", "b"))
    assert host.calls == []


@pytest.mark.parametrize(
    "answer", [b"", b"no json", b"[]", b"null", b'{"Username": 1, "Secret": "x"}', b"[" * 100_000, b'{"Secret": ["x"]}']
)
def test_a_helper_that_answers_nonsense_means_anonymous_with_a_notice(tmp_path: Path, answer: bytes) -> None:
    write(tmp_path / ".docker/config.json", {"credsStore": "box"})
    credentials = load(tmp_path, FakeHost(answer=lambda _: Completed(0, answer, b"")))
    assert credentials.find("ghcr.io") is None
    assert credentials.find("ghcr.io") is None
    assert len(credentials.notices) == 1
    assert "docker-credential-box" in credentials.notices[0]


def test_a_helper_that_fails_is_quoted_harmlessly(tmp_path: Path) -> None:
    write(tmp_path / ".docker/config.json", {"credsStore": "box"})
    said = b"locked\x1b[2J\n" + b"x" * 5000
    credentials = load(tmp_path, FakeHost(answer=lambda _: Completed(3, said, b"")))
    assert credentials.find("ghcr.io") is None
    assert "exit code 3): locked [2J" in credentials.notices[0]
    assert len(credentials.notices[0]) < 500
    with pytest.raises(HostError, match="store failed"):
        credentials.login("ghcr.io", Credential("a", "b"))


def test_a_helper_that_is_not_there_leaves_the_config_as_it_was(tmp_path: Path) -> None:
    def missing(_: Command) -> Completed:
        raise HostError("docker-credential-desktop.exe is not installed")

    path = write(tmp_path / ".docker/config.json", {"credsStore": "desktop.exe"})
    credentials = load(tmp_path, FakeHost(answer=missing))
    assert credentials.find(HUB) is None
    assert "going on without" in credentials.notices[0]
    with pytest.raises(HostError):
        credentials.login("docker.io", Credential("a", "b"))
    assert json.loads(path.read_text()) == {"credsStore": "desktop.exe"}


def test_a_file_that_cannot_be_read_is_a_notice(tmp_path: Path) -> None:
    path = tmp_path / ".docker" / "config.json"
    path.mkdir(parents=True)
    assert "cannot be read" in load(tmp_path).notices[0]
    path.rmdir()
    with path.open("wb") as file:
        os.truncate(file.fileno(), 5 << 20)
    assert "over the limit" in load(tmp_path).notices[0]


def test_helpers_of_registries_conf_are_asked_in_their_order_around_the_files(tmp_path: Path) -> None:
    write(tmp_path / ".docker/config.json", {"auths": {"one.example": {"auth": auth("file", "f")}}})
    keychain = Keychain({"one.example": ("kept", "k"), "two.example": ("kept", "k")})

    def found(*helpers: str) -> list[str]:
        host = FakeHost(answer=keychain)
        credentials = Credentials.load({}, str(tmp_path), host=host, uid=4242, helpers=helpers)
        return [
            (credentials.find(name) or Credential()).username for name in ("one.example", "two.example", "x.example")
        ]

    assert found() == ["file", "", ""]
    assert found("box") == ["kept", "kept", ""]
    assert found("box", "containers-auth.json") == ["kept", "kept", ""]
    assert found("containers-auth.json", "box") == ["file", "kept", ""]


def test_logins_at_the_same_time_all_last(tmp_path: Path) -> None:
    names = [f"host{number}.example" for number in range(6)]
    threads = [
        threading.Thread(target=load(tmp_path).login, args=(name, Credential("a", name))) for name in names
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(json.loads((tmp_path / ".docker/config.json").read_text())["auths"]) == sorted(names)
    assert os.listdir(tmp_path / ".docker") == ["config.json"]
