"""Descriptors, manifests, indexes and configs: there and back, and what is wrong is named by its path."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import InputError, InvalidSpec
from wherry.oci import mediatype
from wherry.oci.config import ContainerConfig, Healthcheck, History, ImageConfig
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import DiffID, Digest
from wherry.oci.manifest import Index, Manifest
from wherry.oci.platform import Platform

text = st.text(max_size=8)
words = st.lists(text, max_size=3).map(tuple)
labels = st.dictionaries(text, text, max_size=3)
digests = st.binary(max_size=4).map(Digest.of)
diff_ids = st.binary(max_size=4).map(DiffID.of)
platforms = st.builds(
    Platform.of, st.sampled_from(["linux", "windows"]), st.sampled_from(["amd64", "arm64", "arm", "riscv64"]),
    st.sampled_from(["", "v7"]),
)  # fmt: skip
descriptors = st.builds(
    Descriptor, st.sampled_from(sorted(mediatype.LAYERS)), digests, st.integers(0, 1 << 50), labels,
    st.none() | platforms, text, words,
)  # fmt: skip
healths = st.builds(Healthcheck, st.lists(text, min_size=1, max_size=3).map(tuple), *[st.integers(0, 1 << 40)] * 5)
names = st.lists(text, max_size=3, unique=True).map(lambda found: tuple(sorted(found)))
container_configs = st.builds(
    ContainerConfig, user=text, exposed_ports=names, env=words, entrypoint=st.none() | words, cmd=st.none() | words,
    volumes=names, working_dir=text, labels=labels, stop_signal=text, healthcheck=st.none() | healths,
    shell=st.none() | words, on_build=words, args_escaped=st.booleans(),
)  # fmt: skip
histories = st.builds(History, text, text, text, st.booleans(), text)
configs = st.builds(
    ImageConfig, platforms, container_configs, st.lists(diff_ids, max_size=3).map(tuple),
    st.lists(histories, max_size=3).map(tuple), text, text,
)  # fmt: skip


@given(descriptors)
def test_a_descriptor_there_and_back(one: Descriptor) -> None:
    assert Descriptor.from_json(json.loads(json.dumps(one.to_json()))) == one


@given(
    st.builds(
        Manifest, descriptors, st.lists(descriptors, max_size=3).map(tuple), annotations=labels, artifact_type=text,
        subject=st.none() | descriptors,
    )
)  # fmt: skip
def test_a_manifest_there_and_back(one: Manifest) -> None:
    assert Manifest.from_bytes(one.to_bytes()) == one


@given(
    st.builds(
        Index, st.lists(descriptors, max_size=3).map(tuple), annotations=labels, artifact_type=text,
        subject=st.none() | descriptors,
    )
)  # fmt: skip
def test_an_index_there_and_back(one: Index) -> None:
    assert Index.from_bytes(one.to_bytes()) == one


@given(configs)
def test_a_config_there_and_back(one: ImageConfig) -> None:
    assert ImageConfig.from_bytes(one.to_bytes()) == one
    assert ImageConfig.from_bytes(one.to_bytes()).to_bytes() == one.to_bytes()


def test_equal_configs_have_equal_bytes_whatever_the_order_of_their_labels() -> None:
    one, two = {"a": "1", "b": "2"}, {"b": "2", "a": "1"}
    made = [ImageConfig(Platform("linux", "amd64"), ContainerConfig(labels=labels)).to_bytes() for labels in (one, two)]
    assert made[0] == made[1]


def test_no_command_and_an_empty_one_are_not_the_same() -> None:
    none, empty = ContainerConfig(cmd=None, entrypoint=None), ContainerConfig(cmd=(), entrypoint=())
    assert ContainerConfig.from_json(none.to_json()) == none
    assert ContainerConfig.from_json(empty.to_json()) == empty


GOOD_CONFIG = {
    "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [Digest.of(b"")]},
    "config": {"Env": ["A=b"], "Labels": {"a": "b"}, "ExposedPorts": {"80/tcp": {}},
               "Healthcheck": {"Test": ["NONE"]}}, "history": [{"created_by": "x"}],
}  # fmt: skip
GOOD_DESCRIPTOR = {"mediaType": mediatype.LAYER, "digest": Digest.of(b""), "size": 1}
GOOD_MANIFEST = {"schemaVersion": 2, "config": GOOD_DESCRIPTOR, "layers": [GOOD_DESCRIPTOR, GOOD_DESCRIPTOR]}
GOOD_INDEX = {"schemaVersion": 2, "manifests": [GOOD_DESCRIPTOR]}


def put(doc: Any, path: list[str | int], value: object) -> bytes:
    doc = json.loads(json.dumps(doc))
    here = doc
    for part in path[:-1]:
        here = here[part]
    if value is ...:
        del here[path[-1]]
    else:
        here[path[-1]] = value
    return json.dumps(doc).encode()


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (["os"], 5, "os: expected a string, got int"),
        (["rootfs"], ..., "rootfs: missing"),
        (["rootfs"], [], "rootfs: expected an object, got list"),
        (["rootfs", "diff_ids"], "x", "rootfs.diff_ids: expected a list, got str"),
        (["rootfs", "diff_ids", 0], 5, "rootfs.diff_ids[0]: expected a string"),
        (["config", "Env"], {}, "config.Env: expected a list, got dict"),
        (["config", "Env", 0], None, "config.Env[0]: expected a string, got NoneType"),
        (["config", "Labels", "a"], 1, "config.Labels.a: expected a string, got int"),
        (["config", "ExposedPorts"], [], "config.ExposedPorts: expected an object, got list"),
        (["config", "Healthcheck", "Retries"], "3", "config.Healthcheck.Retries: expected a number, got str"),
        (["config", "Healthcheck", "Retries"], True, "config.Healthcheck.Retries: expected a number, got bool"),
        (["history", 0, "empty_layer"], 1, "history[0].empty_layer: expected true or false, got int"),
        (["history", 0], "x", "history[0]: expected an object"),
    ],
)
def test_a_wrong_config_is_named_by_its_path(path: list[str | int], value: object, said: str) -> None:
    with pytest.raises(InvalidSpec) as fault:
        ImageConfig.from_bytes(put(GOOD_CONFIG, path, value))
    assert said in str(fault.value)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (["schemaVersion"], 1, "schemaVersion is not 2"),
        (["schemaVersion"], ..., "schemaVersion: missing"),
        (["config"], ..., "config: missing"),
        (["config", "size"], -1, "config.size: -1 is negative"),
        (["config", "size"], 1.5, "config.size: expected a number, got float"),
        (["layers", 1, "digest"], ..., "layers[1].digest: missing"),
        (["layers", 1, "digest"], "sha256:x", "invalid digest"),
        (["layers", 0, "mediaType"], 5, "layers[0].mediaType: expected a string"),
        (["layers", 0], [], "layers[0]: expected an object"),
        (["layers", 0, "platform"], {"os": "linux"}, "layers[0].platform.architecture: missing"),
        (["manifests"], [], "both the fields of a manifest and of an index"),
    ],
)
def test_a_wrong_manifest_is_named_by_its_path(path: list[str | int], value: object, said: str) -> None:
    with pytest.raises(InvalidSpec) as fault:
        Manifest.from_bytes(put(GOOD_MANIFEST, path, value))
    assert said in str(fault.value)


@pytest.mark.parametrize("path", ["layers", "config"])
def test_an_index_with_a_manifests_fields_is_refused(path: str) -> None:
    with pytest.raises(InvalidSpec, match="both the fields"):
        Index.from_bytes(put(GOOD_INDEX, [path], []))


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"5", b'"x"', b"{", b"\xff", b"[" * 100_000, b"{}" * 2])
@pytest.mark.parametrize("kind", [Manifest, Index, ImageConfig])
def test_what_is_no_json_object_is_refused(kind: Any, data: bytes) -> None:
    with pytest.raises(InvalidSpec):
        kind.from_bytes(data)


def test_a_document_over_its_limit_is_refused_unread() -> None:
    with pytest.raises(InvalidSpec, match="over the limit"):
        Manifest.from_bytes(b" " * ((4 << 20) + 1))
    with pytest.raises(InvalidSpec, match="over the limit"):
        ImageConfig.from_bytes(b" " * ((8 << 20) + 1))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([GOOD_CONFIG, GOOD_MANIFEST, GOOD_INDEX]), st.data())
def test_any_value_in_any_place_is_read_or_refused_by_our_errors(doc: dict[str, Any], data: st.DataObject) -> None:
    here: Any = json.loads(json.dumps(doc))
    whole = here
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(here[key], dict | list) or not here[key] or data.draw(st.booleans()):
            here[key] = data.draw(json_values)
            break
        here = here[key]
    for kind in (ImageConfig, Manifest, Index):
        try:
            kind.from_bytes(json.dumps(whole).encode())
        except InputError:
            continue
