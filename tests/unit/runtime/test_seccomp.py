from __future__ import annotations

import json

import pytest

from wherry.errors import InputError, InvalidSpec
from wherry.runtime import caps, seccomp

KERNEL = (6, 18)


def allowed(profile: dict[str, object]) -> set[str]:
    rules = profile["syscalls"]
    assert isinstance(rules, list)
    return {
        name for rule in rules if rule["action"] == "SCMP_ACT_ALLOW" and not rule.get("args") for name in rule["names"]
    }


def test_the_default_profile_refuses_what_docker_refuses() -> None:
    profile = seccomp.profile(caps.DEFAULT, "amd64", KERNEL)
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert profile["defaultErrnoRet"] == 1
    names = allowed(profile)
    assert {"openat2", "chroot", "arch_prctl", "ptrace"} <= names
    assert (
        not {"bpf", "mount", "setns", "unshare", "reboot", "init_module", "syslog", "keyctl", "io_uring_setup"} & names
    )


def test_clone3_without_sys_admin_seems_not_to_be_there() -> None:
    rules = seccomp.profile(caps.DEFAULT, "amd64", KERNEL)["syscalls"]
    assert {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38} in rules
    assert any(rule["names"] == ["clone"] and rule["args"][0]["index"] == 0 for rule in rules)


def test_a_capability_opens_its_system_calls() -> None:
    profile = seccomp.profile((*caps.DEFAULT, "CAP_SYS_ADMIN", "CAP_SYSLOG"), "amd64", KERNEL)
    assert {"mount", "unshare", "clone3", "clone", "bpf", "syslog"} <= allowed(profile)
    assert not any(rule["action"] == "SCMP_ACT_ERRNO" for rule in profile["syscalls"])


def test_a_rule_counts_only_from_its_kernel_on() -> None:
    assert "ptrace" in allowed(seccomp.profile(caps.DEFAULT, "amd64", (4, 8)))
    assert "ptrace" not in allowed(seccomp.profile(caps.DEFAULT, "amd64", (4, 7)))


def test_each_architecture_has_its_own_calls() -> None:
    assert "arch_prctl" not in allowed(seccomp.profile(caps.DEFAULT, "arm64", KERNEL))
    assert "arm_sync_file_range" in allowed(seccomp.profile(caps.DEFAULT, "arm64", KERNEL))
    assert seccomp.profile(caps.DEFAULT, "arm64", KERNEL)["architectures"] == ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]


def test_x32_programs_are_refused() -> None:
    """Differs from docker: the third architecture costs each start 5 ms, and no distribution's kernel runs it."""
    assert seccomp.profile(caps.DEFAULT, "amd64", KERNEL)["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]


def test_conditions_and_comments_do_not_reach_the_runtime() -> None:
    for rule in seccomp.profile(caps.DEFAULT, "amd64", KERNEL)["syscalls"]:
        assert set(rule) <= {"names", "action", "args", "errnoRet"}


def test_a_listener_path_is_passed_on() -> None:
    doc = seccomp.parse('{"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/x.sock", "flags": ["A"]}')
    assert seccomp.evaluate(doc, (), "amd64", KERNEL)["listenerPath"] == "/run/x.sock"


def test_an_old_profile_with_single_names_works() -> None:
    doc = seccomp.parse(
        '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "mkdir", "action": "SCMP_ACT_ERRNO"}]}'
    )
    assert seccomp.evaluate(doc, (), "amd64", KERNEL)["syscalls"] == [{"action": "SCMP_ACT_ERRNO", "names": ["mkdir"]}]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("{", "decoding seccomp profile failed"),
        ("[]", "no defaultAction"),
        ("{}", "no defaultAction"),
        ('{"defaultAction": "A", "syscalls": [1]}', "not a list of objects"),
        ('{"defaultAction": "A", "syscalls": [{"action": "B"}]}', "either 'name' or 'names'"),
        ('{"defaultAction": "A", "syscalls": [{"name": "x", "names": ["y"]}]}', "either 'name' or 'names'"),
        ('{"defaultAction": "A", "architectures": ["x"], "archMap": [{}]}', "use only one"),
    ],
)
def test_a_bad_profile_is_refused_before_the_container_starts(text: str, part: str) -> None:
    with pytest.raises(InvalidSpec, match=part):
        seccomp.parse(text)


def test_a_bad_kernel_version_is_named() -> None:
    rule = {"names": ["x"], "action": "A", "includes": {"minKernel": "six"}}
    with pytest.raises(InputError, match='invalid minKernel "six"'):
        seccomp.evaluate({"defaultAction": "A", "syscalls": [rule]}, (), "amd64", KERNEL)


def test_the_result_is_json() -> None:
    assert json.loads(json.dumps(seccomp.profile(caps.DEFAULT, "amd64", KERNEL)))
