"""Who gets which secret, and when."""

from __future__ import annotations

import json
import threading
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.unit.registry.scripted import Answer, Seen, Wallet, client, endpoint, reply, scripted, transport
from wherry.errors import Denied, InvalidSpec, NotFound, RateLimited, RegistryError, Unauthorized
from wherry.registry.credentials import Credential
from wherry.registry.tls import Trust
from wherry.registry.token import Asked, Tokens, realm_of

ME = Credential("me", "secret")
TAGS = reply(body=b'{"tags":["v1"]}')


class Realm:
    """A registry with its token server, on one port."""

    def __init__(self, **token: object) -> None:
        self.token = {"token": "t1", "expires_in": 300} | token
        self.good = {"Bearer t1"}
        self.asked: list[Seen] = []
        self.host = ""
        self.more = ""

    def __call__(self, seen: Seen) -> Answer:
        if seen.path == "/token":
            self.asked.append(seen)
            return reply(body=json.dumps(self.token).encode())
        if seen["authorization"] in self.good:
            return reply(201, Location="/x") if seen.method == "POST" else TAGS
        challenge = f'Bearer realm="http://{self.host}/token",service="reg",scope="repository:ignored:pull"{self.more}'
        return reply(401, WWW_Authenticate=challenge)

    def query(self, number: int) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.asked[number].target).query)


def test_an_anonymous_token_is_bought_once_and_used_for_all_that_needs_it() -> None:
    realm = Realm()
    with scripted(realm) as server, client() as registries:
        realm.host = server.host
        repository = registries.repository(endpoint(server))
        assert [list(repository.tags()) for _ in range(3)] == [["v1"]] * 3
        assert len(realm.asked) == 1
        assert realm.query(0) == {"service": ["reg"], "scope": ["repository:team/app:pull"]}
        assert realm.asked[0]["authorization"] == ""
        assert [one.path for one in server.seen].count("/v2/team/app/tags/list") == 4


def test_another_scope_needs_another_token_but_no_second_refusal() -> None:
    realm = Realm()
    with scripted(realm) as server, client(Wallet({server.host: ME})) as registries:
        realm.host = server.host
        for actions in (("pull",), ("pull", "push")):
            list(registries.repository(endpoint(server), actions).tags())
        assert [realm.query(n)["scope"] for n in (0, 1)] == [
            ["repository:team/app:pull"],
            ["repository:team/app:pull,push"],
        ]
        assert realm.query(0)["account"] == ["me"]
        assert realm.asked[0]["authorization"] == "Basic bWU6c2VjcmV0"
        assert len(server.seen) == 5


def test_a_mount_asks_for_both_repositories_in_one_token() -> None:
    from wherry.oci.digest import Digest

    realm = Realm()
    with scripted(realm) as server, client() as registries:
        realm.host = server.host
        assert registries.repository(endpoint(server), ("pull", "push")).mount(Digest.of(b""), "other/one")
        assert realm.query(0)["scope"] == ["repository:other/one:pull", "repository:team/app:pull,push"]


def test_a_token_that_expired_in_the_middle_is_bought_anew() -> None:
    realm = Realm()
    with scripted(realm) as server, client() as registries:
        realm.host = server.host
        repository = registries.repository(endpoint(server))
        list(repository.tags())
        realm.good, realm.token["token"] = {"Bearer t2"}, "t2"
        assert list(repository.tags()) == ["v1"]
        assert len(realm.asked) == 2


def test_a_registry_that_refuses_every_token_is_asked_three_times_at_most() -> None:
    realm = Realm()
    realm.good = set()
    with scripted(realm) as server, client() as registries:
        realm.host = server.host
        with pytest.raises(Unauthorized):
            list(registries.repository(endpoint(server)).tags())
        assert len(server.seen) <= 5


def test_insufficient_scope_is_asked_for_as_the_registry_says() -> None:
    realm = Realm()
    realm.more = ',error="insufficient_scope"'
    with scripted(realm) as server, client() as registries:
        realm.host = server.host
        list(registries.repository(endpoint(server)).tags())
        assert realm.query(0)["scope"] == ["repository:ignored:pull", "repository:team/app:pull"]


def test_a_challenge_that_only_v2_tells_is_asked_for_there() -> None:
    realm = Realm()

    def handler(seen: Seen) -> Answer:
        answer = realm(seen)
        silent = seen.path not in {"/v2/", "/token"} and seen["authorization"] == ""
        return reply(401) if silent else answer

    with scripted(handler) as server, client() as registries:
        realm.host = server.host
        assert list(registries.repository(endpoint(server)).tags()) == ["v1"]


def test_an_identity_token_is_traded_for_one_by_form() -> None:
    realm = Realm(token="", access_token="t1")
    wallet = Wallet()
    with scripted(realm) as server, client(wallet) as registries:
        realm.host = server.host
        wallet.known[server.host] = Credential("<token>", identity_token="refresh me")
        list(registries.repository(endpoint(server)).tags())
        (asked,) = realm.asked
        form = parse_qs(asked.body.decode())
        assert asked.method == "POST"
        assert form == {
            "grant_type": ["refresh_token"], "refresh_token": ["refresh me"], "service": ["reg"],
            "scope": ["repository:team/app:pull"], "client_id": ["wherry"],
        }  # fmt: skip


def test_a_registry_token_goes_as_it_is() -> None:
    realm = Realm()
    realm.good = {"Bearer mine"}
    wallet = Wallet()
    with scripted(realm) as server, client(wallet) as registries:
        realm.host = server.host
        wallet.known[server.host] = Credential(registry_token="mine")
        assert list(registries.repository(endpoint(server)).tags()) == ["v1"]
        assert realm.asked == []


def test_basic_is_sent_after_it_was_asked_for_and_a_wrong_password_is_not_tried_twice() -> None:
    def handler(seen: Seen) -> Answer:
        good = seen["authorization"] == "Basic bWU6c2VjcmV0"
        return TAGS if good else reply(401, WWW_Authenticate='Basic realm="r"')

    wallet = Wallet()
    with scripted(handler) as server, client(wallet) as registries:
        wallet.known[server.host] = ME
        assert list(registries.repository(endpoint(server)).tags()) == ["v1"]
        assert server.seen[0]["authorization"] == ""
        wallet.known[server.host] = Credential("me", "wrong")
        before = len(server.seen)
        with pytest.raises(Unauthorized, match="401") as caught:
            list(registries.repository(endpoint(server)).tags())
        assert len(server.seen) == before + 1
        assert "wrong" not in f"{caught.value!r} {caught.value.hint}"


def test_of_many_threads_one_buys_the_token() -> None:
    realm = Realm()
    with scripted(realm) as server, client() as registries:
        realm.host = server.host
        repository = registries.repository(endpoint(server))
        threads = [threading.Thread(target=lambda: list(repository.tags())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(realm.asked) == 1


# -- where secrets may go ---------------------------------------------------------------------------------------------


def asked(host: str, realm: str, credential: Credential | None = ME, plain: bool = False) -> Asked:
    return Asked(host, realm, "", frozenset(), credential, plain, Trust())


@pytest.mark.parametrize(
    ("host", "realm", "plain", "is_allowed"),
    [
        ("r.example", "https://auth.example/token", False, True),
        ("r.example", "http://auth.example/token", False, False),
        ("r.example", "http://r.example/token", False, False),
        ("r.example", "http://auth.example/token", True, False),
        ("r.example:5000", "http://r.example:5001/token", True, True),
        ("localhost:5000", "http://127.0.0.1:5001/token", True, True),
        ("localhost:5000", "http://evil.example/token", True, False),
    ],
)
def test_a_password_travels_by_https_or_stays_where_it_belongs(
    host: str, realm: str, plain: bool, is_allowed: bool
) -> None:
    if is_allowed:
        realm_of(asked(host, realm, plain=plain))
    else:
        with pytest.raises(RegistryError, match="plain http") as caught:
            realm_of(asked(host, realm, plain=plain))
        assert "secret" not in str(caught.value)
    realm_of(asked(host, realm, credential=None, plain=plain))


@pytest.mark.parametrize("credential", [ME, None])
@pytest.mark.parametrize(
    ("host", "realm"),
    [
        ("r.example", "http://localhost:80/token"),
        ("r.example", "https://127.0.0.1/token"),
        ("r.example", "https://169.254.169.254/token"),
        ("r.example", "https://[::ffff:169.254.169.254]/token"),
        ("localhost:5000", "http://169.254.169.254/token"),
        ("localhost:5000", "https://0.0.0.0/token"),
    ],
)
def test_a_realm_on_this_machine_or_link_is_for_its_own_registry(
    host: str, realm: str, credential: Credential | None
) -> None:
    """A registry that wherry stands in front of must not make it ask its own network."""
    with pytest.raises(RegistryError, match="refused"):
        realm_of(asked(host, realm, credential=credential, plain=True))


@pytest.mark.parametrize("realm", ["file:///etc/passwd", "", "//x", "https://u:p@x/"])
def test_a_realm_that_is_no_place_is_refused(realm: str) -> None:
    with pytest.raises(RegistryError, match="none"):
        realm_of(asked("r.example", realm))


def test_credentials_are_looked_up_for_the_mirror_itself_never_for_what_it_mirrors() -> None:
    realm = Realm()
    wallet = Wallet({"registry-1.docker.io": ME, "index.docker.io": ME})
    with scripted(realm) as server, client(wallet) as registries:
        realm.host = server.host
        list(registries.repository(endpoint(server, is_mirror=True)).tags())
        assert set(wallet.asked) == {server.host}
        assert realm.asked[0]["authorization"] == ""


def test_a_401_of_a_store_that_the_registry_redirected_to_gets_no_credentials() -> None:
    challenge = reply(401, WWW_Authenticate='Basic realm="gimme"')
    with scripted(lambda _: challenge) as evil:
        wallet = Wallet({evil.host: ME})
        with scripted(lambda _: reply(307, Location=f"http://{evil.host}/x")) as server, client(wallet) as registries:
            wallet.known[server.host] = ME
            with pytest.raises(Unauthorized):
                list(registries.repository(endpoint(server)).tags())
        assert [one["authorization"] for one in evil.seen] == [""]


def test_a_form_with_a_secret_is_not_sent_on_by_a_redirect() -> None:
    with scripted(lambda _: reply(307, Location="/elsewhere")) as server, transport() as wire:
        one = asked(server.host, f"http://{server.host}/token", Credential("", identity_token="r"), plain=True)
        with pytest.raises(RegistryError, match="307"):
            Tokens(wire).get(one)
        assert len(server.seen) == 1


# -- answers of token servers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"nonsense", RegistryError), (b"[]", RegistryError), (b"{}", Unauthorized), (b'{"token":5}', Unauthorized),
        (b'{"token":"a\\r\\nX: y"}', Unauthorized), (b"[" * 100_000, RegistryError), (b"x" * (2 << 20), RegistryError),
    ],
)  # fmt: skip
def test_bad_answers_of_a_token_server_are_told(body: bytes, kind: type[RegistryError]) -> None:
    with scripted(lambda _: reply(body=body)) as server, transport() as wire, pytest.raises(kind):
        Tokens(wire).get(asked(server.host, f"http://{server.host}/token", None))


def test_what_the_token_server_says_is_shown_without_control_characters() -> None:
    body = b'{"details":"incorrect \\u001b[31musername or password"}'
    with scripted(lambda _: reply(401, body)) as server, transport() as wire:
        with pytest.raises(Unauthorized, match="incorrect") as caught:
            Tokens(wire).get(asked(server.host, f"http://{server.host}/token", None))
        assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("expires_in", "after_s", "count"),
    [(300, 250, 1), (300, 295, 2), (1, 45, 1), (None, 55, 2), ("soon", 45, 1), (1e30, 80_000, 1), (-5, 45, 1)],
)
def test_tokens_live_as_long_as_they_say_and_a_minute_at_least(expires_in: object, after_s: float, count: int) -> None:
    now = [1000.0]
    body = json.dumps({"token": "t", "expires_in": expires_in, "issued_at": "1999-01-01T00:00:00Z"}).encode()
    with scripted(lambda _: reply(body=body)) as server, transport() as wire:
        tokens = Tokens(wire, lambda: now[0])
        one = asked(server.host, f"http://{server.host}/token", None)
        tokens.get(one)
        now[0] += after_s
        tokens.get(one)
        assert len(server.seen) == count


# -- the errors of the registry itself --------------------------------------------------------------------------------


def test_docker_hubs_limit_is_shown_and_how_to_raise_it() -> None:
    headers = {"RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": "0;w=21600", "Retry-After": "0"}
    body = b'{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}'
    with scripted(lambda _: reply(429, body, **headers)) as server, client() as registries:
        with pytest.raises(RateLimited, match=r"limit: 100 in 6 h, 0 left") as caught:
            registries.repository(endpoint(server)).manifest("v1")
        assert "wherry login" in str(caught.value.hint)
        assert len(server.seen) == 4


@pytest.mark.parametrize(
    ("status", "code", "kind", "text"),
    [
        (
            401,
            "UNAUTHORIZED",
            Unauthorized,
            "pull access denied for .*/team/app, repository does not exist or may require",
        ),
        (403, "DENIED", Denied, "denied: requested access to the resource is denied"),
        (404, "MANIFEST_UNKNOWN", NotFound, "manifest for .*team/app:v1 not found: manifest unknown"),
        (404, "NAME_UNKNOWN", NotFound, "repository .*team/app not found"),
    ],
)
def test_refusals_are_told_in_dockers_words(status: int, code: str, kind: type[Exception], text: str) -> None:
    body = json.dumps({"errors": [{"code": code, "message": "requested access to the resource is denied"}]}).encode()
    with (
        scripted(lambda _: reply(status, body)) as server,
        client() as registries,
        pytest.raises(kind, match=text),
    ):
        registries.repository(endpoint(server)).manifest("v1")
    assert len(server.seen) <= 2


def test_a_token_server_that_says_no_is_told_in_dockers_words_too() -> None:
    def handler(seen: Seen) -> Answer:
        if seen.path == "/token":
            return reply(403, b'{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}')
        return reply(401, WWW_Authenticate=f'Bearer realm="http://{server.host}/token"')

    with (
        scripted(handler) as server,
        client() as registries,
        pytest.raises(Denied, match="pull access denied") as caught,
    ):
        registries.repository(endpoint(server)).manifest("v1")
    assert str(caught.value.hint).endswith(f"wherry login {server.host}")


@pytest.mark.parametrize(
    "name", ["../../x", "a/b", "", "a" * 129, "sha256:../../x", "md5:abc", "sha256:" + "A" * 64, "v1?x"]
)
def test_a_name_that_would_change_the_path_is_refused_before_anything_is_sent(name: str) -> None:
    with scripted(lambda _: reply()) as server, client() as registries:
        with pytest.raises(InvalidSpec):
            registries.repository(endpoint(server)).manifest(name)
        assert server.seen == []


# -- logging in -------------------------------------------------------------------------------------------------------


def test_a_login_is_tried_and_a_wrong_one_refused() -> None:
    realm = Realm()
    with scripted(realm) as server, client() as registries:
        realm.host = server.host
        assert registries.check_login(endpoint(server, ""), ME) == ""
        assert realm.asked[0]["authorization"] == "Basic bWU6c2VjcmV0"
        assert realm.query(0)["offline_token"] == ["true"]
        realm.token["refresh_token"] = "keep me"
        assert registries.check_login(endpoint(server, ""), ME) == "keep me"
        realm.good = set()
        with pytest.raises(Unauthorized):
            registries.check_login(endpoint(server, ""), Credential("me", "other"))


def test_a_loopback_registry_is_found_to_speak_plain_http() -> None:
    with scripted(lambda _: TAGS) as server, client() as registries:
        repository = registries.repository(endpoint(server, scheme="https", fallback_http=True))
        assert list(repository.tags()) == ["v1"]
        assert list(repository.tags()) == ["v1"]
        assert [one.path for one in server.seen] == ["/v2/", *["/v2/team/app/tags/list"] * 2]


@pytest.mark.parametrize("challenge", ["", 'Basic realm="x"'])
def test_a_registry_that_forbids_everything_has_not_said_that_a_password_is_right(challenge: str) -> None:
    def handler(seen: Seen) -> Answer:
        if challenge and "authorization" not in seen.headers:
            return reply(401, **{"WWW-Authenticate": challenge})
        return reply(403)

    with scripted(handler) as server, client() as registries, pytest.raises(Denied):
        registries.check_login(endpoint(server, ""), ME)
