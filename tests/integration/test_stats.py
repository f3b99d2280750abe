"""`stats` of containers that really use something."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

from tests.integration.container_lab import Wherry, eventually

pytestmark = pytest.mark.requires("root", "runc", "busybox")


def stats(wherry: Wherry, *args: str) -> list[dict[str, Any]]:
    text = wherry("stats", "--no-stream", "--format", "json", *args).stdout
    return [json.loads(line) for line in text.splitlines()]


def test_memory_cpu_and_processes_are_counted(wherry: Wherry) -> None:
    script = "dd if=/dev/zero of=/dev/shm/x bs=1M count=20 2>/dev/null; sleep 1000 & echo full; while :; do :; done"
    wherry("run", "-d", "--name", "busy", "--network", "none", "-m", "64m", "busybox", "sh", "-c", script)
    eventually(lambda: "full" in wherry("logs", "busy").stdout, "20 MB in memory")
    (found,) = stats(wherry, "busy")
    assert (found["Name"], found["Container"], found["PIDs"]) == ("busy", "busy", "2")
    used, limit = found["MemUsage"].split(" / ")
    assert limit == "64MiB"
    assert 20 <= float(used.removesuffix("MiB")) < 40
    assert 30 <= float(found["MemPerc"].removesuffix("%")) < 65
    # However busy this machine is: a loop without end gets some of it
    assert float(found["CPUPerc"].removesuffix("%")) > 0
    assert found["NetIO"] == "0B / 0B"


def test_without_a_limit_it_is_the_machines_memory(wherry: Wherry) -> None:
    wherry("run", "-d", "--name", "idle", "--network", "none", "busybox", "sleep", "1000")
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = stats(wherry)[0]["MemUsage"].split(" / ")[1]
    assert abs(float(limit.removesuffix("GiB")) - total / (1 << 30)) < 0.1


@pytest.mark.requires("nft", "ip")
def test_traffic_of_a_bridge_is_counted(wherry: Wherry) -> None:
    wherry("run", "-d", "--name", "net", "busybox", "sh", "-c", "ping -c 2 -i 0.1 $(ip r | awk '/default/{print $3}');"
           "echo sent; sleep 1000")  # fmt: skip
    eventually(lambda: "sent" in wherry("logs", "net").stdout, "two pings")
    sent = stats(wherry, "net")[0]["NetIO"].split(" / ")[1]
    assert sent != "0B"


def test_only_those_that_run_unless_all_or_named(wherry: Wherry) -> None:
    wherry("create", "--name", "off", "--network", "none", "busybox", "true")
    wherry("run", "-d", "--name", "on", "--network", "none", "busybox", "sleep", "1000")
    assert [one["Name"] for one in stats(wherry)] == ["on"]
    assert {one["Name"] for one in stats(wherry, "-a")} == {"on", "off"}
    (off,) = stats(wherry, "off")
    assert (off["MemUsage"], off["CPUPerc"], off["PIDs"]) == ("0B / 0B", "0.00%", "0")
    assert "No such container: nobody" in wherry("stats", "--no-stream", "on", "nobody", code=1).stderr
    assert wherry("stats", "--no-stream", "--no-trunc", "--format", "{{.ID}} {{.Name}}", "on").stdout.endswith(" on\n")


def test_the_table_is_drawn_anew_until_the_container_is_gone(wherry: Wherry) -> None:
    wherry("run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000")
    screen = wherry.terminal("stats", "box")
    screen.read_until("\x1b[2J\x1b[HCONTAINER ID")
    screen.read_until("box")
    screen.read_until("\x1b[HCONTAINER ID")
    wherry("rm", "-f", "box")
    assert screen.wait() == 0


def test_ctrl_c_ends_it(wherry: Wherry) -> None:
    wherry("run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000")
    screen = wherry.terminal("stats")
    screen.read_until("box")
    os.kill(screen.process.pid, signal.SIGINT)
    assert screen.wait() == 130
