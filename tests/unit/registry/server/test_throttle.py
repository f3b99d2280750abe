from __future__ import annotations

from wherry.registry.server.throttle import Throttle


def test_an_address_may_fail_some_times_and_then_waits() -> None:
    now = [100.0]
    throttle = Throttle(burst=3, each_s=6, clock=lambda: now[0])
    for _ in range(3):
        assert throttle.wait_s("192.0.2.1") == 0
        throttle.failed("192.0.2.1")
    assert 0 < throttle.wait_s("192.0.2.1") <= 7
    assert throttle.wait_s("192.0.2.2") == 0
    now[0] += 6.5
    assert throttle.wait_s("192.0.2.1") == 0
    throttle.failed("192.0.2.1")
    assert throttle.wait_s("192.0.2.1") > 0
    now[0] += 100
    assert throttle.wait_s("192.0.2.1") == 0


def test_a_network_of_ipv6_is_one_address() -> None:
    throttle = Throttle(burst=1, clock=lambda: 0.0)
    throttle.failed("2001:db8::1")
    assert throttle.wait_s("2001:db8::ffff:2") > 0
    assert throttle.wait_s("2001:db8:0:1::1") == 0
    throttle.failed("::ffff:192.0.2.7")
    assert throttle.wait_s("192.0.2.7") > 0


def test_the_table_of_addresses_is_bounded() -> None:
    throttle = Throttle(burst=1, addresses=50, clock=lambda: 0.0)
    for n in range(500):
        throttle.failed(f"198.51.{n // 250}.{n % 250}")
    assert len(throttle._forgiven_at) <= 50
