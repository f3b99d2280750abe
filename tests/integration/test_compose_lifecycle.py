"""start, stop, restart, kill, pause, rm and wait on real containers."""

from __future__ import annotations

import pytest

from tests.integration.compose_lab import SLEEPS, Compose
from tests.integration.container_lab import Wherry
from tests.integration.test_compose_up import told

pytestmark = pytest.mark.requires("root", "runc", "nft", "ip", "busybox")

TWO = f"""
    services:
      db: {{image: busybox, {SLEEPS}}}
      web: {{image: busybox, {SLEEPS}, depends_on: {{db: {{condition: service_started, restart: true}}}}}}
      cache: {{image: busybox, {SLEEPS}}}
    """


@pytest.fixture
def up(compose: Compose) -> Compose:
    compose.write(TWO)
    compose("up", "-d")
    return compose


def test_stop_and_start_keep_the_containers_and_the_order(up: Compose) -> None:
    ids = up.ids()
    events = told(up("stop").stderr)
    assert events.index("web-1 Stopped") < events.index("db-1 Stopping")
    assert set(up.states().values()) == {"exited 143"}
    events = told(up("start", "web").stderr)
    assert events == ["db-1 Starting", "db-1 Started", "web-1 Starting", "web-1 Started"]
    assert up.ids() == ids
    assert up.states()["cache-1"] == "exited 143"


def test_all_of_it_works_without_a_file(up: Compose, wherry: Wherry) -> None:
    (up.folder / "compose.yaml").unlink()
    for verb in ("stop", "start", "restart", "pause", "unpause", "kill"):
        wherry("compose", "-p", "demo", verb)
    assert "no such service: nope" in wherry("compose", "-p", "demo", "stop", "nope", code=1).stderr
    wherry("compose", "-p", "demo", "rm", "-fsv")
    assert wherry("ps", "-aq").stdout == ""


def test_restart_takes_those_along_that_are_to_restart_with_it(up: Compose) -> None:
    events = told(up("restart", "db").stderr)
    assert events == ["db-1 Restarting", "db-1 Started", "web-1 Restarting", "web-1 Started"]
    assert told(up("restart", "--no-deps", "db").stderr) == ["db-1 Restarting", "db-1 Started"]


def test_kill_ends_at_once_and_says_when_there_is_nothing(up: Compose) -> None:
    assert {"db-1 Killed", "web-1 Killed", "cache-1 Killed"} <= set(told(up("kill").stderr))
    assert up.states()["db-1"] == "exited 137"
    assert "no container to kill" in up("kill").stderr


def test_pause_and_unpause(up: Compose) -> None:
    assert told(up("pause", "db").stderr) == ["db-1 Paused"]
    assert "is already paused" in up("pause", "db", code=1).stderr
    assert up.states()["db-1"] == "paused"
    assert told(up("unpause", "db").stderr) == ["db-1 Unpaused"]
    assert "is not paused" in up("unpause", "db", code=1).stderr


def test_rm_asks_and_removes_what_does_not_run(up: Compose) -> None:
    up("stop", "cache")
    assert "Going to remove demo-cache-1" in up("rm", stdin="n\n").stdout
    assert "cache-1" in up.states()
    up("rm", stdin="y\n")
    assert sorted(up.states()) == ["db-1", "web-1"]
    assert "No stopped containers" in up("rm", "-f").stderr
    up("rm", "-fs", "web")
    assert sorted(up.states()) == ["db-1"]


def test_wait_gives_the_exit_code_of_the_first_that_ends(compose: Compose) -> None:
    compose.write(f"""
        services:
          job: {{image: busybox, command: [sh, -c, "sleep 0.3; exit 7"]}}
          web: {{image: busybox, {SLEEPS}}}
        """)
    compose("up", "-d")
    assert "exited with status code 7" in compose("wait", "job", "web", code=7).stdout
    assert "exited with status code 7" in compose("wait", "job", code=7).stdout, "one that has ended answers"
    compose("wait", "--down-project", "job", code=7)
    assert compose.states() == {}
    assert compose.networks() == []


def test_a_dry_run_says_it_and_does_nothing(up: Compose) -> None:
    before = up.containers()
    for words in (["stop"], ["down", "-v"], ["restart"], ["kill"], ["rm", "-s"], ["up", "--force-recreate"], ["pause"]):
        assert "demo-db-1" in up("--dry-run", *words).stdout, words
    assert up.containers().keys() == before.keys()
    assert set(up.states().values()) == {"running"}
