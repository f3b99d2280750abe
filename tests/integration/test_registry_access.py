"""Passwords, anonymous pulls, rules and pull-through, with docker, podman and skopeo as the clients."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import pytest

from tests.conformance.wire import Wire
from tests.integration.container_lab import busybox_tar
from tests.registries.fake import FakeRegistry
from tests.registries.programs import Docker, Podman, Program, Skopeo, Wherry
from tests.registries.real import DockerRegistry, Served, WherryRegistry
from tests.registries.samples import make

pytestmark = pytest.mark.requires("root", "skopeo", "busybox")

USERS = {"anna": "pass word:1", "ben": "another word:2"}
RULES = """
[[rule]]
repositories = ["team/**"]
users = ["anna"]
actions = ["pull", "push"]

[[rule]]
repositories = ["public/**"]
anonymous = true
actions = ["pull"]

[[rule]]
repositories = ["public/**"]
users = ["*"]
actions = ["pull", "push"]
"""


class Guarded(WherryRegistry):
    """With more flags; the file of rules stands beside that of the users."""

    more: tuple[str, ...] = ()

    def argv(self) -> list[str]:
        (self.folder / "rules.toml").write_text(RULES)
        return [*super().argv(), *(flag.replace("FOLDER", str(self.folder)) for flag in self.more)]


class Open(Guarded):
    more = ("--anonymous-pull",)


class Ruled(Guarded):
    more = ("--rules", "FOLDER/rules.toml")


class Lab(NamedTuple):
    folder: Path
    origin: str
    digest: str


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One image on a registry of its own."""
    with FakeRegistry() as seed:
        sample = make("oci", busybox_tar())
        sample.seed(seed, "samples/oci", "1")
        yield Lab(tmp_path_factory.mktemp("access"), f"{seed.host}/samples/oci:1", sample.digest)


def knows(server: Served, **users: str) -> Served:
    """The server as somebody sees it who has these passwords alone."""
    return cast("Served", SimpleNamespace(host=server.host, tls=None, users=users))


def skopeo(stack: ExitStack, folder: Path, server: Served, **users: str) -> Skopeo:
    return stack.enter_context(Skopeo(folder, knows(server, **users)))


def fill(lab: Lab, program: Skopeo, target: str) -> None:
    program.copy(f"docker://{lab.origin}", f"docker://{target}", "--src-tls-verify=false")


@pytest.mark.parametrize(
    "kind", [pytest.param(Docker, marks=pytest.mark.requires("dockerd", "docker")), Podman, Wherry]
)
def test_an_open_registry_gives_to_everybody_and_takes_from_users(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory, kind: type[Program]
) -> None:
    if kind is Podman:
        from tests import needs

        if missing := needs.missing("podman"):
            pytest.skip(missing)
    # Short: dockerd's sockets stand below it, and their paths hold 104 bytes
    tmp_path = tmp_path_factory.mktemp("o")
    with ExitStack() as stack:
        server = stack.enter_context(Open(tmp_path / "server", users=USERS))
        fill(lab, skopeo(stack, tmp_path / "skopeo", server, anna=USERS["anna"]), f"{server.host}/public/app:1")
        stranger: Any = stack.enter_context(kind(tmp_path / "p", knows(server)))
        name = f"{server.host}/public/app:1"
        assert stranger.pull(name) == lab.digest
        verify = ["--tls-verify=false"] if kind is Podman else []
        stranger.run("tag", name, f"{server.host}/public/other:1")
        refused = stranger.run("push", *verify, f"{server.host}/public/other:1", code=None)
        assert "denied" in refused.lower() or "unauthorized" in refused.lower() or "authentication" in refused.lower()
        for word, code in (("wrong", None), (USERS["anna"], 0)):
            said = stranger.run("login", *verify, "-u", "anna", "-p", word, server.host, code=code)
            assert ("Login Succeeded" in said) == (code == 0), said
        assert stranger.push(name, f"{server.host}/public/other:1")
        assert stranger.pull(f"{server.host}/public/other:1")
        log = server.log()
        assert "Traceback" not in log
        for secret in (*USERS.values(), "Bearer", base64.b64encode(b"anna:pass word:1").decode()):
            assert secret not in log


def test_rules_hold_for_real_clients(lab: Lab, tmp_path: Path) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(Ruled(tmp_path / "server", users=USERS))
        anna = skopeo(stack, tmp_path / "anna", server, anna=USERS["anna"])
        ben = skopeo(stack, tmp_path / "ben", server, ben=USERS["ben"])
        stranger = skopeo(stack, tmp_path / "stranger", server)
        fill(lab, anna, f"{server.host}/team/app:1")
        fill(lab, ben, f"{server.host}/public/app:1")
        assert anna.digest(f"{server.host}/team/app:1") == lab.digest
        assert stranger.digest(f"{server.host}/public/app:1") == lab.digest
        for program in (ben, stranger):
            with pytest.raises(AssertionError, match=r"(?i)denied|unauthorized|authentication|requested access"):
                program.digest(f"{server.host}/team/app:1")
        with pytest.raises(AssertionError):
            fill(lab, ben, f"{server.host}/team/ben:1")
        # A mount never tells what is in a repository that one may not read
        blob = Wire("127.0.0.1", server.port, {"Authorization": _basic("anna")})
        layer = blob.get("/v2/team/app/manifests/1", Accept="application/vnd.oci.image.manifest.v1+json").json[
            "layers"
        ][0]
        assert blob.post(f"/v2/team/x/blobs/uploads/?mount={layer['digest']}&from=team/app").status == 201
        blob.close()
        other = Wire("127.0.0.1", server.port, {"Authorization": _basic("ben")})
        for query in (f"mount={layer['digest']}&from=team/app", f"mount=sha256:{'0' * 64}&from=team/app"):
            assert other.post(f"/v2/public/new/blobs/uploads/?{query}").status == 202
        assert other.get("/v2/_catalog").json == {"repositories": ["public/app"]}
        page = other.get("/").body
        assert b"public/app" in page
        assert b"team/app" not in page
        other.close()


def _basic(user: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{USERS[user]}".encode()).decode()


@pytest.mark.requires("docker-registry")
def test_a_registry_stands_in_front_of_another_one_that_takes_a_password(lab: Lab, tmp_path: Path) -> None:
    with ExitStack() as stack:
        behind = stack.enter_context(DockerRegistry(tmp_path / "behind", users={"anna": USERS["anna"]}))
        fill(lab, skopeo(stack, tmp_path / "anna", behind, anna=USERS["anna"]), f"{behind.host}/some/app:1")

        class InFront(Guarded):
            more = ("--proxy", f"http://{behind.host}")

            def start(self) -> None:
                # The credentials of whoever runs it, as docker keeps them
                with pytest.MonkeyPatch.context() as patch:
                    patch.setenv("DOCKER_CONFIG", str(tmp_path / "anna" / "docker"))
                    patch.delenv("REGISTRY_AUTH_FILE", raising=False)
                    patch.setenv("HOME", str(tmp_path))
                    patch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
                    super().start()

        front = stack.enter_context(InFront(tmp_path / "front"))
        stranger = skopeo(stack, tmp_path / "stranger", front)
        target = tmp_path / "pulled"
        stranger.copy(f"docker://{front.host}/some/app:1", f"dir:{target}")
        assert stranger.digest(f"{front.host}/some/app:1") == lab.digest
        behind.close()
        assert stranger.digest(f"{front.host}/some/app:1") == lab.digest, "kept, and served without the other one"
        stranger.copy(f"docker://{front.host}/some/app:1", f"dir:{tmp_path / 'again'}")
        assert USERS["anna"] not in front.log()


@pytest.mark.requires("htpasswd")
def test_the_file_that_htpasswd_writes_is_taken_and_its_weak_hashes_are_not(tmp_path: Path) -> None:
    users = tmp_path / "htpasswd"

    def write(*options: str) -> None:
        subprocess.run(["htpasswd", "-b", *options, str(users), "anna", "secret"], check=True, capture_output=True)

    write("-c", "-B")

    class Written(WherryRegistry):
        def argv(self) -> list[str]:
            return [*WherryRegistry.argv(self), "--htpasswd", str(users)]

    with Written(tmp_path / "server") as server:
        wire = Wire("127.0.0.1", server.port, {"Authorization": "Basic " + base64.b64encode(b"anna:secret").decode()})
        assert wire.get("/v2/").status == 200
        wire.close()
        plain = Wire("127.0.0.1", server.port)
        assert plain.get("/v2/").status == 401
        plain.close()
    write("-m")
    argv = Written.argv(cast("Written", SimpleNamespace(port=0, folder=tmp_path, tls=None, users={})))
    refused = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 1
    assert f"{users}:1: the password of 'anna' is not hashed by bcrypt" in refused.stderr
    assert f"htpasswd -B {users} anna" in refused.stderr
