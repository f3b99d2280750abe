"""URLs that requests are put behind."""

from __future__ import annotations

import pytest

from wherry.engine.verify_http import base_url
from wherry.errors import InputError


def test_a_path_is_kept() -> None:
    assert base_url("https://a.example.com/v1/").target == "/v1"


@pytest.mark.parametrize("rest", ["?token=s3cret", "/v1?token=s3cret", "/#s3cret"])
def test_what_no_request_would_keep_is_refused_and_not_shown(rest: str) -> None:
    with pytest.raises(InputError, match="which no request would keep") as told:
        base_url(f"https://a.example.com{rest}")
    assert "s3cret" not in f"{told.value}{told.value.hint}"


def test_a_password_is_refused_and_not_shown() -> None:
    with pytest.raises(InputError, match="takes no credentials") as told:
        base_url("https://me:s3cret@a.example.com")
    assert "s3cret" not in f"{told.value}{told.value.hint}"
