from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import InputError
from wherry.network import address
from wherry.network.address import Pool


@given(st.integers(0, 2**32 - 1))
def test_addresses_survive_text(number: int) -> None:
    assert address.parse(address.text(number)) == number


@given(st.integers(0, 2**32 - 1), st.integers(0, 32))
def test_subnets_survive_text(number: int, length: int) -> None:
    first = number >> (32 - length) << (32 - length)
    pool = Pool.parse(f"{address.text(first)}/{length}")
    assert str(pool) == f"{address.text(first)}/{length}"
    assert pool.prefix == length
    assert number in pool


@pytest.mark.parametrize(
    "text", ["", "1.2.3", "1.2.3.4.5", "256.0.0.1", "a.b.c.d", "1.2.3.-4", "1.2.3.0004", "١.2.3.4"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="not an IPv4 address"):
        address.parse(text)


def test_a_subnet_with_host_bits_is_refused_with_the_right_one() -> None:
    with pytest.raises(InputError, match=r"it should be 10.5.0.0/24"):
        Pool.parse("10.5.0.7/24")


@pytest.mark.parametrize("text", ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/x", "10.0.0.0/"])
def test_what_is_no_subnet_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="invalid CIDR address"):
        Pool.parse(text)


def test_pools_overlap_when_one_holds_the_other() -> None:
    whole, part, other = Pool.parse("10.0.0.0/8"), Pool.parse("10.5.0.0/24"), Pool.parse("11.0.0.0/8")
    assert whole.overlaps(part)
    assert part.overlaps(whole)
    assert not whole.overlaps(other)


def test_the_mac_is_dockers() -> None:
    assert address.mac_of("172.17.0.2") == "02:42:ac:11:00:02"
