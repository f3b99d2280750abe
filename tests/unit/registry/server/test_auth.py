from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import bcrypt
import pytest

from tests.unit.registry.server.asking import Recorder, basic, request
from wherry.registry.server.auth import AccessGuard, warning_of_plain_http
from wherry.web.exchange import Responder

RULES = """
[[rule]]
repositories = ["team/**"]
users = ["anna"]
actions = ["pull", "push"]
[[rule]]
repositories = ["public/**"]
anonymous = true
actions = ["pull"]
"""
PRIVATE = RULES.partition('[[rule]]\nrepositories = ["public')[0]


@pytest.fixture
def users(tmp_path: Path) -> str:
    path = tmp_path / "users"
    path.write_text(
        "".join(f"{name}:{bcrypt.hashpw(b'secret', bcrypt.gensalt(4)).decode()}\n" for name in ("anna", "ben"))
    )
    return str(path)


@pytest.fixture
def rules(tmp_path: Path) -> str:
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    return str(path)


ANNA, BEN, WRONG = basic("anna", "secret"), basic("ben", "secret"), basic("anna", "wrong")


def status(guard: AccessGuard, action: str, repository: str = "", remote: str = "192.0.2.1", **headers: str) -> int:
    decision = guard.check(request(remote=remote, **headers), action, repository)
    return 200 if decision.allowed else decision.status


def test_without_a_password_one_is_asked_for(users: str) -> None:
    guard = AccessGuard(htpasswd=users)
    for action in ("ping", "catalog", "pull", "push", "delete"):
        decision = guard.check(request(), action, "team/app")
        assert (decision.allowed, decision.status) == (False, 401)
        assert dict(decision.headers)["WWW-Authenticate"] == 'Basic realm="wherry registry", charset="UTF-8"'


def test_with_a_password_all_is_allowed_where_there_are_no_rules(users: str) -> None:
    guard = AccessGuard(htpasswd=users)
    asked = request(authorization=ANNA)
    assert guard.check(asked, "push", "team/app").allowed
    assert asked.user == "anna"
    assert status(guard, "delete", "any", authorization=BEN) == 200
    assert status(guard, "ping", authorization=WRONG) == 401


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic YQ",
        "Digest x",
        "basic",
        "Bearer",
        "Bearer x",
        "Basic " + "A" * 9000,
        "\0",
    ],
)
def test_a_malformed_authorization_is_a_401(users: str, header: str) -> None:
    assert status(AccessGuard(htpasswd=users), "pull", "a", authorization=header) == 401


def test_rules_say_who_may_what(users: str, rules: str) -> None:
    guard = AccessGuard(htpasswd=users, rules=rules)
    assert status(guard, "push", "team/app", authorization=ANNA) == 200
    assert status(guard, "delete", "team/app", authorization=ANNA) == 403
    assert status(guard, "pull", "team/app", authorization=BEN) == 403
    assert status(guard, "pull", "public/app", authorization=BEN) == 200
    assert status(guard, "pull", "public/app") == 200
    assert status(guard, "push", "public/app") == 401
    assert status(guard, "pull", "team/app") == 401


def test_a_rule_that_is_taken_away_is_gone_at_the_next_request(users: str, tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(PRIVATE)
    guard = AccessGuard(htpasswd=users, rules=str(path))
    assert status(guard, "pull", "team/app", authorization=ANNA) == 200
    path.write_text(PRIVATE.replace("anna", "benjamin"))
    assert status(guard, "pull", "team/app", authorization=ANNA) == 403


def test_anonymous_pull_lets_anybody_pull_and_nobody_push(users: str) -> None:
    guard = AccessGuard(htpasswd=users, anonymous_pull=True)
    assert status(guard, "pull", "a") == 200
    assert status(guard, "catalog") == 200
    assert status(guard, "push", "a") == 401
    assert status(guard, "push", "a", authorization=ANNA) == 200


def test_a_wrong_password_is_refused_even_where_none_is_needed(users: str) -> None:
    assert status(AccessGuard(htpasswd=users, anonymous_pull=True), "pull", "a", authorization=WRONG) == 401


def test_without_users_everybody_is_anonymous(rules: str) -> None:
    guard = AccessGuard(rules=rules)
    assert status(guard, "ping") == 200
    assert status(guard, "pull", "public/app") == 200
    assert status(guard, "push", "public/app") == 403
    assert status(guard, "push", "team/app", authorization=ANNA) == 403


def test_who_fails_often_waits_and_others_do_not(users: str) -> None:
    now = [0.0]
    guard = AccessGuard(htpasswd=users, clock=lambda: now[0])
    assert status(guard, "ping", authorization=BEN) == 200
    for _ in range(10):
        assert status(guard, "ping", authorization=WRONG) == 401
    decision = guard.check(request(authorization=ANNA), "ping", "")
    assert decision.status == 429
    assert int(dict(decision.headers)["Retry-After"]) >= 1
    assert status(guard, "ping", authorization=BEN) == 200, "who was right before is not locked out by a neighbour"
    assert status(guard, "ping", remote="198.51.100.2", authorization=ANNA) == 200
    now[0] += 60
    assert status(guard, "ping", authorization=ANNA) == 200


def challenge(guard: AccessGuard, action: str, repository: str = "", **headers: str) -> str:
    decision = guard.check(request(host="reg.example:5000", **headers), action, repository)
    assert decision.status == 401
    return dict(decision.headers)["WWW-Authenticate"]


def test_an_open_registry_asks_for_a_token_so_that_docker_can_do_both(users: str) -> None:
    guard = AccessGuard(htpasswd=users, anonymous_pull=True)
    assert challenge(guard, "ping") == 'Bearer realm="http://reg.example:5000/token",service="reg.example:5000"'
    assert challenge(guard, "push", "a/b").endswith(',scope="repository:a/b:pull,push"')
    assert challenge(guard, "ping", x_forwarded_proto="https").startswith('Bearer realm="https://')


def test_a_token_that_is_not_enough_is_told_apart_from_one_that_is_none(users: str) -> None:
    guard = AccessGuard(htpasswd=users, anonymous_pull=True)
    nobody = f"Bearer {token(guard)[1]['token']}"
    assert 'error="insufficient_scope",scope="repository:a/b:pull,push"' in challenge(
        guard, "push", "a/b", authorization=nobody
    )
    assert challenge(guard, "pull", "a/b", authorization="Bearer forged").endswith(',error="invalid_token"')


def test_docker_does_not_take_the_refusal_for_a_passing_fault(users: str) -> None:
    """It tries again for a minute when the message is the one that distribution has for the code, and no more."""
    message = AccessGuard(htpasswd=users).check(request(), "push", "a").message
    assert message not in {"authentication required", "requested access to the resource is denied"}


def token(guard: AccessGuard, **headers: str) -> tuple[int, dict[str, Any], dict[str, str]]:
    answer = Recorder()
    guard.token(request(target="/token?service=x", **headers), cast("Responder", answer))
    return answer.status, json.loads(answer.body), answer.headers


def test_a_token_stands_for_its_user_and_for_no_more(users: str, rules: str) -> None:
    guard = AccessGuard(htpasswd=users, rules=rules)
    code, doc, headers = token(guard, authorization=ANNA)
    assert (code, doc["token"], headers["Cache-Control"]) == (200, doc["access_token"], "no-store")
    bearer = f"Bearer {doc['token']}"
    assert status(guard, "ping", authorization=bearer) == 200
    assert status(guard, "push", "team/app", authorization=bearer) == 200
    assert status(guard, "delete", "team/app", authorization=bearer) == 403
    nobody = f"Bearer {token(guard)[1]['token']}"
    assert status(guard, "ping", authorization=nobody) == 200
    assert status(guard, "pull", "public/app", authorization=nobody) == 200
    assert status(guard, "push", "team/app", authorization=nobody) == 401
    assert token(guard, authorization=bearer)[0] == 403, "a token buys no newer one"


def test_a_wrong_password_gets_no_token(users: str) -> None:
    guard = AccessGuard(htpasswd=users, anonymous_pull=True)
    code, doc, headers = token(guard, authorization=WRONG)
    assert (code, doc["errors"][0]["code"]) == (401, "UNAUTHORIZED")
    assert headers["WWW-Authenticate"].startswith("Basic ")
    for _ in range(10):
        code = token(guard, authorization=WRONG)[0]
    assert code == 429


def test_a_removed_users_token_is_worth_nothing(users: str) -> None:
    guard = AccessGuard(htpasswd=users)
    bearer = f"Bearer {token(guard, authorization=ANNA)[1]['token']}"
    assert status(guard, "pull", "a", authorization=bearer) == 200
    Path(users).write_text(Path(users).read_text().partition("\n")[2])
    assert status(guard, "pull", "a", authorization=bearer) == 401


@pytest.mark.parametrize(
    ("host", "tls", "passwords", "warns"),
    [
        ("0.0.0.0", False, True, True),
        ("", False, True, True),
        ("127.0.0.1", False, True, False),
        ("::1", False, True, False),
        ("localhost", False, True, False),
        ("0.0.0.0", True, True, False),
        ("0.0.0.0", False, False, False),
    ],
)
def test_passwords_over_plain_http_are_warned_of(host: str, *, tls: bool, passwords: bool, warns: bool) -> None:
    assert bool(warning_of_plain_http(host, has_tls=tls, has_passwords=passwords)) is warns
