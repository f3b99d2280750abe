from __future__ import annotations

import stat

import pytest

from wherry.build import mode
from wherry.errors import InputError

FILE, FOLDER = stat.S_IFREG, stat.S_IFDIR


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("755", FILE | 0o600, 0o755),
        ("0644", FOLDER | 0o755, 0o644),
        ("4711", FILE | 0o644, 0o4711),
        ("u=rwX,go=rX", FILE | 0o600, 0o644),
        ("u=rwX,go=rX", FILE | 0o700, 0o755),
        ("u=rwX,go=rX", FOLDER | 0o700, 0o755),
        ("+x", FILE | 0o644, 0o755),
        ("a+x", FILE | 0o644, 0o755),
        ("g-w,o-rwx", FILE | 0o666, 0o640),
        ("u+s", FILE | 0o755, 0o4755),
        ("g+s", FOLDER | 0o755, 0o2755),
        ("+t", FOLDER | 0o777, 0o1777),
        ("g=u", FILE | 0o740, 0o770),
        ("o=g-x", FILE | 0o750, 0o754),
        ("a=r", FILE | 0o4755, 0o444),
        ("u=", FILE | 0o755, 0o055),
    ],
)
def test_modes_are_read_as_chmod_reads_them(text: str, before: int, after: int) -> None:
    assert oct(mode.parse(text)(before)) == oct(after)


@pytest.mark.parametrize("text", ["9999", "10000", "", "u", "u=q", "x", "u+r,", "0o755", "75 5"])
def test_what_chmod_does_not_know_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="invalid chmod parameter"):
        mode.parse(text)
