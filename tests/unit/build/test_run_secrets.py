from __future__ import annotations

from wherry.build.ops.run import without_secrets


def test_no_line_of_the_error_quotes_a_secret() -> None:
    key = b"-----BEGIN KEY-----\nabcdef\n-----END KEY-----\n"
    lines = ("token=s3cret", "s3cret s3cret", "got abcdef", "abc", "-----BEGIN KEY-----")
    assert without_secrets(lines, [b"s3cret\n", key]) == ("token=***", "*** ***", "got ***", "abc", "***")


def test_what_is_too_short_to_be_told_from_other_words_stays() -> None:
    assert without_secrets(("a line", "x"), [b"", b"\n", b"a", b"yes"]) == ("a line", "x")


def test_a_secret_in_another_one_leaves_no_rest() -> None:
    assert without_secrets(("long-word",), [b"word", b"long-word"]) == ("***",)
