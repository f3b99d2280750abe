from __future__ import annotations

import pytest

from wherry.errors import InputError
from wherry.runtime.caps import DEFAULT, KNOWN, granted, normalise


def grant(add: str = "", drop: str = "", *, privileged: bool = False, available: tuple[str, ...] = KNOWN) -> set[str]:
    return set(granted(add.split(), drop.split(), privileged=privileged, available=available))


def test_the_default_is_dockers_fourteen() -> None:
    assert grant() == set(DEFAULT)
    assert len(DEFAULT) == 14


def test_names_are_read_in_any_spelling() -> None:
    assert [normalise(name) for name in ("net_admin", "CAP_NET_ADMIN", "Net_Admin", "all")] == [
        "CAP_NET_ADMIN", "CAP_NET_ADMIN", "CAP_NET_ADMIN", "ALL",
    ]  # fmt: skip


def test_add_and_drop() -> None:
    assert grant("SYS_TIME") == {*DEFAULT, "CAP_SYS_TIME"}
    assert grant(drop="CHOWN") == set(DEFAULT) - {"CAP_CHOWN"}
    assert grant("CHOWN", "CHOWN") == set(DEFAULT)


def test_drop_all_leaves_what_is_added() -> None:
    assert grant(drop="ALL") == set()
    assert grant("CHOWN", "ALL") == {"CAP_CHOWN"}


def test_add_all_gives_all_but_what_is_dropped() -> None:
    assert grant("ALL", "SYS_ADMIN") == set(KNOWN) - {"CAP_SYS_ADMIN"}


def test_what_the_machine_lacks_is_left_out_unless_it_was_named() -> None:
    here = ("CAP_CHOWN", "CAP_KILL")
    assert grant(available=here) == set(here)
    assert grant("ALL", available=here) == set(here)
    assert grant(privileged=True, available=here) == set(here)
    assert "CAP_SYS_TIME" in grant("SYS_TIME", available=here)


def test_an_unknown_capability_names_the_nearest() -> None:
    with pytest.raises(InputError, match='unknown capability: "CAP_NET_ADMN"') as caught:
        normalise("net_admn")
    assert caught.value.hint == "did you mean CAP_NET_ADMIN?"
