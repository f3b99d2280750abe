"""Changing one member of a JSON text leaves every other byte as it was."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.errors import InputError
from wherry.registry.credentials_edit import put, remove

NEW = {"auth": "eA=="}
PATH = ("auths", "m.example")


def spaces(draw: st.DrawFn) -> str:
    return draw(st.sampled_from(["", "", " ", "\n", "\t", "\n  ", "\r\n\t"]))


@st.composite
def texts(draw: st.DrawFn, value: Any) -> str:
    """The value as JSON with any white space between, and any spelling of its strings."""
    if isinstance(value, dict):
        inside = ",".join(
            spaces(draw) + json.dumps(key, ensure_ascii=draw(st.booleans())) + spaces(draw) + ":" + spaces(draw)
            + draw(texts(one)) + spaces(draw)
            for key, one in value.items()
        )  # fmt: skip
        return "{" + (inside or spaces(draw)) + "}"
    return json.dumps(value, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
HOSTS = st.sampled_from(["a.example", "m.example", "z.example", "https://m.example/v1/", 'q"uote', "\u00e9"])
DOCUMENTS = st.builds(
    lambda head, auths, tail: {**head, **auths, **tail},
    st.dictionaries(st.sampled_from(["HttpHeaders", "a", "\u2028"]), VALUES, max_size=3),
    st.just({}) | st.builds(lambda auths: {"auths": auths}, st.dictionaries(HOSTS, VALUES, max_size=4)),
    st.dictionaries(st.sampled_from(["psFormat", "zz"]), VALUES, max_size=2),
)


@given(st.data())
def test_what_is_put_is_there_and_all_else_is_as_it_was(data: st.DataObject) -> None:
    document = data.draw(DOCUMENTS)
    text = spaces(data.draw) + data.draw(texts(document)) + spaces(data.draw)
    changed = json.loads(put(text, PATH, NEW))
    assert changed.pop("auths") == {**document.pop("auths", {}), PATH[1]: NEW}
    assert changed == document


@given(st.data())
def test_login_then_logout_leaves_every_other_byte(data: st.DataObject) -> None:
    document = data.draw(DOCUMENTS)
    document.get("auths", {}).pop(PATH[1], None)
    text = spaces(data.draw) + data.draw(texts(document)) + spaces(data.draw)
    after = remove(put(text, PATH, NEW), PATH)
    if document.get("auths"):
        assert after == text
    elif "auths" in document:
        # Only the white space between its braces
        assert "".join(after.split()) == "".join(text.split())
    else:
        assert json.loads(after) == {**document, "auths": {}}
        assert remove(after, ("auths",)) == text or not document


@settings(max_examples=40)  # the two above remove and put in as many documents
@given(st.data())
def test_removing_takes_one_member(data: st.DataObject) -> None:
    document = data.draw(DOCUMENTS)
    text = data.draw(texts(document))
    changed = json.loads(remove(text, PATH))
    document.get("auths", {}).pop(PATH[1], None)
    assert changed == document


def test_new_members_follow_the_files_own_indentation_and_dockers_order() -> None:
    two = '{\n  "auths": {\n    "a.example": {},\n    "z.example": {}\n  },\n  "psFormat": "x"\n}\n'
    assert put(two, PATH, NEW) == two.replace('"z', '"m.example": {\n      "auth": "eA=="\n    },\n    "z')
    assert put('{"auths": {}}', PATH, NEW) == '{"auths": {"m.example": {"auth": "eA=="}}}'
    assert put('{"x": 1}', PATH, NEW) == '{"auths": {"m.example": {"auth": "eA=="}}, "x": 1}'
    assert put('{\n\t"HttpHeaders": {}\n}', PATH, NEW) == (
        '{\n\t"auths": {\n\t\t"m.example": {\n\t\t\t"auth": "eA=="\n\t\t}\n\t},\n\t"HttpHeaders": {}\n}'
    )


def test_every_member_of_a_name_is_removed_and_the_last_one_counts() -> None:
    twice = '{"auths": {"m.example": {"auth": "1"}, "m.example": {"auth": "2"}}}'
    assert remove(twice, PATH) == '{"auths": {}}'
    assert json.loads(put(twice, PATH, NEW)) == {"auths": {"m.example": NEW}}


def test_an_auths_of_null_becomes_an_object_and_anything_else_is_refused() -> None:
    assert put('{"auths": null}', PATH, NEW) == '{"auths": {"m.example": {"auth": "eA=="}}}'
    assert remove('{"auths": null}', PATH) == '{"auths": null}'
    for wrong in ('{"auths": []}', '{"auths": "x"}', "[]"):
        with pytest.raises(InputError):
            put(wrong, PATH, NEW)
