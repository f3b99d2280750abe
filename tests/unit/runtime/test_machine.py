from __future__ import annotations

from pathlib import Path

import pytest

from wherry.runtime.machine import cgroup_layout, kernel_version, read_machine


@pytest.mark.parametrize(
    ("release", "expected"),
    [("6.18.44-fc-v669", (6, 18)), ("5.4", (5, 4)), ("4.18.0-553.el8", (4, 18)), ("6", (6, 0)), ("odd", (0, 0))],
)
def test_kernel_versions(release: str, expected: tuple[int, int]) -> None:
    assert kernel_version(release) == expected


def test_cgroup_layouts(tmp_path: Path) -> None:
    assert cgroup_layout(str(tmp_path)) == "v1"
    (tmp_path / "unified").mkdir()
    assert cgroup_layout(str(tmp_path)) == "hybrid"
    (tmp_path / "cgroup.controllers").touch()
    assert cgroup_layout(str(tmp_path)) == "v2"


def test_this_machine_can_be_read_by_anybody() -> None:
    machine = read_machine()
    assert machine.kernel > (3, 0)
    assert machine.cpus >= 1
    assert all(name.startswith("CAP_") for name in machine.capabilities)
    assert "nofile" in [name for name, _, _ in machine.rlimits]
