"""Archives to and from the real tools: skopeo, umoci, docker."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.requires("root", "busybox")
MAIN = "from wherry.cli.main import entry; raise SystemExit(entry())"
Wherry = Callable[..., str]


def run(*argv: str, env: dict[str, str] | None = None, stdin: bytes | None = None) -> str:
    done = subprocess.run(argv, capture_output=True, env={**os.environ, **(env or {})}, input=stdin, check=False)
    assert done.returncode == 0, f"{argv}: {done.stderr.decode()}"
    return done.stdout.decode()


def wherry_in(root: Path) -> Wherry:
    def call(*argv: str, stdin: bytes | None = None) -> str:
        return run(sys.executable, "-c", MAIN, *argv, env={"WHERRY_ROOT": str(root)}, stdin=stdin)

    return call


@pytest.fixture
def wherry(tmp_path: Path) -> Wherry:
    return wherry_in(tmp_path / "root")


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    """A tree with what layers are made of: links, modes, a capability, a device, an odd name."""
    root = tmp_path / "rootfs"
    (root / "bin").mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "", root / "bin" / "busybox")
    os.symlink("busybox", root / "bin" / "sh")
    os.symlink("busybox", root / "bin" / "cat")
    os.link(root / "bin" / "busybox", root / "bin" / "hard")
    (root / "etc").mkdir()
    (root / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\n")
    (root / "etc" / ("long-" * 40)).write_text("long")
    (root / "etc" / "naïve 名").write_text("utf-8")
    os.chmod(root / "bin" / "busybox", 0o4755)
    os.chown(root / "etc" / "passwd", 1_000, 3_000_000)
    os.mknod(root / "etc" / "null", 0o20666, os.makedev(1, 3))
    os.setxattr(root / "bin" / "busybox", "user.colour", b"red")
    return root


@pytest.fixture
def image(wherry: Wherry, rootfs: Path) -> str:
    tar = run("tar", "--xattrs", "-C", str(rootfs), "-cf", str(rootfs) + ".tar", ".")
    assert tar == ""
    return wherry("import", "-c", 'CMD ["sh"]', "-c", "ENV A=b", str(rootfs) + ".tar", "lab/box:1").strip()


def listing(root: Path) -> list[tuple[object, ...]]:
    found = []
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        kind: object = os.readlink(path) if path.is_symlink() else status.st_rdev
        size = 0 if path.is_dir() else status.st_size
        found.append((str(path.relative_to(root)), status.st_mode, status.st_uid, status.st_gid, size, kind))
    return found


def fs(root: Path, wherry: Wherry, name: str) -> Path:
    layers = json.loads(wherry("image", "inspect", name))[0]["RootFS"]["Layers"]
    assert len(layers) == 1
    return root / "layers" / layers[0].removeprefix("sha256:") / "fs"


def test_an_imported_tree_is_the_tree(wherry: Wherry, image: str, rootfs: Path, tmp_path: Path) -> None:
    there = fs(tmp_path / "root", wherry, "lab/box:1")
    assert listing(there) == listing(rootfs)
    assert os.getxattr(there / "bin" / "busybox", "user.colour") == b"red"
    assert (there / "bin" / "hard").stat().st_ino == (there / "bin" / "busybox").stat().st_ino


@pytest.mark.requires("skopeo")
@pytest.mark.parametrize("transport", ["docker-archive", "oci-archive"])
def test_skopeo_reads_what_save_writes(wherry: Wherry, image: str, tmp_path: Path, transport: str) -> None:
    wherry("save", "-o", str(tmp_path / "out.tar"), "lab/box:1")
    doc = json.loads(run("skopeo", "inspect", "--config", f"{transport}:{tmp_path}/out.tar"))
    assert doc["config"]["Env"] == ["A=b"]
    ours = json.loads((tmp_path / "root" / "blobs" / "sha256" / image[7:]).read_text())
    assert (doc["rootfs"], doc["created"]) == (ours["rootfs"], ours["created"])


@pytest.mark.requires("skopeo")
@pytest.mark.parametrize(
    "form",
    [
        "docker-archive:{}/f:lab/box:1",
        "oci-archive:{}/f:lab/box:1",
        "oci:{}/f:lab/box:1",
        "oci:{}/f:plain-tag",
        "dir:{}/f",
    ],
)
@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_what_skopeo_writes_is_loaded(wherry: Wherry, image: str, tmp_path: Path, form: str, compression: str) -> None:
    wherry("save", "-o", str(tmp_path / "out.tar"), "lab/box:1")
    extra = [] if form.startswith("docker") else ["--dest-compress", "--dest-compress-format", compression]
    # Between docker's and OCI's types skopeo writes the config anew; within one, its bytes and so the id stay
    kind = "docker-archive" if form.startswith("docker") else "oci-archive"
    run("skopeo", "copy", "-q", *extra, f"{kind}:{tmp_path}/out.tar", form.format(tmp_path))
    other = wherry_in(tmp_path / "other")
    said = other("load", "-i", str(tmp_path / "f"))
    assert said == (f"Loaded image ID: {image}\n" if "plain" in form or "dir" in form else "Loaded image: lab/box:1\n")
    assert json.loads(other("image", "inspect", image))[0]["Id"] == image
    first, second = fs(tmp_path / "root", wherry, image), fs(tmp_path / "other", other, image)
    assert listing(first) == listing(second)
    # and out again: the same image, and skopeo reads it
    other("save", "-o", str(tmp_path / "again.tar"), image)
    doc = json.loads(run("skopeo", "inspect", "--raw", f"oci-archive:{tmp_path}/again.tar"))
    if not form.startswith("docker"):
        assert compression in doc["layers"][0]["mediaType"]
    assert doc["config"]["digest"] == image


@pytest.mark.requires("umoci", "skopeo")
def test_umoci_unpacks_what_save_writes_and_load_takes_what_umoci_packs(
    wherry: Wherry, image: str, rootfs: Path, tmp_path: Path
) -> None:
    wherry("save", "-o", str(tmp_path / "out.tar"), "lab/box:1")
    layout = tmp_path / "layout"
    layout.mkdir()
    run("tar", "-C", str(layout), "-xf", str(tmp_path / "out.tar"))
    run("umoci", "unpack", "--image", f"{layout}:1", str(tmp_path / "bundle"))
    assert listing(tmp_path / "bundle" / "rootfs") == listing(rootfs)
    (tmp_path / "bundle" / "rootfs" / "etc" / "passwd").unlink()
    (tmp_path / "bundle" / "rootfs" / "new").write_text("new")
    run("umoci", "repack", "--image", f"{layout}:2", str(tmp_path / "bundle"))
    index = json.loads((layout / "index.json").read_text())
    index["manifests"] = [one for one in index["manifests"] if "2" in one["annotations"].values()]
    (layout / "index.json").write_text(json.dumps(index))
    loaded = wherry("load", "-i", str(layout)).split()[-1]
    doc = json.loads(wherry("image", "inspect", loaded))[0]
    upper = Path(doc["GraphDriver"]["Data"]["UpperDir"])
    assert (upper / "new").read_text() == "new"
    assert (upper / "etc" / "passwd").lstat().st_rdev == 0
    assert (upper / "etc" / "passwd").is_char_device()


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """A daemon of our own."""
    base = tmp_path_factory.mktemp("docker")
    argv = ["dockerd", "--data-root", f"{base}/data", "--exec-root", f"{base}/exec", "--pidfile", f"{base}/pid",
            "-H", f"unix://{base}/sock", "--bridge=none", "--iptables=false", "--ip6tables=false"]  # fmt: skip
    with open(base / "log", "wb") as log:
        daemon = subprocess.Popen(argv, stdout=log, stderr=log)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and daemon.poll() is None:
        if subprocess.run(["docker", "-H", f"unix://{base}/sock", "info"], capture_output=True, check=False).returncode:
            time.sleep(0.2)
            continue
        break
    else:
        pytest.fail(f"dockerd did not start: {(base / 'log').read_text()[-2000:]}")
    try:
        yield lambda *args: run("docker", "-H", f"unix://{base}/sock", *args)
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(60)


@pytest.mark.requires("docker", "dockerd")
def test_docker_and_wherry_load_each_others_archives(
    docker: Callable[..., str], wherry: Wherry, image: str, tmp_path: Path
) -> None:
    wherry("save", "-o", str(tmp_path / "ours.tar"), "lab/box:1")
    assert docker("load", "-q", "-i", f"{tmp_path}/ours.tar").strip() == "Loaded image: lab/box:1"
    assert docker("images", "-q", "--no-trunc", "lab/box").strip() == image
    assert docker("run", "--rm", "--network", "none", "lab/box:1", "cat", "/etc/passwd").startswith("root:x:0")

    made = docker("create", "--network", "none", "lab/box:1", "sh").strip()
    docker("cp", f"{tmp_path}/ours.tar", f"{made}:/added")
    docker("commit", made, "lab/box:2")
    docker("rm", made)
    docker("save", "-o", f"{tmp_path}/theirs.tar", "lab/box:1", "lab/box:2")
    other = wherry_in(tmp_path / "other")
    assert sorted(other("load", "-i", str(tmp_path / "theirs.tar")).splitlines()) == [
        "Loaded image: lab/box:1",
        "Loaded image: lab/box:2",
    ]
    ours, theirs = (json.loads(one("image", "inspect", "lab/box:2"))[0] for one in (other, docker))
    for key in ("Id", "RepoTags", "Architecture", "Os", "RootFS", "Author", "Created"):
        assert ours[key] == theirs[key], key
    # docker's commit writes a container's own fields (Hostname, AttachStdout) into the config; no build does
    for key in ("User", "Env", "Cmd", "Volumes", "WorkingDir", "Entrypoint", "OnBuild", "ExposedPorts"):
        assert ours["Config"].get(key) == theirs["Config"].get(key), key
    # out of wherry again: docker knows every layer
    other("save", "-o", str(tmp_path / "back.tar"), "lab/box:2")
    docker("rmi", "lab/box:1", "lab/box:2")
    docker("load", "-q", "-i", f"{tmp_path}/back.tar")
    assert docker("images", "-q", "--no-trunc", "lab/box").strip() == ours["Id"]
    docker("rmi", "lab/box:2")


@pytest.mark.requires("docker", "dockerd")
def test_rmi_prints_what_docker_prints(docker: Callable[..., str], wherry: Wherry, image: str, tmp_path: Path) -> None:
    wherry("tag", "lab/box:1", "lab/other")
    wherry("save", "-o", str(tmp_path / "ours.tar"), "lab/box:1", "lab/other")
    docker("load", "-q", "-i", f"{tmp_path}/ours.tar")
    for argv in (["rmi", "lab/other"], ["rmi", image[7:19]]):
        assert wherry(*argv) == docker(*argv)
