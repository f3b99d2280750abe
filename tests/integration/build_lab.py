"""What the build tests share: a root with a busybox image, contexts made of text, and trees as text."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

from wherry.engine import Engine
from wherry.host import Overlay
from wherry.host.linux import LinuxHost
from wherry.oci.config import ContainerConfig, ImageConfig
from wherry.oci.platform import Platform
from wherry.oci.reference import Reference
from wherry.settings import Paths, Settings
from wherry.store.images import ImageRecord

CASES = Path(__file__).parents[1] / "cases" / "build"
PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:app:/home/app:/bin/sh\n"
GROUP = "root:x:0:\napp:x:1001:\nstaff:x:50:\n"
SOURCE = str(Path(__file__).resolve().parents[2] / "src")


class Lab:
    """One root in a temporary folder. `wherry` runs the command line as a user does: a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        env = {"PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin", "HOME": "/root"}
        self.env = env
        paths = Paths.for_user(env, 0, str(self.root))
        self.engine = Engine(Settings(paths, env, 0, str(folder)), LinuxHost(env))
        self._import_busybox()

    def close(self) -> None:
        self.engine.close()
        shutil.rmtree(self.engine.settings.paths.run, ignore_errors=True)

    def _import_busybox(self) -> None:
        base = self.folder / "busybox"
        for name in ("bin", "etc", "tmp"):
            (base / name).mkdir(parents=True)
        program = "/usr/bin/busybox" if os.path.exists("/usr/bin/busybox") else "/bin/busybox"
        (base / "bin" / "busybox").write_bytes(Path(program).read_bytes())
        (base / "bin" / "busybox").chmod(0o755)
        for name in subprocess.check_output([program, "--list"], text=True).split():
            if name != "busybox":
                (base / "bin" / name).symlink_to("busybox")
        (base / "etc" / "passwd").write_text(PASSWD)
        (base / "etc" / "group").write_text(GROUP)
        self.add_image("busybox", base)

    def add_image(self, name: str, tree: Path, config: ContainerConfig | None = None) -> ImageRecord:
        """An image of one layer with what `tree` holds."""
        from wherry.image.tar import pack

        stream = io.BytesIO()
        pack.tree_to_tar(str(tree), stream.write, mtime_ns=0)
        stream.seek(0)
        with self.engine.leases.hold("test") as lease:
            diff_id, _ = self.engine.layers.extract(stream, lease)
            whole = ImageConfig(Platform.of("linux", os.uname().machine), config or ContainerConfig(), (diff_id,))
            return self.engine.image_store.create(whole, [Reference.parse(name)])

    def wherry(
        self, *argv: str, stdin: bytes | None = None, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        code = "import sys; from wherry.cli.main import main; sys.exit(main(sys.argv[1:]))"
        done = subprocess.run(
            [sys.executable, "-c", code, "--root", str(self.root), *argv],
            input=stdin or b"", capture_output=True, check=False, cwd=self.folder,
            env={"PYTHONPATH": SOURCE, **self.env, **(env or {})},
        )  # fmt: skip
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        )

    def context(self, name: str, files: dict[str, str]) -> Path:
        """A folder with these files."""
        folder = self.folder / name
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        return folder

    def build(self, context: Path, *argv: str) -> str:
        """The image's id; fails the test with what the build said."""
        done = self.wherry("build", "--progress", "plain", "--iidfile", str(self.folder / "iid"), *argv, str(context))
        assert done.returncode == 0, done.stderr
        return (self.folder / "iid").read_text()

    def layers(self, image: str) -> list[str]:
        """Layer folders, base first."""
        return [self.engine.layers.path(one) for one in self.engine.image_store.resolve(image).layers]

    def listing(self, image: str) -> str:
        """The image's tree as text, without what the busybox base holds."""
        fd = self.engine.host.overlay(Overlay(tuple(self.layers(image))))
        try:
            return "".join(f"{line}\n" for path, line in sorted(_lines(fd)) if not _is_base(path))
        finally:
            os.close(fd)

    def leftovers(self) -> dict[str, list[str]]:
        """What a build must not leave: work folders, leases, step state, mounts."""
        tmp = self.root / "tmp"
        leases = self.engine.db.read().execute("SELECT what FROM lease").fetchall()
        state = Path(self.engine.settings.paths.run) / "steps"
        mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(self.root) in line]
        found = {
            "tmp": sorted(os.listdir(tmp)) if tmp.exists() else [],
            "leases": [row[0] for row in leases],
            "steps": sorted(os.listdir(state)) if state.exists() else [],
            "mounts": mounts,
        }
        return {what: names for what, names in found.items() if names}


def _is_base(path: str) -> bool:
    return path.split("/", maxsplit=1)[0] in {"bin", "etc"} or path in {"tmp", "proc", "sys", "dev"}


def _lines(root_fd: int) -> list[tuple[str, str]]:
    seen: dict[int, str] = {}
    lines = []
    base = f"/proc/self/fd/{root_fd}/"
    paths = []
    for folder, folders, files in os.walk(base):
        paths += [os.path.join(folder, name).removeprefix(base) for name in folders + files]
    for path in sorted(paths):
        found = os.lstat(base + path)
        kind, extra = _kind(found), ""
        if kind == "link":
            extra = f" -> {os.readlink(base + path)}"
        elif kind == "file" and found.st_nlink > 1 and found.st_ino in seen:
            kind, extra = "hard", f" -> {seen[found.st_ino]}"
        elif kind == "file":
            seen[found.st_ino] = path
            data = Path(base + path).read_bytes()
            printable = len(data) < 200 and all(byte < 128 for byte in data)
            extra = " " + (repr(data.decode("latin1")) if printable else f"{len(data)} bytes")
        owner = f"{found.st_uid}:{found.st_gid}"
        lines.append((path, f"{kind} {stat.S_IMODE(found.st_mode):04o} {owner} {path}{extra}"))
    return lines


def _kind(found: os.stat_result) -> str:
    kinds = {stat.S_IFDIR: "dir", stat.S_IFREG: "file", stat.S_IFLNK: "link", stat.S_IFIFO: "fifo"}
    return kinds.get(stat.S_IFMT(found.st_mode), "other")


def make_tree(folder: Path, text: str) -> None:
    """Each line: kind (dir, file, link, hard, fifo), mode, path, content or target."""
    for line in text.splitlines():
        kind, mode, path, *rest = line.split(" ", 3)
        target = folder / path
        if kind == "dir":
            target.mkdir(parents=True, exist_ok=True)
        elif kind == "file":
            target.write_text(rest[0] if rest else "")
        elif kind == "link":
            target.symlink_to(rest[0])
        elif kind == "hard":
            os.link(folder / rest[0], target)
        elif kind == "fifo":
            os.mkfifo(target)
        if kind in ("dir", "file", "fifo"):
            target.chmod(int(mode, 8))


def make_archives(folder: Path) -> None:
    """ar.tar and, compressed, ar.bin (gzip), ar.tbz, ar.txz; broken.gz is cut in the middle of the first header."""
    for name, mode in {"ar.tar": "w", "ar.bin": "w:gz", "ar.tbz": "w:bz2", "ar.txz": "w:xz"}.items():
        with tarfile.open(folder / name, mode) as tar:
            for path, kind, bits, data, owner, link in (
                ("./", tarfile.DIRTYPE, 0o755, b"", (7, 8), ""), ("./t/", tarfile.DIRTYPE, 0o1770, b"", (7, 8), ""),
                ("./t/f", tarfile.REGTYPE, 0o640, b"data", (7, 8), ""),
                ("./t/l", tarfile.SYMTYPE, 0o777, b"", (7, 8), "f"),
                ("./h", tarfile.LNKTYPE, 0o640, b"", (7, 8), "./t/f"),
                ("t/s", tarfile.REGTYPE, 0o4755, b"s", (0, 0), ""),
            ):  # fmt: skip
                info = tarfile.TarInfo(path)
                info.type, info.mode, info.size, info.linkname = kind, bits, len(data), link
                info.uid, info.gid, info.mtime = *owner, 1_000_000_000
                tar.addfile(info, io.BytesIO(data))
    (folder / "broken.gz").write_bytes((folder / "ar.bin").read_bytes()[:60])
