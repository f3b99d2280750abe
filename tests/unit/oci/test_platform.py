from __future__ import annotations

import pytest

from wherry.errors import InputError
from wherry.oci.platform import Platform


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("linux/amd64", "linux/amd64"), ("amd64", "linux/amd64"), ("x86_64", "linux/amd64"),
        ("linux/x86-64", "linux/amd64"), ("aarch64", "linux/arm64"), ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm64/v9", "linux/arm64/v9"), ("armhf", "linux/arm/v7"), ("linux/arm/v6", "linux/arm/v6"),
        ("armel", "linux/arm/v6"), ("linux/amd64/v3", "linux/amd64/v3"), ("linux/amd64/v1", "linux/amd64"),
        ("i386", "linux/386"), ("LINUX/AMD64", "linux/amd64"), ("windows/amd64", "windows/amd64"),
    ],
)  # fmt: skip
def test_platforms_are_normalised(text: str, shown: str) -> None:
    assert str(Platform.parse(text)) == shown
    assert Platform.parse(shown) == Platform.parse(text)


@pytest.mark.parametrize("text", ["", "/", "linux/", "a/b/c/d", "linux/am d64", "linux/../etc", "linux\n"])
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="invalid platform"):
        Platform.parse(text)
