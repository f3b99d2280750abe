"""Images out of wherry into other programs and registries, and back: the digest stays what it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.integration.container_lab import busybox_tar
from tests.registries.fake import FakeRegistry
from tests.registries.programs import Docker, Podman, Program, Skopeo, Wherry
from tests.registries.real import Authority, DockerRegistry, Served, WherryRegistry
from tests.registries.samples import FORMATS, Sample, make

pytestmark = pytest.mark.requires("root", "docker-registry", "skopeo", "openssl", "busybox")

USERS = {"someone": "pass word:1"}
SINGLE = [form for form in FORMATS if form not in ("index", "docker list", "foreign")]
LISTS = ["index", "docker list"]
OTHERS = [*SINGLE, *LISTS]
"""What the other programs can read here: foreign layers they fetch from addresses of the layers' own."""


class Lab(NamedTuple):
    """Servers by "wherry plain", "docker guarded" ...; the seed has every sample as localhost:N/FORM:1."""

    servers: dict[str, Served]
    seed: FakeRegistry
    samples: dict[str, Sample]
    ca: Path
    folder: Path
    stack: ExitStack
    programs: dict[str, Program]

    def program(self, kind: type[Program]) -> Program:
        """The session's one, made when it is first asked for."""
        name = kind.__name__
        if name not in self.programs:
            made = kind(self.folder / name.lower(), *self.servers.values(), ca=self.ca)
            self.programs[name] = self.stack.enter_context(made)
        return self.programs[name]

    @property
    def wherry(self) -> Wherry:
        found = self.program(Wherry)
        assert isinstance(found, Wherry)
        return found

    @property
    def skopeo(self) -> Skopeo:
        found = self.program(Skopeo)
        assert isinstance(found, Skopeo)
        return found

    def origin(self, form: str) -> str:
        return f"{self.seed.host}/{repository(form)}:1"


def repository(form: str, more: str = "") -> str:
    return f"samples/{form.replace(' ', '-')}{more}"


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("interop")
    with ExitStack() as stack:
        authority = Authority(folder / "ca")
        pair = authority.issue("DNS:localhost", "IP:127.0.0.1")
        servers: dict[str, Served] = {}
        for name, kind in (("wherry", WherryRegistry), ("docker", DockerRegistry)):
            for mode, tls, users in (
                ("plain", None, None), ("tls", pair, None), ("htpasswd", None, USERS), ("guarded", pair, USERS)
            ):  # fmt: skip
                server = kind(folder / f"{name}-{mode}", tls=tls, users=users)
                servers[f"{name} {mode}"] = stack.enter_context(server)
        seed = stack.enter_context(FakeRegistry())
        root = busybox_tar()
        samples = {form: make(form, root) for form in FORMATS}
        for form, sample in samples.items():
            sample.seed(seed, repository(form), "1")
        yield Lab(servers, seed, samples, authority.ca, folder, stack, {})


MODES = ("plain", "tls", "htpasswd", "guarded")
every_server = pytest.mark.parametrize("server", [f"{who} {mode}" for who in ("wherry", "docker") for mode in MODES])
ours = pytest.mark.parametrize("server", ["wherry plain", "wherry guarded"])


@every_server
@pytest.mark.parametrize("form", SINGLE)
def test_what_is_pulled_and_pushed_keeps_its_digest(lab: Lab, server: str, form: str) -> None:
    sample, host = lab.samples[form], lab.servers[server].host
    assert lab.wherry.pull(lab.origin(form)) == sample.digest
    target = f"{host}/{repository(form)}:1"
    assert lab.wherry.push(lab.origin(form), target) == sample.digest
    assert lab.skopeo.digest(target) == sample.digest
    # and back into an empty store
    with Wherry(lab.folder / "fresh", *lab.servers.values(), ca=lab.ca) as fresh:
        assert fresh.pull(target) == sample.digest
        assert fresh.push(target, f"{host}/{repository(form, '-again')}:1") == sample.digest


@every_server
@pytest.mark.parametrize("form", FORMATS)
def test_what_is_copied_keeps_its_digest(lab: Lab, server: str, form: str) -> None:
    sample, host = lab.samples[form], lab.servers[server].host
    target = f"docker://{host}/copied/{repository(form)}:1"
    copied = lab.wherry.copy(f"docker://{lab.origin(form)}", target, "--all", "--preserve-digests")
    assert copied == sample.digest == lab.skopeo.digest(target.removeprefix("docker://"))
    folder = lab.folder / f"{server} {form}".replace(" ", "-")
    assert lab.wherry.copy(target, f"oci:{folder}:1", "--all", "--preserve-digests") == sample.digest
    again = f"docker://{host}/copied/{repository(form, '-again')}:1"
    assert lab.wherry.copy(f"oci:{folder}:1", again, "--all", "--preserve-digests") == sample.digest


@every_server
@pytest.mark.parametrize("form", LISTS)
def test_this_machines_image_of_several_is_pulled(lab: Lab, server: str, form: str) -> None:
    sample, host = lab.samples[form], lab.servers[server].host
    name = f"{host}/listed/{repository(form)}:1"
    lab.wherry.copy(f"docker://{lab.origin(form)}", f"docker://{name}", "--all", "--preserve-digests")
    with Wherry(lab.folder / "fresh", *lab.servers.values(), ca=lab.ca) as fresh:
        assert fresh.pull(name) == sample.digest
        assert fresh.push(name, f"{host}/listed/{repository(form, '-one')}:1") == sample.image


@ours
@pytest.mark.parametrize("form", OTHERS)
def test_skopeo_copies_from_us_and_to_us(lab: Lab, server: str, form: str) -> None:
    sample, host = lab.samples[form], lab.servers[server].host
    name = f"{host}/for-skopeo/{repository(form)}"
    lab.wherry.copy(f"docker://{lab.origin(form)}", f"docker://{name}:1", "--all", "--preserve-digests")
    lab.skopeo.copy(f"docker://{name}:1", f"docker://{name}-again:1", "--all", "--preserve-digests")
    assert lab.skopeo.digest(f"{name}-again:1") == sample.digest
    if form in SINGLE:
        with Wherry(lab.folder / "fresh", *lab.servers.values(), ca=lab.ca) as fresh:
            assert fresh.pull(f"{name}-again:1") == sample.digest


@ours
@pytest.mark.parametrize("form", OTHERS)
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(Docker, marks=pytest.mark.requires("docker", "dockerd", "runc"), id="docker"),
        pytest.param(Podman, marks=pytest.mark.requires("podman", "runc"), id="podman"),
    ],
)
def test_it_runs_what_we_pushed_and_we_keep_what_it_pushes(
    lab: Lab, server: str, form: str, kind: type[Docker | Podman]
) -> None:
    sample, host = lab.samples[form], lab.servers[server].host
    other = lab.program(kind)
    assert isinstance(other, Docker | Podman)
    name = f"{host}/for-{kind.__name__.lower()}/{repository(form)}"
    lab.wherry.copy(f"docker://{lab.origin(form)}", f"docker://{name}:1", "--all", "--preserve-digests")
    assert other.pull(f"{name}:1") in (sample.digest, sample.image)
    other.run_true(f"{name}:1")
    pushed = other.push(f"{name}:1", f"{name}-again:1")
    assert lab.skopeo.digest(f"{name}-again:1") == pushed
    with Wherry(lab.folder / "fresh", *lab.servers.values(), ca=lab.ca) as fresh:
        assert fresh.pull(f"{name}-again:1") == pushed
        assert fresh.push(f"{name}-again:1", f"{name}-back:1") == pushed


@ours
@pytest.mark.requires("umoci")
def test_umoci_works_on_what_we_give_and_we_take_what_it_makes(lab: Lab, server: str, tmp_path: Path) -> None:
    host = lab.servers[server].host
    lab.wherry.copy(f"docker://{lab.origin('oci')}", f"docker://{host}/for-umoci:1")
    lab.wherry.copy(f"docker://{host}/for-umoci:1", f"oci:{tmp_path}/layout:1")
    run = _umoci(lab.skopeo)
    run("unpack", "--image", f"{tmp_path}/layout:1", f"{tmp_path}/bundle")
    assert (tmp_path / "bundle" / "rootfs" / "etc" / "made-by").read_bytes() == b"wherry"
    (tmp_path / "bundle" / "rootfs" / "etc" / "made-by").write_bytes(b"umoci")
    run("repack", "--image", f"{tmp_path}/layout:2", f"{tmp_path}/bundle")
    index = json.loads((tmp_path / "layout" / "index.json").read_bytes())
    made = next(one["digest"] for one in index["manifests"] if "2" in one.get("annotations", {}).values())
    copied = lab.wherry.copy(f"oci:{tmp_path}/layout:2", f"docker://{host}/for-umoci:2", "--preserve-digests")
    assert copied == made == lab.skopeo.digest(f"{host}/for-umoci:2")
    with Wherry(lab.folder / "fresh", *lab.servers.values(), ca=lab.ca) as fresh:
        assert fresh.pull(f"{host}/for-umoci:2") == made


def _umoci(program: Program) -> Callable[..., None]:
    import subprocess

    def run(*argv: str) -> None:
        done = subprocess.run(["umoci", *argv], env=program.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    return run


@pytest.mark.parametrize("server", ["wherry guarded", "docker guarded", "wherry htpasswd", "docker htpasswd"])
def test_who_is_not_logged_in_neither_pulls_nor_pushes(lab: Lab, server: str) -> None:
    host = lab.servers[server].host
    lab.wherry.pull(lab.origin("oci"))
    lab.wherry.push(lab.origin("oci"), f"{host}/secret:1")
    tls_only = [found for name, found in lab.servers.items() if name.endswith("tls")]
    with Wherry(lab.folder / "stranger", *tls_only, ca=lab.ca) as stranger:
        certs = stranger.folder / ".config" / "containers" / "certs.d" / host
        certs.mkdir(parents=True)
        certs.joinpath("ca.crt").write_bytes(lab.ca.read_bytes())
        said = stranger.run("pull", f"{host}/secret:1", code=1)
        assert "login" in said
        stranger.pull(lab.origin("oci"))
        stranger.run("tag", lab.origin("oci"), f"{host}/secret:2")
        assert "login" in stranger.run("push", f"{host}/secret:2", code=1)


@pytest.mark.parametrize("server", ["wherry tls", "docker tls"])
def test_an_authority_that_nobody_knows_is_not_trusted(lab: Lab, server: str) -> None:
    host = lab.servers[server].host
    with Wherry(lab.folder / "stranger") as stranger:
        said = stranger.run("pull", f"{host}/any:1", code=1)
    assert "authority" in said
    assert "wherry tests" in said


guarded = pytest.mark.parametrize("server", ["wherry guarded", "docker guarded"])


def stranger(lab: Lab, kind: type[Program], host: str) -> Program:
    """Trusts the host's certificate, and has no password."""
    made = kind(lab.folder / f"stranger-{kind.__name__.lower()}")
    certs = made.folder / ".config" / "containers" / "certs.d" / host
    certs.mkdir(parents=True)
    certs.joinpath("ca.crt").write_bytes(lab.ca.read_bytes())
    return made


@guarded
def test_our_login_is_one_for_the_others_and_so_is_our_logout(lab: Lab, server: str) -> None:
    host = lab.servers[server].host
    lab.wherry.copy(f"docker://{lab.origin('oci')}", f"docker://{host}/login:1")
    with stranger(lab, Wherry, host) as ours, stranger(lab, Skopeo, host) as theirs:
        theirs.env["REGISTRY_AUTH_FILE"] = ours.env["REGISTRY_AUTH_FILE"]
        name, word = next(iter(USERS.items()))
        ours.run("login", "-u", name, "--password-stdin", host, stdin="wrong\n", code=1)
        ours.run("login", "-u", name, "--password-stdin", host, stdin=word + "\n")
        theirs.run("inspect", f"docker://{host}/login:1")
        ours.run("pull", f"{host}/login:1")
        ours.run("logout", host)
        theirs.run("inspect", f"docker://{host}/login:1", code=1)
        ours.run("pull", f"{host}/login:1", code=1)


@guarded
@pytest.mark.parametrize("kind", [Skopeo, pytest.param(Podman, marks=pytest.mark.requires("podman"))])
def test_their_login_is_one_for_us(lab: Lab, server: str, kind: type[Program]) -> None:
    host = lab.servers[server].host
    lab.wherry.copy(f"docker://{lab.origin('oci')}", f"docker://{host}/login:1")
    with stranger(lab, Wherry, host) as ours, stranger(lab, kind, host) as theirs:
        name, word = next(iter(USERS.items()))
        file = theirs.env["REGISTRY_AUTH_FILE"]
        theirs.run("login", "--authfile", file, "-u", name, "--password-stdin", host, stdin=word)
        ours.env["REGISTRY_AUTH_FILE"] = file
        ours.run("pull", f"{host}/login:1")
