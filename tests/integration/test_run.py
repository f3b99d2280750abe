"""`wherry run` and the verbs around it, for real."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.container_lab import Wherry, eventually, traces
from tests.integration.test_step import unsealed

pytestmark = pytest.mark.requires("root", "runc", "nft", "ip", "busybox")
ALONE = ("--network", "none")


def run(wherry: Wherry, *args: str, **options: object) -> subprocess.CompletedProcess[str]:
    return wherry("run", "--rm", *ALONE, *args, **options)  # type: ignore[arg-type]


def sleeper(wherry: Wherry, name: str, *options: str) -> str:
    """A running container that obeys SIGTERM with exit code 7."""
    script = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done"
    id = wherry("run", "-d", *ALONE, "--name", name, *options, "busybox", "sh", "-c", script).stdout.strip()
    eventually(lambda: "ready" in wherry("logs", name).stdout, "it is ready")
    return id


def test_output_of_both_streams_and_the_exit_code_come_back(wherry: Wherry) -> None:
    done = run(wherry, "busybox", "sh", "-c", "echo out; echo err >&2; exit 42", code=42)
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


def test_no_output_is_lost_however_much_there_is(wherry: Wherry) -> None:
    done = run(wherry, "busybox", "sh", "-c", "seq 1 200000; echo end >&2")
    assert done.stdout == "".join(f"{i}\n" for i in range(1, 200001))
    assert done.stderr == "end\n"


def test_stdin_reaches_it_and_its_end_too(wherry: Wherry) -> None:
    data = "".join(f"line {i}\n" for i in range(50000))
    assert run(wherry, "-i", "busybox", "cat", stdin=data).stdout == data


def test_without_i_it_reads_nothing(wherry: Wherry) -> None:
    assert run(wherry, "busybox", "sh", "-c", "cat; echo done", stdin="unread").stdout == "done\n"


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        (["no-such-program"], 127, 'exec: "no-such-program": executable file not found in $PATH'),
        (["/etc/passwd"], 126, 'exec: "/etc/passwd": permission denied'),
        (["/etc"], 126, "is a directory"),
        (["/no/such"], 127, "no such file or directory"),
    ],
)
def test_a_command_that_cannot_start_has_dockers_exit_code(
    wherry: Wherry, command: list[str], code: int, message: str
) -> None:
    assert message in run(wherry, "busybox", *command, code=code).stderr


def test_a_signal_that_ends_it_is_128_and_its_number(wherry: Wherry) -> None:
    assert run(wherry, "busybox", "sh", "-c", "sleep 1 & kill -9 $!; wait $!", code=137)


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["no-such-image:1"], 125, "Unable to find image 'no-such-image:1' locally"),
        (["--pull", "never", "no-such-image:1"], 125, "No such image: no-such-image:1"),
        (["--no-such-flag", "busybox"], 125, "unknown flag: --no-such-flag"),
        (["-p", "nonsense", "busybox"], 125, "nonsense"),
        (["-u", "nobody-here", "busybox", "true"], 125, "unable to find user nobody-here"),
        (["--env-file", "/no/such/file", "busybox"], 125, "/no/such/file"),
        (["-t", "-i", "busybox"], 1, "the input device is not a TTY"),
        ([], 1, "requires at least 1 argument"),
    ],
)
def test_what_the_user_got_wrong_is_said_with_dockers_code(
    wherry: Wherry, args: list[str], code: int, message: str
) -> None:
    assert message in run(wherry, *args, code=code).stderr


def test_an_image_that_can_be_made_here_is_offered(wherry: Wherry) -> None:
    done = run(wherry, "debian:trixie-slim", code=125)
    assert "wherry bootstrap debian:trixie-slim" in done.stderr


def test_a_name_is_taken_by_one_only(wherry: Wherry) -> None:
    id = sleeper(wherry, "alpha")
    done = wherry("run", "-d", "--name", "alpha", "busybox", "true", code=125)
    assert f'The container name "/alpha" is already in use by container "{id}"' in done.stderr


def test_a_name_that_is_not_there_brings_the_nearest(wherry: Wherry) -> None:
    sleeper(wherry, "webserver")
    done = wherry("stop", "websever", code=1)
    assert "No such container: websever" in done.stderr
    assert "webserver" in done.stderr.partition("hint")[2]


def test_stop_lets_it_end_by_itself_and_ps_says_how(wherry: Wherry) -> None:
    sleeper(wherry, "polite")
    assert wherry("ps", "-q").stdout.strip()
    assert wherry("stop", "polite").stdout == "polite\n"
    assert not wherry("ps", "-q").stdout
    (row,) = [json.loads(line) for line in wherry("ps", "-a", "--format", "json").stdout.splitlines()]
    assert (row["State"], row["Names"]) == ("exited", "polite")
    assert row["Status"].startswith("Exited (7) ")


def test_stop_kills_what_does_not_listen(wherry: Wherry) -> None:
    wherry("run", "-d", *ALONE, "--name", "deaf", "busybox", "sleep", "100")
    wherry("stop", "-t", "1", "deaf")
    assert wherry("wait", "deaf").stdout == "137\n"


def test_start_runs_it_again_with_its_files_and_logs(wherry: Wherry) -> None:
    wherry("create", *ALONE, "--name", "again", "busybox", "sh", "-c", "echo x >> /count; wc -l < /count")
    for number in (1, 2):
        assert wherry("start", "-a", "again").stdout.strip() == str(number)
    assert wherry("logs", "again").stdout.split() == ["1", "2"]


def test_restart_gives_it_another_process(wherry: Wherry) -> None:
    sleeper(wherry, "fresh")
    before = wherry.pid("fresh")
    wherry("restart", "-t", "5", "fresh")
    assert wherry.pid("fresh") not in (0, before)
    assert wherry.status("fresh") == "running"


def test_kill_sends_any_signal(wherry: Wherry) -> None:
    sleeper(wherry, "target")
    wherry("kill", "-s", "TERM", "target")
    assert wherry("wait", "target").stdout == "7\n"
    assert "is not running" in wherry("kill", "target", code=1).stderr


def test_pause_freezes_and_unpause_thaws(wherry: Wherry) -> None:
    sleeper(wherry, "frozen")
    wherry("pause", "frozen")
    assert wherry.status("frozen") == "paused"
    assert "(Paused)" in wherry("ps").stdout
    assert "is paused" in wherry("exec", "frozen", "true", code=1).stderr
    assert "already paused" in wherry("pause", "frozen", code=1).stderr
    wherry("unpause", "frozen")
    assert wherry.status("frozen") == "running"
    wherry("stop", "frozen")
    assert wherry("wait", "frozen").stdout == "7\n"


def test_stop_ends_a_paused_container(wherry: Wherry) -> None:
    sleeper(wherry, "frozen")
    wherry("pause", "frozen")
    wherry("stop", "-t", "5", "frozen")
    assert wherry.status("frozen") == "exited"


def test_rm_refuses_what_runs_and_force_removes_it(wherry: Wherry) -> None:
    sleeper(wherry, "alive")
    assert "container is running" in wherry("rm", "alive", code=1).stderr
    wherry("rm", "-f", "alive")
    assert not wherry("ps", "-aq").stdout
    wherry("rm", "-f", "alive")
    assert "No such container" in wherry("rm", "alive", code=1).stderr


def test_rename_keeps_it_running(wherry: Wherry) -> None:
    id = sleeper(wherry, "old")
    wherry("rename", "old", "new")
    assert wherry("ps", "-q", "--no-trunc", "--filter", "name=new").stdout.strip() == id
    assert "No such container" in wherry("stop", "old", code=1).stderr


def test_wait_tells_the_exit_code_when_the_end_comes(wherry: Wherry) -> None:
    wherry("run", "-d", *ALONE, "--name", "short", "busybox", "sh", "-c", "sleep 0.5; exit 9")
    assert wherry("wait", "short").stdout == "9\n"


def test_rm_with_d_removes_it_at_its_end(wherry: Wherry) -> None:
    id = wherry("run", "-d", "--rm", *ALONE, "busybox", "sh", "-c", "exit 3").stdout.strip()
    eventually(lambda: not (wherry.root / "containers" / id).exists(), "the folder goes")
    eventually(lambda: not wherry("ps", "-aq").stdout, "the row goes")


def test_signals_to_the_command_line_reach_the_container(wherry: Wherry) -> None:
    script = "trap 'echo got it; exit 5' TERM; echo ready; while :; do sleep 0.05; done"
    process = wherry.spawn("run", "--rm", *ALONE, "busybox", "sh", "-c", script)
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=20)
    assert (output, process.returncode) == (b"got it\n", 5)


def test_a_cidfile_holds_the_id_and_is_never_overwritten(wherry: Wherry, tmp_path: Path) -> None:
    file = tmp_path / "cid"
    id = wherry("create", "--cidfile", str(file), "busybox").stdout.strip()
    assert file.read_text() == id
    assert "container ID file found" in wherry("run", "--rm", "--cidfile", str(file), "busybox", code=125).stderr


def test_on_failure_restarts_as_often_as_it_says(wherry: Wherry) -> None:
    wherry("run", "-d", *ALONE, "--restart", "on-failure:2", "--name", "flaky", "busybox", "sh", "-c", "echo x; exit 1")
    eventually(lambda: wherry("logs", "flaky").stdout == "x\nx\nx\n", "three runs")
    eventually(lambda: wherry.status("flaky") == "exited", "it gives up")
    (doc,) = json.loads(wherry("inspect", "flaky").stdout)
    assert (doc["RestartCount"], doc["State"]["ExitCode"]) == (2, 1)


def test_stop_ends_a_container_that_always_restarts(wherry: Wherry) -> None:
    wherry("run", "-d", *ALONE, "--restart", "always", "--name", "stubborn", "busybox", "sh", "-c", "exit 1")
    eventually(lambda: wherry("logs", "stubborn").stdout == "", "it ran")
    wherry("stop", "-t", "2", "stubborn")
    assert wherry.status("stubborn") == "exited"
    assert not wherry("ps", "-q").stdout


def test_health_probes_make_it_healthy_and_unhealthy(wherry: Wherry) -> None:
    options = ("--health-cmd", "test -e /ok", "--health-interval", "200ms", "--health-retries", "2")
    sleeper(wherry, "patient", *options)
    eventually(lambda: "(unhealthy)" in wherry("ps").stdout, "it is unhealthy")
    wherry("exec", "patient", "touch", "/ok")
    eventually(lambda: "(healthy)" in wherry("ps").stdout, "it is healthy")
    (doc,) = json.loads(wherry("inspect", "patient").stdout)
    assert doc["State"]["Health"]["Log"][-1]["ExitCode"] == 0


def test_a_health_probe_that_hangs_is_killed(wherry: Wherry) -> None:
    options = ("--health-cmd", "sleep 77", "--health-interval", "100ms", "--health-timeout", "300ms")
    sleeper(wherry, "slow", *options, "--health-retries", "1")
    eventually(lambda: "(unhealthy)" in wherry("ps").stdout, "the probe timed out")
    eventually(lambda: wherry("top", "slow").stdout.count("sleep 77") <= 1, "no probe is left behind")


def test_memory_that_runs_out_is_told(wherry: Wherry) -> None:
    eater = "x=a; while :; do x=$x$x; done"
    wherry("run", *ALONE, "--name", "hungry", "-m", "16m", "busybox", "sh", "-c", eater, code=137)
    (doc,) = json.loads(wherry("inspect", "hungry").stdout)
    assert doc["State"]["OOMKilled"] is True


def test_port_and_ps_show_what_is_published(wherry: Wherry) -> None:
    wherry("run", "-d", "--name", "web", "-p", "127.0.0.1:0:80", "busybox", "sleep", "100")
    where = wherry("port", "web", "80").stdout.strip()
    assert where.startswith("127.0.0.1:")
    assert f"{where}->80/tcp" in wherry("ps").stdout
    assert "No public port '81'" in wherry("port", "web", "81", code=1).stderr


def test_a_taken_port_is_named_with_its_holder_and_nothing_is_left(wherry: Wherry) -> None:
    wherry("run", "-d", "--name", "first", "-p", "127.0.0.1:0:80", "busybox", "sleep", "100")
    port = wherry("port", "first", "80").stdout.strip().rpartition(":")[2]
    done = wherry("run", "--rm", "--name", "rival", "-p", f"127.0.0.1:{port}:80", "busybox", "true", code=125)
    assert port in done.stderr
    assert "first" in done.stderr
    assert "rival" not in wherry("ps", "-a").stdout


def test_prune_removes_only_what_does_not_run(wherry: Wherry) -> None:
    sleeper(wherry, "keeper")
    dead = wherry("create", *ALONE, "busybox").stdout.strip()
    done = wherry("container", "prune", "-f")
    assert dead in done.stdout
    assert "Total reclaimed space:" in done.stdout
    assert wherry("ps", "-aq").stdout.count("\n") == 1


def test_top_shows_the_containers_processes_only(wherry: Wherry) -> None:
    sleeper(wherry, "busy")
    rows = wherry("top", "busy").stdout.splitlines()
    assert rows[0].split()[:2] == ["UID", "PID"]
    assert all("trap" in row or "sleep" in row for row in rows[1:])


def test_sixteen_at_once_all_succeed_and_leave_nothing(wherry: Wherry) -> None:
    with ThreadPoolExecutor(16) as pool:
        jobs = [pool.submit(wherry, "run", "--rm", "busybox", "echo", str(i)) for i in range(16)]
        assert sorted(int(job.result().stdout) for job in jobs) == list(range(16))


def test_two_roots_do_not_know_each_other(wherry: Wherry, make_root: Callable[[], Wherry]) -> None:
    other = make_root()
    wherry("run", "-d", "--name", "same", "busybox", "sleep", "100")
    other("run", "-d", "--name", "same", "busybox", "sleep", "100")
    other("rm", "-f", "same")
    assert wherry.status("same") == "running"
    assert not other("ps", "-aq").stdout
    eventually(lambda: not traces(other.paths), "the other root leaves nothing")


def test_the_monitor_stays_small(wherry: Wherry) -> None:
    sleeper(wherry, "small")
    status = Path(f"/proc/{wherry.monitor_pid('small')}/status").read_text()
    (rss,) = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")]
    assert rss <= 12 * 1024


def test_the_monitor_keeps_nothing_of_the_command_that_began_it(wherry: Wherry) -> None:
    reads, writes = os.pipe()
    os.set_inheritable(writes, True)
    argv = wherry.argv("run", "-d", "--network", "none", "--name", "twin", "busybox", "sleep", "1000")
    env = {"PATH": os.environ["PATH"], "SECRET": "hush"}
    subprocess.run(argv, env=env, check=True, close_fds=False, stdout=subprocess.DEVNULL)
    os.close(writes)
    try:
        assert os.read(reads, 1) == b"", "the monitor holds the caller's pipe"
    finally:
        os.close(reads)
    pid = wherry.monitor_pid("twin")
    assert Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0") == b"wherry.runtime.monitor"
    assert Path(f"/proc/{pid}/environ").read_bytes().strip(b"\0") == b""
    files = {os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir()}
    assert not [one for one in files if one.endswith((".db", "-wal", "-shm")) or "/locks/" in one or "/dev/pts/" in one]
    assert os.getsid(pid) == pid
    wherry("rm", "-f", "twin")


def test_the_monitor_loads_nothing_of_wherry_but_itself() -> None:
    import sys

    code = (
        "import sys; bare = set(sys.modules); from wherry.runtime import monitor, monitor_health, monitor_exec; "
        "print(*sorted(set(sys.modules) - bare))"
    )
    source = Path(__file__).parents[2] / "src"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({str(source)!r}); {code}"],
        capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    loaded = set(done.stdout.split())
    assert {name for name in loaded if name.startswith("wherry")} <= {
        "wherry", "wherry.lean_ctypes", "wherry.runtime", "wherry.runtime.monitor", "wherry.runtime.monitor_events",
        "wherry.runtime.monitor_exec", "wherry.runtime.monitor_health", "wherry.runtime.monitor_io",
        "wherry.runtime.monitor_kernel", "wherry.runtime.monitor_log", "wherry.runtime.monitor_oom",
        "wherry.runtime.monitor_restart", "wherry.runtime.monitor_spaces", "wherry.runtime.monitor_streams",
    }  # fmt: skip
    assert not loaded & {
        "json",
        "re",
        "enum",
        "socket",
        "signal",
        "typing",
        "subprocess",
        "selectors",
        "pathlib",
        "ctypes",
    }


def test_run_and_exec_ask_a_runtime_again_that_could_not_seal_its_copy(wherry: Wherry, tmp_path: Path) -> None:
    runtime = unsealed(tmp_path, shutil.which("runc", path="/usr/sbin:/usr/bin") or "runc", 2)
    wherry("--runtime", runtime, "run", "-d", "--network", "none", "--name", "sealed", "busybox", "sleep", "60")
    (tmp_path / "runs").write_text("")
    assert wherry("--runtime", runtime, "exec", "sealed", "echo", "here").stdout == "here\n"
    assert len((tmp_path / "runs").read_text().split()) == 3
    wherry("rm", "-f", "sealed")


def _promise(wherry: Wherry, id: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with wherry.engine() as engine:
        sock.connect(f"{engine.containers.run_folder_path(id)}/attach")
    sock.send(b"C")
    return sock


def _end(wherry: Wherry, name: str) -> None:
    """Kill the container, and wait until its monitor (and the cleaner that it may become) is gone."""
    monitor = os.pidfd_open(wherry.monitor_pid(name))
    try:
        with wherry.engine() as engine:
            os.kill(engine.containers.state(engine.containers.find(name).id).pid, signal.SIGKILL)
        assert select.select([monitor], [], [], 30)[0]
    finally:
        os.close(monitor)


def test_who_promises_to_clean_up_spares_the_monitor_a_cleaner(wherry: Wherry) -> None:
    id = sleeper(wherry, "promised")
    sock = _promise(wherry, id)
    try:
        _end(wherry, "promised")
    finally:
        sock.close()
    with wherry.engine() as engine:
        assert os.path.exists(engine.containers.run_folder_path(id)), "nobody has cleaned up yet"
    wherry("rm", "promised")
    with wherry.engine() as engine:
        assert not os.path.exists(engine.containers.run_folder_path(id))


def test_a_promise_of_who_left_before_the_end_is_void(wherry: Wherry) -> None:
    id = sleeper(wherry, "void")
    _promise(wherry, id).close()
    later = _promise(wherry, id)
    later.send(b"R7 7")
    resized = ("events", "--since", "1h", "--until", "0s", "--filter", "event=resize", "--filter", f"container={id}")
    eventually(lambda: wherry(*resized).stdout, "the monitor has heard what came later, too")
    later.close()
    _end(wherry, "void")
    with wherry.engine() as engine:
        assert not os.path.exists(engine.containers.run_folder_path(id))
    wherry("rm", "void")
