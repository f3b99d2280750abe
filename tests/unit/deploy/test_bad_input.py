"""What is wrong is said in one line before a platform is asked anything, by status and destroy too."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.unit.deploy.cloudrun.fake import IMAGE, PLAIN
from wherry.deploy import targets
from wherry.deploy.settle import common_problems, settle
from wherry.deploy.target import Chosen, Surroundings
from wherry.deploy.wishes import Wishes
from wherry.engine import Engine
from wherry.errors import InputError
from wherry.host.fake import FakeHost
from wherry.settings import Paths, Settings


@pytest.mark.parametrize(
    ("target", "options", "needs"),
    [
        ("ecs", {"region": "x y"}, ""),
        ("ecs", {"region": "../../x"}, ""),
        ("cloudrun", {"project": "../../x", "region": "europe-west1"}, ""),
        ("cloudrun", {"project": "proj-11", "region": "a b"}, ""),
        ("aca", {"subscription": "../x"}, ""),
        ("aca", {"resource-group": "a/b", "subscription": "11111111-2222-3333-4444-555555555555"}, ""),
        ("kubernetes", {"namespace": "../x"}, "kubernetes"),
        ("compose-ssh", {"host": "-oProxyCommand=touch /tmp/x"}, ""),
        ("compose-ssh", {}, ""),
        ("compose-ssh", {"host": "gpu1", "ssh-key": "nowhere"}, ""),
    ],
)
def test_an_option_that_is_nothing_stands_in_no_path_of_a_cloud(
    target: str, options: dict[str, Any], needs: str, tmp_path: Path
) -> None:
    if needs:
        pytest.importorskip(needs)
    host, env = FakeHost(), {"HOME": str(tmp_path), "PATH": "/nowhere"}
    engine = Engine(Settings(Paths.for_user({}, os.geteuid(), str(tmp_path / "root")), env, 0, str(tmp_path)), host)
    with pytest.raises(InputError) as told:
        targets.find(target).connect(Chosen(options), Surroundings(env, str(tmp_path), host, engine))
    assert told.value.hint or target in told.value.message
    assert not host.calls


@pytest.mark.parametrize("wishes", [Wishes(min_instances=10**23), Wishes(max_instances=10**6)])
def test_more_instances_than_there_are_machines_are_refused(wishes: Wishes) -> None:
    with pytest.raises(InputError, match="more than any platform runs"):
        settle(wishes, IMAGE)


def test_a_label_without_a_name_is_refused() -> None:
    import dataclasses

    assert [one.field for one in common_problems(dataclasses.replace(PLAIN, labels={"": "x"}))] == ["label"]
