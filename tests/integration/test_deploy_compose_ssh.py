"""Another machine over ssh: a program `ssh` that runs the commands in a sandbox here, with a docker that is none for
the bad days, and wherry itself for a whole life.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.integration import fake_docker
from tests.integration.container_lab import _MAIN, Wherry
from tests.integration.ssh_lab import Sandbox
from tests.unit.deploy.cloudrun.fake import Told
from tests.unit.deploy.compose_ssh.test_pure import CASES, LOCAL
from wherry.cancel import Cancel
from wherry.deploy.application import Application, Health, Secret
from wherry.deploy.compose_ssh.choice import Address, Choice
from wherry.deploy.compose_ssh.document import compose, secrets_env
from wherry.deploy.compose_ssh.machine import connected
from wherry.deploy.compose_ssh.remote import Write
from wherry.deploy.compose_ssh.session import ComposeSshSession
from wherry.deploy.compose_ssh.ssh import Ssh
from wherry.deploy.target import LogQuery
from wherry.errors import Cancelled, Conflict, DeployError, NotFound, NotSignedIn, Unhealthy, Unreachable
from wherry.host.linux import LinuxHost

APP = replace(LOCAL, health=Health(), secrets=(Secret("API_KEY", "env", "API_KEY"),))
LOCAL_APP = replace(APP, secrets=())
HERE = Choice(host="me@gpu1", engine="docker")
VALUES = {"API_KEY": "s3cret"}


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    found = Sandbox(tmp_path)
    found.install(
        "docker", f'#!/bin/sh\nPYTHONPATH={":".join(sys.path)} exec {sys.executable} -S {fake_docker.__file__} "$@"\n'
    )
    return found


@pytest.fixture
def session(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ComposeSshSession]]:
    monkeypatch.setenv("PATH", sandbox.env["PATH"])
    made = []

    def make(choice: Choice = HERE) -> ComposeSshSession:
        remote = Ssh(LinuxHost(sandbox.env), sandbox.env, Address("gpu1", "me"))
        made.append(remote)
        machine = connected(remote, choice.engine, "", Cancel())
        machine.architecture = "amd64"
        return ComposeSshSession(machine, choice, lambda secret: VALUES[secret.name], _archive, poll_s=0.01)

    yield make
    for one in made:
        one.close()


def _archive(image: str, name: str, write: Write) -> None:
    import io
    import tarfile

    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for path, data in (("manifest.json", json.dumps([{"RepoTags": [name]}]).encode()), ("layer", bytes(3 << 20))):
            info = tarfile.TarInfo(path)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    write(made.getbuffer())


def deploy(session: ComposeSshSession, app: Application = APP) -> list[str]:
    plan = session.plan(app)
    session.apply(app, plan, Told(), Cancel())
    return [f"{step.action} {step.kind}" for step in plan.steps]


def docker(sandbox: Sandbox) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((sandbox.home / "docker.json").read_text())
    return found


def test_a_life_from_nothing_to_nothing(sandbox: Sandbox, session: Callable[..., ComposeSshSession]) -> None:
    one = session()
    assert deploy(one) == ["create image", "create file", "create project"]
    folder = sandbox.folder("iris")
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "compose.yaml": 0o600, "secrets.env": 0o600, "wherry.json": 0o600,
    }  # fmt: skip
    assert folder.stat().st_mode & 0o777 == 0o700
    assert "s3cret" not in (folder / "compose.yaml").read_text() + "".join(sandbox.asked())
    assert docker(sandbox)["containers"][0]["Config"]["Env"]["API_KEY"] == "'s3cret'"
    deployed = one.wait(APP, Told(), Cancel())
    assert deployed.url == "http://gpu1.example.com:8000"
    assert deploy(one) == ["leave image", "leave file", "leave project"]
    status = one.status("iris")
    assert (status.state, status.ready) == ("running", 1)
    assert [line.text for line in one.logs("iris", LogQuery(tail=5), Cancel())] == ["ImportError: sklearn"]
    one.destroy(one.plan_destroy("iris"), Told(), Cancel())
    assert not folder.exists()
    assert (docker(sandbox)["containers"], docker(sandbox)["images"]) == ([], [])
    with pytest.raises(NotFound):
        one.plan_destroy("iris")


def test_what_changes_is_told_without_values(
    session: Callable[..., ComposeSshSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(session())
    plan = session().plan(replace(APP, env={"A": "b"}))
    assert plan.steps[-1].changes == ("+      A: b",)
    monkeypatch.setitem(VALUES, "API_KEY", "another")
    plan = session().plan(APP)
    assert [step.changes for step in plan.steps] == [
        (), ("new values or names: API_KEY",), ("started again, to read what is new",),
    ]  # fmt: skip
    assert "another" not in plan.text() + str(plan.to_json()) + repr(plan)


def test_what_does_not_run_is_told_and_taken_back(sandbox: Sandbox, session: Callable[..., ComposeSshSession]) -> None:
    one = session()
    deploy(one)
    one.wait(APP, Told(), Cancel())
    bad = replace(APP, env={"BECOMES": "exited"})
    for _ in range(2):  # a second try that fails too
        deploy(one, bad)
        with pytest.raises(Unhealthy, match="exit code 3") as told:
            one.wait(bad, Told(), Cancel())
    assert told.value.reasons[-1] == "wherry-iris-app-1 | ImportError: sklearn"
    assert "is in force again" in one.rollback(bad, Told(), Cancel())
    assert one.status("iris").state == "running"
    assert deploy(one)[-1] == "leave project"


def test_what_gets_healthy_and_breaks_its_contract_is_taken_back(
    sandbox: Sandbox, session: Callable[..., ComposeSshSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, file = session(), sandbox.folder("iris")
    deploy(one)
    one.wait(APP, Told(), Cancel())
    first = (file / "compose.yaml").read_bytes()
    monkeypatch.setitem(VALUES, "API_KEY", "another")
    two, wrong = session(), replace(APP, env={"MODEL": "wrong"})
    deploy(two, wrong)
    two.wait(wrong, Told(), Cancel())
    assert "is in force again" in two.rollback(wrong, Told(), Cancel())
    assert (file / "compose.yaml").read_bytes() == (file / "compose.good.yaml").read_bytes() == first
    assert "s3cret" in (file / "secrets.env").read_text()


def test_the_first_one_that_breaks_its_contract_is_no_place_to_go_back_to(
    sandbox: Sandbox, session: Callable[..., ComposeSshSession]
) -> None:
    one = session()
    deploy(one)
    one.wait(APP, Told(), Cancel())
    assert one.rollback(APP, Told(), Cancel()) == ""
    assert not (sandbox.folder("iris") / "compose.good.yaml").exists()


def test_a_secret_that_is_not_asked_for_any_more_is_removed(
    sandbox: Sandbox, session: Callable[..., ComposeSshSession]
) -> None:
    one = session()
    deploy(one)
    assert deploy(one, LOCAL_APP) == ["leave image", "delete file", "change project"]
    assert not (sandbox.folder("iris") / "secrets.env").exists()
    assert one.plan(LOCAL_APP).is_empty


def test_it_is_ready_when_its_path_answers(session: Callable[..., ComposeSshSession]) -> None:
    answers = [500, 404, 200]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answers.pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        one = session(replace(HERE, publish=f"127.0.0.1:{server.server_port}"))
        app = replace(APP, health=Health("/ready"))
        deploy(one, app)
        assert one.wait(app, Told(), Cancel()).url == ""
        assert answers == []
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_first_deployment_has_nothing_to_go_back_to(session: Callable[..., ComposeSshSession]) -> None:
    one = session()
    deploy(one, replace(APP, env={"BECOMES": "exited"}))
    assert one.rollback(APP, Told(), Cancel()) == ""
    assert one.status("iris").state == "failed"


def test_what_the_engine_refuses_is_told_and_the_same_again_goes_on(session: Callable[..., ComposeSshSession]) -> None:
    one = session()
    with pytest.raises(DeployError, match="port is already allocated"):
        deploy(one, replace(APP, env={"BECOMES": "refused"}))
    assert deploy(one) == ["leave image", "leave file", "change project"]
    assert one.status("iris").state == "running"


def test_images_older_than_the_one_before_are_removed(
    sandbox: Sandbox, session: Callable[..., ComposeSshSession]
) -> None:
    one = session()
    for letter in "abc":
        app = replace(APP, image=replace(APP.image, id="sha256:" + letter * 64))
        deploy(one, app)
        one.wait(app, Told(), Cancel())
    assert docker(sandbox)["images"] == [f"wherry-deploy/iris:{'b' * 12}", f"wherry-deploy/iris:{'c' * 12}"]


def test_somebody_elses_project_and_folder_are_left_alone(
    sandbox: Sandbox, session: Callable[..., ComposeSshSession]
) -> None:
    foreign = {"Id": "e", "Name": "/theirs", "Project": "wherry-iris", "Config": {"Labels": {}}, "State": {}}
    (sandbox.home / "docker.json").write_text(json.dumps({"images": [], "containers": [foreign], "log": []}))
    with pytest.raises(Conflict, match="a container that wherry did not make: theirs"):
        session().plan(APP)
    with pytest.raises(NotFound):
        session().plan_destroy("iris")
    (sandbox.home / "docker.json").unlink()
    sandbox.folder("iris").mkdir(parents=True)
    (sandbox.folder("iris") / "compose.yaml").write_text("services: {}\n")
    with pytest.raises(Conflict, match="did not write"):
        session().plan(APP)
    with pytest.raises(NotFound):
        session().plan_destroy("iris")


def test_an_image_for_another_processor_is_refused(session: Callable[..., ComposeSshSession]) -> None:
    one = session()
    one._machine.architecture = "arm64"
    with pytest.raises(DeployError, match="is linux/arm64, and the image is linux/amd64"):
        one.plan(APP)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("me@gpu1: Permission denied (publickey).", NotSignedIn),
        ("connect to host gpu1: Connection refused", Unreachable),
    ],
)
def test_a_way_that_ends_in_the_middle_is_told(
    sandbox: Sandbox, session: Callable[..., ComposeSshSession], said: str, kind: type[Exception]
) -> None:
    one = session()
    plan = one.plan(APP)
    sandbox.fail(said)
    with pytest.raises(kind, match="gpu1"):
        one.apply(APP, plan, Told(), Cancel())
    with pytest.raises(kind), one.reach(APP, one_deployed()):
        pass
    sandbox.fail("")
    assert deploy(one)[0] == "create image"


def one_deployed() -> Any:
    from wherry.deploy.target import Deployed

    return Deployed("")


def test_it_ends_when_it_is_told_to(sandbox: Sandbox, session: Callable[..., ComposeSshSession]) -> None:
    one = session()
    stop = Cancel()

    def slow(image: str, name: str, write: Write) -> None:
        write(b"x")
        stop.set()
        write(b"x")

    one._save = slow
    with pytest.raises(Cancelled):
        one.apply(APP, one.plan(APP), Told(), stop)
    sandbox.install("docker", "#!/bin/sh\nsleep 60\n")
    with pytest.raises(Cancelled):
        one._machine.remote.run("sleep 60", Cancel(0.2))
    heard = Cancel()
    lines = one._machine.remote.lines("echo one; sleep 60", heard)
    assert next(lines) == "one"
    heard.set()
    assert list(lines) == []


@pytest.mark.requires("docker-compose")
@pytest.mark.parametrize("case", [case for case in CASES if case != "full"])
def test_docker_compose_reads_the_documents(case: str, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(compose(*CASES[case]))
    (tmp_path / "secrets.env").write_text("")
    done = subprocess.run(
        ["docker-compose", "config", "--format", "json"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["services"]["app"]["environment"]["PORT"] == "8000"


@pytest.mark.requires("docker-compose")
def test_docker_compose_gives_the_container_the_very_values(tmp_path: Path) -> None:
    values = {
        "QUOTES": """it's "$x" and ${y}""", "BACKSLASH": "a\\n'b\\", "LINES": "one\ntwo's\n", "HASH": " #x ",
        "PLAIN": "$x\\",
        "EQUALS": "a=b==", "CARRIAGE": "a\r\nb'", "DOLLAR": "it's $$ and \\$x",
    }  # fmt: skip
    app = replace(APP, env={"PRICE": "5$ ${x}"}, secrets=tuple(Secret(name, "env", name) for name in values))
    (tmp_path / "compose.yaml").write_text(compose(app, HERE))
    (tmp_path / "secrets.env").write_text(secrets_env(values))
    env = {**os.environ, "x": "replaced", "y": "replaced"}
    done = subprocess.run(
        ["docker-compose", "config", "--format", "json"], cwd=tmp_path, capture_output=True, env=env, check=False
    )
    assert done.returncode == 0, done.stderr
    # What it prints is a compose file again
    found = {
        name: value.replace("$$", "$")
        for name, value in json.loads(done.stdout)["services"]["app"]["environment"].items()
    }
    assert {**values, "PRICE": "5$ ${x}"}.items() <= found.items()


DOCKERFILE = """FROM scratch
COPY busybox /bin/busybox
COPY www /www
USER 1000
EXPOSE 8000
CMD ["/bin/busybox", "httpd", "-f", "-p", "8000", "-h", "/www"]
"""


@pytest.mark.requires("root", "busybox", "runc", "nft", "ip")
def test_wherry_deploys_to_a_machine_that_has_wherry(
    wherry: Wherry, make_root: Callable[[], Wherry], tmp_path: Path
) -> None:
    sandbox, there = Sandbox(tmp_path), make_root()
    words = " ".join(f"'{word}'" if word != _MAIN else '"$MAIN"' for word in there.argv())
    sandbox.install(
        "wherry", f"#!/bin/sh\nMAIN='{_MAIN.replace(chr(39), chr(39) + chr(92) + chr(39) * 2)}'\nexec {words} \"$@\"\n"
    )
    (context := tmp_path / "context").mkdir()
    shutil.copy(shutil.which("busybox") or "", context / "busybox")
    (context / "www").mkdir()
    (context / "www" / "ready").write_text("yes\n")
    (context / "Dockerfile").write_text(DOCKERFILE)
    wherry("build", "-q", "-t", "iris:3", str(context))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        env = {**sandbox.env, "API_KEY": "it's $ecret"}
        return subprocess.run(wherry.argv(*args), capture_output=True, text=True, env=env, timeout=120, check=False)

    common = ("--host", "gpu1", "--engine", "wherry")
    asked = ("deploy", "compose-ssh", "--image", "iris:3", *common, "--publish", f"127.0.0.1:{port}",
             "--health", "/ready", "--secret", "API_KEY", "--yes")  # fmt: skip
    try:
        done = run(*asked)
        assert done.returncode == 0, done.stderr
        assert "+ create image wherry-deploy/iris:" in done.stderr
        (id,) = there("ps", "-q").stdout.split()
        variables = json.loads(there("inspect", id).stdout)[0]["Config"]["Env"]
        assert "API_KEY=it's $ecret" in variables
        again = run(*asked)
        assert (again.returncode, "3 to leave" in again.stderr) == (0, True), again.stderr
        assert "State:     running" in run("deploy", "status", "compose-ssh", "iris").stdout
        # It ends at once, again and again: no clock says when that is enough
        bad = run(*asked, "--command", "/bin/busybox false")
        assert bad.returncode == 1
        assert "iris did not get healthy: its container is" in bad.stderr
        assert "is in force again" in bad.stderr
        gone = run("deploy", "destroy", "compose-ssh", "iris", "--yes")
        assert gone.returncode == 0, gone.stderr
        assert there("ps", "-aq").stdout == ""
        assert "wherry-deploy" not in there("images").stdout
        assert "wherry-deploy" not in wherry("images").stdout
    finally:
        there("compose", "-p", "wherry-iris", "down", code=None)
