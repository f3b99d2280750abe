from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import InvalidSpec
from wherry.oci.digest import DiffID, Digest


@given(st.binary())
def test_a_digest_is_the_sha256_of_the_bytes(data: bytes) -> None:
    digest = Digest.of(data)
    assert digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert Digest.parse(digest) == Digest.from_hex(digest.hex) == digest
    assert (digest.algorithm, digest.short) == ("sha256", digest.hex[:12])


def test_sha512_is_a_digest_too() -> None:
    text = "sha512:" + "a" * 128
    assert Digest.parse(text).algorithm == "sha512"


@pytest.mark.parametrize(
    "text",
    [
        "", "sha256", "sha256:", "a" * 64, "sha256:" + "a" * 63, "sha256:" + "a" * 65, "sha256:" + "A" * 64,
        "sha256:" + "g" * 64, "sha256:../../../etc/passwd", "sha512:" + "a" * 64, "md5:" + "a" * 32,
        "sha256:" + "a" * 64 + "\n", " sha256:" + "a" * 64, "sha256:" + "a" * 64 + "/..", "sha256:" + "٣" * 64,
    ],
)  # fmt: skip
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(InvalidSpec, match="invalid digest"):
        Digest.parse(text)


def test_a_long_wrong_digest_is_not_printed_whole() -> None:
    with pytest.raises(InvalidSpec) as fault:
        DiffID.parse("x" * 10_000)
    assert len(str(fault.value)) < 300
