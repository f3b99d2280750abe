"""Names through the files: mirrors, moved and blocked registries, and whose credentials go where."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.container_lab import busybox_tar
from tests.registries.fake import FakeRegistry
from tests.registries.programs import Wherry
from tests.registries.quirks import Quirks
from tests.registries.samples import make

pytestmark = pytest.mark.requires("root", "busybox")
NOBODY = "127.0.0.1:1"


class Lab:
    """`wherry` with a registries.conf of its own."""

    def __init__(self, folder: Path) -> None:
        self.wherry = Wherry(folder / "wherry")
        self.conf = self.wherry.folder / "registries.conf"
        self.wherry.env |= {"CONTAINERS_REGISTRIES_CONF": str(self.conf), "WHERRY_ROOT": str(folder / "root")}
        self.write("")

    def write(self, text: str) -> None:
        self.conf.write_text(text)

    def log_in(self, **hosts: str) -> None:
        auths = {host: {"auth": base64.b64encode(pair.encode()).decode()} for host, pair in hosts.items()}
        (self.wherry.folder / "docker" / "config.json").write_text(json.dumps({"auths": auths}))


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    with made.wherry:
        yield made


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        make("oci", busybox_tar()).seed(fake, "hub/library/api", "1")
        yield fake


def mirrored(name: str, *mirrors: str) -> str:
    tables = [f'[[registry.mirror]]\nlocation = "{mirror}"' for mirror in mirrors]
    return "\n".join([f'[[registry]]\nlocation = "{name}"', *tables])


def test_a_short_name_comes_from_the_mirror_and_keeps_its_name(lab: Lab, registry: FakeRegistry) -> None:
    lab.write(mirrored("docker.io", f"{registry.host}/hub"))
    out = lab.wherry.run("pull", "api:1").splitlines()
    assert out[-2:] == ["Status: Downloaded newer image for api:1", "docker.io/library/api:1"]
    assert lab.wherry.run("images", "api").splitlines()[1].split()[:2] == ["api", "1"]


def test_a_mirror_that_is_down_is_passed_over(lab: Lab, registry: FakeRegistry) -> None:
    lab.write(mirrored("docker.io", f"{NOBODY}/x", f"{registry.host}/nothing", f"{registry.host}/hub"))
    assert "docker.io/library/api:1" in lab.wherry.run("pull", "api:1")


def test_a_registry_that_has_moved_is_pulled_from_and_pushed_to_where_it_is(lab: Lab, registry: FakeRegistry) -> None:
    lab.write(f'[[registry]]\nprefix = "old.example/team"\nlocation = "{registry.host}/hub/library"\n')
    lab.wherry.run("pull", "-q", "old.example/team/api:1")
    lab.wherry.run("tag", "old.example/team/api:1", "old.example/team/api:2")
    lab.wherry.run("push", "-q", "old.example/team/api:2")
    assert registry.requests("PUT", "/v2/hub/library/api/manifests/2")


def test_a_blocked_registry_is_never_asked(lab: Lab, registry: FakeRegistry) -> None:
    lab.write(f'[[registry]]\nlocation = "{registry.host}"\nblocked = true\n')
    said = lab.wherry.run("pull", f"{registry.host}/hub/library/api:1", code=1)
    assert f"registry {registry.host} is blocked by {lab.conf}" in said
    assert not registry.requests()


def test_a_mirror_never_sees_the_registrys_password(lab: Lab) -> None:
    with FakeRegistry(Quirks(challenge="basic")) as mirror:
        lab.log_in(**{NOBODY: "anna:hunter2"})
        lab.write(mirrored(NOBODY, f"{mirror.host}/hub"))
        lab.wherry.run("pull", f"{NOBODY}/library/api:1", code=1)
        assert mirror.requests()
        assert not [one for one in mirror.requests() if "authorization" in {name.lower() for name in one.headers}]


def test_a_mirror_gets_its_own_password(lab: Lab) -> None:
    with FakeRegistry(Quirks(challenge="basic")) as mirror:
        make("oci", busybox_tar()).seed(mirror, "hub/library/api", "1")
        lab.log_in(**{mirror.host: "someone:secret", "https://index.docker.io/v1/": "anna:hunter2"})
        lab.write(mirrored("docker.io", f"{mirror.host}/hub"))
        lab.wherry.run("pull", "api:1")


def test_a_broken_file_stops_the_pull_and_is_named_with_its_line(lab: Lab) -> None:
    lab.write('[[registry]]\nlocation = "a.example"\ninsecure = "yes"\n')
    said = lab.wherry.run("pull", "api:1", code=1)
    assert f"{lab.conf}:1: [[registry]]: insecure is true or false" in said
    assert "Traceback" not in said


def test_a_helper_that_is_not_there_is_told_of_and_the_pull_goes_on(lab: Lab, registry: FakeRegistry) -> None:
    (lab.wherry.folder / "docker" / "config.json").write_text('{"credsStore": "desktop.exe"}')
    lab.wherry.env.pop("REGISTRY_AUTH_FILE")
    lab.write("")
    with FakeRegistry(Quirks(challenge="basic")) as guarded:
        said = lab.wherry.run("pull", f"{guarded.host}/x:1", code=1)
    assert "docker-credential-desktop.exe is not installed" in said
    lab.wherry.run("pull", f"{registry.host}/hub/library/api:1")
