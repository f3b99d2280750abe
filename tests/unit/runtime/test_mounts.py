"""Docker's own mounts, and the user's over them."""

from __future__ import annotations

from wherry.runtime.mounts import bind, default_mounts, lay_over


def targets(users: list[str]) -> list[str]:
    defaults = default_mounts(privileged=False, shm_bytes=0, host_ipc=False, no_shm=False)
    files = [bind("/b/hosts", "/etc/hosts"), bind("/b/resolv.conf", "/etc/resolv.conf")]
    return [one["destination"] for one in lay_over(defaults, files, [bind("/src", target) for target in users])]


def test_a_volume_on_etc_does_not_hide_the_files_of_the_network() -> None:
    order = targets(["/etc"])
    assert order.index("/etc") < order.index("/etc/hosts") < order.index("/etc/resolv.conf")


def test_parents_come_before_children_whatever_the_order_given() -> None:
    order = targets(["/data/a/b", "/data"])
    assert order.index("/data") < order.index("/data/a/b")


def test_the_users_mount_wins_at_the_same_place() -> None:
    assert targets(["/etc/hosts"]).count("/etc/hosts") == 1
    assert targets(["/dev/shm"]).count("/dev/shm") == 1


def test_the_whole_of_dev_takes_dockers_parts_of_it_away() -> None:
    assert [one for one in targets(["/dev"]) if one.startswith("/dev")] == ["/dev"]
