from __future__ import annotations

import os
import threading
from pathlib import Path

import bcrypt
import pytest

from wherry.errors import InputError
from wherry.registry.server import htpasswd
from wherry.registry.server.htpasswd import Htpasswd


def line(user: str, password: str, prefix: str = "$2b") -> str:
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    return f"{user}:{hashed.replace('$2b', prefix, 1)}\n"


def written(path: Path, text: str, when_ns: int) -> None:
    path.write_text(text)
    os.utime(path, ns=(when_ns, when_ns))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "users"
    written(path, "# people\n\n" + line("anna", "secret") + line("ben", "other", "$2y"), 1)
    return path


def users(path: Path, **more: object) -> Htpasswd:
    return Htpasswd(str(path), pytest.fail, **more)  # type: ignore[arg-type]


def test_a_right_password_is_taken_and_a_wrong_one_is_not(file: Path) -> None:
    found = users(file)
    assert found.check("anna", "secret") is True
    assert found.check("ben", "other") is True
    assert found.check("anna", "other") is False
    assert found.check("anna", "") is False
    assert found.check("carl", "secret") is False


def test_a_password_with_a_nul_or_of_any_length_is_only_wrong(file: Path) -> None:
    found = users(file)
    assert found.check("anna", "sec\0ret") is False
    assert found.check("anna", "x" * 100_000) is False
    assert found.check("anna", "\udcff") is False


def test_what_was_right_is_remembered_for_some_minutes_only(file: Path) -> None:
    now = [0.0]
    found = users(file, clock=lambda: now[0])
    assert not found.remembers("anna", "secret")
    found.check("anna", "secret")
    assert found.remembers("anna", "secret")
    assert not found.remembers("anna", "secret ")
    assert not found.remembers("ben", "secret")
    now[0] = 301.0
    assert not found.remembers("anna", "secret")


def test_a_wrong_password_is_never_remembered(file: Path) -> None:
    found = users(file)
    assert found.check("anna", "wrong") is False
    assert not found.remembers("anna", "wrong")


def test_the_memory_holds_no_password(file: Path) -> None:
    found = users(file)
    found.check("anna", "secret")
    assert "secret" not in repr(vars(found))


def test_a_new_password_counts_at_once_and_the_old_one_no_more(file: Path) -> None:
    found = users(file)
    assert found.check("anna", "secret") is True
    written(file, line("anna", "changed"), 2)
    assert not found.remembers("anna", "secret")
    assert found.check("anna", "secret") is False
    assert found.check("anna", "changed") is True
    assert not found.has("ben")


def test_a_file_that_breaks_later_leaves_the_users_as_they_were(file: Path) -> None:
    said: list[str] = []
    found = Htpasswd(str(file), said.append)
    written(file, "anna:{SHA}nonsense\n", 2)
    assert found.check("anna", "secret") is True
    assert found.has("ben")
    assert len(said) == 1
    assert f"{file}:1: the password of 'anna' is not hashed by bcrypt" in said[0]


@pytest.mark.parametrize(
    "hashed",
    [
        "$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/",
        "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "rOioh4Wh2cW6E",
        "plain",
        "",
        "$2y$05$short",
    ],
)
def test_a_weaker_hash_is_refused_by_line(tmp_path: Path, hashed: str) -> None:
    path = tmp_path / "users"
    path.write_text(f"# one\nben:{hashed}\n")
    with pytest.raises(InputError) as fault:
        users(path)
    assert fault.value.where == f"{path}:2"
    assert fault.value.hint == f"htpasswd -B {path} ben"
    assert not hashed or hashed not in fault.value.message


def test_a_cost_that_would_stop_the_server_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text("ben:$2y$31$" + "." * 53 + "\n")
    with pytest.raises(InputError, match="cost of 'ben' is 31"):
        users(path)


def test_a_user_that_is_not_there_costs_as_much_as_the_dearest(file: Path) -> None:
    read = htpasswd.parse("a:$2b$04$" + "." * 53 + "\nb:$2b$07$" + "." * 53 + "\n", "users")
    assert read.nobody.startswith(b"$2b$07$")
    asked: list[bytes] = []
    found = users(file)

    def match(given: bytes, hashed: bytes) -> bool:
        asked.append(hashed)
        return True

    found._matches = match  # our own border: the library, counted
    assert found.check("nobody at all", "secret") is False
    assert len(asked) == 1


def test_few_are_computed_at_once_and_who_waits_too_long_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(htpasswd, "_WAIT_S", 0.05)
    found = users(file)
    go, started = threading.Event(), threading.Semaphore(0)

    def match(given: bytes, hashed: bytes) -> bool:
        started.release()
        return go.wait(30)

    found._matches = match
    busy = [threading.Thread(target=found.check, args=("anna", "secret")) for _ in range(2)]
    for one in busy:
        one.start()
    for _ in busy:
        assert started.acquire(timeout=30)
    assert isinstance(found.check("ben", "other"), htpasswd.TooMany)
    go.set()
    for one in busy:
        one.join()
    assert found.check("anna", "secret") is True


def test_many_connections_of_one_client_cost_one_check(file: Path) -> None:
    found = users(file)
    asked: list[bytes] = []
    first, go = threading.Event(), threading.Event()

    def match(given: bytes, hashed: bytes) -> bool:
        asked.append(hashed)
        first.set()
        return go.wait(30)

    found._matches = match
    answers: list[object] = []
    clients = [threading.Thread(target=lambda: answers.append(found.check("anna", "secret"))) for _ in range(12)]
    for one in clients:
        one.start()
    assert first.wait(30)
    go.set()
    for one in clients:
        one.join(30)
    assert answers == [True] * 12
    assert len(asked) <= htpasswd._AT_ONCE
