from __future__ import annotations

import pytest

from wherry.cli import flags
from wherry.cli.build import VERB
from wherry.cli.build_cache import cache_from, cache_to
from wherry.cli.flags import Args
from wherry.errors import InputError


def args(*words: str) -> Args:
    return flags.parse("wherry build", VERB, [*words, "."])


def test_without_the_flags_there_is_nothing() -> None:
    assert cache_from(args()) == ()
    assert cache_to(args(), {}) == ()


def test_each_flag_may_be_given_several_times() -> None:
    given = args("--cache-from", "a:cache", "--cache-from=type=local,src=x", "--cache-to", "type=inline")
    assert [(one.kind, one.ref, one.path) for one in cache_from(given)] == [
        ("registry", "a:cache", ""), ("local", "", "x"),
    ]  # fmt: skip
    assert [one.kind for one in cache_to(given, {})] == ["inline"]


@pytest.mark.parametrize(("value", "is_inline"), [("1", True), ("true", True), ("0", False), ("", False)])
def test_dockers_build_argument_is_an_inline_cache(value: str, is_inline: bool) -> None:
    found = cache_to(args(), {"BUILDKIT_INLINE_CACHE": value})
    assert [one.kind for one in found] == ["inline"] * is_inline


def test_an_inline_cache_is_made_once() -> None:
    assert len(cache_to(args("--cache-to", "type=inline"), {"BUILDKIT_INLINE_CACHE": "1"})) == 1


def test_nonsense_is_said_before_the_build() -> None:
    with pytest.raises(InputError, match="type required"):
        cache_to(args("--cache-to", "ref=x"), {})
