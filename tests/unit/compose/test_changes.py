"""What is named as changed in the cause of a recreation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wherry.compose.changes import _KEYS, changed_keys
from wherry.runtime.options import GpuRequest, LogConfig, MountRequest, NetworkJoin, PortRequest, RunOptions

HOST = MountRequest("bind", "/h", "/t", is_mount=True)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({}, {}, []),
        (
            {"env": ("A=1", "B=2", "C")},
            {"env": ("B=3", "A=1", "D=")},
            ["environment.B", "environment.C", "environment.D"],
        ),
        ({"env": ("A=1", "B=2")}, {"env": ("B=2", "A=1")}, []),
        (
            {"labels": {"a": "1", "com.docker.compose.version": "1"}},
            {"labels": {"a": "2", "com.docker.compose.version": "2"}},
            ["labels.a"],
        ),
        ({"ports": (PortRequest(80),)}, {"ports": (PortRequest(81),), "tty": True}, ["ports", "tty"]),
        ({"log": LogConfig("local")}, {}, ["logging"]),
        ({"sysctls": {"net.a": "1"}}, {}, ["sysctls.net.a"]),
        ({"mounts": (HOST,)}, {"mounts": (HOST._replace(read_only=True),)}, ["volumes (/t)"]),
        ({"mounts": (HOST,)}, {}, ["volumes (/t)"]),
        # Which anonymous volume it is, and what came by volumes_from, is no configuration
        (
            {"mounts": (MountRequest("volume", "", "/a", is_mount=True),)},
            {"mounts": (MountRequest("volume", "f" * 64, "/a", is_mount=True, is_inherited=True),)},
            [],
        ),
        ({"mounts": (MountRequest("volume", "x", "/a", is_inherited=True),)}, {}, []),
        ({"network": "a"}, {"network": "b"}, ["networks"]),
        (
            {"network": "a", "network_aliases": ("x",)},
            {"network": "a", "networks": (NetworkJoin("a", ("x",)), NetworkJoin("b"))},
            ["networks"],
        ),
        ({"gpus": (GpuRequest(),), "shm_size_bytes": 1}, {"gpus": (GpuRequest(),)}, []),
        ({"name": "a", "pull": "never"}, {"name": "b"}, []),
    ],
)
def test_changes_are_named(old: dict[str, Any], new: dict[str, Any], expected: list[str]) -> None:
    stored = json.dumps(RunOptions(**old).to_json())
    assert changed_keys(stored, RunOptions(**new)) == expected


def test_files_of_the_containers_own_are_not_compared() -> None:
    stored = json.dumps(RunOptions(mounts=(HOST,)).to_json())
    assert changed_keys(stored, RunOptions(), ["/t"]) == []


def test_every_option_that_a_service_sets_has_its_key() -> None:
    not_compared = {
        "name",
        "detach",
        "attach",
        "detach_keys",
        "sig_proxy",
        "remove",
        "cidfile",
        "pull",
        "volume_driver",
        "publish_all",
        "kernel_memory_bytes",
        "cpuset_mems",
        "isolation",
    }
    networks = {
        "network", "networks", "network_aliases", "ip", "ip6", "link_local_ips", "mac_address", "links",
    }  # fmt: skip
    apart = {"env", "labels", "annotations", "sysctls", "mounts"}
    of_security_opt = {"no_new_privileges", "seccomp", "apparmor", "label_options"}
    assert {*RunOptions._fields} == {*_KEYS} | not_compared | networks | apart | of_security_opt
