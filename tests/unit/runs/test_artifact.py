"""A run's manifest."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.runs.test_document import WHOLE
from wherry.errors import InputError, InvalidSpec, Unsupported
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Manifest
from wherry.oci.platform import Platform
from wherry.runs.artifact import ARTIFACT, CONFIG, CREATED, FILE, METRICS, TITLE, check, pack, unpack

POINTS = Descriptor(METRICS, Digest.of(b"points"), 6)
IMAGE = Descriptor("application/vnd.oci.image.manifest.v1+json", Digest.of(b"image"), 5, {"a": "b"},
                   Platform.of("linux", "amd64"))  # fmt: skip


def test_what_is_packed_is_unpacked() -> None:
    packed = pack(WHOLE, POINTS, IMAGE)
    run = unpack(Manifest.from_bytes(packed.data), packed.config, "it")
    assert run.document == WHOLE
    assert run.points
    assert run.points[:3] == POINTS[:3]
    assert [(name, str(layer.digest)) for name, layer in run.files] == [("out/model.bin", "sha256:" + "0" * 64)]


def test_the_manifest_is_as_the_page_says() -> None:
    document = json.loads(pack(WHOLE, POINTS, IMAGE).data)
    assert document["artifactType"] == ARTIFACT
    assert document["config"]["mediaType"] == CONFIG
    assert [one["mediaType"] for one in document["layers"]] == [METRICS, FILE]
    assert [one["annotations"][TITLE] for one in document["layers"]] == ["metrics.tar.zst", "out/model.bin"]
    assert document["subject"] == {"mediaType": IMAGE.media_type, "digest": str(IMAGE.digest), "size": 5}
    assert document["annotations"] == {
        TITLE: "glad-robin", "org.opencontainers.image.created": "1970-01-01T00:00:01Z",
        "dev.wherry.run.id": WHOLE["id"], "dev.wherry.run.experiment": "iris", "dev.wherry.run.status": "failed",
    }  # fmt: skip


def test_a_run_of_nothing_has_the_empty_layer() -> None:
    assert pack(WHOLE | {"started_ms": 10**18}, None, None).manifest.annotations[CREATED].startswith("1970-")
    packed = pack(WHOLE | {"artifacts": []}, None, None)
    assert packed.is_empty
    assert packed.manifest.layers[0].media_type == "application/vnd.oci.empty.v1+json"
    assert unpack(packed.manifest, packed.config, "it").files == ()


def test_a_file_named_as_the_points_keeps_its_name() -> None:
    one = {"name": "metrics.tar.zst", "digest": "sha256:" + "1" * 64, "size": 1}
    packed = pack(WHOLE | {"artifacts": [one]}, POINTS, None)
    assert [layer.annotations.get(TITLE) for layer in packed.manifest.layers] == [None, "metrics.tar.zst"]


def test_names_that_lead_elsewhere_are_not_sent() -> None:
    with pytest.raises(InvalidSpec, match=r"an artifact is named '/etc/passwd'"):
        pack(WHOLE | {"artifacts": [{"name": "/etc/passwd", "digest": "sha256:" + "1" * 64, "size": 1}]}, None, None)


def changed(**fields: Any) -> Manifest:
    return pack(WHOLE, POINTS, None).manifest._replace(**fields)


@pytest.mark.parametrize(("kind", "config", "said"), [
    ("", "application/vnd.oci.image.config.v1+json", "is a container image, not a training run"),
    ("application/vnd.cncf.model.manifest.v1+json", "application/vnd.cncf.model.config.v1+json", "no training run but"),
    ("application/vnd.example", "application/vnd.oci.empty.v1+json", "no training run but application/vnd.example"),
])  # fmt: skip
def test_what_is_no_run_is_named(kind: str, config: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check(changed(artifact_type=kind, config=POINTS._replace(media_type=config)), "it")


def test_a_later_kind_of_run_is_not_guessed_at() -> None:
    with pytest.raises(Unsupported, match="a later wherry"):
        check(changed(artifact_type="application/vnd.wherry.run.v2+json", config=POINTS), "it")


def test_layers_that_are_not_as_the_document_says_are_refused() -> None:
    packed = pack(WHOLE, POINTS, None)
    points, file = packed.manifest.layers
    for layers in (
        (points,), (points, file, file), (points, points, file), (points, file._replace(size=8)),
        (points, file._replace(annotations={TITLE: "../x"})), (points, file._replace(digest=POINTS.digest)),
    ):  # fmt: skip
        with pytest.raises(InvalidSpec, match="it: "):
            unpack(packed.manifest._replace(layers=layers), packed.config, "it")
