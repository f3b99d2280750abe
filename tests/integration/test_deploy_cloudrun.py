"""Cloud Run through Google's own libraries, over HTTP, to a server on this machine that answers in the shapes of the v2
API. No test reaches Google: what only Google knows (its quotas, its IAM) is not tested here.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.unit.deploy.cloudrun.fake import CASES, FULL, PLAIN, Told
from wherry.cancel import Cancel
from wherry.deploy.cloudrun.choice import Choice
from wherry.deploy.cloudrun.sdk import connect
from wherry.deploy.cloudrun.service import service
from wherry.deploy.cloudrun.session import CloudRunSession
from wherry.deploy.target import LogQuery
from wherry.errors import DeployError, InputError, NotFound, NotSignedIn, Unreachable

pytestmark = [
    pytest.mark.requires("google-cloud-run"),
    # Of Google's own code
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:Unverified HTTPS"),
]

Doc = dict[str, Any]


class Google(BaseHTTPRequestHandler):
    """Five APIs at one address. `refuse` answers the next calls with a status and a message."""

    things: ClassVar[dict[str, Doc]] = {}
    refuse: ClassVar[list[tuple[int, str]]] = []
    asked: ClassVar[list[str]] = []
    fails: ClassVar[bool] = False

    def log_message(self, *args: object) -> None:
        pass

    def answer(self, value: Doc, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def fault(self, status: int, message: str) -> None:
        self.answer({"error": {"code": status, "message": message, "status": "X"}}, status)

    def do(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        url = urlsplit(self.path)
        path, query = url.path.partition("/")[2].partition("/")[2], parse_qs(url.query)
        Google.asked.append(f"{self.command} {path}")
        if Google.refuse:
            self.fault(*Google.refuse.pop(0))
            return
        self.route(path, query, body)

    do_GET = do_POST = do_PATCH = do_DELETE = do  # noqa: N815 - http.server's names

    def route(self, path: str, query: dict[str, list[str]], body: Doc) -> None:
        if path == "entries:list":
            self.answer({"entries": [{"timestamp": "2026-12-03T10:00:00Z", "insertId": "1", "textPayload": "ready\n",
                                      "resource": {"labels": {"revision_name": "iris-00001"}}}]})  # fmt: skip
        elif path.endswith(":getIamPolicy"):
            self.answer(Google.things.get("iam/" + path.partition(":")[0], {}))
        elif path.endswith(":setIamPolicy"):
            Google.things["iam/" + path.partition(":")[0]] = body["policy"]
            self.answer(body["policy"])
        elif path.endswith(":addVersion"):
            Google.things[path.removesuffix(":addVersion") + "/versions/latest"] = body
            self.answer({"name": path.removesuffix(":addVersion") + "/versions/1"})
        elif path.endswith(":access"):
            self.one(path.removesuffix(":access"))
        elif path.endswith("/revisions"):
            self.answer({"revisions": [one for name, one in Google.things.items() if f"{path}/" in name]})
        elif self.command == "POST":
            self.create(path, query, body)
        elif path.endswith("/secrets"):
            self.answer({"secrets": [one for name, one in Google.things.items() if re.search(r"/secrets/[^/]+$", name)
                                     and "labels" in one]})  # fmt: skip
        elif self.command == "PATCH":
            self.put_service(path, body)
        elif self.command == "DELETE":
            self.delete(path)
        else:
            self.one(path)

    def one(self, path: str) -> None:
        if path in Google.things:
            self.answer(Google.things[path])
        else:
            self.fault(404, f"Resource '{path}' was not found")

    def create(self, path: str, query: dict[str, list[str]], body: Doc) -> None:
        (name,) = query.get("serviceId") or query.get("secretId") or query["repositoryId"]
        path = f"{path}/{name}"
        if path in Google.things:
            self.fault(409, "it exists")
        elif "/services/" in path:
            self.put_service(path, body)
        else:
            Google.things[path] = {**body, "name": path.replace("projects/proj-1/secrets", "projects/77/secrets")}
            self.answer(Google.things[path])

    def put_service(self, path: str, body: Doc) -> None:
        count = sum("/revisions/" in name for name in Google.things) + 1
        revision = f"{path}/revisions/iris-{count:05}"
        state = "CONDITION_FAILED" if Google.fails else "CONDITION_SUCCEEDED"
        ready = {"type": "Ready", "state": state, "message": "The container failed to start." if Google.fails else ""}
        Google.things[revision] = {"name": revision, "conditions": [ready], "createTime": f"2026-12-03T10:00:0{count}Z"}
        Google.things[path] = {
            **body, "name": path, "uri": "https://iris-x.a.run.app", "generation": "1", "observedGeneration": "1",
            "terminalCondition": ready, "conditions": [ready], "latestCreatedRevision": revision,
            "latestReadyRevision": revision,
        }  # fmt: skip
        self.answer({"name": "projects/proj-1/locations/r/operations/1", "done": False})

    def delete(self, path: str) -> None:
        for name in [name for name in Google.things if name == path or name.startswith(f"{path}/")]:
            del Google.things[name]
        self.answer({"name": "projects/proj-1/locations/r/operations/2"})


@pytest.fixture
def google() -> Iterator[str]:
    Google.things, Google.refuse, Google.asked, Google.fails = {}, [], [], False
    server = ThreadingHTTPServer(("127.0.0.1", 0), Google)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def session(host: str, choice: Choice | None = None) -> CloudRunSession:
    from google.auth.credentials import AnonymousCredentials

    from wherry.deploy.cloudrun.sdk import Place, SdkGcp

    gcp = SdkGcp("proj-1", "europe-west1", AnonymousCredentials(), Place("http", host), sleep=lambda _: None)
    return CloudRunSession(gcp, choice or Choice(), lambda secret: "s3cret")


def test_a_deployment_from_nothing_to_nothing(google: str) -> None:
    one = session(google)
    one.make_registry(FULL, Told(), Cancel())
    plan = one.plan(FULL)
    assert [step.action for step in plan.steps] == ["leave", "create", "create"]
    one.apply(FULL, plan, Told(), Cancel())
    assert one.wait(FULL, Told(), Cancel()).url == "https://iris-x.a.run.app"
    policy = Google.things["iam/projects/proj-1/secrets/wherry-iris-API_KEY"]
    assert policy["bindings"] == [
        {
            "role": "roles/secretmanager.secretAccessor",
            "members": ["serviceAccount:77-compute@developer.gserviceaccount.com"],
        }
    ]
    assert one.plan(FULL).is_empty
    assert one.status("iris").state == "running"
    assert [line.text for line in one.logs("iris", LogQuery(), Cancel())] == ["ready"]
    one.destroy(one.plan_destroy("iris"), Told(), Cancel())
    assert [name for name in Google.things if not name.startswith("iam/")] == []
    with pytest.raises(NotFound):
        one.plan_destroy("iris")


def test_what_is_throttled_is_asked_again(google: str) -> None:
    Google.refuse = [(429, "Quota exceeded"), (503, "try again")]
    assert session(google).plan(PLAIN).steps[-1].action == "create"
    Google.refuse = [(429, "Quota exceeded")] * 2
    session(google).make_registry(PLAIN, Told(), Cancel())


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, NotSignedIn, "gcloud auth application-default login"),
        (403, DeployError, "ask for the role"),
        (400, DeployError, "nonsense"),
    ],
)
def test_a_refusal_is_one_line_with_what_to_do(google: str, status: int, kind: type[DeployError], words: str) -> None:
    Google.refuse = [(status, "nonsense")]
    with pytest.raises(kind) as told:
        session(google).plan(PLAIN)
    assert words in f"{told.value.message} {told.value.hint}"
    assert "\n" not in told.value.message
    Google.refuse = [(status, "nonsense")]
    with pytest.raises(kind):
        session(google).make_registry(PLAIN, Told(), Cancel())


def test_nobody_there_is_told_as_that() -> None:
    with pytest.raises(Unreachable, match="can't look at the repository"):
        session("127.0.0.1:9").make_registry(PLAIN, Told(), Cancel())


@pytest.mark.parametrize("case", CASES)
def test_google_knows_every_field_of_the_documents(case: str) -> None:
    from google.cloud import run_v2
    from google.protobuf import json_format

    made = json_format.ParseDict(service(*CASES[case]), run_v2.Service.pb()(), ignore_unknown_fields=False)
    again = json_format.MessageToDict(made)
    assert again["template"]["containers"][0]["image"] == CASES[case][0].image.reference
    with pytest.raises(json_format.ParseError):
        json_format.ParseDict({"templat": {}}, run_v2.Service.pb()(), ignore_unknown_fields=False)


@pytest.mark.parametrize(("name", "data"), [("no.json", b"[]"), ("no.json", b"\xff"), ("folder", None), ("gone", None)])
def test_a_login_that_is_nonsense_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, data: bytes | None
) -> None:
    (tmp_path / "folder").mkdir()
    if data is not None:
        (tmp_path / name).write_bytes(data)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / name))
    with pytest.raises(NotSignedIn, match="can't find your Google login") as told:
        connect(Choice(project="proj-11", region="europe-west1"), {})
    assert "\n" not in told.value.message
    assert "JSONDecodeError" not in told.value.message


def test_a_project_of_the_environment_stands_in_no_path_unseen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "user.json").write_text(
        json.dumps({"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c"})
    )
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "user.json"))
    with pytest.raises(InputError, match="is no project's id"):
        connect(Choice(region="europe-west1"), {"GOOGLE_CLOUD_PROJECT": "../../x"})
