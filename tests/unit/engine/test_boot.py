"""What must run after a boot, in which order, and what makes the init systems ask for it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.engine import boot_files
from wherry.engine.boot import Candidate, after_reboot, judge, waves
from wherry.errors import HostError, InputError
from wherry.host import Completed
from wherry.host.fake import FakeHost
from wherry.runtime import records
from wherry.runtime.options import RestartPolicy

ALWAYS, UNLESS = RestartPolicy("always"), RestartPolicy("unless-stopped")
FAILED, TWICE = RestartPolicy("on-failure"), RestartPolicy("on-failure", 2)


def one(name: str, policy: RestartPolicy, **values: object) -> Candidate:
    return Candidate(name * 4, name, policy, "exited")._replace(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("candidate", "starts", "why"),
    [
        (one("a", ALWAYS), True, "always"),
        (one("a", ALWAYS, by_hand=True), True, "always"),
        (one("a", ALWAYS, has_run=False, status="created"), False, "was never started"),
        (one("a", ALWAYS, status="running"), False, "runs"),
        (one("a", ALWAYS, status="paused"), False, "runs"),
        (one("a", ALWAYS, status="restarting"), False, "runs"),
        (one("a", ALWAYS, is_of_this_boot=True), False, "ended since the boot"),
        (one("a", UNLESS), True, "was not stopped by hand"),
        (one("a", UNLESS, by_hand=True), False, "was stopped by hand"),
        (one("a", UNLESS, has_run=False), False, "was never started"),
        (one("a", FAILED, code=255), True, "ended with 255"),
        (one("a", FAILED, code=0), False, "ended with success"),
        (one("a", FAILED, code=137, by_hand=True), False, "was stopped by hand"),
        (one("a", TWICE, code=1, restarts=1), True, "ended with 1"),
        (one("a", TWICE, code=1, restarts=2), False, "was restarted 2 times"),
        (one("a", RestartPolicy(), code=255), False, "has no restart policy"),
    ],
)
def test_the_policy_and_the_end_decide(candidate: Candidate, starts: bool, why: str) -> None:
    assert judge(candidate) == (starts, why)


def test_status_looks_at_what_runs_as_the_next_boot_will() -> None:
    runs = one("a", FAILED, status="running", is_of_this_boot=True)
    assert judge(after_reboot(runs)) == (True, "ended with 255")
    ended = one("a", FAILED, code=0, is_of_this_boot=True)
    assert judge(after_reboot(ended)) == (False, "ended with success")


def test_who_joins_another_comes_after_it() -> None:
    app, db = one("a", ALWAYS, joins=("b" * 4,)), one("b", ALWAYS)
    side, alone = one("c", ALWAYS, joins=("a" * 4, "b" * 4)), one("d", ALWAYS, joins=("gone",))
    assert [[each.name for each in wave] for wave in waves([app, db, side, alone])] == [["b", "d"], ["a"], ["c"]]


def test_a_circle_is_no_endless_one() -> None:
    pair = [one("a", ALWAYS, joins=("b" * 4,)), one("b", ALWAYS, joins=("a" * 4,))]
    assert list(waves(pair)) == [pair]


def test_a_mark_says_who_stopped_it(tmp_path: Path) -> None:
    assert records.read_stopped(str(tmp_path)) == ""
    (tmp_path / "stopped").write_text("shutdown")
    assert records.read_stopped(str(tmp_path)) == records.SHUTDOWN
    for text in ("", "something else"):
        (tmp_path / "stopped").write_text(text)
        assert records.read_stopped(str(tmp_path)) == records.BY_HAND


def test_a_unit_has_the_right_commands_and_keeps_monitors_alive() -> None:
    file = boot_files.plan("systemd", "", ["/usr/bin/wherry"], "/var/lib/wherry")
    lines = file.text.splitlines()
    assert file.path == "/etc/systemd/system/wherry.service"
    for line in (
        "ExecStart=/usr/bin/wherry boot run", "ExecStop=/usr/bin/wherry boot stop", "Type=oneshot", "KillMode=process",
        "RemainAfterExit=yes", "RequiresMountsFor=/var/lib/wherry", "WantedBy=multi-user.target",
    ):  # fmt: skip
        assert line in lines
    assert file.enable[-1] == ("systemctl", "enable", "--now", "wherry.service")


@pytest.mark.parametrize("kind", boot_files.KINDS)
def test_another_root_has_a_file_of_its_own(kind: str) -> None:
    default = boot_files.plan(kind, "", ["/usr/bin/wherry"], "/var/lib/wherry")
    other = boot_files.plan(kind, "a1b2c3", ["/usr/bin/wherry", "--root", "/srv/w"], "/srv/w")
    assert default.path != other.path
    assert "/usr/bin/wherry --root /srv/w boot run" in other.text


@pytest.mark.parametrize("kind", boot_files.KINDS)
def test_nothing_of_the_callers_path_gets_into_a_boot_file(kind: str) -> None:
    lines = [one for one in boot_files.plan(kind, "", ["/w"], "/r").text.splitlines() if "PATH=" in one]
    assert lines
    assert all("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" in line for line in lines)


@pytest.mark.parametrize("kind", boot_files.KINDS)
@pytest.mark.parametrize("root", ["/a\nExecStart=/evil", "/a\0b", "/a\rb", "/a\x1bb"])
def test_a_path_can_not_add_lines(kind: str, root: str) -> None:
    with pytest.raises(InputError, match="control character"):
        boot_files.plan(kind, "x", ["/usr/bin/wherry", "--root", root], root)


_WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=0x24F, exclude_characters="\x7f"), max_size=12)


@given(_WORDS)
def test_a_service_of_openrcs_is_a_shell_script_with_these_very_words(word: str) -> None:
    text = boot_files.plan("openrc", "x", ["/usr/bin/wherry", "--root", word], "/").text
    (line,) = [one for one in text.split("\n") if one.endswith("boot run")]
    assert shlex.split(line)[1:] == ["/usr/bin/wherry", "--root", word, "boot", "run"]


@given(_WORDS)
def test_a_line_of_crons_has_no_bare_percent_sign(word: str) -> None:
    text = boot_files.plan("cron", "x", ["/usr/bin/wherry", "--root", word], "/").text
    line = text.split("\n")[-2].removeprefix("@reboot root ").partition(" 2>&1 |")[0]
    assert "%" not in line.replace("\\%", "")
    assert shlex.split(line.replace("\\%", "%")) == ["/usr/bin/wherry", "--root", word, "boot", "run"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [("plain", "plain"), ("a b", '"a b"'), ("100%", "100%%"), ("$HOME", "$$HOME"), ('a"b', '"a\\"b"'), ("", '""'),
     ("a\\b", '"a\\\\b"'), ("it's", '"it\'s"')],
)  # fmt: skip
def test_words_of_a_unit_mean_themselves(word: str, expected: str) -> None:
    text = boot_files.plan("systemd", "x", ["/w", word], "/r").text
    assert f"ExecStart=/w {expected} boot run" in text.splitlines()


@pytest.mark.parametrize(
    ("there", "kind"),
    [({"/run/systemd/system", "/etc/cron.d"}, "systemd"), ({"/run/openrc", "/etc/cron.d"}, "openrc"),
     ({"/etc/cron.d"}, "cron")],
)  # fmt: skip
def test_the_init_system_that_runs_is_found(there: set[str], kind: str) -> None:
    assert boot_files.detect(there.__contains__) == kind


def test_a_machine_without_any_is_told_what_to_do() -> None:
    with pytest.raises(HostError, match="neither systemd") as caught:
        boot_files.detect(lambda _: False)
    assert "boot run" in str(caught.value.hint)


def at(tmp_path: Path, kind: str = "systemd") -> boot_files.BootFile:
    file = boot_files.plan(kind, "", ["/usr/bin/wherry"], "/var/lib/wherry")
    return file._replace(path=str(tmp_path / "etc" / "file"))


def test_writing_tells_the_init_system_and_is_idempotent(tmp_path: Path) -> None:
    host, file = FakeHost(), at(tmp_path)
    assert boot_files.write(host, file)
    assert not boot_files.write(host, file)
    assert (tmp_path / "etc" / "file").read_text() == file.text
    told = [" ".join(argv[1:]) for _, argv in host.calls if isinstance(argv, tuple)]
    assert told == ["daemon-reload", "enable --now wherry.service"] * 2
    (tmp_path / "etc" / "file").write_text("older")
    assert boot_files.write(host, file)


def test_an_init_system_that_refuses_is_heard(tmp_path: Path) -> None:
    host = FakeHost(answer=lambda _: Completed(1, b"", b"Failed to connect to bus\n"))
    with pytest.raises(HostError, match="Failed to connect to bus"):
        boot_files.write(host, at(tmp_path))
    assert not boot_files.is_enabled(host, at(tmp_path))


@pytest.mark.parametrize("kind", boot_files.KINDS)
def test_removing_takes_the_file_away_and_is_idempotent(tmp_path: Path, kind: str) -> None:
    host, file = FakeHost(), at(tmp_path, kind)
    boot_files.write(host, file)
    assert boot_files.is_enabled(host, file)
    assert boot_files.remove(host, file)
    assert not (tmp_path / "etc" / "file").exists()
    assert not boot_files.remove(host, file)
    assert not boot_files.is_enabled(host, file)
