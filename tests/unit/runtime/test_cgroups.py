from __future__ import annotations

from pathlib import Path

import pytest

from wherry.host.fake import FakeHost
from wherry.runtime import cgroups, step


@pytest.fixture(params=["v1", "v2"])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "v2":
        (tmp_path / "cgroup.controllers").touch()
        (tmp_path / "wherry/one/inner").mkdir(parents=True)
        (tmp_path / "wherry/two").mkdir()
    else:
        (tmp_path / "memory/wherry/one/inner").mkdir(parents=True)
        (tmp_path / "pids/wherry/two").mkdir(parents=True)
        (tmp_path / "cpu").symlink_to("memory")
    return tmp_path


def test_children_are_found_in_every_hierarchy(tree: Path) -> None:
    assert cgroups.children("/wherry", str(tree)) == {"one", "two"}
    assert cgroups.children("/nobody", str(tree)) == set()


def test_a_cgroup_goes_with_all_below_and_again(tree: Path) -> None:
    assert cgroups.remove("/wherry/one", str(tree))
    assert cgroups.remove("/wherry/one", str(tree))
    assert cgroups.children("/wherry", str(tree)) == {"two"}


def test_what_cannot_go_is_reported(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "_PATIENCE_S", 0.0)
    for inner in tree.rglob("inner"):
        (inner / "busy").touch()
    assert not cgroups.remove("/wherry/one", str(tree))


def test_a_machine_without_cgroups_has_none(tmp_path: Path) -> None:
    assert cgroups.children("/wherry", str(tmp_path / "none")) == set()
    assert cgroups.remove("/wherry/x", str(tmp_path / "none"))


def test_an_id_names_the_process_that_waits_for_the_step() -> None:
    host = FakeHost()
    id = step.step_id(host)
    assert id.startswith("step-")
    assert len(id) <= 64


def test_steps_that_somebody_waits_for_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        cgroups, "children", lambda path: {"wherry-step-7-1-abc", "wherry-step-8-1-def", "wherry-0123", "system.slice"}
    )
    (tmp_path / "step-9-5-x").mkdir()
    host = FakeHost()
    host.processes = {7: 1, 9: 6}
    assert step.sweep_dead_steps(host, "/runc", str(tmp_path)) == ["step-8-1-def", "step-9-5-x"]
    assert host.calls == [
        ("run", ("/runc", "--root", str(tmp_path), "delete", "--force", "step-8-1-def")),
        ("run", ("/runc", "--root", str(tmp_path), "delete", "--force", "step-9-5-x")),
    ]
