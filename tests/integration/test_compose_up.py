"""`compose up` and `down` with real containers: order, conditions, what is left alone, and what goes wrong."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.integration.compose_lab import SLEEPS, Compose
from tests.integration.container_lab import Wherry, eventually

pytestmark = pytest.mark.requires("root", "runc", "nft", "ip", "busybox")

CHAIN = """
    services:
      db:
        image: busybox
        init: true
        command: [sh, -c, "sleep 0.3; touch /ready; sleep 1000"]
        healthcheck: {test: "test -e /ready", interval: 200ms}
        volumes: ["data:/data"]
      job:
        image: busybox
        command: [sh, -c, "echo migrated"]
        depends_on: {db: {condition: service_healthy}}
      web:
        image: busybox
        init: true
        command: [sleep, "1000"]
        depends_on: {job: {condition: service_completed_successfully}, db: {condition: service_started}}
    volumes: {data: {}}
    """


def told(text: str) -> list[str]:
    """What happened to which resource, in order, without the project's name."""
    found = [
        re.fullmatch(r" (?:Container|Network|Volume) \"?demo[-_](\S+?)\"?  (.*)", line) for line in text.splitlines()
    ]
    return [f"{match[1]} {match[2]}" for match in found if match]


def test_services_start_behind_their_conditions_and_go_in_reverse_order(compose: Compose) -> None:
    compose.write(CHAIN)
    events = told(compose("up", "-d").stderr)
    order = ["db-1 Started", "db-1 Healthy", "job-1 Started", "job-1 Exited", "web-1 Started"]
    assert [one for one in events if one in order] == order
    assert {"default Created", "data Created", "db-1 Creating", "db-1 Created", "web-1 Created"} <= set(events)
    assert compose.states() == {"db-1": "running", "job-1": "exited 0", "web-1": "running"}
    assert (compose.networks(), compose.volumes()) == (["demo_default"], ["demo_data"])
    events = told(compose("down").stderr)
    assert events.index("web-1 Stopped") < events.index("db-1 Stopping")
    assert events[-1] == "default Removed"
    assert (compose.states(), compose.networks(), compose.volumes()) == ({}, [], ["demo_data"])
    compose("down", "-v")
    assert compose.volumes() == []


def test_what_is_as_it_should_be_is_left_alone(compose: Compose) -> None:
    compose.write(CHAIN)
    compose("up", "-d")
    before = compose.ids()
    assert told(compose("up", "-d").stderr)[:2] == ["db-1 Running", "web-1 Running"]
    assert compose.ids() == before
    compose.write(CHAIN.replace('[sleep, "1000"]', '[sleep, "1001"]'))
    events = told(compose("up", "-d").stderr)
    assert [one for one in events if one.startswith("web-1")] == [
        "web-1 Recreate", "web-1 Recreated", "web-1 Starting", "web-1 Started",
    ]  # fmt: skip
    after = compose.ids()
    assert after["db-1"] == before["db-1"]
    assert after["web-1"] != before["web-1"]
    assert compose("--dry-run", "up").stdout.startswith("1  start container demo-job-1: it has exited with code 0")


def test_nothing_to_do_loads_next_to_nothing(compose: Compose) -> None:
    """Half of the time of such an `up` is what it imports: no parser of YAML, no engine of patterns, nothing that
    makes, pulls, builds or networks (docs/adr/0250-plain-yaml.md)."""
    compose.write(f"""
        services:
          db: {{image: busybox, {SLEEPS}, environment: {{MODE: fast}}, volumes: ["data:/data"]}}
          web: {{image: busybox, {SLEEPS}, depends_on: [db], stop_grace_period: 2s}}
        volumes: {{data: {{}}}}
        """)
    compose("up", "-d")
    python, *rest = compose.wherry.argv(*compose.words("up", "-d"))
    done = subprocess.run([python, "-I", "-X", "importtime", *rest], capture_output=True, text=True, check=True, env={})
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "Running" in done.stderr
    assert "wherry.compose.reconcile" in loaded
    heavy = {"yaml", "re", "enum", "json", "typing", "functools", "contextlib", "threading", "socket", "ctypes"}
    seldom = {"compose.execute", "compose.perform", "compose.yaml_reader", "image", "build", "registry", "network"}
    assert not (heavy | {f"wherry.{name}" for name in seldom}) & loaded


def test_an_unhealthy_dependency_ends_it_with_what_the_probe_said(compose: Compose) -> None:
    compose.write(f"""
        services:
          db:
            {{image: busybox, {SLEEPS}, healthcheck: {{test: "echo no route; false", interval: 100ms, retries: 2}}}}
          web: {{image: busybox, {SLEEPS}, depends_on: {{db: {{condition: service_healthy}}}}}}
        """)
    done = compose("up", "-d", code=1)
    assert "dependency failed to start: container demo-db-1 is unhealthy" in done.stderr
    assert "its last probe ended with exit code 1:\n    no route" in done.stderr
    assert compose.states() == {"db-1": "running", "web-1": "created"}
    assert "is unhealthy" in compose("up", "-d", code=1).stderr


def test_a_failed_one_shot_ends_it_with_its_last_words(compose: Compose) -> None:
    compose.write(f"""
        services:
          gate: {{image: busybox, command: [sh, -c, "echo accuracy 0.5 is below 0.9; exit 4"]}}
          serve: {{image: busybox, {SLEEPS}, depends_on: {{gate: {{condition: service_completed_successfully}}}}}}
        """)
    done = compose("up", "-d", code=1)
    assert 'service "gate" didn\'t complete successfully: exit 4' in done.stderr
    assert "    accuracy 0.5 is below 0.9" in done.stderr
    assert compose.states() == {"gate-1": "exited 4", "serve-1": "created"}


def test_a_dependency_that_is_not_required_only_warns(compose: Compose) -> None:
    compose.write(f"""
        services:
          gate: {{image: busybox, command: ["false"]}}
          serve:
            {{image: busybox, {SLEEPS},
              depends_on: {{gate: {{condition: service_completed_successfully, required: false}}}}}}
        """)
    assert 'optional dependency "gate" didn\'t complete successfully: exit 1' in compose("up", "-d").stderr
    assert compose.states()["serve-1"] == "running"


def test_a_port_that_another_project_has_is_named_with_its_service(compose: Compose, wherry: Wherry) -> None:
    compose.write(f'services: {{web: {{image: busybox, {SLEEPS}, ports: ["127.0.0.1:18431:80"]}}}}')
    compose("up", "-d")
    other = Compose(wherry, compose.folder.parent / "other", "other")
    try:
        other.write(f'services: {{api: {{image: busybox, {SLEEPS}, ports: ["127.0.0.1:18431:80"]}}}}')
        said = other("up", "-d", code=1).stderr
        assert "container other-api-1 could not start" in said
        assert "port is already allocated" in said
        assert "which is service web of project demo" in said
        assert "wherry compose -p demo stop web" in said
        compose("stop", "web")
        other("up", "-d")
        assert other.states() == {"api-1": "running"}
    finally:
        other.clean()


def test_a_port_that_the_project_itself_has_is_named_also_while_both_start(compose: Compose) -> None:
    compose.write(f'services: {{web: {{image: busybox, {SLEEPS}, scale: 2, ports: ["127.0.0.1:18432:80"]}}}}')
    said = compose("up", "-d", code=1).stderr
    assert "which is service web of project demo" in said
    assert 'hint: publish another port, or no port of the machine: `ports: ["80"]`' in said


def test_what_stands_in_the_way_of_a_container_is_told_with_its_service(compose: Compose) -> None:
    compose.write(f"""
        services:
          a: {{image: busybox, {SLEEPS}, container_name: demo-same}}
          b: {{image: busybox, {SLEEPS}, container_name: demo-same}}
        """)
    said = compose("up", "-d", code=1).stderr
    assert '"/demo-same" is already in use' in said
    assert re.search("hint: it is service [ab] of project demo: take another container_name", said)
    compose("down")
    compose.write(f"""
        services: {{a: {{image: busybox, {SLEEPS}, secrets: [s]}}}}
        secrets: {{s: {{file: ./gone}}}}
        """)
    assert "service a: invalid mount config" in compose("up", "-d", code=1).stderr


def test_an_image_that_is_not_there_ends_with_18_and_says_how_to_get_one(compose: Compose) -> None:
    compose.write("services: {web: {image: nowhere.invalid/x:1, pull_policy: never}, db: {image: busybox}}")
    assert "wherry compose pull web" in compose("up", "-d", code=1).stderr
    compose.write("services: {web: {image: 127.0.0.1:1/x:1}}")
    done = compose("up", "-d", code=18)
    assert " web  Pulling" in done.stderr
    assert "service web has no build section" in done.stderr or "hint:" in done.stderr
    assert compose.states() == {}


def test_images_are_built_when_they_are_missing_and_a_failure_exits_17(compose: Compose, wherry: Wherry) -> None:
    (compose.folder / "Dockerfile").write_text("FROM busybox\nRUN echo built > /made\n")
    compose.write("""
        services:
          a: {build: ., command: [cat, /made]}
          b: {build: {dockerfile_inline: "FROM busybox\\nRUN exit 9\\n"}, profiles: [bad]}
        """)
    try:
        done = compose("up")
        assert "a-1  | built" in done.stdout
        assert " a  Built" in done.stderr
        assert " a  Built" not in compose("up").stderr
        assert " a  Built" in compose("up", "--build").stderr
        assert compose("--profile", "bad", "up", "-d", code=17).stderr.count("Error") >= 1
        done = compose("down", "--rmi", "local")
        assert " Image demo-a  Removed" in done.stderr
    finally:
        wherry("rmi", "-f", "demo-a", code=None)


def test_wait_is_for_all_to_be_healthy_and_one_that_ends_is_an_error(compose: Compose) -> None:
    compose.write(CHAIN)
    compose("up", "--wait")
    assert compose.containers()["db-1"]["Health"] == "healthy"
    compose.write(
        f"services: {{ok: {{image: busybox, {SLEEPS}}}, ends: {{image: busybox, command: [sh, -c, 'exit 3']}}}}"
    )
    assert "container demo-ends-1 exited (3)" in compose("up", "--wait", "--remove-orphans", code=1).stderr
    # Work that is done is no failure; a server that ends, is one
    compose.write(
        f"services: {{ok: {{image: busybox, {SLEEPS}}}, seed: {{image: busybox, command: [sh, -c, 'exit 0']}}}}"
    )
    assert "seed-1 Exited" in told(compose("up", "--wait", "--remove-orphans").stderr)
    compose.write(
        'services: {server: {image: busybox, command: [sh, -c, "exit 0"], healthcheck: {test: "true", interval: 50s}}}'
    )
    assert "container demo-server-1 exited (0)" in compose("up", "--wait", "--remove-orphans", code=1).stderr
    compose.write(f'services: {{slow: {{image: busybox, {SLEEPS}, healthcheck: {{test: "false", interval: 50s}}}}}}')
    said = compose("up", "--wait", "--wait-timeout", "1", "--remove-orphans", code=1).stderr
    assert "application not healthy after 1s" in said


def test_an_attached_up_shows_all_that_is_written_and_ends_with_the_last(compose: Compose) -> None:
    compose.write("""
        services:
          one: {image: busybox, command: [sh, -c, "echo first; sleep 0.2; echo last"]}
          two: {image: busybox, command: [sh, -c, "echo oops >&2; exit 2"], depends_on: [one]}
          quiet: {image: busybox, command: [echo, unseen], attach: false}
        """)
    done = compose("up")
    lines = done.stdout.splitlines()
    assert lines[0] == "Attaching to one-1, two-1"
    assert [line for line in lines if line.startswith("one-1")] == [
        "one-1  | first", "one-1  | last", "one-1 exited with code 0",
    ]  # fmt: skip
    assert "two-1  | oops" in done.stderr
    assert "two-1 exited with code 2" in lines
    assert "unseen" not in done.stdout
    assert "two" not in compose("up", "--attach", "one").stdout
    assert compose("up", "--no-log-prefix", "one").stdout.splitlines()[1] == "first"
    stamped = compose("up", "--timestamps", "--menu=off", "one").stdout.splitlines()[1]
    assert re.fullmatch(r"one-1  \| 20\d\d-\S+Z first", stamped)


def test_a_container_that_is_over_before_anybody_looks_ends_the_up_too(compose: Compose) -> None:
    compose.write('services: {quick: {image: busybox, command: ["true"]}}')
    for _ in range(5):
        assert "quick-1 exited with code 0" in compose("up", timeout_s=60).stdout


def test_the_first_that_ends_can_end_all_and_give_its_code(compose: Compose) -> None:
    compose.write(f"""
        services:
          test: {{image: busybox, command: [sh, -c, "echo testing; exit 5"]}}
          server: {{image: busybox, {SLEEPS}}}
        """)
    done = compose("up", "--abort-on-container-exit", code=5)
    assert "Aborting on container exit..." in done.stderr
    assert compose.states() == {"server-1": "exited 143", "test-1": "exited 5"}
    compose("up", "--exit-code-from", "test", code=5)
    compose("up", "--exit-code-from", "server", code=143)
    compose.write(f"""
        services:
          fine: {{image: busybox, command: ["true"]}}
          fails: {{image: busybox, command: [sh, -c, "sleep 0.3; exit 6"]}}
          server: {{image: busybox, {SLEEPS}}}
        """)
    compose("up", "--abort-on-container-failure", "--remove-orphans", code=6)


def test_hooks_run_in_the_container_and_a_failing_one_is_an_error(compose: Compose) -> None:
    compose.write("""
        services:
          web:
            image: busybox
            init: true
            command: [sleep, "1000"]
            volumes: ["log:/log"]
            post_start:
              - {command: [sh, -c, "echo $$WHO by $$(id -u) in $$PWD >> /log/all"], user: bob, working_dir: /tmp,
                 environment: {WHO: hello}}
            pre_stop:
              - {command: [sh, -c, "echo bye >> /log/all; echo can not; exit 3"]}
        volumes: {log: {}}
        """)
    compose.wherry("run", "--rm", "-v", "demo_log:/log", "busybox", "chmod", "777", "/log")
    compose("up", "-d")
    done = compose("stop", code=1)
    assert "web hook exited with status 3:\n    can not" in done.stderr
    assert compose.states()["web-1"].startswith("exited"), "it is stopped all the same"
    said = compose.wherry("run", "--rm", "-v", "demo_log:/log", "busybox", "cat", "/log/all").stdout
    assert said == "hello by 1000 in /tmp\nbye\n"


def test_a_failing_post_start_hook_fails_the_up(compose: Compose) -> None:
    compose.write(f"services: {{web: {{image: busybox, {SLEEPS}, post_start: [{{command: ['false']}}]}}}}")
    assert "web hook exited with status 1" in compose("up", "-d", code=1).stderr


def test_scaling_adds_at_the_end_and_takes_the_last(compose: Compose) -> None:
    compose.write(f"services: {{web: {{image: busybox, {SLEEPS}}}}}")
    compose("up", "-d", "--scale", "web=3")
    assert sorted(compose.states()) == ["web-1", "web-2", "web-3"]
    compose("scale", "web=1")
    assert sorted(compose.states()) == ["web-1"]
    assert "invalid scale specifier" in compose("up", "-d", "--scale", "web", code=1).stderr


def test_orphans_are_warned_of_and_removed_on_request(compose: Compose) -> None:
    compose.write(f"services: {{a: {{image: busybox, {SLEEPS}}}, b: {{image: busybox, {SLEEPS}}}}}")
    compose("up", "-d")
    compose.write(f"services: {{a: {{image: busybox, {SLEEPS}}}}}")
    assert "Found orphan containers ([demo-b-1])" in compose("--dry-run", "up").stderr
    assert "Found orphan containers ([demo-b-1])" in compose("up", "-d").stderr
    compose("up", "-d", "--remove-orphans")
    assert sorted(compose.states()) == ["a-1"]


def test_down_needs_no_file(compose: Compose, wherry: Wherry) -> None:
    compose.write(CHAIN)
    compose("up", "-d")
    (compose.folder / "compose.yaml").unlink()
    wherry("compose", "-p", "demo", "down", "-v")
    assert compose.networks() == compose.volumes() == []
    assert not wherry("ps", "-aq").stdout
    assert "No resource found to remove" in wherry("compose", "-p", "demo", "down").stderr


def test_a_network_and_a_volume_that_others_use_stay(compose: Compose, wherry: Wherry) -> None:
    compose.write(CHAIN)
    compose("up", "-d")
    wherry("run", "-d", "--init", "--name", "guest", "--network", "demo_default", "-v", "demo_data:/d", "busybox",
           "sleep", "1000")  # fmt: skip
    said = compose("down", "-v").stderr
    assert "Network demo_default  Resource is still in use" in said
    assert "Volume demo_data  Resource is still in use" in said
    wherry("rm", "-f", "guest")
    compose("down", "-v")
    assert compose.networks() == compose.volumes() == []


def test_a_half_removed_project_goes_up_and_down_again(compose: Compose, wherry: Wherry) -> None:
    compose.write(CHAIN)
    compose("up", "-d")
    wherry("rm", "-f", "demo-db-1")
    compose("up", "-d")
    assert compose.states()["db-1"] == "running"
    wherry("rm", "-f", "demo-db-1", "demo-web-1", "demo-job-1")
    wherry("network", "rm", "demo_default")
    compose("down", "-v")
    assert compose.volumes() == []


def test_anonymous_volumes_are_inherited_unless_they_are_renewed(compose: Compose) -> None:
    text = "services: {{web: {{image: busybox, init: true, command: [sleep, '{}'], volumes: [/keep]}}}}"
    compose.write(text.format(1000))
    compose("up", "-d")
    compose.wherry("exec", "demo-web-1", "touch", "/keep/it")
    compose.write(text.format(1001))
    compose("up", "-d")
    assert compose.wherry("exec", "demo-web-1", "ls", "/keep").stdout == "it\n"
    compose("up", "-d", "-V")
    assert compose.wherry("exec", "demo-web-1", "ls", "/keep").stdout == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["up", "-d", "nope"], "no such service: nope"),
        (["up", "--build", "--no-build"], "--build and --no-build are incompatible"),
        (["up", "--force-recreate", "--no-recreate"], "--force-recreate and --no-recreate are incompatible"),
        (["up", "-d", "--attach", "web"], "--detach cannot be combined with"),
        (["up", "--wait", "--abort-on-container-exit"], "--wait cannot be combined with"),
        (["up", "--exit-code-from", "nope"], "no such service: nope"),
        (["up", "--pull", "sometimes"], 'invalid --pull option "sometimes"'),
        (["down", "--rmi", "some"], 'invalid value for --rmi: "some"'),
        (["start", "wbe"], "no such service: wbe"),
        (["start"], 'service "web" has no container to start'),
        (["wait", "web"], 'no containers for project "demo"'),
    ],
)
def test_wrong_words_are_refused_as_docker_compose_does(compose: Compose, words: list[str], said: str) -> None:
    compose.write(f"services: {{web: {{image: busybox, {SLEEPS}}}}}")
    assert said in compose(*words, code=1).stderr
    assert compose.states() == {}


def test_two_ups_one_after_the_other_make_no_second_container(compose: Compose) -> None:
    compose.write(f"services: {{web: {{image: busybox, {SLEEPS}}}}}")
    first, second = compose.spawn("up", "-d"), compose.spawn("up", "-d")
    for one in (first, second):
        out, err = one.communicate(timeout=60)
        assert one.returncode == 0, (out, err)
    eventually(lambda: compose.states() == {"web-1": "running"}, "one container")


def test_quiet_build_keeps_the_steps_to_itself(compose: Compose) -> None:
    compose.write("services: {web: {build: ., command: 'true'}}")
    (compose.folder / "Dockerfile").write_text("FROM busybox\nRUN echo loud\n")
    for verb in (("up", "-d", "--build"), ("run", "--rm", "-T", "--build")):
        service = ["web"] if verb[0] == "run" else []
        quiet, loud = (compose(*verb, *more, *service) for more in (["--quiet-build"], []))
        assert "RUN echo loud" not in quiet.stdout + quiet.stderr
        assert "RUN echo loud" in loud.stdout + loud.stderr
