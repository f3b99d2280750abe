"""Under which names an artifact's layers are kept."""

from __future__ import annotations

import pytest

from wherry.engine.artifact_volume import files_of
from wherry.errors import InvalidSpec
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
    return [file.name for file in files_of(_manifest(*layers), "ai/m")]


def test_titles_are_names() -> None:
    assert _names((RAW, "model.safetensors"), (RAW, "sub/config.json")) == ["model.safetensors", "sub/config.json"]


def test_dockers_models_have_none() -> None:
    kind = "application/vnd.docker.ai.gguf.v3"
    assert _names((kind, ""), ("application/vnd.docker.ai.license", "")) == ["model.gguf", "LICENSE"]
    assert _names((kind, ""), (kind, "")) == ["model.gguf", "model-000000000000.gguf"]


def test_tars_are_unpacked() -> None:
    assert _names(
        ("application/vnd.oci.image.layer.v1.tar+gzip", "x"), ("application/vnd.cncf.model.weight.v1.tar", "")
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
