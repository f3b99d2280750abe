"""What the local driver's options mean."""

from __future__ import annotations

import pytest

from wherry.errors import InputError, NotFound
from wherry.volume.driver import MountPlan, check_driver, check_options, plan


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, None),
        ({"type": "none", "o": "bind", "device": "/srv"}, MountPlan("/srv")),
        ({"type": "none", "o": "rbind,ro,nosuid", "device": "/s"}, MountPlan("/s", "", (), ("ro", "nosuid"), True)),
        (
            {"type": "tmpfs", "o": "size=1m,uid=7,noexec,rw", "device": "tmpfs"},
            MountPlan("tmpfs", "tmpfs", ("size=1m", "uid=7"), ("noexec",)),
        ),
        (
            {"type": "nfs", "o": "addr=10.0.0.1,rw,nfsvers=4,rprivate", "device": ":/x"},
            MountPlan(":/x", "nfs", ("addr=10.0.0.1", "nfsvers=4")),
        ),
        ({"type": "ext4", "device": "/dev/sdb"}, MountPlan("/dev/sdb", "ext4")),
    ],
)
def test_options_become_a_mount(options: dict[str, str], wanted: MountPlan | None) -> None:
    assert plan(options) == wanted


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"type": "tmpfs"}, 'create v1: missing required option: "device"'),
        ({"device": "tmpfs"}, 'create v1: missing required option: "type"'),
        ({"o": "size=1m"}, 'create v1: missing required option: "device"'),
        ({"bogus": "1"}, 'create v1: invalid option: "bogus"'),
    ],
)
def test_what_is_missing_is_said_in_dockers_words(options: dict[str, str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        check_options("v1", options)
    assert caught.value.message == message


def test_no_other_driver_is_there() -> None:
    check_driver("v1", "")
    check_driver("v1", "local")
    with pytest.raises(NotFound, match='create v1: error looking up volume plugin x: plugin "x" not found'):
        check_driver("v1", "x")
