from __future__ import annotations

import os
from pathlib import Path

import pytest

from wherry.errors import InputError
from wherry.runtime.devices import Device, host_devices, resolve, rules
from wherry.runtime.options import DeviceRequest


def test_a_node_is_read_from_the_host() -> None:
    (found,) = resolve([DeviceRequest("/dev/null", "/dev/x", "rw")])
    facts = os.stat("/dev/null")
    assert (found.path, found.type, found.major, found.minor, found.permissions) == ("/dev/x", "c", 1, 3, "rw")
    assert found.mode == facts.st_mode & 0o7777


def test_a_link_stands_for_its_target(tmp_path: Path) -> None:
    os.symlink("/dev/zero", tmp_path / "link")
    (found,) = resolve([DeviceRequest(str(tmp_path / "link"), "/dev/z")])
    assert (found.path, found.minor) == ("/dev/z", 5)


@pytest.mark.parametrize(
    ("path", "reason"), [("/dev/nope", "no such file or directory"), ("/etc/passwd", "not a device node")]
)
def test_what_is_no_device_is_told_in_dockers_words(path: str, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve([DeviceRequest(path, path)])
    assert str(caught.value) == (f'error gathering device information while adding custom device "{path}": {reason}')


def test_an_empty_folder_is_no_device(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a device node"):
        resolve([DeviceRequest(str(tmp_path), "/dev/x")])


def test_all_of_the_hosts_devices_without_terminals_and_memory() -> None:
    paths = {one.path for one in host_devices()}
    assert "/dev/null" in paths
    assert not [path for path in paths if path.startswith(("/dev/pts/", "/dev/shm/", "/dev/fd"))]


def test_a_device_is_allowed_what_was_asked() -> None:
    found = rules([Device("/dev/x", "c", 10, 229, permissions="r")], ["c 189:* rwm"], privileged=False)
    assert found[0] == {"allow": False, "access": "rwm"}
    assert found[-2:] == [
        {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "r"},
        {"allow": True, "type": "c", "major": 189, "access": "rwm"},
    ]


def test_a_bad_rule_is_refused() -> None:
    with pytest.raises(InputError, match="invalid device cgroup rule format: 'x'"):
        rules([], ["x"], privileged=False)
