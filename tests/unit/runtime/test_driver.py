from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wherry.errors import CommandNotFound, Conflict, HostError, NotFound, RuntimeFailure
from wherry.host import Command, Completed
from wherry.host.fake import FakeHost
from wherry.runtime import trial
from wherry.runtime.driver import Driver, Runtime, choose
from wherry.settings import Paths, Settings

RUNC = Runtime("runc", "/usr/sbin/runc")
GONE = b'time="2026-11-24T13:41:27Z" level=error msg="container does not exist"\n'


def driver(answer: Callable[[Command], Completed]) -> tuple[Driver, FakeHost]:
    host = FakeHost(answer=answer)
    return Driver(host, RUNC, "/run/w/runtime"), host


def says(status: int, stdout: bytes = b"", stderr: bytes = b"") -> Callable[[Command], Completed]:
    return lambda _: Completed(status, stdout, stderr)


def test_a_run_names_its_log_bundle_and_pid_file() -> None:
    one, _ = driver(says(0))
    assert one.run_argv("ID", "/b", log="/b/log", pid_file="/b/pid", console_socket="/b/tty") == [
        "/usr/sbin/runc", "--root", "/run/w/runtime", "--log", "/b/log", "--log-format", "json", "run", "--detach",
        "--bundle", "/b", "--pid-file", "/b/pid", "--console-socket", "/b/tty", "ID",
    ]  # fmt: skip


def test_an_exec_reads_its_process_from_a_file() -> None:
    one, _ = driver(says(0))
    argv = one.exec_argv("ID", "/b/p.json", log="/b/log", detach=True, pid_file="/b/pid")
    assert argv[7:] == ["exec", "--process", "/b/p.json", "--detach", "--pid-file", "/b/pid", "ID"]


def test_deleting_what_is_gone_is_no_fault() -> None:
    one, host = driver(says(1, stderr=GONE))
    one.delete("ID", force=True)
    assert host.calls == [("run", ("/usr/sbin/runc", "--root", "/run/w/runtime", "delete", "--force", "ID"))]


def test_what_is_gone_and_what_does_not_run_are_told_apart() -> None:
    with pytest.raises(NotFound):
        driver(says(1, stderr=GONE))[0].pause("ID")
    with pytest.raises(Conflict, match="not running"):
        driver(says(1, stderr=b"container not running"))[0].pause("ID")


def test_processes_come_in_order() -> None:
    assert driver(says(0, b"[30, 4]"))[0].pids("ID") == [4, 30]
    assert driver(says(0, b"null"))[0].pids("ID") == []


def test_an_answer_that_is_no_list_of_pids_is_a_fault() -> None:
    for answer in (b"what?", b'{"pid": 7}', b"7"):
        with pytest.raises(RuntimeFailure, match="the runtime gave no list of processes"):
            driver(says(0, answer))[0].pids("ID")


def test_the_other_verbs_say_what_they_were_doing() -> None:
    one, _ = driver(says(1, stderr=b"the moon is full"))
    for verb, doing in (("pause", "pause"), ("resume", "unpause"), ("delete", "remove")):
        with pytest.raises(RuntimeFailure, match=f"failed to {doing} the container.*: the moon is full"):
            getattr(one, verb)("ID")


class Machine:
    """Two programs on a PATH of their own, and what each says when it is tried."""

    def __init__(self, folder: Path, said: dict[str, str]) -> None:
        self.said = said
        self.tried: list[str] = []
        self.host = FakeHost(answer=self.answer)
        for name in said:
            (folder / name).write_text("")
            (folder / name).chmod(0o755)
        self.settings = Settings(Paths(str(folder / "root"), str(folder / "run")), {"PATH": str(folder)}, 0, "/")

    def answer(self, command: Command) -> Completed:
        name = Path(command.argv[0]).name
        if "run" in command.argv:
            self.tried.append(name)
        return Completed(1, b"", self.said[name].encode())


WORKS = 'exec: "/wherry-trial": stat /wherry-trial: no such file or directory'
HYBRID = "cgroups in hybrid mode not supported, drop all controllers from cgroupv2"


def test_the_first_runtime_that_works_is_taken_and_remembered(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {"runc": "permission denied by an angry kernel", "crun": WORKS})
    expected = Runtime("crun", str(tmp_path / "crun"))
    assert choose(machine.settings, machine.host) == expected
    assert choose(machine.settings, machine.host) == expected
    assert machine.tried == ["runc", "crun"]


@pytest.mark.parametrize("change", ["boot", "program"])
def test_after_a_reboot_or_an_upgrade_it_is_tried_again(tmp_path: Path, change: str) -> None:
    machine = Machine(tmp_path, {"runc": WORKS})
    choose(machine.settings, machine.host)
    if change == "boot":
        machine.host.boot = "another"
    else:
        (tmp_path / "runc").write_text("newer")
    choose(machine.settings, machine.host)
    assert machine.tried == ["runc", "runc"]


def test_when_none_works_each_reason_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(tmp_path, {"runc": "the moon is full", "crun": HYBRID})
    with pytest.raises(HostError) as caught:
        choose(machine.settings, machine.host)
    assert str(caught.value) == (
        "no OCI runtime works on this machine (runc: failed to start the container: the moon is full; "
        "crun: crun does not work with this machine's hybrid cgroups)"
    )
    assert caught.value.hint == "apt-get install --no-install-recommends runc"


def test_a_runtime_that_was_named_is_taken_untried(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {"crun": HYBRID})
    named = machine.settings._replace(runtime="crun")
    assert choose(named, machine.host) == Runtime("crun", str(tmp_path / "crun"))
    assert machine.tried == []
    with pytest.raises(HostError, match="the OCI runtime youki is not installed"):
        choose(named._replace(runtime="youki"), machine.host)


def test_a_spoilt_memory_is_no_fault(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {"runc": WORKS})
    for text in ("", "[]", "{}", '{"path": "/nope", "boot": 1, "stamp": [], "name": "x"}'):
        (tmp_path / "run").mkdir(exist_ok=True)
        (tmp_path / "run/runtime.json").write_text(text)
        assert choose(machine.settings, machine.host).name == "runc"


def test_a_trial_leaves_nothing_in_the_folder(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {"runc": WORKS})
    assert trial.obstacle(str(tmp_path / "runc"), machine.settings, machine.host) == ""
    assert list((tmp_path / "run").iterdir()) == []


def test_the_complaint_of_a_missing_program_is_the_sign_of_a_working_runtime() -> None:
    from wherry.runtime.complaints import explain

    assert isinstance(explain(WORKS), CommandNotFound)
