"""RUN --mount, from words to the plan: BuildKit's defaults, ids and targets."""

from __future__ import annotations

import pytest

from tests.unit.build.test_plan import fails, last, made
from wherry.build.graph import RunMount


def mount(flags: str, before: str = "", **options: object) -> RunMount:
    (found,) = last(f"FROM busybox AS a\nFROM busybox\n{before}\nRUN {flags} true\n", **options).mounts
    return found


def test_a_secret_is_a_file_below_run_secrets_for_root_alone() -> None:
    found = mount("--mount=type=secret,id=token")
    assert found == RunMount("secret", "/run/secrets/token", id="token", readonly=True, mode=0o400)


@pytest.mark.parametrize(
    ("keys", "id", "target", "env"),
    [
        ("source=a", "a", "/run/secrets/a", ""),
        ("id=a/b", "a/b", "/run/secrets/b", ""),
        ("target=/etc/key", "key", "/etc/key", ""),
        ("id=a,target=x", "a", "/w/x", ""),
        ("id=a,env=A", "a", "", "A"),
        ("id=a,env=A,target=/t", "a", "/t", "A"),
    ],
)
def test_a_secrets_place_follows_from_its_keys(keys: str, id: str, target: str, env: str) -> None:
    found = mount(f"--mount=type=secret,{keys}", "WORKDIR /w")
    assert (found.id, found.target, found.env) == (id, target, env)


def test_a_secrets_owner_mode_and_need_are_kept() -> None:
    found = mount("--mount=type=secret,id=a,mode=0440,uid=5,gid=6,required")
    assert (found.mode, found.uid, found.gid, found.required) == (0o440, 5, 6, True)


def test_agents_are_numbered_among_the_agents_of_the_step() -> None:
    text = "RUN --mount=type=tmpfs,target=/t --mount=type=ssh --mount=type=ssh --mount=type=ssh,id=b,target=s true"
    found = last(f"FROM busybox\nWORKDIR /w\n{text}\n").mounts[1:]
    assert [(one.id, one.target, one.mode) for one in found] == [
        ("default", "/run/buildkit/ssh_agent.0", 0o600), ("default", "/run/buildkit/ssh_agent.1", 0o600),
        ("b", "/w/s", 0o600),
    ]  # fmt: skip


def test_a_caches_id_is_its_target_as_it_is_written() -> None:
    assert mount("--mount=type=cache,target=x", "WORKDIR /w").id == "x"
    assert mount("--mount=type=cache,target=x", "WORKDIR /v").target == "/v/x"
    assert mount("--mount=type=cache,target=/x/").id == "/x"
    assert mount("--mount=type=cache,target=/x,id=/y/").id == "/y/"


def test_a_cache_that_is_taken_from_a_folder_keeps_its_owner_whatever_is_asked() -> None:
    plain = mount("--mount=type=cache,target=/x")
    assert (plain.mode, plain.input) == (None, None)
    owned = mount("--mount=type=cache,target=/x,uid=7")
    assert (owned.mode, owned.uid, owned.gid) == (0o755, 7, 0)
    seeded = mount("--mount=type=cache,target=/x,from=a,source=/s,uid=7,mode=0700")
    assert (seeded.mode, seeded.uid, seeded.source, seeded.input) == (None, 0, "/s", 0)
    assert mount("--mount=type=cache,target=/x,from=a,uid=7").input is None


def test_a_namespace_keeps_the_caches_of_two_builds_apart() -> None:
    arguments = {"BUILDKIT_CACHE_MOUNT_NS": "mine"}
    assert mount("--mount=type=cache,target=/x", build_args=arguments).id == "mine//x"
    assert not made("FROM busybox\nRUN true\n", build_args=arguments).warnings


def test_a_tmpfs_may_be_read_only() -> None:
    assert mount("--mount=type=tmpfs,target=/x,ro").readonly


def test_variables_reach_every_value_but_from() -> None:
    found = mount("--mount=type=cache,target=$X,id=i$X", "ARG X=/q")
    assert (found.target, found.id) == ("/q", "i/q")
    assert "doesn't support variable expansion" in str(
        fails("FROM busybox\nARG X=a\nRUN --mount=from=$X,target=/x true\n")
    )


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ("type=cache", 'invalid mount target "/"'),
        ("type=bind,target=/", 'invalid mount target "/"'),
        ("type=tmpfs,target=/a/..", 'invalid mount target "/"'),
        ("type=cache,source=/a,target=/x", "nothing to take it from"),
        ("type=secret", "one of id, source, target is required"),
    ],
)
def test_what_no_mount_can_be_is_said_before_anything_runs(keys: str, says: str) -> None:
    assert says in str(fails(f"FROM busybox\nRUN expensive\nRUN --mount={keys} true\n"))


def test_a_stage_knows_the_image_below_it_by_its_content() -> None:
    one = last("FROM busybox AS a\nRUN x\nFROM a\nRUN true\n")
    assert one.base == last("FROM python:3.10\nRUN true\n").base  # the same layers in these tests
    assert last('FROM scratch\nRUN ["x"]\n').base == "scratch"
