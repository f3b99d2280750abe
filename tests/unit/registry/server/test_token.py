from __future__ import annotations

import pytest

from wherry.registry.server.token import Tokens, _text


def test_a_token_says_who_it_was_given_to_until_it_is_too_old() -> None:
    now = [1000.0]
    tokens = Tokens(clock=lambda: now[0])
    anna, nobody = tokens.give("anna"), tokens.give("")
    assert (tokens.user_of(anna), tokens.user_of(nobody)) == ("anna", "")
    now[0] += Tokens.LIFE_S
    assert tokens.user_of(anna) is None


@pytest.mark.parametrize(
    "forged",
    [
        "",
        ".",
        "a.b.c",
        _text(b"9999999999:root") + ".",
        _text(b"9999999999:root") + "." + _text(b"x" * 32),
        # A JWT that names no algorithm is no token here at all
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.",
        "\u00e9.\u00e9",
    ],
)
def test_a_forged_token_is_nobodys(forged: str) -> None:
    assert Tokens().user_of(forged) is None


def test_another_servers_token_is_nobodys() -> None:
    assert Tokens().user_of(Tokens().give("root")) is None


def test_a_token_cannot_be_turned_into_another_users() -> None:
    tokens = Tokens(clock=lambda: 0.0)
    claim, _, signature = tokens.give("anna").partition(".")
    assert tokens.user_of(f"{_text(b'300:root')}.{signature}") is None
    assert tokens.user_of(f"{claim}.{signature}x") is None
