"""Stand-ins made for real: from the mirror that this machine's apt uses, and from the Pythons that it has."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.lesson import host_certificates, is_alone, users_of
from wherry.engine import Engine
from wherry.host.linux import LinuxHost
from wherry.settings import Paths, Settings

pytestmark = pytest.mark.requires("root", "mmdebstrap", "mirror")
# What must never be in an image: this machine's certificate, its local package folders, its home folders, the store
HOST_MARKS = (
    str(Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()).encode(),
    *(folder.encode() for folder in os.environ.get("PIP_FIND_LINKS", "").split()),
    b"file:/usr/share",
)


def engine(root: Path, *, pythons: bool = True) -> Engine:
    env = dict(os.environ)
    if not pythons:  # as a machine that has Debian's own Python only
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent"}
    return Engine(Settings(Paths.for_user({}, 0, str(root)), env, 0, str(root)), LinuxHost(env))


def files(root: Path) -> list[Path]:
    return [path for path in (root / "layers").rglob("*") if path.is_file() and not path.is_symlink()]


def test_the_packaged_python_becomes_an_image_twice_the_same_with_nothing_of_the_host(tmp_path: Path) -> None:
    ids = []
    for name in ("one", "two"):
        steps: list[str] = []
        with engine(tmp_path / name, pythons=False) as made:
            assert "python:3.13" in {offer.name for offer in made.bootstrap.offers()}
            record = made.bootstrap.make("python:3.13", say=steps.append)
            config = made.image_store.config(record.id)
            layers = [Path(made.layers.path(diff_id)) for diff_id in config.diff_ids]
        ids.append(record.id)
        assert any("unpacking" in step for step in steps)
    assert ids[0] == ids[1]
    assert config.config.labels["wherry.stand-in"].startswith("Debian's own Python 3.13.")
    assert config.config.cmd == ("python3",)
    assert os.readlink(layers[1] / "usr/local/bin/python3") == "/usr/bin/python3.13"
    assert not list((layers[1] / "usr/lib").glob("python3*/EXTERNALLY-MANAGED"))
    assert not list((layers[0] / "dev").iterdir())
    marks = [*HOST_MARKS, *host_certificates(), str(tmp_path).encode()]
    for path in files(tmp_path / "one"):
        data = path.read_bytes()
        assert not [mark for mark in marks if mark in data], path
    assert not list((tmp_path / "one" / "tmp").iterdir())


def test_a_cpython_of_this_machine_moves_to_usr_local_whole(tmp_path: Path) -> None:
    with engine(tmp_path / "root") as made:
        copied = [offer for offer in made.bootstrap.offers() if offer.source.startswith("CPython")]
        if not copied:
            pytest.skip("this machine has no CPython but Debian's own")
        name = copied[0].name
        record = made.bootstrap.make(name)
        config = made.image_store.config(record.id)
        base, layer = (made.layers.path(diff_id) for diff_id in config.diff_ids)
        # The second image takes the root that the first one made
        steps: list[str] = []
        slim = made.bootstrap.make("debian:trixie-slim", say=steps.append)
        assert made.image_store.config(slim.id).diff_ids == config.diff_ids[:1]
        assert steps == ["Debian trixie: the root made before"]
    for name in ("up", "work", "shown"):
        (tmp_path / name).mkdir()
    checks = (
        "import sys, ssl, sqlite3, lzma, bz2, ctypes, zlib, sysconfig, pip; "
        "print(sys.prefix, sysconfig.get_config_var('LIBDIR'), '%d.%d' % sys.version_info[:2])"
    )
    script = (
        f"cd {tmp_path} && ln -s {layer} l && ln -s {base} b"  # one mount option holds 255 bytes
        " && mount -t overlay o -o lowerdir=l:b,upperdir=up,workdir=work shown"
        f' && chroot shown /usr/local/bin/python -c "{checks}"'
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, check=False, env={}
    )
    assert done.stdout.split() == ["/usr/local", "/usr/local/lib", copied[0].name.removeprefix("python:")], done.stderr
    prefix = copied[0].source.rpartition(" ")[2].encode()
    for path in files(tmp_path / "root"):
        assert prefix not in path.read_bytes(), path


def test_killed_in_the_middle_it_leaves_no_process_and_no_mount_and_the_next_try_works(tmp_path: Path) -> None:
    root = tmp_path / "root"
    main = "from wherry.cli.main import entry; raise SystemExit(entry())"
    argv = [sys.executable, "-c", main, "--root", str(root), "bootstrap", "debian:trixie-slim"]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    with subprocess.Popen(argv, env=env, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stderr
        for line in process.stderr:
            if "unpacking" in line:
                break
        process.send_signal(signal.SIGKILL)
    assert is_alone(root, within_s=20), users_of(root)
    with engine(root) as made:
        made.bootstrap.make("debian:trixie-slim")
    assert list((root / "tmp").iterdir()) == []
