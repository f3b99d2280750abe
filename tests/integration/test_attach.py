"""`wherry attach` and `start -a`."""

from __future__ import annotations

import os
import signal

import pytest

from tests.integration.container_lab import Wherry

pytestmark = pytest.mark.requires("root", "runc", "busybox")
ALONE = ("--network", "none")


def test_several_clients_hear_the_same(wherry: Wherry) -> None:
    wherry("run", "-d", *ALONE, "--name", "radio", "busybox", "sh", "-c", "sleep 1; echo news; exit 2")
    clients = [wherry.spawn("attach", "radio") for _ in range(3)]
    for client in clients:
        output, _ = client.communicate(timeout=20)
        assert (output, client.returncode) == (b"news\n", 2)


def test_attach_passes_signals_unless_told_not_to(wherry: Wherry) -> None:
    script = "trap 'echo caught; exit 9' TERM; while :; do echo tick; sleep 0.05; done"
    wherry("run", "-d", *ALONE, "--name", "clock", "busybox", "sh", "-c", script)
    deaf = wherry.spawn("attach", "--sig-proxy=false", "clock")
    assert deaf.stdout
    deaf.stdout.readline()
    deaf.send_signal(signal.SIGTERM)
    deaf.communicate(timeout=20)
    assert deaf.returncode == -signal.SIGTERM
    assert wherry.status("clock") == "running"
    client = wherry.spawn("attach", "clock")
    assert client.stdout
    client.stdout.readline()
    client.send_signal(signal.SIGTERM)
    output, _ = client.communicate(timeout=20)
    assert b"caught" in output
    assert client.returncode == 9


def test_stdin_of_an_interactive_container_comes_from_attach(wherry: Wherry) -> None:
    wherry("run", "-d", "-i", *ALONE, "--name", "reader", "busybox", "sh", "-c", "read line; echo got $line")
    assert wherry("attach", "reader", stdin="words\n").stdout == "got words\n"


def test_no_stdin_reads_nothing_of_ours(wherry: Wherry) -> None:
    wherry("run", "-d", "-i", *ALONE, "--name", "reader", "busybox", "sh", "-c", "sleep 1; echo done")
    assert wherry("attach", "--no-stdin", "reader", stdin="words\n").stdout == "done\n"


def test_start_attached_shows_all_from_the_first_byte(wherry: Wherry) -> None:
    wherry("create", "-i", *ALONE, "--name", "again", "busybox", "sh", "-c", "echo first; cat; exit 3")
    assert wherry("start", "-a", "-i", "again", stdin="in\n", code=3).stdout == "first\nin\n"


def test_what_does_not_run_or_is_paused_is_refused(wherry: Wherry) -> None:
    wherry("create", "--name", "still", "busybox")
    assert "stopped container" in wherry("attach", "still", code=1).stderr
    wherry("run", "-d", *ALONE, "--name", "frozen", "busybox", "sleep", "100")
    wherry("pause", "frozen")
    assert "paused container" in wherry("attach", "frozen", code=1).stderr
    assert "cannot start a paused container" in wherry("start", "frozen", code=1).stderr
    wherry("unpause", "frozen")


def test_only_its_owner_may_connect_to_a_container(wherry: Wherry) -> None:
    import os
    import stat
    from pathlib import Path

    id = wherry("run", "-d", *ALONE, "busybox", "sleep", "100").stdout.strip()
    folder = Path(wherry.paths.run) / "c" / id[:32]
    assert stat.S_IMODE(os.stat(folder / "attach").st_mode) == 0o600
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(wherry.root / "containers" / id).st_mode) == 0o700


def test_a_run_whose_reader_is_gone_ends_and_leaves_the_container(wherry: Wherry) -> None:
    """`wherry run IMAGE yes | head -1`."""
    reader, writer = os.pipe()
    run = wherry.spawn("run", "--network", "none", "--name", "talker", "busybox", "yes", stdout=writer)
    os.close(writer)
    assert os.read(reader, 2) == b"y\n"
    os.close(reader)
    run.communicate(timeout=20)
    assert run.returncode != 0
    assert wherry.status("talker") == "running", "as docker's"
