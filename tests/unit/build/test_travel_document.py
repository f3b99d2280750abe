from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.build import travel_document
from wherry.build.travel_document import CacheDocument, CarriedLayer, Step, Trace
from wherry.errors import InvalidSpec
from wherry.oci import mediatype
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import DiffID, Digest

ONE, TWO, THREE = (DiffID.of(text) for text in (b"1", b"2", b"3"))
BLOBS = {one: Descriptor(mediatype.LAYER_GZIP, Digest.of(one.encode()), 10) for one in (ONE, TWO, THREE)}
STEP = Step("a" * 64, "RUN one", (ONE, TWO))
TRACE = Trace("b" * 64, "c" * 64, "RUN one", b"\x01\x00\x00", (THREE,))
WHOLE = CacheDocument(tuple(CarriedLayer(one, BLOBS[one]) for one in BLOBS), (STEP,), (TRACE,))


def test_what_was_written_is_read() -> None:
    assert CacheDocument.from_bytes(WHOLE.to_bytes()) == WHOLE
    inline = CacheDocument((CarriedLayer(ONE),), (Step("a" * 64, "", (ONE,)),))
    assert CacheDocument.from_bytes(inline.to_bytes()) == inline
    assert CacheDocument.from_bytes(CacheDocument().to_bytes()) == CacheDocument()


def test_a_record_goes_with_its_layers() -> None:
    assert WHOLE.only([ONE, TWO]) == CacheDocument(WHOLE.layers[:2], (STEP,))
    assert WHOLE.only([ONE]) == CacheDocument(WHOLE.layers[:1])
    bare = CacheDocument(tuple(CarriedLayer(one) for one in BLOBS), (STEP,), (TRACE,))
    assert bare.located(BLOBS) == WHOLE
    assert bare.located({THREE: BLOBS[THREE]}) == CacheDocument(WHOLE.layers[2:], (), (TRACE,))


def changed(*path: str | int, to: object) -> bytes:
    document = copy.deepcopy(json.loads(WHOLE.to_bytes()))
    place: Any = document
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = to
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"{}", b"{", b'{"version": 1, "layers": 3}', b"\xff", b'{"version": true}',
        changed("version", to=2), changed("version", to="1"),
        changed("layers", 0, "diffID", to="sha256:../../etc/passwd"), changed("layers", 0, "diffID", to=None),
        changed("layers", 0, "blob", "digest", to="sha256:1"), changed("layers", 0, "blob", "size", to=-1),
        changed("layers", 0, "blob", "size", to=1 << 60), changed("layers", 1, "diffID", to=ONE),
        changed("steps", 0, "key", to="A" * 64), changed("steps", 0, "key", to="a" * 63),
        changed("steps", 0, "key", to="../" + "a" * 61), changed("steps", 0, "layers", to=[]),
        changed("steps", 0, "layers", to=[3]), changed("steps", 0, "layers", to=[-1]),
        changed("steps", 0, "layers", to=[True]), changed("steps", 0, "layers", to=[0] * 129),
        changed("steps", 0, "layers", to="0"), changed("steps", 0, to=None), changed("steps", 0, "what", to=3),
        changed("traced", 0, "paths", to="???"), changed("traced", 0, "paths", to="aGk\u00e9"),
        changed("traced", 0, "weak", to=""), changed("traced", 0, "key", to=7), changed("traced", 0, "layers", to=[9]),
        changed("steps", to=[{"key": "a" * 64, "layers": [0]}] * 10_001),
        changed("layers", to=[{"diffID": DiffID.of(b"%d" % one)} for one in range(1001)]),
    ],
)  # fmt: skip
def test_what_is_not_in_its_form_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidSpec):
        CacheDocument.from_bytes(data)


def test_too_much_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(travel_document, "LIMIT_BYTES", 100)
    with pytest.raises(InvalidSpec, match="over the limit"):
        CacheDocument.from_bytes(WHOLE.to_bytes())


def test_of_a_blob_no_more_is_believed_than_type_digest_and_size() -> None:
    sly = {
        "mediaType": mediatype.LAYER_GZIP, "digest": Digest.of(b"x"), "size": 3, "urls": ["https://evil.example/x"],
        "data": "aGk=", "annotations": {"a": "b"},
    }  # fmt: skip
    blob = CacheDocument.from_bytes(changed("layers", 0, "blob", to=sly)).layers[0].blob
    assert blob == Descriptor(mediatype.LAYER_GZIP, Digest.of(b"x"), 3)


def test_what_a_step_is_called_writes_nothing_to_a_terminal() -> None:
    found = CacheDocument.from_bytes(changed("steps", 0, "what", to="RUN \x1b]0;evil\x07\n" + "x" * 1000))
    assert found.steps[0].what == "RUN \ufffd]0;evil\ufffd\ufffd" + "x" * 386


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just(str(ONE)),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["version", "layers", "steps", "traced", "key", "weak", "paths", "what", "diffID", "blob"]),
        inner),
    max_leaves=20,
))  # fmt: skip
def test_nothing_but_a_refusal_comes_of_nonsense(document: object) -> None:
    data = json.dumps({"version": 1} | (document if isinstance(document, dict) else {"steps": document})).encode()
    try:
        found = CacheDocument.from_bytes(data)
    except InvalidSpec:
        return
    assert CacheDocument.from_bytes(found.to_bytes()) == found
