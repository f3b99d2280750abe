"""What containers are called, for good and for the time being."""

from __future__ import annotations

import pytest

from wherry.compose.container_names import container_name, final_name, is_temporary, temporary_name
from wherry.compose.model_service import Service


def test_names_are_of_project_service_and_number() -> None:
    assert container_name("shop", Service(name="web"), 2) == "shop-web-2"
    assert container_name("shop", Service(name="web", container_name="mine"), 1) == "mine"


def test_a_name_for_the_time_being_tells_the_one_that_follows() -> None:
    waiting = temporary_name("0123456789abcdef" * 4, "shop-web-1")
    assert waiting == "0123456789ab_shop-web-1"
    assert is_temporary(waiting, "shop-web-1")
    assert final_name(waiting) == "shop-web-1"
    assert not is_temporary(waiting, "shop-web-2")
    assert not is_temporary("shop-web-1", "shop-web-1")


@pytest.mark.parametrize("name", ["", "_", "shop-web-1", "0123456789ab", "0123456789ab_", "0123456789ag_x", "012_x"])
def test_other_names_are_final(name: str) -> None:
    assert final_name(name) == name
    assert not is_temporary(name, name)
