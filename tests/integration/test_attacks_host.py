"""What lies on this machine for a container: who may look in, what leaks out, what a hostile image reaches."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.container_lab import Wherry, busybox_tar, eventually

pytestmark = pytest.mark.requires("root", "runc", "ip", "nft", "busybox")

STEER = "\x1b[31mRED\x1b]0;title\x07\x9b2J"
_SECRET = {"AWS_SECRET_ACCESS_KEY": "hunter2hunter2", "LD_PRELOAD_OF_A_TEST": "x"}


@pytest.fixture
def load(wherry: Wherry, tmp_path: Path) -> Iterator[Any]:
    """Loads an image whose configuration is `config`, with more files in its layer, as docker's archive."""
    made = []

    def make(config: dict[str, Any], *files: tuple[str, bytes, bytes], **document: Any) -> str:
        layer = io.BytesIO(busybox_tar())
        with tarfile.open(fileobj=layer, mode="a") as tar:
            for name, kind, value in files:
                entry = tarfile.TarInfo(name)
                entry.type, entry.mode = kind, 0o755
                if kind == tarfile.SYMTYPE:
                    entry.linkname = value.decode()
                else:
                    entry.size = len(value)
                tar.addfile(entry, io.BytesIO(value))
        name = f"hostile{len(made)}"
        diff_id = f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"
        whole = {
            "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine], "os": "linux",
            "config": {"Env": ["PATH=/bin"], "Cmd": ["sh"], **config},
            "rootfs": {"type": "layers", "diff_ids": [diff_id]}, **document,
        }  # fmt: skip
        manifest = [{"Config": "c.json", "RepoTags": [f"{name}:latest"], "Layers": ["l.tar"]}]
        parts = {"c.json": whole, "manifest.json": manifest}
        with tarfile.open(tmp_path / f"{name}.tar", "w") as tar:
            for part, data in [(one, json.dumps(value).encode()) for one, value in parts.items()] + [
                ("l.tar", layer.getvalue())
            ]:
                entry = tarfile.TarInfo(part)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
        wherry("load", "-i", str(tmp_path / f"{name}.tar"))
        made.append(name)
        return name

    yield make
    wherry.remove_all()
    for name in made:
        wherry("rmi", "-f", name)


def _open_to_others(top: Path) -> list[str]:
    """What another user could reach below `top`, if `top` itself let them in."""
    found = []
    for one in os.scandir(top):
        mode = one.stat(follow_symlinks=False).st_mode
        if not stat.S_ISLNK(mode) and mode & 0o077:
            found.append(f"{stat.filemode(mode)} {one.path}")
    return found


@pytest.mark.parametrize("umask", [0, 0o022])
def test_nobody_else_looks_into_a_root(wherry: Wherry, tmp_path: Path, umask: int) -> None:
    """CVE-2021-41091: also when the root's own folder was made by somebody who let others in."""
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text(
        "FROM busybox\nRUN --mount=type=cache,target=/c echo x > /c/y; id > /x\n"
    )
    other = Wherry(tmp_path / "root")
    other.root.mkdir(mode=0o755)
    (tmp_path / "fs.tar").write_bytes(busybox_tar())
    before = os.umask(umask)
    try:
        other("import", str(tmp_path / "fs.tar"), "busybox")
        other("run", "-d", "-i", "--name", "box", "-v", "data:/d", "busybox", "/bin/busybox", "cat")
        other("build", "-q", "--network", "none", str(tmp_path / "context"))
        assert _open_to_others(other.root) == []
        assert _open_to_others(Path(other.paths.run)) == []
        assert stat.S_IMODE(os.stat(other.paths.run).st_mode) == 0o700
    finally:
        os.umask(before)
        other.remove_all()
        subprocess.run(["rm", "-rf", other.paths.run], check=True)


def test_what_a_container_sees_does_not_hang_on_the_callers_umask(wherry: Wherry) -> None:
    before = os.umask(0o077)
    try:
        seen = wherry("run", "--rm", "-u", "1000", "busybox", "sh", "-c", "umask; cat /etc/hosts | head -1; ls -ld /")
    finally:
        os.umask(before)
    assert seen.stdout.startswith("0022\n127.0.0.1")
    assert "drwxr-xr-x" in seen.stdout


def test_nothing_of_the_callers_environment_reaches_container_monitor_or_runtime(wherry: Wherry) -> None:
    """CVE-2021-3602, CVE-2020-14370."""
    argv = wherry.argv("run", "-d", "--name", "box", "-e", "GIVEN=1", "busybox", "sleep", "100")
    subprocess.run(argv, env={**os.environ, **_SECRET}, check=True, capture_output=True)
    environments = [Path(f"/proc/{pid}/environ").read_bytes() for pid in (wherry.pid("box"), wherry.monitor_pid("box"))]
    argv = wherry.argv("exec", "box", "env")
    environments.append(subprocess.run(argv, env={**os.environ, **_SECRET}, check=True, capture_output=True).stdout)
    assert not [one for one in environments if b"hunter2" in one or b"LD_PRELOAD" in one]
    assert b"GIVEN=1" in environments[0]
    bundle = wherry.root / "containers"
    assert not [path for path in bundle.rglob("*.json") if b"hunter2" in path.read_bytes()]
    wherry("kill", "box")


def test_a_container_holds_none_of_our_file_descriptors(wherry: Wherry) -> None:
    """CVE-2024-21626: a folder of the host that is open is a way out; so is a pipe to the monitor."""
    listing = "for fd in /proc/self/fd/*; do readlink $fd; done; true"
    wherry("run", "-d", "--name", "box", "busybox", "sleep", "100")
    for seen in (
        wherry("run", "--rm", "busybox", "sh", "-c", listing),
        wherry("run", "--rm", "-i", "busybox", "sh", "-c", listing, stdin="x"),
        wherry("exec", "box", "sh", "-c", listing),
        wherry("exec", "--privileged", "box", "sh", "-c", listing),
    ):
        # readlink's own folder is the one that is gone by the time it looks
        assert len(seen.stdout.split()) <= 3, seen.stdout
    first = os.listdir(f"/proc/{wherry.pid('box')}/fd")
    assert sorted(first) == ["0", "1", "2"]
    wherry("kill", "box")


def test_no_socket_of_ours_can_be_reached_from_a_containers_network(wherry: Wherry) -> None:
    """CVE-2020-15257: abstract sockets belong to a network namespace, and the monitor stands in the container's."""
    wherry("run", "-d", "--name", "box", "-p", "127.0.0.1::80", "busybox", "sleep", "100")
    for options in ([], ["--network", "host"]):
        seen = wherry("run", "--rm", *options, "busybox", "cat", "/proc/net/unix").stdout
        assert not [line for line in seen.splitlines() if "@" in line and "wherry" in line]
    assert "@" not in wherry("exec", "box", "cat", "/proc/net/unix").stdout
    sockets = [path for path in Path(wherry.paths.run).rglob("*") if path.is_socket()]
    assert sockets
    assert not [path for path in sockets if path.stat().st_mode & 0o077]
    wherry("kill", "box")


def test_the_runtime_cannot_be_overwritten_from_a_container(wherry: Wherry) -> None:
    """CVE-2019-5736: a container whose program is /proc/self/exe runs the runtime, and writes to it."""
    with wherry.engine() as engine:
        runtime = Path(engine.containers.driver.runtime.path)
    before = runtime.read_bytes()
    overwrite = (
        "for n in 1 2 3 4 5 6 7 8 9; do for e in /proc/[0-9]*/exe; do echo x 2>/dev/null > $e; done; done; sleep 100"
    )
    wherry(
        "run",
        "-d",
        "--name",
        "box",
        "busybox",
        "sh",
        "-c",
        f"printf '#!/proc/self/exe\\n' > /x; chmod +x /x; {overwrite}",
    )
    for _ in range(5):
        wherry("exec", "box", "/x", code=None)
    assert runtime.read_bytes() == before
    wherry("kill", "box")


def test_devices_that_a_container_makes_stay_closed(wherry: Wherry) -> None:
    """The device rules, on cgroup v1 and v2, in `run`, `exec` and `exec --privileged`."""
    script = (
        "mknod /tmp/d$$ b 254 0; mknod /tmp/m$$ c 1 1; mknod /tmp/k$$ c 1 11; cat /tmp/d$$ /tmp/m$$ /tmp/k$$ | head -c1"
    )
    wherry("run", "-d", "--name", "box", "busybox", "sleep", "100")
    for words in (["run", "--rm", "busybox"], ["exec", "box"], ["exec", "--privileged", "box"]):
        seen = wherry(*words, "sh", "-c", script)
        assert seen.stdout == ""
        assert seen.stderr.count("Operation not permitted") == 3
    wherry("kill", "box")


@pytest.mark.parametrize("user", ["4294967296", "-1", "4294967295", "bob", "wheel", " 0", "0x0", "1000:4294967296"])
def test_a_user_that_is_none_is_never_root(wherry: Wherry, load: Any, user: str) -> None:
    """CVE-2024-40635: an id that wraps around; a passwd file that is a link out of the image, or has such ids."""
    passwd = b"bob:x:4294967296:0::/:/bin/sh\nwheel:x:99999999999:0::/:/bin/sh\n"
    image = load({"User": user}, ("etc/passwd", tarfile.REGTYPE, passwd))
    seen = wherry("run", "--rm", image, "id", code=125)
    assert "uid=0" not in seen.stdout


@pytest.mark.parametrize(("kind", "value"), [(tarfile.SYMTYPE, b"/proc/1/root/etc/passwd"), (tarfile.FIFOTYPE, b""),
                                             (tarfile.SYMTYPE, b"../../../../../../etc/passwd")])  # fmt: skip
def test_users_come_from_the_image_whatever_its_passwd_is(wherry: Wherry, load: Any, kind: bytes, value: bytes) -> None:
    """CVE-2024-9676: never the host's file, and never a wait for a pipe."""
    image = load({"User": "daemon"}, ("etc/passwd", kind, value))
    assert "daemon" in Path("/etc/passwd").read_text()
    seen = wherry("run", "--rm", image, "id", code=125, timeout_s=20)
    assert "uid=" not in seen.stdout


@pytest.mark.parametrize("folder", ["../../../etc", "/proc/self/fd/7", "/proc/self/fd/8/../..", "/lnk/x", "/dev/fd/9"])
def test_an_images_working_folder_stays_inside(wherry: Wherry, load: Any, folder: str) -> None:
    image = load({"WorkingDir": folder}, ("lnk", tarfile.SYMTYPE, b"/proc/self/fd/7"))
    secret = Path("/etc/hostname").read_text().strip()
    seen = wherry(
        "run", "--rm", image, "sh", "-c", "cat etc/hostname hostname ../etc/hostname ../../etc/hostname", code=None
    )
    assert secret not in seen.stdout.split()


def test_an_images_labels_never_steer_the_runtime(wherry: Wherry, load: Any) -> None:
    """crun obeys run.oci.*, and with systemd org.systemd.property.*: only --annotation may say such."""
    labels = {"run.oci.handler": "krun", "run.oci.keep_original_groups": "1", "org.systemd.property.ExecStartPre": "x"}
    image = load({"Labels": labels})
    wherry("create", "--name", "box", "--label", "run.oci.hooks.stderr=/x", image, "true")
    wherry("start", "-a", "box")
    (config,) = (wherry.root / "containers").glob("*/config.json")
    assert "annotations" not in json.loads(config.read_text())
    assert "krun" not in config.read_text()


def test_an_images_volumes_stay_inside(wherry: Wherry, load: Any, tmp_path: Path) -> None:
    """CVE-2022-23648: a path with "..", a path behind a link, content that is a link to the host's."""
    volumes: dict[str, Any] = {f"/../../..{tmp_path}/pwn": {}, f"/lnk{tmp_path}/pwn2": {}, "/data": {}, "data/../v": {}}
    files = (
        ("lnk", tarfile.SYMTYPE, b"../../../../../../"), ("data/secret", tarfile.SYMTYPE, b"/etc/shadow"),
        ("data/up", tarfile.SYMTYPE, b"../../../../../../../../etc"),
    )  # fmt: skip
    image = load({"Volumes": volumes}, *files)
    seen = wherry("run", "--rm", image, "sh", "-c", "ls -l /data; cat /data/secret /data/up/shadow", code=1)
    assert "secret -> /etc/shadow" in seen.stdout
    assert "root:" not in seen.stdout
    assert sorted(path.name for path in tmp_path.iterdir() if "pwn" in path.name) == []


def test_nothing_in_an_image_steers_the_terminal(wherry: Wherry, load: Any) -> None:
    """Names, commands, labels, users, history: in tables, in JSON and in errors."""
    one = load(
        {"Cmd": ["true", STEER], "Labels": {STEER: STEER}, "StopSignal": "9", "Env": ["PATH=/bin", f"A={STEER}"]},
        history=[{"created_by": STEER, "comment": STEER}], author=STEER,
    )  # fmt: skip
    broken = [
        load({"User": STEER}),
        load({"WorkingDir": STEER}),
        load({"Cmd": [STEER]}),
        load({"ExposedPorts": {STEER: {}}}),
    ]
    wherry("create", "--name", "box", one)
    verbs = (
        ["ps", "-a", "--no-trunc"], ["ps", "-a", "--format", "json"], ["images"], ["inspect", one], ["inspect", "box"],
        ["history", "--no-trunc", one], ["history", "--format", "json", one],
    )  # fmt: skip
    said = [wherry(*words) for words in verbs]
    said += [wherry("run", "--rm", "-P", image, code=None) for image in broken]
    for each in said:
        text = each.stdout + each.stderr
        assert not [char for char in text if (ord(char) < 32 and char not in "\n\t") or 0x7F <= ord(char) < 0xA0], (
            each.args
        )


def test_a_process_cannot_steer_the_terminal_of_top(wherry: Wherry) -> None:
    wherry(
        "run",
        "-d",
        "--name",
        "box",
        "busybox",
        "sh",
        "-c",
        "sleep 100 & exec cat /dev/zero > /dev/null; \x1b[31mx\x9b2J",
    )
    eventually(lambda: "sleep" in wherry("top", "box").stdout, "its process is there")
    assert not set("\x1b\x9b") & set(wherry("top", "box").stdout)
    wherry("kill", "box")
