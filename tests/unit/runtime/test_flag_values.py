"""What each flag's value becomes: tests/cases/runtime/flags/NAME.json, {"in", "out"} or {"in", "error"}."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import WherryError
from wherry.runtime import (
    log_options,
    parse_limits,
    parse_mount_flag,
    parse_mounts,
    parse_names,
    parse_ports,
    parse_values,
)

CASES = Path(__file__).parents[2] / "cases" / "runtime" / "flags"
CALLER = {"SET": "1", "EMPTY": ""}
CWD = "/home/me"
BEGIN = "failed to create task for container: failed to initialize logging driver: "


def read_profile(path: str) -> str:
    return '{"defaultAction":"SCMP_ACT_ALLOW"}'


PARSERS: dict[str, Callable[[str], Any]] = {
    "publish": parse_ports.publish,
    "expose": lambda text: parse_ports.expose([text]),
    "volume": lambda text: parse_mounts.volume(text, CWD),
    "mount": lambda text: parse_mount_flag.mount(text, CWD),
    "tmpfs": parse_mounts.tmpfs,
    "ulimit": parse_values.ulimit,
    "size": parse_values.size_bytes,
    "memory_swap": parse_values.memory_swap_bytes,
    "duration": parse_values.duration_ns,
    "cpus": parse_values.cpus_nano,
    "restart": parse_values.restart,
    "device": parse_values.device,
    "device_cgroup_rule": parse_values.device_cgroup_rule,
    "blkio_weight_device": parse_limits.device_weight,
    "device_read_bps": parse_limits.bytes_rate,
    "device_read_iops": parse_limits.io_rate,
    "isolation": parse_limits.isolation,
    "uint16": parse_limits.uint16,
    "sysctl": parse_values.sysctl,
    "signal": parse_values.signal_name,
    "hostname": parse_values.hostname_mode,
    "add_host": parse_names.extra_host,
    "dns": parse_names.dns,
    "dns_search": parse_names.dns_search,
    "env": lambda text: parse_names.env(text, CALLER),
    "env_file": lambda text: parse_names.key_value_file(text.encode("utf-8", "surrogateescape"), "f", CALLER),
    "label": parse_names.label,
    "attach": parse_names.attach,
    "security": lambda text: parse_names.security([text], read_profile),
}
ROWS = [
    pytest.param(name, row, id=f"{name}: {row['in']!r}")
    for name in PARSERS
    for row in json.loads((CASES / f"{name}.json").read_text())
]


def plain(value: Any) -> Any:
    """A record as the fields that are not its defaults."""
    if hasattr(value, "_asdict"):
        default = type(value)._field_defaults
        return {key: plain(one) for key, one in value._asdict().items() if key not in default or one != default[key]}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return {key: plain(one) for key, one in value.items()} if hasattr(value, "items") else value


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_a_flags_value_is_read_as_docker_reads_it(name: str, row: dict[str, Any]) -> None:
    if "error" in row:
        with pytest.raises(WherryError) as caught:
            PARSERS[name](row["in"])
        assert str(caught.value) == row["error"]
        # What docker's daemon refuses, not its command line: `create` exits 1 for it
        assert isinstance(caught.value, parse_mounts.MountRefused) == row.get("refused", False)
    else:
        assert plain(PARSERS[name](row["in"])) == row["out"]


def test_every_folder_of_cases_is_read() -> None:
    assert {file.stem for file in CASES.glob("*.json")} == PARSERS.keys()


@pytest.mark.parametrize("name", sorted(PARSERS))
@given(text=st.text(alphabet="aA0189:/-.,=[]%+ bkmrwoxz\t\"'", max_size=24) | st.text(max_size=12))
def test_no_value_makes_a_parser_stumble(name: str, text: str) -> None:
    with suppress(WherryError):
        PARSERS[name](text)


@given(st.integers(0, 1 << 62))
def test_a_size_in_bytes_is_itself(count: int) -> None:
    assert parse_values.size_bytes(str(count)) == count


@given(st.integers(0, 10**6), st.sampled_from(["ns", "us", "ms", "s", "m", "h"]))
def test_durations_add_up(count: int, unit: str) -> None:
    one = parse_values.duration_ns(f"1{unit}")
    assert parse_values.duration_ns(f"{count}{unit}") == count * one


@given(st.integers(1, 65000), st.integers(1, 65000), st.integers(0, 50))
def test_equal_ranges_pair_up(host: int, container: int, more: int) -> None:
    found = parse_ports.publish(f"{host}-{host + more}:{container}-{container + more}")
    assert [(one.host_port, one.container_port) for one in found] == [
        (host + step, container + step) for step in range(more + 1)
    ]


def test_two_mounts_at_one_place_are_refused() -> None:
    with pytest.raises(WherryError, match="Duplicate mount point: /b"):
        parse_mounts.check_targets([parse_mounts.volume("/a:/b", CWD), parse_mounts.tmpfs("/b/")])


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("uts", "foo", "--uts: invalid UTS mode"),
        ("pid", "foo", "--pid: invalid PID mode"),
        ("pid", "container:", "--pid: invalid PID mode"),
        ("ipc", "foo", "invalid IPC mode: foo"),
        ("cgroupns", "foo", "--cgroupns: invalid CGROUP mode"),
        ("userns", "foo", "--userns: invalid USER mode"),
    ],
)
def test_an_unknown_namespace_mode_is_named(kind: str, text: str, message: str) -> None:
    with pytest.raises(WherryError) as caught:
        parse_values.namespace_mode(text, kind)
    assert str(caught.value) == message


def test_namespace_modes() -> None:
    assert parse_values.namespace_mode("container:db", "ipc") == "container:db"
    assert parse_values.namespace_mode("host", "pid") == "host"
    assert parse_values.namespace_mode("", "uts") == ""


@pytest.mark.parametrize(
    ("driver", "options", "message"),
    [
        ("foo", {}, 'error looking up logging plugin foo: plugin "foo" not found'),
        ("", {"foo": "1"}, "unknown log opt 'foo' for json-file log driver"),
        ("json-file", {"max-size": "1x"}, f"{BEGIN}invalid size: '1x'"),
        ("json-file", {"max-file": "0"}, f"{BEGIN}max-file cannot be less than 1"),
        ("none", {"max-size": "1m"}, "invalid logging opts for driver none"),
    ],
)
def test_a_bad_log_configuration_is_named(driver: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(WherryError) as caught:
        log_options.check(driver, options)
    assert str(caught.value) == message


def test_log_drivers() -> None:
    assert log_options.check("", {"max-size": "10m", "max-file": "3"}) == "json-file"
    assert parse_values.size_bytes("1.5kB", step=1000) == 1500
    assert log_options.check("none", {}) == "none"
