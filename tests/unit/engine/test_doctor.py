from __future__ import annotations

import os
from pathlib import Path

import pytest

from wherry.engine import doctor
from wherry.engine.facts import gather
from wherry.host import Command, Completed
from wherry.host.fake import FakeHost
from wherry.settings import Paths, Settings

SAYS = {
    "runc": "runc version 1.1.15+ds1\ncommit: 1.1.15+ds1-2+b4\n",
    "crun": "crun version 1.21\n",
    "nft": "nftables v1.1.3 (Commodore Bullmoose #4)\n",
    "ip": "ip utility, iproute2-6.15.0, libbpf 1.5.0\n",
    "git": "git version 2.47.3\n",
    "mmdebstrap": "mmdebstrap 1.5.7\n",
}
WORKS = b'exec: "/wherry-trial": stat /wherry-trial: no such file or directory'


def answer(command: Command) -> Completed:
    if "--root" in command.argv:
        return Completed(1, b"", WORKS)
    return Completed(0, SAYS[Path(command.argv[0]).name].encode(), b"")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    from wherry.runtime import trial

    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setattr(trial, "find", lambda name, settings: str(folder / name) if (folder / name).exists() else "")
    return Settings(Paths(str(tmp_path / "root"), str(tmp_path / "run")), {"PATH": str(folder)}, 0, "/")


def install(settings: Settings, *names: str) -> None:
    for name in names:
        (Path(settings.env["PATH"]) / name).write_text("")


def by_name(settings: Settings, host: FakeHost | None = None) -> dict[str, doctor.Check]:
    return {one.name: one for one in doctor.examine(settings, host or FakeHost(answer=answer))}


def test_a_machine_that_has_it_all_is_sound(settings: Settings) -> None:
    install(settings, *SAYS)
    found = by_name(settings)
    assert doctor.is_sound(list(found.values()))
    assert (found["OCI runtime"].status, found["OCI runtime"].version) == ("ok", "runc")
    versions = {name: found[name].version for name in SAYS}
    assert versions == {
        "runc": "1.1.15+ds1", "crun": "1.21", "nft": "1.1.3", "ip": "6.15.0", "git": "2.47.3", "mmdebstrap": "1.5.7",
    }  # fmt: skip


def test_what_is_required_and_missing_says_how_to_get_it(settings: Settings) -> None:
    install(settings, "runc", "ip")
    found = by_name(settings)
    assert not doctor.is_sound(list(found.values()))
    assert (found["nft"].status, found["nft"].hint) == ("missing", "apt-get install --no-install-recommends nftables")


def test_what_is_only_useful_may_be_missing(settings: Settings) -> None:
    install(settings, "runc", "nft", "ip")
    found = by_name(settings)
    assert found["git"].status == found["crun"].status == found["mmdebstrap"].status == "missing"
    assert doctor.is_sound(list(found.values()))


def test_no_runtime_that_works_is_a_fault(settings: Settings) -> None:
    install(settings, "crun", "nft", "ip")
    hybrid = b"cgroups in hybrid mode not supported, drop all controllers from cgroupv2"

    def refuse(command: Command) -> Completed:
        return Completed(1, b"", hybrid) if "--root" in command.argv else answer(command)

    found = by_name(settings, FakeHost(answer=refuse))
    assert found["OCI runtime"].status == "missing"
    assert "crun does not work with this machine's hybrid cgroups" in found["OCI runtime"].note
    assert not doctor.is_sound(list(found.values()))


def test_without_root_it_says_so(settings: Settings) -> None:
    install(settings, *SAYS)
    found = by_name(settings._replace(uid=1000))
    assert (found["root"].status, found["root"].note) == (
        "missing", "running as uid 1000; wherry can't do without root yet",
    )  # fmt: skip


def test_a_file_system_that_carries_no_overlay_is_named(settings: Settings) -> None:
    install(settings, *SAYS)

    class NoOverlay(FakeHost):
        def overlay(self, overlay: object) -> int:
            raise OSError(22, os.strerror(22), "upperdir")

    found = by_name(settings, NoOverlay(answer=answer))
    assert found["overlayfs"].status == "missing"
    assert "--root" in found["overlayfs"].hint


def test_an_examination_leaves_no_folder(settings: Settings, tmp_path: Path) -> None:
    install(settings, *SAYS)
    by_name(settings)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["bin", "run"]


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.1.15+ds1", True), ("1.2.7", True), ("1.2.8", False), ("1.2.9", False), ("1.3.0", True), ("1.3.2", True),
        ("1.3.3", False), ("1.4.0-rc.1", True), ("1.4.0-rc.3", False), ("1.4.0", False), ("2.0.0", False),
    ],
)  # fmt: skip
def test_old_runcs_are_told(version: str, expected: bool) -> None:
    """CVE-2025-31133, CVE-2025-52565, CVE-2025-52881."""
    assert doctor.is_vulnerable_runc(version) is expected


def test_a_warning_does_not_make_a_machine_unfit(settings: Settings) -> None:
    install(settings, *SAYS)
    found = by_name(settings)
    assert found["runc"].status == "warning"
    assert "CVE-2025-31133" in found["runc"].note


def test_facts_name_the_runtime_that_is_there_without_trying_it(settings: Settings) -> None:
    host = FakeHost(answer=answer)
    assert gather(settings, host).runtime == ""
    install(settings, "crun")
    assert gather(settings, host).runtime == "crun"
    assert gather(settings._replace(runtime="youki"), host).runtime == ""
    assert host.calls == []
