"""A model's manifest, and under which names an artifact's layers are kept."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from wherry.errors import InputError, InvalidSpec
from wherry.models.config import Described, described, from_config
from wherry.models.headers import Facts
from wherry.models.pack import Named, files_of, pack
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Manifest

TITLE = "org.opencontainers.image.title"
RAW = "application/octet-stream"


def _manifest(*layers: tuple[str, str]) -> Manifest:
    made = []
    for number, (media_type, title) in enumerate(layers):
        annotations = {TITLE: title} if title else {}
        made.append(Descriptor(media_type, Digest(f"sha256:{number:064x}"), 3, annotations=annotations))
    return Manifest(Descriptor("application/x", Digest("sha256:" + "f" * 64), 2), tuple(made))


def _names(*layers: tuple[str, str]) -> list[str]:
    return [file.name for file in files_of(_manifest(*layers), "ai/m", ".wherry-artifact.json")]


def test_titles_are_names() -> None:
    assert _names((RAW, "model.safetensors"), (RAW, "sub/config.json")) == ["model.safetensors", "sub/config.json"]


def test_dockers_models_have_none() -> None:
    kind = "application/vnd.docker.ai.gguf.v3"
    assert _names((kind, ""), ("application/vnd.docker.ai.license", "")) == ["model.gguf", "LICENSE"]
    assert _names((kind, ""), (kind, "")) == ["model.gguf", "model-000000000000.gguf"]


def test_tars_are_unpacked() -> None:
    assert _names(
        ("application/vnd.oci.image.layer.v1.tar+gzip", ""), ("application/vnd.cncf.model.weight.v1.tar", "x")
    ) == ["", ""]


def test_others_are_named_after_their_digest() -> None:
    assert _names((RAW, "")) == ["000000000000"]


@pytest.mark.parametrize(
    "title", ["../x", "a/../../x", "/etc/passwd", "a//b", ".", "..", "a/", "x\0y", ".wherry-artifact.json"]
)
def test_a_name_that_leads_elsewhere_is_refused(title: str) -> None:
    with pytest.raises(InvalidSpec, match="a layer is named"):
        _names((RAW, "ok"), (RAW, title))


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidSpec, match="two layers are named 'a'"):
        _names((RAW, "a"), (RAW, "a"))


def test_no_layers_are_no_model() -> None:
    with pytest.raises(InvalidSpec, match="without files"):
        _names()


def test_a_plain_file_of_oras_is_no_tar_whatever_its_media_type() -> None:
    kind = "application/vnd.oci.image.layer.v1.tar"
    folder = Descriptor(kind, Digest("sha256:" + "a" * 64), 3, {TITLE: "data", "io.deis.oras.content.unpack": "true"})
    manifest = Manifest(folder, (folder,))
    assert _names((kind, "weights.bin")) == ["weights.bin"]
    assert [file.name for file in files_of(manifest, "ai/m")] == [""]


FILES = (
    Named("README.md", 3, Digest("sha256:" + "1" * 64)),
    Named("model.safetensors", 4000, Digest("sha256:" + "2" * 64)),
    Named("config.json", 20, Digest("sha256:" + "3" * 64)),
    Named("sub/run.sh", 20, Digest("sha256:" + "4" * 64), executable=True),
    Named("strange", 20, Digest("sha256:" + "5" * 64)),
)


def test_a_model_is_what_the_specification_says() -> None:
    schema = json.loads((Path(__file__).parents[2] / "cases/models/config-schema.json").read_text())
    said = Described("iris", "1", "bert", "transformer", "safetensors", "1.5B", "bf16", "", ("MIT",), ("me",))
    packed = pack(FILES, said)
    jsonschema.Draft7Validator(schema).validate(json.loads(packed.config))
    manifest = json.loads(packed.data)
    assert manifest["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"
    assert manifest["config"]["mediaType"] == "application/vnd.cncf.model.config.v1+json"
    start = "application/vnd.cncf.model"
    assert [
        (one["mediaType"].removeprefix(start), one["annotations"]["org.cncf.model.filepath"])
        for one in manifest["layers"]
    ] == [
        (".weight.v1.raw", "model.safetensors"), (".weight.config.v1.raw", "config.json"), (".doc.v1.raw", "README.md"),
        (".code.v1.raw", "strange"), (".code.v1.raw", "sub/run.sh"),
    ]  # fmt: skip
    metadata = json.loads(manifest["layers"][4]["annotations"]["org.cncf.model.file.metadata+json"])
    assert metadata == {
        "name": "run.sh", "mode": 0o755, "uid": 0, "gid": 0, "size": 20, "mtime": "1970-01-01T00:00:00Z", "typeflag": 48
    }  # fmt: skip
    assert manifest["layers"][3]["annotations"]["org.cncf.model.file.mediatype.untested"] == "true"
    assert from_config(packed.config) == said


def test_the_same_files_in_another_order_are_the_same_model() -> None:
    assert pack(FILES, Described("a")).data == pack(FILES[::-1], Described("a")).data


def test_what_nobody_says_is_left_out_and_still_valid() -> None:
    schema = json.loads((Path(__file__).parents[2] / "cases/models/config-schema.json").read_text())
    jsonschema.Draft7Validator(schema).validate(json.loads(pack(FILES, Described()).config))


def test_no_files_are_no_model() -> None:
    with pytest.raises(InvalidSpec, match="no files"):
        pack((), Described())


def test_what_is_asked_for_wins_over_headers_and_those_over_settings() -> None:
    facts = Facts("safetensors", 1, 1_500_000, {"BF16": 1_500_000}, family="llama")
    settings = b'{"model_type": "bert", "torch_dtype": "float32", "num_attention_heads": 2}'
    found = described(Described(version="2"), facts, settings, "folder", [])
    assert found == Described("folder", "2", "llama", "transformer", "safetensors", "1.5M", "bf16")
    assert described(Described(family="mine"), None, settings, "folder", ["onnx"])[2:7] == (
        "mine", "transformer", "onnx", "", "fp32"
    )  # fmt: skip


@pytest.mark.parametrize("text", ["8", "eight", "8BB", "-8B"])
def test_a_size_that_the_specification_does_not_know_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="invalid --param-size"):
        described(Described(param_size=text), None, b"", "x", [])


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"descriptor": 3, "config": {"format": 7}}', b"[" * 100_000])
def test_a_config_that_says_nothing_breaks_nothing(data: bytes) -> None:
    assert from_config(data) == Described()
