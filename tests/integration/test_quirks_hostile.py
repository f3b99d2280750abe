"""Registries that mean harm, or are out of their mind: a pull ends in one clear error and leaves nothing."""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.test_quirks import Desk, fetch, image, send
from tests.registries import quirks
from tests.registries.fake import FakeRegistry, digest_of
from tests.unit.store.archives import config, layer_tar
from wherry.engine.pull import PullRequest, pull_tags
from wherry.errors import WherryError
from wherry.oci import mediatype
from wherry.registry.watch import Silent

ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
TAR = layer_tar(etc__motd="hello")
LAYER = gzip.compress(TAR, mtime=0)
CONFIG = config(TAR, arch=ARCH)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with ExitStack() as stack:
        yield Desk(tmp_path, quirks.PLAIN, stack)


def described(data: bytes, kind: str, **more: Any) -> dict[str, Any]:
    return {"mediaType": kind, "digest": digest_of(data), "size": len(data), **more}


def good(**more: Any) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": mediatype.MANIFEST,
        "config": described(CONFIG, mediatype.CONFIG),
        "layers": [described(LAYER, mediatype.LAYER_GZIP)],
        **more,
    }


def serve(registry: FakeRegistry, data: bytes, kind: str = mediatype.MANIFEST) -> None:
    for blob in (LAYER, CONFIG):
        registry.put_blob("team/api", blob)
    registry.put_manifest("team/api", "1", data, kind)


def one_layer(**more: Any) -> bytes:
    return json.dumps(good(layers=[{**described(LAYER, mediatype.LAYER_GZIP), **more}])).encode()


def one_config(**more: Any) -> bytes:
    return json.dumps(good(config={**described(CONFIG, mediatype.CONFIG), **more})).encode()


DEEP = b'{"schemaVersion":2,"layers":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
MANY = json.dumps(good(layers=[described(LAYER, mediatype.LAYER_GZIP)] * 20_000)).encode()
HOSTILE = {
    "a digest that is a path": one_layer(digest="sha256:../../../../etc/passwd"),
    "a digest with a path behind it": one_layer(digest=f"{digest_of(LAYER)}/../../x"),
    "a config's digest that is a path": one_config(digest="sha256:..%2f..%2fx"),
    "an algorithm that nobody knows": one_layer(digest="md5:d41d8cd98f00b204e9800998ecf8427e"),
    "a digest in upper case": one_layer(digest=digest_of(LAYER).upper()),
    "a digest that is too short": one_layer(digest="sha256:abc"),
    "a digest that is no text": one_layer(digest=7),
    "a size below zero": one_layer(size=-1),
    "a size that is too small": one_layer(size=len(LAYER) - 1),
    "a size that is too large": one_layer(size=len(LAYER) + 1),
    "a size that is no whole number": one_layer(size=1.5),
    "a size beyond all disks": one_layer(size=1 << 62),
    "a size of many digits": one_layer().replace(str(len(LAYER)).encode(), b"9" * 4000),
    "a blob that is not there": one_layer(digest=digest_of(b"elsewhere")),
    "a config that is the layer": one_config(**described(LAYER, mediatype.CONFIG)),
    "a layer that is the config": one_layer(**described(CONFIG, mediatype.LAYER_GZIP)),
    "a layer of a kind that nobody knows": one_layer(mediaType="application/x-rpm"),
    "layers that are none": json.dumps(good(layers={"0": 1})).encode(),
    "no layers where the config has one": json.dumps(good(layers=[])).encode(),
    "two readings": json.dumps(good(manifests=[described(b"x", mediatype.MANIFEST)])).encode(),
    "the same key twice": json.dumps(good()).encode()[:-1] + b',"layers":[]}',
    "a number that is none": json.dumps(good(x=float("nan"))).encode(),
    "arrays without end": DEEP,
    "twenty thousand layers": MANY,
    "no json": b"\x1f\x8b\x08garbage",
    "nothing": b"",
    "a list": b"[]",
    "another encoding": json.dumps(good()).encode("utf-16"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_manifest_is_refused_and_leaves_nothing(desk: Desk, tmp_path: Path, name: str) -> None:
    serve(desk.registry, HOSTILE[name])
    person = desk.person()
    before = outside(tmp_path)
    with pytest.raises(WherryError) as told:
        fetch(person, desk.reference())
    assert told.value.message.isprintable()
    assert len(told.value.message) < 1000
    assert not person.image_store.list()
    left = Path(person.settings.paths.tmp)
    assert not left.is_dir() or not list(left.iterdir())
    assert outside(tmp_path) == before


def outside(folder: Path) -> set[str]:
    """What is beside the stores."""
    return {path.name for path in folder.iterdir() if not path.name.startswith("person")}


def test_the_good_one_among_them_is_taken(desk: Desk) -> None:
    serve(desk.registry, json.dumps(good()).encode())
    person = desk.person()
    found = fetch(person, desk.reference())
    assert Path(person.layers.path(found.image.layers[0]), "etc", "motd").read_text() == "hello"


KEYS = st.sampled_from(["schemaVersion", "mediaType", "config", "layers", "digest", "size", "urls", "annotations"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(digest_of(LAYER)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(top=st.dictionaries(KEYS, VALUES, max_size=3), layer=st.dictionaries(KEYS, VALUES, max_size=2))
def test_any_change_of_a_manifest_is_pulled_or_refused(desk: Desk, top: dict[str, Any], layer: dict[str, Any]) -> None:
    document = {**good(layers=[{**described(LAYER, mediatype.LAYER_GZIP), **layer}]), **top}
    serve(desk.registry, json.dumps(document).encode())
    person = desk.person()
    with suppress(WherryError):
        assert fetch(person, desk.reference()).image.id == digest_of(CONFIG)
    person.close()


def test_tags_and_errors_of_a_registry_do_not_reach_the_terminal_as_they_are(desk: Desk) -> None:
    """ESC ]0; sets a terminal's title; \\r writes over the line."""
    registry = desk.registry
    serve(registry, json.dumps(good()).encode())
    registry.manifests["team/api", "\x1b]0;owned\x07\r1"] = registry.manifests.pop(("team/api", "1"))
    with pytest.raises(WherryError) as told:
        list(pull_tags(desk.person(), PullRequest(desk.reference()), Silent()))
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", told.value.message)


def test_an_image_of_a_thousand_layers_is_pushed(desk: Desk) -> None:
    """(Its pull is in test_pull.py.)"""
    here = desk.person()
    made = image(here, desk.reference(), *(b"%d" % number for number in range(1000)))
    send(here, desk.reference())
    manifest = json.loads(desk.registry.manifests[desk.name, "1"][0])
    assert len(manifest["layers"]) == len(made.layers) == 1000
    assert all((desk.name, layer["digest"]) in desk.registry.blobs for layer in manifest["layers"])
