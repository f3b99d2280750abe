"""What AWS and the way to it may answer, through the real SDK: no login, throttling, nobody there, no region."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from wherry.deploy.ecs.boto import connect
from wherry.deploy.ecs.choice import Choice
from wherry.errors import DeployError, InputError, NotSignedIn

pytestmark = [pytest.mark.requires("moto"), pytest.mark.filterwarnings("ignore")]
HERE = Choice(region="eu-central-1")
IDENTITY = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    "<Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
)


@contextmanager
def answering(codes: list[str]) -> Iterator[tuple[str, list[int]]]:
    """An endpoint that refuses with each of `codes` in turn, then says who asks. The statuses that it gave."""
    given: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            code = codes.pop(0) if codes else ""
            text = f"<ErrorResponse><Error><Code>{code}</Code><Message>words</Message></Error></ErrorResponse>"
            data = (text if code else IDENTITY).encode()
            given.append(400 if code else 200)
            self.send_response(given[-1])
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", given
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> Callable[[str], None]:
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": f"{tmp_path}/config",
                        "AWS_SHARED_CREDENTIALS_FILE": f"{tmp_path}/credentials"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)

    def do(endpoint: str) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")

    return do


def test_throttling_is_waited_for(signed_in: Callable[[str], None]) -> None:
    with answering(["Throttling", "ThrottlingException"]) as (endpoint, given):
        signed_in(endpoint)
        assert connect(HERE, {}).account == "123456789012"
    assert given == [400, 400, 200]


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidClientTokenId"])
def test_a_login_that_is_over_is_not_tried_again(signed_in: Callable[[str], None], code: str) -> None:
    with answering([code]) as (endpoint, given):
        signed_in(endpoint)
        with pytest.raises(NotSignedIn, match="sts:GetCallerIdentity"):
            connect(HERE, {})
    assert given == [400]


def test_what_is_not_allowed_is_named(signed_in: Callable[[str], None]) -> None:
    with answering(["AccessDenied"]) as (endpoint, _):
        signed_in(endpoint)
        with pytest.raises(DeployError, match="does not let you sts:GetCallerIdentity") as caught:
            connect(HERE, {})
    assert caught.value.platform_code == "AccessDenied"


def test_no_login_no_region_and_no_such_profile(signed_in: Callable[[str], None]) -> None:
    with pytest.raises(NotSignedIn, match="not signed in to AWS"):
        connect(HERE, {})
    with pytest.raises(InputError, match="no AWS region is set"):
        connect(Choice(), {})
    with pytest.raises(NotSignedIn, match="nobody"):
        connect(Choice(region="eu-central-1", profile="nobody"), {})


def test_the_region_is_read_where_the_aws_command_reads_it(signed_in: Callable[[str], None]) -> None:
    with answering([]) as (endpoint, _):
        signed_in(endpoint)
        assert connect(Choice(), {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "eu-west-1"}).region == "us-east-1"


def test_a_call_that_is_not_in_the_policy_is_refused(signed_in: Callable[[str], None]) -> None:
    with answering([]) as (endpoint, _):
        signed_in(endpoint)
        with pytest.raises(KeyError, match="ecs:DeleteCluster"):
            connect(HERE, {}).call("ecs", "delete_cluster", cluster="x")


def test_an_endpoint_that_is_no_url_is_told_as_that(signed_in: Callable[[str], None]) -> None:
    signed_in("nonsense")
    with pytest.raises(DeployError, match="Invalid endpoint") as caught:
        connect(HERE, {})
    assert "AWS_ENDPOINT_URL" in str(caught.value.hint)
