"""image sign, verify and generate-key-pair as a user types them; the registry is in memory."""

from __future__ import annotations

import io
import json
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.engine.registry_in_memory import MemoryRemote, MemoryRepository
from wherry.cli.main import main
from wherry.engine import trust_remote
from wherry.trust.keys import generate

Run = Callable[..., tuple[int, str, str]]
NAME = "reg.example/shop/api:1"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("WHERRY_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("COSIGN_PASSWORD", "pass-word-1")
    monkeypatch.chdir(tmp_path)

    def call(*argv: str) -> tuple[int, str, str]:
        code = main(list(argv))
        out, err = capfd.readouterr()
        assert "pass-word-1" not in out + err
        return code, out, err

    return call


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> MemoryRemote:
    made = MemoryRemote()
    made.repositories["reg.example/shop/api"] = MemoryRepository()
    made.repositories["reg.example/shop/api"].add_image()
    monkeypatch.setattr(trust_remote, "Registries", lambda engine: made)
    return made


def make_pair(folder: Path, name: str) -> None:
    """As `generate-key-pair`, with a password that is guessed quickly."""
    private, public = generate(b"pass-word-1", cost=2)
    (folder / f"{name}.key").write_bytes(private)
    (folder / f"{name}.pub").write_bytes(public)


def test_a_pair_is_made_once_and_never_written_over(run: Run, tmp_path: Path) -> None:
    assert run("image", "generate-key-pair")[0] == 0
    private, public = tmp_path / "cosign.key", tmp_path / "cosign.pub"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    before = private.read_bytes(), public.read_bytes()
    code, _, err = run("image", "generate-key-pair")
    assert (code, "is there already" in err) == (1, True)
    private.unlink()
    code, _, err = run("image", "generate-key-pair")
    assert (code, "cosign.pub is there already" in err, private.exists()) == (1, True, False)
    assert public.read_bytes() == before[1]
    assert run("image", "generate-key-pair", "--output-key-prefix", "other")[0] == 0
    assert (tmp_path / "other.key").read_bytes() != before[0]


@pytest.mark.parametrize("kind", ["bundle", "tag", "both"])
def test_a_signed_image_verifies_and_another_does_not(
    run: Run, remote: MemoryRemote, tmp_path: Path, kind: str
) -> None:
    make_pair(tmp_path, "cosign")
    assert run("image", "verify", "--key", "cosign.pub", NAME)[0] == 10
    code, out, _ = run("image", "sign", "--key", "cosign.key", "--signature-format", kind, NAME)
    assert code == 0
    assert all(line.startswith("Signed reg.example/shop/api@sha256:") for line in out.splitlines())
    assert "Already signed" in run("image", "sign", "--key", "cosign.key", "--signature-format", kind, NAME)[1]
    code, out, err = run("image", "verify", "--key", "cosign.pub", NAME)
    assert (code, err) == (0, "")
    assert out.splitlines()[1].split() == ["SIGNATURE", "FORMAT", "SIGNED", "BY", "FOR", "CREATED"]
    assert out.splitlines()[2].startswith("ok")
    make_pair(tmp_path, "other")
    code, out, err = run("image", "verify", "--key", "other.pub", NAME)
    assert (code, "not signed by this key" in err, "BAD" in out) == (12, True, True)


def test_json_says_of_each_signature_whether_it_is_good(run: Run, remote: MemoryRemote, tmp_path: Path) -> None:
    make_pair(tmp_path, "cosign")
    run("image", "sign", "--key", "cosign.key", "-a", "env=prod", NAME)
    code, out, _ = run("image", "verify", "--key", "cosign.pub", "--format", "json", NAME)
    found = json.loads(out)
    assert (code, found["verified"], found["image"].partition("@")[0]) == (0, True, "reg.example/shop/api")
    (one,) = found["signatures"]
    assert (one["good"], one["format"], one["repository"]) == (True, "bundle", "reg.example/shop/api")
    assert one["annotations"] == {"env": "prod"}
    code, out, _ = run("image", "verify", "--key", "cosign.pub", "-a", "env=test", "--format", "json", NAME)
    assert (code, json.loads(out)["verified"]) == (12, False)


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        (["image", "sign", NAME], "one of --key and --keyless"),
        (["image", "sign", "--key", "cosign.key", "--keyless", NAME], "one of --key and --keyless"),
        (["image", "sign", "--keyless", "--signature-format", "tag", NAME], "always a bundle"),
        (["image", "sign", "--key", "missing.key", NAME], "missing.key"),
        (["image", "verify", NAME], "one of --key"),
        (["image", "verify", "--certificate-identity", "me", NAME], "belong together"),
        (["image", "verify", "--key", "a", "--certificate-identity", "me", NAME], "one of --key"),
        (["image", "verify", "--key", "missing.pub", NAME], "missing.pub"),
    ],
)
def test_what_is_missing_or_too_much_is_said(run: Run, argv: list[str], word: str) -> None:
    code, _, err = run(*argv)
    assert code == 1
    assert word in err


def test_a_flag_that_is_wrong_exits_125(run: Run) -> None:
    assert run("image", "sign", "--signature-format", "x", NAME)[0] == 125
    assert run("image", "sign", "--key", "k", "-a", "x", NAME)[0] in {1, 125}


@pytest.fixture
def box(run: Run, tmp_path: Path) -> str:
    """A local image with one Python package, named as in the registry."""
    text = b"Name: demo\nVersion: 1.5\nLicense-Expression: MIT\n\n"
    with tarfile.open(tmp_path / "base.tar", "w") as tar:
        entry = tarfile.TarInfo("usr/lib/python3/demo-1.5.dist-info/METADATA")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
    assert run("import", "base.tar", NAME)[0] == 0
    return NAME


def test_an_attached_file_is_in_the_tree_of_the_local_image(run: Run, box: str, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{}")
    code, out, err = run("image", "attach", "report.json", "--artifact-type", "application/vnd.x.report", box)
    assert (code, err) == (0, "")
    digest = out.strip()
    code, out, _ = run("image", "tree", box)
    assert out.splitlines()[-1].split()[:3] == ["└─", "application/vnd.x.report", digest[7:19]]
    doc = json.loads(run("image", "tree", "--format", "json", box)[1])
    (platform,) = doc["children"]
    attached = [one for one in platform["children"] if one["kind"] == "attachment"]
    assert [(one["digest"], one["about"]) for one in attached] == [(digest, "report.json")]


def test_a_file_is_attached_in_the_registry(run: Run, remote: MemoryRemote, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{}")
    argv = ["image", "attach", "--remote", "report.json", "--artifact-type", "application/vnd.x.report", NAME]
    first, second = run(*argv), run(*argv)
    assert first == second
    code, out, _ = run("image", "tree", NAME)
    assert (code, out.count("application/vnd.x.report")) == (0, 1)


@pytest.mark.parametrize("kind", ["", "report", "a/b/c", "a b/c", "x/" + "y" * 200])
def test_an_artifact_type_is_a_media_type(run: Run, box: str, kind: str) -> None:
    code, _, err = run("image", "attach", "base.tar", "--artifact-type", kind, box)
    assert (code, "media type" in err) == (1, True)


def test_what_can_not_be_read_is_not_attached(run: Run, box: str) -> None:
    code, _, err = run("image", "attach", "missing", "--artifact-type", "a/b", box)
    assert (code, "cannot read" in err) == (1, True)


def test_the_sbom_of_a_local_image_is_printed(run: Run, box: str) -> None:
    code, out, err = run("image", "sbom", box)
    assert (code, err) == (0, "")
    doc = json.loads(out)
    assert [one["name"] for one in doc["packages"]] == [NAME, "demo"]
    code, out, _ = run("image", "sbom", "--format", "cyclonedx", box)
    assert [one["purl"] for one in json.loads(out)["components"]] == ["pkg:pypi/demo@1.5"]
    assert run("image", "sbom", "--format", "both", box)[0] == 1
    assert run("image", "sbom", "--format", "x", box)[0] == 1
