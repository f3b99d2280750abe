"""One suite for every Host: the real one and the fake must answer alike."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wherry.errors import HostError
from wherry.host import Command, FileSystem, Host, Mount, Overlay
from wherry.host.fake import FakeHost
from wherry.host.linux import LinuxHost


@pytest.fixture(params=["fake", pytest.param("linux", marks=pytest.mark.requires("root"))])
def host(request: pytest.FixtureRequest) -> Host:
    return FakeHost() if request.param == "fake" else LinuxHost({"PATH": "/usr/bin:/bin:/usr/sbin"})


def folders(tmp_path: Path, *names: str) -> list[str]:
    for name in names:
        (tmp_path / name).mkdir()
    return [str(tmp_path / name) for name in names]


def test_an_overlay_is_a_folder_to_write_into(host: Host, tmp_path: Path) -> None:
    base, upper, work = folders(tmp_path, "base", "upper", "work")
    fd = host.overlay(Overlay((base,), upper, work))
    try:
        os.mkdir("made", dir_fd=fd)
    finally:
        os.close(fd)
    assert os.listdir(upper) == ["made"]
    assert not os.listdir(base)


def test_a_missing_layer_folder_is_named(host: Host, tmp_path: Path) -> None:
    upper, work = folders(tmp_path, "upper", "work")
    with pytest.raises(FileNotFoundError) as fault:
        host.overlay(Overlay((str(tmp_path / "gone"),), upper, work))
    assert fault.value.filename == str(tmp_path / "gone")


def test_a_tmpfs_takes_files_and_only_its_fd_leads_there(host: Host) -> None:
    fd = host.tmpfs(1 << 20)
    try:
        with open(os.open("secret", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o400, dir_fd=fd), "r+b") as file:
            file.write(b"word")
            file.seek(0)
            assert file.read() == b"word"
        os.mkdir("folder", dir_fd=fd)
        assert os.fstat(fd).st_mode & 0o777 == 0o700
    finally:
        os.close(fd)


def test_a_file_system_is_detached_and_takes_files(host: Host) -> None:
    fd = host.file_system(FileSystem("tmpfs", "tmpfs", ("size=1m", "mode=700"), ("noexec",)))
    try:
        os.mkdir("made", dir_fd=fd)
        assert os.listdir(f"/proc/self/fd/{fd}") == ["made"]
    finally:
        os.close(fd)


def test_a_clone_shows_the_same_folder_and_is_read_only_when_asked(host: Host, tmp_path: Path) -> None:
    (folder,) = folders(tmp_path, "folder")
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    clone = host.clone(fd, recursive=True, attributes=("private", "ro"))
    os.close(fd)
    try:
        assert os.path.samestat(os.fstat(clone), os.stat(folder))
        if isinstance(host, LinuxHost):
            with pytest.raises(OSError, match="Read-only"):
                os.mkdir("never", dir_fd=clone)
    finally:
        os.close(clone)
    os.mkdir(f"{folder}/still-writable")


@pytest.mark.requires("root")
@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (FileSystem("nosuchfs", "x"), 19),
        (FileSystem("tmpfs", "tmpfs", ("bogus=1",)), 22),
        (FileSystem("tmpfs", "tmpfs", ("size=x",)), 22),
    ],
)
def test_a_file_system_that_can_not_be_is_an_error_that_names_it(wanted: FileSystem, code: int) -> None:
    with pytest.raises(OSError, match=r".") as fault:
        LinuxHost({}).file_system(wanted)
    assert fault.value.errno == code
    assert fault.value.filename in (wanted.fstype, *wanted.options)


def test_an_attached_mount_is_taken_away_by_unmount(host: Host, tmp_path: Path) -> None:
    base, other, target = folders(tmp_path, "base", "other", "target")
    fd = host.overlay(Overlay((base, other)))
    try:
        host.attach(fd, target)
        host.unmount(target, lazy=True)  # busy while its fd is open
    finally:
        os.close(fd)
    with pytest.raises(OSError, match=r".") as fault:
        host.unmount(target)
    assert fault.value.errno == 22


def test_mount_and_unmount(host: Host, tmp_path: Path) -> None:
    (target,) = folders(tmp_path, "target")
    host.mount(Mount("tmpfs", target, "tmpfs", 0, "size=1m"))
    host.unmount(target)


@pytest.mark.requires("root")
def test_a_program_that_says_too_much_or_never_ends_is_ended() -> None:
    host = LinuxHost({"PATH": "/usr/bin:/bin"})
    with pytest.raises(HostError, match="more than 1000 bytes"):
        host.run(Command(("sh", "-c", "while :; do echo endless; done"), limit_bytes=1000))
    with pytest.raises(HostError, match="did not end"):
        host.run(Command(("sleep", "60"), timeout_s=0.05))
    assert host.run(Command(("echo", "short"), limit_bytes=1000)).stdout == b"short\n"


def test_run_gives_status_and_both_outputs(tmp_path: Path) -> None:
    host = LinuxHost({"PATH": "/usr/bin:/bin"})
    done = host.run(Command(["sh", "-c", "cat; echo err >&2; exit 3"], stdin=b"in"))
    assert done == (3, b"in", b"err\n")


def test_a_program_that_is_not_installed_says_what_to_install() -> None:
    with pytest.raises(HostError, match="no-such-program is not installed"):
        LinuxHost({"PATH": "/usr/bin:/bin"}).run(Command(["no-such-program"]))


def test_a_program_over_its_time_is_ended() -> None:
    with pytest.raises(HostError, match=r"did not end within"):
        LinuxHost({"PATH": "/usr/bin:/bin"}).run(Command(["sleep", "60"], timeout_s=0.05))


def test_signals_reach_only_the_process_that_was_meant(host: Host) -> None:
    pid = host.spawn(Command(["sleep", "60"]))
    start = host.start_time(pid)
    assert start is not None
    assert not host.signal(pid, start + 1, signal.SIGKILL)
    assert host.start_time(pid) == start
    assert host.signal(pid, start, signal.SIGKILL)
    if isinstance(host, LinuxHost):
        os.waitpid(pid, 0)
    deadline = time.monotonic() + 10
    while host.start_time(pid) is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not host.signal(pid, start, signal.SIGTERM)


def test_a_fake_fails_once_at_the_nth_act_so_that_undoing_is_seen() -> None:
    host = FakeHost(fail_on=2)
    host.mount(Mount("a", "/a", "bind"))
    with pytest.raises(PermissionError):
        host.mount(Mount("b", "/b", "bind"))
    host.unmount("/a")
    assert [verb for verb, _ in host.calls] == ["mount", "unmount"]


def test_the_boot_id_stays_within_a_boot(host: Host) -> None:
    assert host.boot_id() == host.boot_id()


@pytest.mark.requires("root")
def test_an_overlay_takes_150_layers(tmp_path: Path) -> None:
    layers = folders(tmp_path, *[f"layer-with-a-rather-long-name-{i:03}" for i in range(150)])
    for i, layer in enumerate(layers):
        (Path(layer) / f"f{i}").touch()
    upper, work = folders(tmp_path, "upper", "work")
    fd = LinuxHost({}).overlay(Overlay(tuple(layers), upper, work))
    try:
        inside = os.open(".", os.O_RDONLY, dir_fd=fd)
        assert len(os.listdir(inside)) == 150
        os.close(inside)
    finally:
        os.close(fd)


@pytest.mark.requires("root")
def test_a_layer_that_an_image_holds_twice_is_no_obstacle(tmp_path: Path) -> None:
    for name in ("base", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "base" / "f").write_text("f")
    fd = LinuxHost({}).overlay(Overlay(tuple(str(tmp_path / name) for name in ("base", "empty", "empty"))))
    try:
        assert os.listdir(f"/proc/self/fd/{fd}") == ["f"]
    finally:
        os.close(fd)


@pytest.mark.requires("root")
def test_a_detached_overlay_is_in_no_mount_table(tmp_path: Path) -> None:
    base, other = folders(tmp_path, "base", "other")
    table: Callable[[], str] = Path("/proc/self/mountinfo").read_text
    before = table()
    fd = LinuxHost({}).overlay(Overlay((base, other)))
    assert table() == before
    os.close(fd)


def test_a_spawned_program_does_not_get_what_the_caller_left_open(tmp_path: Path) -> None:
    """`result=$(wherry run -d ... 3>&1)` once waited for the container's end."""
    host = LinuxHost({"PATH": "/usr/bin:/bin"})
    with (tmp_path / "kept").open("w") as kept, (tmp_path / "passed").open("w") as passed:
        os.set_inheritable(kept.fileno(), True)
        told = tmp_path / "told"
        script = (
            f"cd /proc/self/fd; for fd in {kept.fileno()} {passed.fileno()}; do test -e $fd && echo $fd; done >{told}"
        )
        pid = host.spawn(Command(["sh", "-c", script], pass_fds=[passed.fileno()]))
        os.waitpid(pid, 0)
        assert told.read_text() == f"{passed.fileno()}\n"
