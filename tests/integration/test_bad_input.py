"""What a user gets wrong, and what a shell or a machine gets wrong for them: one clear error, never a traceback."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence, Set
from pathlib import Path

import pytest

from tests.integration.container_lab import _ENV, Wherry, add_busybox
from tests.integration.forks import Answer, ask
from wherry.cli import table

pytestmark = pytest.mark.requires("root", "runc", "nft", "ip", "busybox")
ALONE = ("run", "--rm", "--network", "none")
CODES = {0, 1, 125, 126, 127}
COMPOSE_CODES = {0, 1, 14, 15, 16}  # docker-compose's: no file, a wrong file, a wrong flag
ANYTHING: tuple[tuple[str | bytes, ...], ...] = (
    (), ("--nonsense",), ("-Z",), ("",), ("", ""), ("x" * 10_000, "y" * 10_000), ("\x01\x1b[31m\x7f\n\t", "a\nb"),
    (b"\xff\xfe",), (b"\xff", b"\xfe"), ("busybox", b"\xff\xfe"), ("--format", "json", b"\xff"), ("-f", b"\xff"),
    ("--filter", "a=b"), ("a:b:c:d", "::"), ("--", "--"), ("-1",), ("../../x", "/"),
)  # fmt: skip
# Without arguments these remove, fetch, serve or wait; they have tests of their own
ACT_ALONE = {
    "boot", "bootstrap", "container prune", "events", "image prune", "network prune", "registry serve", "stats",
    "system prune", "volume prune",
}  # fmt: skip


def typed(wherry: Wherry, argv: Sequence[str | bytes], **options: object) -> subprocess.CompletedProcess[bytes]:
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    whole: list[str | bytes] = [*wherry.argv(), *argv]
    return subprocess.run(whole, timeout=60, check=False, **options)  # type: ignore[call-overload,no-any-return]


def shell(wherry: Wherry, argv: Sequence[str], redirection: str) -> subprocess.CompletedProcess[bytes]:
    text = 'out=$1; shift; exec "$@" ' + redirection
    whole = ["sh", "-c", text, "sh", "", *wherry.argv(*argv)]
    return subprocess.run(whole, capture_output=True, timeout=60, check=False)


def fault(answer: Answer, codes: Set[int] = CODES) -> str:
    """Empty when it ended as a command line may end."""
    code, _, said = answer
    if "Traceback" in said or "Exception ignored" in said or code not in codes:
        return f"{code}: {said[-600:]}"
    return "" if code == 0 or said.strip() else f"{code} without a word"


@pytest.fixture(scope="module")
def playground(make_root: Callable[[], Wherry]) -> Wherry:
    """A root that a nonsensical command line may spoil."""
    return make_root()


@pytest.mark.parametrize("verb", sorted([*table.SUMMARIES, *table.GROUPS, "nonsense", ""]))
def test_nonsense_is_answered_in_words(playground: Wherry, verb: str, tmp_path: Path) -> None:
    if "busybox" not in playground("images").stdout:
        add_busybox(playground)
    codes = COMPOSE_CODES if verb.startswith("compose") else CODES
    asked = [[os.fsdecode(word) for word in argv] for argv in (ANYTHING[1:] if verb in ACT_ALONE else ANYTHING)]
    lines = [[*verb.split(), *words] for words in asked]
    answers = ask(lines, root=str(playground.root), cwd=tmp_path, env=_ENV)
    found = [(words, fault(answer, codes)) for words, answer in zip(asked, answers, strict=True)]
    assert not [f"{verb} {words!r:.120}: {text}" for words, text in found if text]


CLOSED = ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"]


@pytest.mark.parametrize("redirection", CLOSED)
@pytest.mark.parametrize("argv", [["ps"], ["images"], ["--help"], [*ALONE, "-i", "busybox", "cat"]])
def test_streams_that_the_caller_closed_do_no_harm(wherry: Wherry, argv: list[str], redirection: str) -> None:
    done = shell(wherry, argv, redirection)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""


def test_a_closed_stream_is_never_a_file_of_the_store(wherry: Wherry) -> None:
    """A file that we open must not get the number of standard output or error: what is printed would go into it."""
    assert shell(wherry, ["volume", "create", "quiet"], ">&- 2>&-").returncode == 0
    assert shell(wherry, ["inspect", "nope"], ">&- 2>&-").returncode == 1
    assert wherry("volume", "rm", "quiet").stdout == "quiet\n"


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["ps"], 1),
        (["--help"], 1),
        (["help"], 1),
        (["save", "busybox"], 1),
        ([*ALONE, "busybox", "echo", "x"], 125),
    ],
)
def test_an_output_that_is_full_is_said(wherry: Wherry, argv: list[str], code: int) -> None:
    done = shell(wherry, argv, ">/dev/full")
    assert done.returncode == code
    assert b"No space left on device" in done.stderr
    assert not fault((done.returncode, "", done.stderr.decode()))


def test_an_error_output_that_is_full_does_not_change_the_exit_code(wherry: Wherry) -> None:
    assert shell(wherry, [*ALONE, "busybox", "no-such-command"], "2>/dev/full").returncode == 127
    assert shell(wherry, [*ALONE, "busybox", "sh", "-c", "exit 5"], "2>/dev/full").returncode == 5


def test_a_reader_that_has_gone_ends_it_quietly(wherry: Wherry) -> None:
    text = '"$@" | head -c 1'
    done = subprocess.run(["sh", "-c", text, "sh", *wherry.argv("--help")], capture_output=True, check=False)
    assert (done.stdout, done.stderr) == (b"U", b"")


NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all"]


@pytest.mark.parametrize("verb", ["run", "create", "start", "build", "bootstrap"])
def test_who_is_not_root_is_told_so(wherry: Wherry, verb: str, nobodys: Path) -> None:
    argv = {"start": ["start", "x"], "build": ["build", "/"], "bootstrap": ["bootstrap", "debian:trixie-slim"]}.get(
        verb, [verb, "busybox", "true"]
    )
    whole = [*NOBODY, *Wherry(nobodys / "root").argv(*argv)]
    done = subprocess.run(whole, capture_output=True, text=True, check=False)
    assert done.returncode == (125 if verb == "run" else 1), done.stderr
    assert f"wherry {verb} needs root on this machine" in done.stderr
    assert "sudo" in done.stderr


@pytest.mark.parametrize("argv", [["ps"], ["images"], ["run", "busybox"], ["volume", "create", "vv"], ["import", "-"]])
def test_another_users_root_is_refused_in_words(wherry: Wherry, argv: list[str]) -> None:
    done = subprocess.run(
        [*NOBODY, *wherry.argv(*argv)], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    assert done.returncode == (125 if argv[0] == "run" else 1)
    assert str(wherry.root) in done.stderr or "needs root" in done.stderr
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def nobodys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that uid 65534 may write and reach."""
    folder = tmp_path_factory.mktemp("nobodys")
    os.chown(folder, 65534, 65534)
    for parent in (folder, *folder.parents):
        if parent.stat().st_uid == 0 and str(parent).startswith(str(tmp_path_factory.getbasetemp().parent)):
            parent.chmod(parent.stat().st_mode | 0o011)
    return folder


def test_a_root_that_can_only_be_read_is_read_and_not_written(wherry: Wherry, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "wherry-test", str(disk)], check=True)
    try:
        there = Wherry(disk / "root")
        there("volume", "create", "kept")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert "kept" in there("volume", "ls").stdout
        there("ps", "-a")
        for argv in (["volume", "create", "more"], ["network", "create", "more"], ["volume", "rm", "kept"]):
            done = there(*argv, code=1)
            assert "cannot write the state database" in done.stderr
            assert "hint: " in done.stderr
        fresh = Wherry(disk / "fresh")
        assert "Read-only file system" in fresh("ps", code=1).stderr
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/nowhere"])
def test_a_root_that_can_be_no_folder_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("x")
    there = Wherry(tmp_path / place)
    for argv, code in ((["ps"], 1), (["run", "busybox"], 125)):
        done = there(*argv, code=code)
        assert str(there.root) in done.stderr
        assert "hint: run wherry as root, or choose another --root" in done.stderr


@pytest.mark.parametrize("env", [{}, {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}, {"PATH": "/nowhere", "HOME": "nowhere"}])
def test_a_poor_environment_will_do(wherry: Wherry, env: dict[str, str]) -> None:
    """`su` without a login, cron and CI leave no PATH, or one that leads to neither nft nor runc."""
    for argv in (["ps", "-a"], ["images"], ["info"], ["bootstrap", "--list"]):
        done = typed(wherry, argv, env=env)
        assert done.returncode == 0, done.stderr
    done = typed(wherry, ["run", "--rm", "-p", "127.0.0.1::80", "busybox", "echo", "é"], env=env)
    assert (done.stdout, done.returncode) == ("é\n".encode(), 0), done.stderr


def test_a_locale_that_lacks_a_letter_stops_nothing(wherry: Wherry) -> None:
    wherry("create", "--network", "none", "--name", "accents", "busybox", "echo", "é😀")
    done = typed(wherry, ["ps", "-a"], env={"PATH": "/usr/bin:/bin", "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert b"accents" in done.stdout


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        (["run", "BusyBox"], 125, "repository name must be lowercase"),
        (["run", "busybox:"], 125, "bad tag"),
        (["run", "busybox@sha256:12"], 125, "bad digest"),
        (["run", "busybx"], 125, "did you mean busybox?"),
        (["run", "-p", "99999:1", "busybox"], 125, "Invalid hostPort: 99999"),
        (["run", "-p", "abc", "busybox"], 125, "Invalid containerPort: abc"),
        (["run", "-p", "80-82:90-91", "busybox"], 125, "Invalid ranges"),
        (["run", "--env-file", "nope.env", "busybox"], 125, "open nope.env: no such file or directory"),
        (["run", "--env-file", "bad.env", "busybox"], 125, "variable 'a b' contains whitespaces"),
        (["run", "--env-file", "binary.env", "busybox"], 125, "invalid utf8 bytes at line 2"),
        (["run", "--env-file", ".", "busybox"], 125, "is a directory"),
        (["run", "-u", "nobodyhere", "busybox"], 125, "unable to find user nobodyhere"),
        (["run", "-u", "0:nobodyhere", "busybox"], 125, "unable to find group nobodyhere"),
        (["run", "busybox", "no-such"], 127, '"no-such": executable file not found'),
        (["run", "busybox", ""], 127, '"": executable file not found'),
        (["run", "busybox", "/etc/passwd"], 126, "permission denied"),
        (["run", "busybox", "/etc"], 126, "is a directory"),
        (["run", "-w", "/etc/passwd", "busybox"], 125, "not a directory"),
        (["run", "--cidfile", "/no/folder", "busybox"], 125, "failed to create the container ID file /no/folder"),
        (["run", "--name", "a b", "busybox"], 125, "Invalid container name (a b)"),
        (["run", "--network", "nowhere", "busybox"], 125, "network nowhere not found"),
        (["run", "--network", "container:nowhere", "busybox"], 125, "No such container: nowhere"),
        (["run", "--nam", "x", "busybox"], 125, "did you mean --name?"),
        (["--runtime", "nowhere", "run", "busybox"], 125, "the OCI runtime nowhere is not installed"),
        (["stop", "nowhere"], 1, "No such container: nowhere"),
        (["volume", "rm", "nowhere"], 1, "no such volume"),
        (["volume", "create", "x" * 256], 1, "a folder's name holds 255"),
        (["volume", "create", "a b"], 1, "includes invalid characters"),
        (["rmi", "nowhere"], 1, "No such image: nowhere:latest"),
        (["tag", "busybox", "UPPER"], 1, "must be lowercase"),
        (["save", "-o", "/no/folder", "busybox"], 1, "cannot save to /no/folder"),
        (["load", "-i", "nope.tar"], 1, "cannot open nope.tar"),
        (["load", "-i", "bad.env"], 1, "not an image archive"),
        (["import", "bad.env"], 1, "it ends in the middle of a header"),
        (["cp", "nowhere:/x", "."], 1, "No such container: nowhere"),
    ],
)
def test_each_mistake_has_one_error_and_leaves_nothing(
    wherry: Wherry, tmp_path: Path, argv: list[str], code: int, says: str
) -> None:
    (tmp_path / "bad.env").write_text("A=1\na b=2\n")
    (tmp_path / "binary.env").write_bytes(b"A=1\nB=\xff\xfe\n")
    argv = [argv[0], *ALONE[1:], *argv[1:]] if argv[0] == "run" and "--network" not in argv else argv
    before = wherry("volume", "ls", "-q").stdout
    done = typed(wherry, argv, cwd=tmp_path)
    said = done.stderr.decode()
    assert done.returncode == code, said
    assert says in said
    assert said.count("wherry: ") + said.count("unknown flag") == 1, said
    assert not fault((done.returncode, "", done.stderr.decode()))
    assert os.listdir(wherry.root / "tmp") == []
    assert wherry("volume", "ls", "-q").stdout == before
    assert not wherry("ps", "-aq", "--filter", "status=running").stdout
