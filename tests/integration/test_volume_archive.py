"""volume export, import and du through the command line."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.integration.container_lab import Wherry, eventually

pytestmark = pytest.mark.requires("root", "runc", "busybox")
ALONE = ("run", "--rm", "--network", "none")
FILL = (
    "cd /d && chown 7:8 . && chmod 1770 . && echo a > a && ln a b && ln -s /etc/passwd l && mkfifo f && mkdir s"
    " && mknod n c 1 3 && chown 5:6 s && chmod 4711 a && touch -d @1000000000 s"
)
LIST = "cd /d && find . | sort | xargs stat -c '%n %a %u %g %h %Y %F %t'"


def test_a_volume_travels_through_a_pipe_with_all_it_has(wherry: Wherry) -> None:
    wherry(*ALONE, "-v", "from:/d", "busybox", "sh", "-c", FILL)
    with wherry.spawn("volume", "export", "from") as exporter:
        importer = subprocess.run(
            wherry.argv("volume", "import", "to"), stdin=exporter.stdout, capture_output=True, check=False
        )
    assert (importer.returncode, importer.stdout) == (0, b"to\n"), importer.stderr
    seen = [wherry(*ALONE, "-v", f"{name}:/d", "busybox", "sh", "-c", LIST).stdout for name in ("from", "to")]
    assert seen[0] == seen[1]
    assert ". 1770 7 8" in seen[0]
    wherry("volume", "rm", "from", "to")


def test_a_file_of_either_compression_and_every_refusal(wherry: Wherry, tmp_path: Path) -> None:
    wherry(*ALONE, "-v", "from:/d", "busybox", "sh", "-c", FILL)
    wherry("volume", "export", "-o", str(tmp_path / "v.tar"), "from")
    subprocess.run(["gzip", "-k", str(tmp_path / "v.tar")], check=True)
    wherry("volume", "import", "zipped", str(tmp_path / "v.tar.gz"))
    done = wherry("volume", "import", "zipped", str(tmp_path / "v.tar"), code=1)
    assert "volume zipped is not empty" in done.stderr
    assert "no such file" in wherry("volume", "import", "new", str(tmp_path / "none"), code=1).stderr
    assert "get nope: no such volume" in wherry("volume", "export", "-o", str(tmp_path / "x"), "nope", code=1).stderr
    assert not (tmp_path / "x").exists()
    assert wherry("volume", "inspect", "new", code=1)
    wherry("volume", "rm", "from", "zipped")


def test_a_terminal_neither_gets_nor_gives_a_tar(wherry: Wherry) -> None:
    wherry("volume", "create", "data")
    for verb, words in (("export", "refusing to save to a terminal"), ("import", "a terminal has no tar")):
        terminal = wherry.terminal("volume", verb, "data")
        assert terminal.wait() == 1
        assert words in terminal.seen
    wherry("volume", "rm", "data")


def test_a_killed_import_leaves_no_volume_and_nothing_on_the_disk(wherry: Wherry) -> None:
    importer = wherry.spawn("volume", "import", "half", stdin=subprocess.PIPE)
    assert importer.stdin
    header = b"big".ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + b"00100000000\0" + b"0" * 12
    header = header.ljust(148, b"\0") + b" " * 8 + b"0" + b"\0" * 355
    total = sum(header)
    header = header[:148] + f"{total:06o}\0 ".encode() + header[156:]
    importer.stdin.write(header + bytes(1 << 20))
    importer.stdin.flush()
    folder = Path(wherry.paths.volumes)
    eventually(lambda: folder.is_dir() and any(folder.glob(".import-*/_data/big")), "the import has begun")
    importer.send_signal(signal.SIGKILL)
    importer.communicate()
    assert "half" not in wherry("volume", "ls", "-q").stdout
    wherry("volume", "prune", "-f")
    assert not list(folder.glob(".*"))


def test_a_running_container_is_named_and_its_volume_not_replaced(wherry: Wherry) -> None:
    wherry("run", "-d", "--name", "user", "--network", "none", "-v", "used:/d", "busybox", "sleep", "1000")
    done = wherry("volume", "import", "used", stdin=b"", code=1)
    assert "volume used is in use by running container user" in done.stderr
    assert "in use by running container user" in wherry("volume", "export", "used").stderr
    rows = [json.loads(line) for line in wherry("volume", "du", "--format", "json").stdout.splitlines()]
    assert [(one["Name"], one["Size"], one["Containers"]) for one in rows] == [("used", 0, ["user"])]
    wherry("rm", "-f", "user")
    wherry("volume", "rm", "used")


def test_space_is_shown_with_its_users(wherry: Wherry) -> None:
    wherry("run", "--name", "maker", "--network", "none", "-v", "big:/d", "busybox", "sh", "-c",
           "head -c 3000000 /dev/zero > /d/f")  # fmt: skip
    wherry("volume", "create", "small")
    lines = wherry("volume", "du").stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["VOLUME", "NAME", "SIZE", "CONTAINERS"],
        ["big", "3MB", "maker"],
        ["small", "0B"],
        [],
        ["Total:", "3MB,", "of", "which", "no", "container", "uses", "0B"],
    ]
    wherry("rm", "maker")
    wherry("volume", "rm", "big", "small")


def test_an_export_of_much_data_is_streamed(wherry: Wherry) -> None:
    wherry(*ALONE, "-v", "much:/d", "busybox", "sh", "-c", "head -c 200000000 /dev/zero > /d/f")
    with wherry.spawn("volume", "export", "much") as exporter:
        assert exporter.stdout
        exporter.stdout.read(1 << 20)
        peak = 0
        for _ in range(5):
            exporter.stdout.read(20 << 20)
            status = Path(f"/proc/{exporter.pid}/status").read_text()
            peak = max(peak, *(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")))
        exporter.stdout.read()
    assert exporter.returncode == 0
    assert peak < 80_000, f"{peak} kB: it keeps what it sends"
    wherry("volume", "rm", "much")
