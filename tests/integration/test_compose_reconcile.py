"""What a second `up` makes of a first one's containers, networks and files: with real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.compose_lab import SLEEPS, Compose
from tests.integration.container_lab import Wherry

pytestmark = pytest.mark.requires("root", "runc", "nft", "ip", "busybox")


def inspect(wherry: Wherry, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(wherry("inspect", name).stdout)[0]
    return found


def test_the_cause_of_a_recreation_names_the_keys(compose: Compose) -> None:
    text = f"services: {{web: {{image: busybox, environment: {{DEBUG: '0', A: '1'}}, {SLEEPS}}}}}"
    compose.write(text)
    compose("up", "-d")
    compose.write(text.replace("'0'", "'1'").replace("image:", "labels: {mine: '1'}, image:"))
    assert "configuration changed: environment.DEBUG, labels.mine\n" in compose("--dry-run", "up", "-d").stdout
    before = compose.ids()
    compose("up", "-d")
    assert compose.ids() != before
    assert compose("--dry-run", "up", "-d").stdout == ""


def test_links_outlive_what_they_lead_to(compose: Compose, wherry: Wherry) -> None:
    text = f"""
        services:
          db: {{image: busybox, hostname: one, {SLEEPS}}}
          web: {{image: busybox, links: ["db:store"], {SLEEPS}}}
        """
    compose.write(text)
    compose("up", "-d")
    web = compose.ids()["web-1"]
    compose.write(text.replace("hostname: one", "hostname: two"))
    compose("up", "-d")
    assert compose.ids()["web-1"] == web
    address = inspect(wherry, "demo-db-1")["NetworkSettings"]["Networks"]["demo_default"]["IPAddress"]
    assert address in compose("exec", "web", "nslookup", "store").stdout


def test_what_shares_a_namespace_is_made_anew_with_it(compose: Compose, wherry: Wherry) -> None:
    text = f"""
        services:
          db: {{image: busybox, hostname: one, {SLEEPS}}}
          side: {{image: busybox, network_mode: "service:db", pid: "service:db", {SLEEPS}}}
        """
    compose.write(text)
    compose("up", "-d")
    compose.write(text.replace("hostname: one", "hostname: two"))
    assert "service db, whose network namespace it shares, is recreated" in compose("--dry-run", "up", "-d").stdout
    compose("up", "-d")
    host = inspect(wherry, "demo-side-1")["HostConfig"]
    db = inspect(wherry, "demo-db-1")["Id"]
    assert (host["NetworkMode"], host["PidMode"]) == (f"container:{db}", f"container:{db}")
    assert compose("exec", "side", "cat", "/proc/sys/kernel/hostname").stdout == "two\n"
    compose("up", "-d", "--no-deps", "side")
    assert compose("--dry-run", "up", "-d").stdout == ""


def test_a_drifted_network_is_made_anew_under_its_containers(compose: Compose, wherry: Wherry) -> None:
    text = f"""
        services: {{web: {{image: busybox, {SLEEPS}}}}}
        networks: {{default: {{labels: {{v: "1"}}}}}}
        """
    compose.write(text)
    compose("up", "-d")
    web = compose.ids()
    compose.write(text.replace('"1"', '"2"'))
    compose("up", "-d")
    assert compose.ids() == web
    network = json.loads(wherry("network", "inspect", "demo_default").stdout)[0]
    assert network["Labels"]["v"] == "2"
    assert [one["Name"] for one in network["Containers"].values()] == ["demo-web-1"]
    # A one-off is on it: it stays as it is, and that is said
    compose("run", "-d", "web", "sleep", "1000")
    compose.write(text.replace('"1"', '"3"'))
    done = compose("up", "-d")
    assert 'Network "demo_default" exists but doesn\'t match configuration' in done.stderr
    assert compose.states()["web-1"] == "running"


def test_a_drifted_volume_keeps_its_data(compose: Compose, wherry: Wherry) -> None:
    text = f"""
        services: {{db: {{image: busybox, volumes: ["data:/d"], {SLEEPS}}}}}
        volumes: {{data: {{labels: {{v: "1"}}}}}}
        """
    compose.write(text)
    compose("up", "-d")
    compose("exec", "db", "touch", "/d/precious")
    compose.write(text.replace('"1"', '"2"'))
    done = compose("up", "-d")
    assert "since its data would be lost" in done.stderr
    assert compose("exec", "db", "ls", "/d").stdout == "precious\n"


def test_content_is_a_file_of_the_containers_own(compose: Compose, wherry: Wherry) -> None:
    compose.write(
        """
        services:
          web:
            image: busybox
            init: true
            command: [sleep, "1000"]
            read_only: true
            user: "100:200"
            secrets: [{source: word, uid: "100", gid: "200", mode: 0o400}, plain]
            configs: [{source: conf, target: /etc/app.conf}]
        secrets: {word: {environment: WORD}, plain: {environment: WORD}}
        configs: {conf: {content: "a = 1"}}
        """
    )
    (compose.folder / ".env").write_text("WORD=sesame\n")
    compose("up", "-d")
    seen = compose(
        "exec", "web", "sh", "-c", "cat /run/secrets/word /etc/app.conf; stat -c ' %n %a %u %g' /run/secrets/*"
    )
    assert seen.stdout == "sesamea = 1 /run/secrets/plain 444 0 0\n /run/secrets/word 400 100 200\n"
    refused = compose("exec", "-u", "0", "web", "sh", "-c", "echo x > /run/secrets/word", code=None)
    assert refused.returncode != 0
    shown = wherry("inspect", "demo-web-1").stdout
    assert "sesame" not in shown
    source = next(one["Source"] for one in json.loads(shown)[0]["Mounts"] if one["Destination"] == "/run/secrets/word")
    assert Path(source).read_text() == "sesame"
    compose("restart", "-t", "0")
    assert compose("exec", "web", "cat", "/run/secrets/word").stdout == "sesame"
    compose("down")
    assert not Path(source).exists()


def test_a_container_that_can_not_be_made_leaves_the_old_one_running(compose: Compose, wherry: Wherry) -> None:
    text = f"services: {{web: {{image: busybox, {SLEEPS}}}}}"
    compose.write(text)
    compose("up", "-d")
    web = compose.ids()
    compose.write(text.replace("image:", "cap_add: [FLY], image:"))
    done = compose("up", "-d", code=1)
    assert "service web: invalid CapAdd" in done.stderr
    assert (compose.ids(), compose.states()) == (web, {"web-1": "running"})
