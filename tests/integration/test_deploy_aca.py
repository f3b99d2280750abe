"""Container Apps through Azure's own libraries, over HTTP, to a server on this machine that answers in the shapes of
Azure Resource Manager. No test reaches Azure: what only Azure knows (its quotas, its roles) is not tested here.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Required, get_args, get_origin, get_type_hints
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.unit.deploy.aca.world import CASES, FULL, HERE, LOCAL, OWN, PLAIN, SUB, World
from tests.unit.deploy.cloudrun.fake import Told
from wherry.cancel import Cancel
from wherry.deploy.aca import names
from wherry.deploy.aca.app import Wiring, container_app, environment, registry_entry
from wherry.deploy.aca.choice import Choice
from wherry.deploy.aca.sdk import SdkAzure, connect
from wherry.deploy.aca.session import AcaSession
from wherry.deploy.target import LogQuery
from wherry.errors import Conflict, DeployError, InputError, NotFound, NotSignedIn, Unhealthy, Unreachable

pytestmark = [
    pytest.mark.requires("azure-mgmt-appcontainers"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

Doc = dict[str, Any]
GROUP = "wherry-iris"
OTHER = SUB.replace("5", "a")
APP = names.app_id(SUB, GROUP, "iris")


class Arm(BaseHTTPRequestHandler):
    """Azure Resource Manager, a registry's token exchange and the log stream, at one address. `refuse` answers the
    next calls with a status, a code and a message.
    """

    world: ClassVar[World]
    refuse: ClassVar[list[tuple[int, str, str]]] = []
    asked: ClassVar[list[str]] = []
    late_fault: ClassVar[str] = ""
    subscriptions: ClassVar[list[Doc]] = []

    def log_message(self, *args: object) -> None:
        pass

    def answer(self, value: Doc, status: int = 200, **headers: str) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(body)

    def fault(self, status: int, code: str, message: str) -> None:
        more = {"Retry_After": "0"} if status in (429, 503) else {}
        self.answer({"error": {"code": code, "message": message}}, status, **more)

    def do(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        Arm.asked.append(f"{self.command} {url.path}")
        if Arm.refuse:
            self.fault(*Arm.refuse.pop(0))
        elif url.path == "/oauth2/exchange":
            form = parse_qs(data.decode())
            assert form["grant_type"] == ["access_token"]
            self.answer({"refresh_token": f"refresh-for-{form['access_token'][0]}"})
        elif url.path.startswith("/logs/"):
            assert self.headers["Authorization"] == "Bearer log-token"
            lines = [{"TimeStamp": f"2026-12-03T10:00:0{n}", "Log": f"line {n}"} for n in range(3)]
            self.plain("".join(json.dumps(one) + "\n" for one in lines[-int(query["tailLines"][0]) :]))
        else:
            assert query.get("api-version"), self.path
            assert self.headers["Authorization"] == "Bearer a-token"
            self.route(url.path, json.loads(data or b"{}"))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do  # noqa: N815 - http.server's names

    def plain(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def route(self, path: str, body: Doc) -> None:
        world = Arm.world
        if path == "/subscriptions":
            self.answer({"value": Arm.subscriptions})
        elif path == "/operations/1":
            self.answer({"status": "Failed", "error": {"code": "X", "message": Arm.late_fault}} if Arm.late_fault else
                        {"status": "Succeeded"})  # fmt: skip
        elif path.endswith("/Microsoft.ContainerRegistry/registries"):
            self.answer({"value": world.registries()})
        elif path.endswith("/resources"):
            self.answer({"value": world.members(path.split("/")[4])})
        elif path.endswith("/revisions"):
            self.answer({"value": [{key: one[key] for key in ("name", "properties")} for one in world.made]})
        elif path.endswith("/replicas"):
            self.replicas(path.split("/")[-2])
        elif path.endswith("/listSecrets"):
            self.answer({"value": [{"name": name, "value": value} for name, value in world.values.items()]})
        elif path.endswith("/getAuthtoken"):
            self.answer({"location": "x", "properties": {"token": "log-token"}})
        elif self.command == "GET":
            found = world.get(path)
            self.answer(found) if found else self.fault(404, "ResourceNotFound", f"{path} was not found")
        elif self.command == "DELETE":
            world.delete(path)
            self.answer({}, 202)
        elif "/containerApps/" in path:
            made = world.put_app(path, body, is_new=self.command == "PUT")
            where = f"http://{self.headers['Host']}/operations/1?api-version=1"
            self.answer(made, 202 if self.command == "PATCH" else 201, Azure_AsyncOperation=where, Location=where)
        else:
            self.answer(world.put(path, body), 201)

    def replicas(self, revision: str) -> None:
        found = next((one["replicas"] for one in Arm.world.made if one["name"] == revision), [])
        text = json.dumps({"value": found}).replace("http://logs/", f"http://{self.headers['Host']}/logs/")
        self.answer(json.loads(text))


@pytest.fixture
def arm() -> Iterator[str]:
    Arm.world, Arm.refuse, Arm.asked, Arm.late_fault, Arm.subscriptions = World(), [], [], "", []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Arm)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class Login:
    """A credential of azure-core's kind."""

    def get_token(self, *scopes: str, **more: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken("a-token", int(time.time()) + 3600)


def azure(host: str, subscription: str = SUB) -> SdkAzure:
    from azure.mgmt.appcontainers import ContainerAppsAPIClient
    from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy

    class Plain(ARMChallengeAuthenticationPolicy):  # type: ignore[misc]
        """Azure's own, which refuses plain http otherwise."""

        def on_request(self, request: Any) -> None:
            request.context.options["enforce_https"] = False
            super().on_request(request)

    client = ContainerAppsAPIClient(
        Login(), subscription, f"http://{host}", retry_total=3, retry_backoff_factor=0,
        authentication_policy=Plain(Login(), "https://management.azure.com/.default"),
    )  # fmt: skip
    return SdkAzure(client, Login(), subscription, scheme="http", poll_s=0)


def session(host: str, choice: Choice = HERE) -> AcaSession:
    return AcaSession(azure(host), choice, lambda secret: "s3cret", lambda host: None, poll_s=0)


def deploy(host: str, app: Any) -> list[str]:
    one = session(host)
    one.make_registry(app, Told(), Cancel())
    plan = one.plan(app)
    one.apply(app, plan, Told(), Cancel())
    return [f"{step.action} {step.kind}" for step in plan.steps if step.action != "leave"]


def test_a_deployment_from_nothing_to_nothing(arm: str) -> None:
    assert deploy(arm, FULL) == ["create environment", "create identity", "create role", "create app"]
    assert Arm.world.values == {"api-key": "s3cret"}
    assert session(arm).wait(FULL, Told(), Cancel()).url == "https://iris.nice-1.westeurope.azurecontainerapps.io"
    assert deploy(arm, FULL) == []
    changed = replace(FULL, env={"LOG_LEVEL": "debug"})
    assert deploy(arm, changed) == ["change app"]
    assert session(arm).wait(changed, Told(), Cancel()).revision == "iris--0000002"
    status = session(arm).status("iris")
    assert (status.state, status.revision) == ("running", "iris--0000002")
    assert [line.text for line in session(arm).logs("iris", LogQuery(tail=2), Cancel())] == ["line 1", "line 2"]
    session(arm).destroy(session(arm).plan_destroy("iris"), Told(), Cancel())
    assert Arm.world.things == {}
    with pytest.raises(NotFound):
        session(arm).plan_destroy("iris")


def test_what_never_gets_healthy_goes_back_to_what_ran_before(arm: str) -> None:
    deploy(arm, PLAIN)
    Arm.world.becomes, Arm.late_fault = "failed", "Container 'iris' was terminated with exit code '1'"
    bad = replace(PLAIN, env={"A": "b"})
    one = session(arm)
    one.apply(bad, one.plan(bad), Told(), Cancel())
    with pytest.raises(Unhealthy, match="terminated with exit code") as told:
        one.wait(bad, Told(), Cancel())
    assert told.value.reasons[-1] == "iris--0000002-0 | line 2"
    Arm.world.becomes, Arm.late_fault = "ready", ""
    assert "iris--0000001" in one.rollback(bad, Told(), Cancel())
    assert deploy(arm, PLAIN) == []


def test_a_foreign_app_is_left_alone(arm: str) -> None:
    Arm.world.foreign(APP, provisioningState="Succeeded")
    with pytest.raises(Conflict, match="the app iris is there"):
        session(arm).plan(PLAIN)
    assert {call.partition(" ")[0] for call in Arm.asked} == {"GET"}


def test_what_is_throttled_is_asked_again(arm: str) -> None:
    Arm.refuse = [(429, "TooManyRequests", "slow down"), (503, "ServerBusy", "try again")]
    assert session(arm).plan(PLAIN).steps[-1].action == "create"
    Arm.refuse = [(429, "TooManyRequests", "slow down")] * 9
    with pytest.raises(DeployError, match="slow down") as told:
        session(arm).plan(PLAIN)
    assert told.value.retryable
    assert len(Arm.refuse) == 5  # asked once and three times again


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (401, "ExpiredAuthenticationToken", NotSignedIn, "az login"),
        (403, "AuthorizationFailed", DeployError, "ask for Contributor"),
        (400, "MaxNumberOfRegionalEnvironmentsInSubExceeded", DeployError, "aka.ms/azurequotas"),
        (409, "Conflict", DeployError, "nonsense"),
    ],
)
def test_a_refusal_is_one_line_with_what_to_do(
    arm: str, status: int, code: str, kind: type[DeployError], words: str
) -> None:
    one = session(arm)
    plan = one.plan(PLAIN)
    Arm.refuse = [(status, code, "nonsense\nand more")]
    with pytest.raises(kind) as told:
        one.apply(PLAIN, plan, Told(), Cancel())
    assert words in f"{told.value.message} {told.value.hint}"
    assert "\n" not in told.value.message
    assert told.value.message.startswith("can't make the resource group wherry-iris")


def test_nobody_there_is_told_as_that() -> None:
    with pytest.raises(Unreachable, match="can't look at the resource group"):
        session("127.0.0.1:9").plan(PLAIN)


def test_no_login_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """As AZURE_TOKEN_CREDENTIALS says, the environment alone is looked at: no metadata service is asked."""
    for name in ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    with pytest.raises(NotSignedIn, match="not signed in to Azure") as told:
        connect(HERE, {"HOME": "/nowhere"})
    assert "az login" in str(told.value.hint)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("AZURE_TENANT_ID", "../..", "tenant ID"), ("AZURE_AUTHORITY_HOST", "http://x", "https")],
)
def test_a_login_that_is_nonsense_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = {"AZURE_CLIENT_ID": "y", "AZURE_CLIENT_SECRET": "z", "AZURE_TENANT_ID": "x", name: value}
    for one, text in settings.items():
        monkeypatch.setenv(one, text)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    with pytest.raises(NotSignedIn, match=words) as told:
        connect(replace(HERE, subscription=SUB), {})
    assert "\n" not in told.value.message
    assert capfd.readouterr().err == ""


def test_the_subscription_is_the_only_one_or_is_asked_for(arm: str, tmp_path: Any) -> None:
    Arm.subscriptions = [{"subscriptionId": SUB, "state": "Enabled"}, {"subscriptionId": "old", "state": "Disabled"}]
    assert azure(arm, "").only_subscription() == SUB
    Arm.subscriptions[1]["state"] = "Enabled"
    with pytest.raises(InputError, match="no Azure subscription is chosen") as told:
        azure(arm, "").only_subscription()
    assert SUB in str(told.value.hint)
    (tmp_path / "azureProfile.json").write_bytes(
        b"\xef\xbb\xbf" + json.dumps({"subscriptions": [{"id": OTHER, "isDefault": True}]}).encode()
    )
    assert connect(HERE, {"AZURE_CONFIG_DIR": str(tmp_path)}).subscription == OTHER
    (tmp_path / "azureProfile.json").write_text("[")
    assert connect(HERE, {"AZURE_CONFIG_DIR": str(tmp_path), "AZURE_SUBSCRIPTION_ID": SUB}).subscription == SUB


def test_azures_login_becomes_the_registrys(arm: str) -> None:
    assert azure(arm).registry_token(arm) == "refresh-for-a-token"
    Arm.refuse = [(401, "UNAUTHORIZED", "no")]
    with pytest.raises(NotSignedIn, match="can't sign in to 127"):
        azure(arm).registry_token(arm)
    to = session(arm).push_to(LOCAL)
    assert to is not None
    assert to.reference.startswith(f"{OWN}.azurecr.io/iris:")


@pytest.mark.parametrize("case", CASES)
def test_azure_knows_every_field_of_the_documents(case: str) -> None:
    from azure.mgmt.appcontainers import types

    app, choice = CASES[case]
    entry = registry_entry("ghcr.io", username="me")
    wiring = Wiring("westeurope", "/e", "/i", entry, mark="2")
    assert list(strangers(container_app(app, choice, wiring), types.ContainerApp, types)) == []
    assert list(strangers(environment(app, "westeurope"), types.ManagedEnvironment, types)) == []


def test_the_check_of_fields_sees_a_wrong_one() -> None:
    from azure.mgmt.appcontainers import types

    wrong = {"location": "x", "properties": {"template": {"containers": [{"imagee": "x"}], "scale": []}}}
    assert list(strangers(wrong, types.ContainerApp, types)) == [
        "properties.template.containers.imagee", "properties.template.scale is no Scale",
    ]  # fmt: skip


def strangers(value: Any, kind: Any, module: Any, path: str = "") -> Iterator[str]:
    """What Azure's TypedDicts, which have the names that go over the wire, do not know."""
    if get_origin(kind) is Required:
        (kind,) = get_args(kind)
    if hasattr(kind, "__required_keys__"):  # the TypedDict of typing_extensions
        if not isinstance(value, dict):
            yield f"{path} is no {kind.__name__}"
            return
        from azure.mgmt.appcontainers import models

        known = get_type_hints(kind, {**vars(models), **vars(module)})
        for key, one in value.items():
            here = f"{path}.{key}".lstrip(".")
            yield from strangers(one, known[key], module, here) if key in known else [here]
    elif get_origin(kind) is list:
        for one in value:
            yield from strangers(one, get_args(kind)[0], module, path)
    elif get_origin(kind) is dict:
        for one in value.values():
            yield from strangers(one, get_args(kind)[1], module, path)
    elif isinstance(kind, type) and not isinstance(value, (int, float) if kind is float else kind):
        yield f"{path} is no {kind.__name__}"
