"""Signatures between wherry, cosign and skopeo, and what builds attach: with the referrers API, and without it."""

from __future__ import annotations

import json
import os
import select
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.registries.real import DockerRegistry, Served, WherryRegistry
from wherry.settings import Paths
from wherry.trust.inside import Inside
from wherry.trust.keys import load_private

pytestmark = pytest.mark.requires("root", "cosign", "docker-registry", "skopeo")

MAIN = "import sys; from wherry.cli.main import main; sys.exit(main(sys.argv[1:]))"
ENV = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "WHERRY_", "COSIGN_"))}
# Neither keys need Sigstore's roots, and there is no internet to fetch them from
NO_ROOTS = '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}'
PREDICATE = "https://sigstore.dev/cosign/sign/v1"
CASES = Path(__file__).parents[1] / "cases" / "trust" / "keys" / "good"
METADATA = "Name: demo\nVersion: 1.5\nLicense-Expression: MIT\n\n"


class Lab(NamedTuple):
    folder: Path
    registry: Served

    @property
    def env(self) -> dict[str, str]:
        return {
            **ENV, "HOME": str(self.folder), "DOCKER_CONFIG": str(self.folder / "config"), "COSIGN_PASSWORD": "hello",
            "WHERRY_ROOT": str(self.folder / "root"),
        }  # fmt: skip

    def run(self, *argv: str, code: int = 0) -> str:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=self.env, cwd=self.folder)
        assert done.returncode == code, f"{argv}: {done.returncode} {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def wherry(self, *argv: str, code: int = 0) -> str:
        return self.run(sys.executable, "-c", MAIN, *argv, code=code)

    def name(self, repository: str) -> str:
        return f"{self.registry.host}/{repository}:1"

    def build(self, *flags: str, repository: str = "shop/api") -> str:
        context = self.folder / "context"
        context.mkdir(exist_ok=True)
        (context / "METADATA").write_text(METADATA)
        (context / "Dockerfile").write_text("FROM scratch\nCOPY METADATA /lib/demo-1.5.dist-info/METADATA\n")
        self.wherry("build", "-q", "-t", self.name(repository), *flags, str(context))
        return self.name(repository)

    def pushed(self, *flags: str) -> str:
        name = self.build(*flags)
        self.wherry("push", name)
        return name

    def copied(self, name: str, repository: str) -> str:
        """The image alone, as somebody who is no friend would copy it."""
        flags = ["--insecure-policy", "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false"]
        self.run("skopeo", *flags, f"docker://{name}", f"docker://{self.name(repository)}")
        return self.name(repository)

    def cosign_verify(self, name: str, kind: str, key: str = "cosign.pub", code: int = 0) -> str:
        common = ["--key", key, "--insecure-ignore-tlog=true", name]
        if kind == "tag":
            return self.run("cosign", "verify", *common, code=code)
        (self.folder / "roots.json").write_text(NO_ROOTS)
        flags = ["--new-bundle-format", "--trusted-root", "roots.json", "--type", PREDICATE]
        return self.run("cosign", "verify-attestation", *flags, *common, code=code)

    def tree(self, name: str, *flags: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.wherry("image", "tree", "--format", "json", *flags, name))
        return found


@pytest.fixture(params=[DockerRegistry, WherryRegistry])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    with request.param(tmp_path / "registry") as registry:
        made = Lab(tmp_path, registry)
        yield made
        for root in (tmp_path / "root", tmp_path / "registry" / "root"):
            shutil.rmtree(Paths.for_user({}, 0, str(root)).run, ignore_errors=True)


@pytest.mark.parametrize("kind", ["tag", "bundle"])
def test_cosign_verifies_what_wherry_signed(lab: Lab, kind: str) -> None:
    name = lab.pushed()
    lab.wherry("image", "generate-key-pair")
    lab.wherry("image", "generate-key-pair", "--output-key-prefix", "other")
    lab.wherry("image", "sign", "--key", "cosign.key", "--signature-format", kind, name)
    lab.cosign_verify(name, kind)
    lab.cosign_verify(name, kind, key="other.pub", code=12 if kind == "tag" else 1)
    lab.wherry("image", "verify", "--key", "cosign.pub", name)


def test_wherry_verifies_what_cosign_signed_with_a_key_of_cosigns(lab: Lab) -> None:
    name = lab.pushed()
    lab.run("cosign", "generate-key-pair")
    lab.wherry("image", "verify", "--key", "cosign.pub", name, code=10)
    lab.run("cosign", "sign", "--key", "cosign.key", "--tlog-upload=false", "-y", name)
    assert "ok" in lab.wherry("image", "verify", "--key", "cosign.pub", name)
    lab.wherry("image", "generate-key-pair", "--output-key-prefix", "other")
    lab.wherry("image", "verify", "--key", "other.pub", name, code=12)
    # The key too: it signs for both
    lab.wherry("image", "sign", "--key", "cosign.key", "--signature-format", "both", name)
    lab.cosign_verify(name, "bundle")


def test_wherry_verifies_the_bundle_that_cosign_wrote(lab: Lab) -> None:
    name = lab.pushed()
    lab.run("cosign", "generate-key-pair")
    (lab.folder / "predicate.json").write_text("{}")
    flags = ["--new-bundle-format", "--key", "cosign.key", "--tlog-upload=false", "-y", "--predicate", "predicate.json"]
    lab.run("cosign", "attest", *flags, "--type", "https://example.org/other", name)
    lab.wherry("image", "verify", "--key", "cosign.pub", name, code=10)
    lab.run("cosign", "attest", *flags, "--type", PREDICATE, name)
    assert "bundle" in lab.wherry("image", "verify", "--key", "cosign.pub", name)


KEYS = ["openssl-ec-p256", "openssl-pkcs8-p384", "openssl-pkcs8-p521", "openssl-rsa-2048", "openssl-ed25519"]


@pytest.mark.requires("openssl")
@pytest.mark.parametrize("lab", [DockerRegistry], indirect=True)
def test_cosign_takes_a_signature_by_every_kind_of_key(lab: Lab) -> None:
    for kind in KEYS:
        name = lab.build(repository=f"by/{kind}")
        lab.wherry("push", name)
        path = str(CASES / f"{kind}.key")
        lab.run("openssl", "pkey", "-in", path, "-pubout", "-out", "one.pub")
        lab.wherry("image", "sign", "--key", path, "--signature-format", "both", name)
        for layout in ("tag", "bundle"):
            lab.cosign_verify(name, layout, key="one.pub")
        assert lab.wherry("image", "verify", "--key", "one.pub", name).count("\nok") == 2


def test_skopeo_lets_only_signed_images_in_and_signs_for_wherry(lab: Lab) -> None:
    name = lab.pushed()
    lab.wherry("image", "generate-key-pair")
    demand = {"type": "sigstoreSigned", "keyPath": str(lab.folder / "cosign.pub")}
    demand["signedIdentity"] = {"type": "matchRepository"}  # type: ignore[assignment]
    policy = {"default": [{"type": "reject"}], "transports": {"docker": {lab.registry.host: [demand]}}}
    (lab.folder / "policy.json").write_text(json.dumps(policy))
    (lab.folder / "registries.d").mkdir()
    (lab.folder / "registries.d" / "here.yaml").write_text(
        f"docker:\n  {lab.registry.host}:\n    use-sigstore-attachments: true\n"
    )
    copy = [
        "skopeo",
        "--policy",
        "policy.json",
        "--registries.d",
        "registries.d",
        "copy",
        "-q",
        "--src-tls-verify=false",
    ]
    lab.run(*copy, f"docker://{name}", "dir:one", code=1)
    lab.wherry("image", "sign", "--key", "cosign.key", "--signature-format", "tag", name)
    lab.run(*copy, f"docker://{name}", "dir:two")

    (lab.folder / "word").write_text("hello")
    signing = [
        "--sign-by-sigstore-private-key",
        "cosign.key",
        "--sign-passphrase-file",
        "word",
        "--dest-tls-verify=false",
    ]
    other = lab.name("by/skopeo")
    lab.run(*copy, *signing, f"docker://{name}", f"docker://{other}")
    shown = lab.wherry("image", "verify", "--key", "cosign.pub", other)
    # Its own signature is good; the one that it copied along was made for the other name
    assert shown.count("\nok") == 1
    assert "signed for another repository" in shown


def test_signatures_do_not_go_to_another_image_or_name(lab: Lab) -> None:
    name = lab.pushed()
    lab.wherry("image", "generate-key-pair")
    lab.wherry("image", "sign", "--key", "cosign.key", "--signature-format", "both", name)
    stripped = lab.copied(name, "thief/api")
    lab.wherry("image", "verify", "--key", "cosign.pub", stripped, code=10)
    missing = lab.name("nobody/here")
    assert "not in its registry" in lab.wherry("image", "verify", "--key", "cosign.pub", missing, code=11)


def test_what_a_build_attaches_goes_along_and_stays_one(lab: Lab) -> None:
    name = lab.pushed("--sbom=both", "--provenance=max", "--build-arg", "VERSION=7")
    kinds = ["application/spdx+json", "application/vnd.cyclonedx+json", "application/vnd.in-toto+json"]
    (platform,) = lab.tree(name)["children"]
    assert [one["name"] for one in platform["children"] if one["kind"] != "layer"] == kinds
    there = lab.tree(name, "--remote")
    assert sorted(one["name"] for one in there["children"]) == kinds
    # The same again, and a second push: nothing new
    assert lab.pushed("--sbom=both", "--provenance=max", "--build-arg", "VERSION=7") == name
    assert lab.tree(name, "--remote") == there
    lab.run("skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{name}", "dir:plain")
    assert "config" in json.loads((lab.folder / "plain" / "manifest.json").read_text())


def test_the_provenance_is_about_the_pushed_manifest(lab: Lab) -> None:
    name = lab.pushed("--provenance")
    tree = lab.tree(name, "--remote")
    (one,) = tree["children"]
    place = f"{lab.registry.host}/shop/api"
    lab.run("skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{place}@{one['digest']}", "dir:provenance")
    layer = json.loads((lab.folder / "provenance" / "manifest.json").read_text())["layers"][0]["digest"]
    said = json.loads((lab.folder / "provenance" / layer[7:]).read_text())
    assert said["subject"] == [{"name": place, "digest": {"sha256": tree["digest"][7:]}}]
    assert said["predicateType"] == "https://slsa.dev/provenance/v1"
    (context,) = said["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert context["name"] == "context"


def test_a_build_attaches_nothing_unless_asked(lab: Lab) -> None:
    for flags in ([], ["--sbom=false", "--provenance=false"]):
        (platform,) = lab.tree(lab.build(*flags))["children"]
        assert [one for one in platform["children"] if one["kind"] != "layer"] == []
    assert "min, max or false" in lab.wherry("build", "--provenance=x", ".", code=125)
    assert "unknown SBOM format" in lab.wherry("build", "--sbom=x", ".", code=125)


def test_the_sbom_of_a_build_names_what_is_inside(lab: Lab) -> None:
    doc = json.loads(lab.wherry("image", "sbom", lab.build()))
    (package,) = [one for one in doc["packages"] if one["name"] == "demo"]
    assert (package["versionInfo"], package["licenseDeclared"]) == ("1.5", "MIT")


def test_what_an_upper_layer_took_away_is_not_listed(tmp_path: Path) -> None:
    """Whiteouts and opaque folders as overlayfs has them; an attribute that an archive can carry hides nothing."""
    base, top = tmp_path / "base", tmp_path / "top"
    for name in ("gone", "whole/folder", "kept", "tricked"):
        (base / name).mkdir(parents=True)
        (base / name / "file").write_text(name)
    for name in ("whole", "tricked"):
        (top / name).mkdir(parents=True)
    (top / "whole" / "new").write_text("new")
    os.mknod(top / "gone", 0o600 | stat.S_IFCHR, os.makedev(0, 0))
    os.setxattr(top / "whole", "trusted.overlay.opaque", b"y")
    os.setxattr(top / "tricked", "user.overlay.opaque", b"y")
    with Inside([str(base), str(top)], lambda _: True) as inside:
        assert inside.paths == [b"kept/file", b"tricked/file", b"whole/new"]


def test_a_password_is_asked_for_on_a_terminal_and_not_shown(tmp_path: Path) -> None:
    env = {**ENV, "WHERRY_ROOT": str(tmp_path / "root"), "HOME": str(tmp_path)}
    shown = typed(["image", "generate-key-pair"], [b"open sesame", b"open sesame"], tmp_path, env)
    assert "Enter password for private key: " in shown
    assert "sesame" not in shown
    key = load_private((tmp_path / "cosign.key").read_bytes(), lambda: b"open sesame", "cosign.key")
    assert key.public.pem == (tmp_path / "cosign.pub").read_bytes()
    flags = ["image", "generate-key-pair", "--output-key-prefix", "other"]
    assert "not the same" in typed(flags, [b"one", b"two"], tmp_path, env)
    assert not (tmp_path / "other.key").exists()


def typed(argv: list[str], answers: list[bytes], cwd: Path, env: dict[str, str]) -> str:
    """What a terminal shows while somebody answers each prompt."""
    main, other = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, *argv], stdin=other, stdout=other, stderr=other, cwd=cwd, env=env
    )
    os.close(other)
    shown = b""
    waiting = list(answers)
    with os.fdopen(main, "r+b", buffering=0) as terminal:
        while select.select([terminal], [], [], 60)[0]:
            try:
                chunk = terminal.read(4096)
            except OSError:  # EIO: the program has ended
                break
            if not chunk:
                break
            shown += chunk
            if waiting and shown.endswith(b": "):
                terminal.write(waiting.pop(0) + b"\n")
        process.kill()
    process.wait()
    return shown.decode()
