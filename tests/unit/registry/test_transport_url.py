from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import InvalidSpec
from wherry.registry.transport_url import Url, clean

BASE = Url.parse("https://r.example:8443/v2/a/blobs/uploads/")


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("https://EXAMPLE.com", "https://example.com/"),
        ("http://example.com:80/x?y=%2F", "http://example.com/x?y=%2F"),
        ("https://[2001:DB8::1]:5000/v2/", "https://[2001:db8::1]:5000/v2/"),
        ("/other?_state=a/b+c==", "https://r.example:8443/other?_state=a/b+c=="),
        ("1234?x=y", "https://r.example:8443/v2/a/blobs/uploads/1234?x=y"),
        ("//else.example/z", "https://else.example/z"),
        ("https://example.com/a b\u00e4#f", "https://example.com/a%20b%C3%A4"),
    ],
)
def test_urls_are_read_against_where_they_came_from(text: str, whole: str) -> None:
    assert str(Url.parse(text, BASE)) == whole


@pytest.mark.parametrize(
    "text",
    ["file:///etc/passwd", "ftp://x/", "https://", "https://me:secret@x/", "https://x:99999/", "https://a b/", "https://[::1",
     "javascript:alert(1)", "https://x/" + "a" * 20000, "https://\u0435xample.com/"],
)  # fmt: skip
def test_what_is_no_plain_http_url_is_refused(text: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        Url.parse(text)
    assert "secret" not in str(caught.value)


def test_messages_do_not_show_a_signed_urls_signature() -> None:
    assert Url.parse("https://s3.example/blob?X-Signature=abc").shown == "https://s3.example/blob"


@given(st.text(max_size=100))
def test_no_location_puts_a_line_break_into_a_request(text: str) -> None:
    try:
        target = Url.parse(text, BASE).target
    except InvalidSpec:
        return
    assert target.isascii()
    assert target.isprintable()
    assert " " not in target


@given(st.text(max_size=500))
def test_a_strangers_text_is_one_printable_line(text: str) -> None:
    line = clean(text, 100)
    assert line.isprintable()
    assert len(line) <= 100
