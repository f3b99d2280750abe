"""--volumes-from, and what Python callers may get wrong."""

from __future__ import annotations

import pytest

from wherry.runtime.options import MountRequest
from wherry.runtime.parse_mounts import MountRefused, check_requests, volumes_from


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("db", ("db", None)),
        ("db:", ("db", None)),
        ("db:rw", ("db", None)),
        ("db:ro", ("db", True)),
        ("db:ro,z", ("db", True)),
        ("db:Z", ("db", None)),
    ],
)
def test_other_containers_volumes_are_asked_for(text: str, wanted: tuple[str, bool | None]) -> None:
    assert volumes_from(text) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "volumes-from specification cannot be an empty string"),
        (":ro", 'invalid name or ID supplied: ""'),
        ("db:bogus", "invalid mode: bogus"),
        ("db:nocopy", "invalid mode: nocopy"),
        ("db:ro,rw", "invalid mode: ro,rw"),
        ("db:rslave", "invalid mode: rslave"),
    ],
)
def test_wrong_ones_are_told_in_dockers_words(text: str, message: str) -> None:
    with pytest.raises(MountRefused) as caught:
        volumes_from(text)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("requests", "message"),
    [
        ([MountRequest("volume", "data", "x")], "mount path must be absolute"),
        ([MountRequest("volume", "data", "/")], "destination can't be '/'"),
        ([MountRequest("volume", "data", "/a/../b")], "/b is"),
        ([MountRequest("bind", "src", "/b")], "'src' mount path must be absolute"),
        ([MountRequest("volume", "one", "/b"), MountRequest("tmpfs", "", "/b")], "Duplicate mount point: /b"),
    ],
)
def test_what_a_program_asks_for_is_checked_too(requests: list[MountRequest], message: str) -> None:
    with pytest.raises(MountRefused, match=message.replace("(", r"\(")):
        check_requests(requests)


def test_what_is_right_is_taken() -> None:
    check_requests(
        [MountRequest("bind", "/src", "/a"), MountRequest("volume", "", "/a/b"), MountRequest("tmpfs", "", "/c")]
    )
