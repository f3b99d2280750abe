"""A build with the cache equals a build without one, tree by tree: random Dockerfiles, random edits of their contexts.

Each case is a row of builds: a Dockerfile and a context, then the same after an edit, and again. One root keeps its
cache all the way, a second one builds everything anew each time and never sees the first one's results. Images are
reproducible, so both must have the same layers (a DiffID is the hash of a layer's tree) and the same configuration.

`SOUNDNESS_N` is the number of cases, `SOUNDNESS_SEED` the first one's seed: a failure names the seed to run again.
"""

from __future__ import annotations

import io
import os
import random
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.build_lab import Lab
from wherry.build.options import BuildOptions
from wherry.build.progress import Quiet
from wherry.cancel import Cancel
from wherry.engine.builds import BuildRequest
from wherry.errors import WherryError
from wherry.oci.digest import DiffID

CASES = int(os.environ.get("SOUNDNESS_N", "4"))
SEED = int(os.environ.get("SOUNDNESS_SEED", "1"))
EDITS = 4

NAMES = ("a", "b", "sub/c", "sub/d", "sub/deep/e", "run.sh", "ar.tar")
VALUES = ("one", "two", "th ree", "")
# Deterministic, and looking at what a wrong hit would get wrong: content, names, modes, owners, environment
COMMANDS = (
    "cat /app/* > /tmp/all 2>/dev/null; true",
    "find / -xdev -path /proc -prune -o -path /sys -prune -o -path /dev -prune -o -print > /dev/shm/l;"
    " sort /dev/shm/l > /tmp/list",
    "rm -rf /app/sub && mkdir -p /app/sub && echo new > /app/sub/new || true",
    "env | sort > /tmp/env",
    "id > /tmp/id; umask >> /tmp/id; pwd >> /tmp/id",
    "chmod -R g+w,o-r /app || true",
    "mv /app/a /app/z || true",
    "ln /app/b /app/hard; ln -s ../app/a /tmp/soft; true",
    "stat -c '%a %u:%g %s %F %n' /app/* /app/sub/* > /tmp/stat 2>/dev/null; true",
    'echo "$FOO-$BAR-$BAZ" > /tmp/vars',
    "test -e /app/sub/deep/e && echo yes > /tmp/probe || echo no > /tmp/probe",
    "mkdir -p /data && cp -a /app/. /data/ || true",
    "rm -f /app/b /tmp/all; true",
    "touch /app/empty /tmp/empty; true",
    "sh /app/run.sh > /tmp/ran 2>&1; true",
    "mknod /tmp/fifo p || true",
    "cat /etc/hostname /etc/hosts > /tmp/hosts; true",
)
_MOUNTED = "find /mnt/a /mnt/sub /mnt/app -type f 2>/dev/null | sort | xargs cat > /tmp/mounted 2>/dev/null"


class Case:
    """One row of builds: what is in the context now, and the Dockerfile as a list of lines."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.random = random.Random(seed)
        self.folder = folder
        self.arguments: dict[str, str] = {}
        self.stages = [self._stage(0)]
        if self.random.random() < 0.6:
            self.stages.append(self._stage(1))
        for name in NAMES:
            if self.random.random() < 0.95:
                self._write(name)

    def text(self) -> str:
        return "\n".join(line for stage in self.stages for line in stage) + "\n"

    def _stage(self, number: int) -> list[str]:
        if number == 0:
            first = [
                self._pick("ARG FOO=zero", "ARG BAR", "# no arguments"),
                "FROM busybox AS s0",
                "RUN chmod 1777 /tmp",
            ]
        else:
            first = [self._pick("FROM busybox", "FROM s0", "FROM scratch AS last", "FROM s0")]
        lines = [self._setting(), *(self._line(number) for _ in range(self.random.randint(2, 5)))]
        if "scratch" in first[-1]:
            lines = [line for line in lines if not line.startswith("RUN")]
        if number == 0 and self.random.random() < 0.4:
            # Above all that COPY brings: only its mount tells it of a change
            first.append(f"RUN --mount=type=bind,target=/mnt {_MOUNTED}; true")
        return [*first, *lines, self._copy(number)]

    def _line(self, number: int) -> str:
        draw = self.random.random()
        if draw < 0.38:
            return self._run(number)
        if draw < 0.68:
            return self._copy(number)
        return self._setting()

    def _setting(self) -> str:
        value = self._pick(*VALUES)
        return self._pick(
            f'ENV FOO="{value}"', f'ENV BAR="{value}" BAZ=${{FOO}}', "ARG FOO", f'ARG BAR="{value}"', "ARG BAZ=$FOO",
            "USER app", "USER 1000:50", "USER root", "WORKDIR /app", "WORKDIR sub", "WORKDIR /w/$FOO",
            'SHELL ["/bin/sh", "-ec"]', 'SHELL ["/bin/sh", "-c"]', f'LABEL l="{value}"', "EXPOSE 80", 'VOLUME ["/v"]',
            f'CMD ["{value}"]', "STOPSIGNAL 9",
        )  # fmt: skip

    def _run(self, number: int) -> str:
        command = self._pick(*COMMANDS)
        if self.random.random() < 0.6:
            # Whatever a step does, what it was given shows
            command += '; echo "$FOO-$BAR-$BAZ $(id) $(pwd) $0" > /tmp/seen.$(id -u) || true'
        mount = self._pick(
            "", "", "", "", "--mount=type=bind,target=/mnt ", "--mount=type=tmpfs,target=/app/sub ",
            "--mount=type=bind,source=sub,target=/app/sub,rw ",
            "--mount=type=bind,from=s0,target=/mnt " if number else "",
        )  # fmt: skip
        if mount and "/mnt" in mount:
            command = f"{_MOUNTED}; {command}"
        if self.random.random() < 0.15:
            return f"RUN {mount}<<END\n{command}\necho $FOO >> /tmp/here || true\nEND"
        return f"RUN {mount}{command}"

    def _copy(self, number: int) -> str:
        flags = self._pick(
            "", "", "", "--chown=app ", "--chown=7:8 ", "--chmod=640 ", "--chmod=u=rwX,go=rX ", "--link ",
            "--exclude=*/c ", "--link --chown=app ",
        )  # fmt: skip
        source = self._pick(".", "a", "sub", "sub/", "*", "a b", "s*/deep", "run.sh", "lnk")
        target = self._pick("/app/", "/app", "/data/", "./", "/app/sub/", "/new/$FOO/")
        if len(source.split()) > 1 or source in ("*", "s*/deep"):
            target = target.rstrip("/") + "/"
        draw = self.random.random()
        if draw < 0.1:
            return f"ADD ar.tar {target}"
        if draw < 0.2:
            return f"COPY {flags}<<END {target.rstrip('/')}/doc\n$FOO text\nEND"
        if draw < 0.3:
            return f"COPY --parents ./sub/d ./a {target.rstrip('/')}/"
        if draw < 0.5 and number:
            return (
                f"COPY --from=s0 {flags}{self._pick('/app*', '/tmp', '/dat*', '/app/*', '/app')} {target.rstrip('/')}/"
            )
        return f"COPY {flags}{source} {target}"

    def _pick(self, *choices: str) -> str:
        return self.random.choice(choices)

    def _write(self, name: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".tar"):
            with tarfile.open(path, "w") as tar:
                entry = tarfile.TarInfo(f"from-tar/{self.random.randrange(3)}")
                entry.size = 1
                tar.addfile(entry, io.BytesIO(str(self.random.randrange(9)).encode()))
        elif name == "run.sh":
            path.write_text(f"cat /app/{self._pick('a', 'b', 'sub/c')}; echo {self.random.randrange(9)}\n")
        else:
            path.write_text(f"{name} {self.random.randrange(10)}\n")

    def edit(self) -> str:
        """Change one thing; what it was."""
        acts = (
            self._rewrite, self._same_size_and_time, self._remove, self._change_mode, self._link, self._touch,
            self._replace_by_folder, self._ignore, self._argument, self._instruction, self._swap, self._hard_link,
            self._another_setting, self._another_setting, self._argument, self._another_source,
        )  # fmt: skip
        act = self.random.choice(acts)
        act()
        return act.__name__

    def _files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink())

    def _rewrite(self, name: str = "") -> None:
        name = name or self._pick(*NAMES)
        if not (self.folder / name).is_dir() and (self.folder / name).parent.is_dir():
            self._write(name)

    def _same_size_and_time(self) -> None:
        """Other bytes, the same size and mtime: what fools a memory of size and time."""
        for path in self._files()[:3]:
            found = path.stat()
            data = bytearray(path.read_bytes())
            if data and path.suffix != ".tar":
                data[0] = ord("a") + (data[0] + 1) % 26
                path.write_bytes(data)
                os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))

    def _remove(self) -> None:
        """A file, or one that was removed comes back."""
        gone = [name for name in NAMES if not (self.folder / name).exists()]
        if gone:
            self._rewrite(gone[0])
        elif files := self._files():
            self.random.choice(files).unlink()

    def _change_mode(self) -> None:
        if files := self._files():
            self.random.choice(files).chmod(self.random.choice((0o600, 0o644, 0o755, 0o4755)))

    def _link(self) -> None:
        link = self.folder / "lnk"
        link.unlink(missing_ok=True)
        link.symlink_to(self._pick("a", "sub", "sub/deep", "nowhere", "/sub/c", "../../a"))

    def _hard_link(self) -> None:
        target = self.folder / "linked"
        target.unlink(missing_ok=True)
        if files := self._files():
            os.link(self.random.choice(files), target)

    def _touch(self) -> None:
        for path in self._files():
            os.utime(path, ns=(0, self.random.randrange(10**18)))

    def _replace_by_folder(self) -> None:
        path = self.folder / "b"
        if path.is_dir():
            shutil.rmtree(path)
            self._write("b")
        else:
            path.unlink(missing_ok=True)
            path.mkdir()
            (path / "inner").write_text("inner\n")

    def _ignore(self) -> None:
        lines = self._pick("", "b\n", "sub\n!sub/deep\n", "**/c\n", "*\n!a\n!run.sh\n", ".dockerignore\n")
        (self.folder / ".dockerignore").write_text(lines)

    def _argument(self) -> None:
        self.arguments[self._pick("FOO", "BAR", "BAZ")] = self._pick(*VALUES)

    def _instruction(self) -> None:
        number = self.random.randrange(len(self.stages))
        stage = self.stages[number]
        at = self.random.randrange(3 if number == 0 else 1, len(stage))
        if "scratch" not in stage[0]:
            stage[at] = self._line(number)

    def _another_setting(self) -> None:
        """What stands above a step, and leaves its text and the files below it as they are."""
        for stage in self.stages:
            for at, line in enumerate(stage):
                if line.startswith(("ENV", "ARG BAR=", "USER", "SHELL", "WORKDIR", "LABEL")):
                    stage[at] = self._setting()
                    return

    def _another_source(self) -> None:
        """Of a COPY between stages: the layers that it reads stay, and so does all else of it."""
        for stage in self.stages[1:]:
            for at, line in enumerate(stage):
                if line.startswith("COPY --from=s0"):
                    words = line.split()
                    words[-2] = self._pick("/app*", "/tmp", "/tmp/*", "/app/*", "/bin/sh")
                    stage[at] = " ".join(words)

    def _swap(self) -> None:
        stage = self.stages[self.random.randrange(len(self.stages))]
        if len(stage) > 4:
            at = self.random.randrange(3, len(stage) - 1)
            stage[at], stage[at + 1] = stage[at + 1], stage[at]


def _outcome(lab: Lab, case: Case, *, no_cache: bool) -> tuple[str, tuple[str, ...], str]:
    """(error, layers, configuration): a build that failed has an error only."""
    options = BuildOptions(build_args=dict(case.arguments), no_cache=no_cache, network="none")
    request = BuildRequest(
        str(case.folder), options, "-", stdin=io.BytesIO(case.text().encode()), ambient_cache=False, jobs=2
    )
    try:
        image = lab.engine.builds.build(request, Quiet(), Cancel())
    except WherryError as fault:
        return str(fault), (), ""
    return "", tuple(map(str, image.layers)), repr(lab.engine.image_store.config(image.id))


def _different(cached: Lab, fresh: Lab, ours: tuple[str, ...], theirs: tuple[str, ...]) -> str:
    """What differs, in words, for the one who reads the failure."""
    said = []
    for number, (left, right) in enumerate(zip(ours, theirs, strict=False)):
        if left != right:
            said.append(f"layer {number}: cached {left}, anew {right}")
            for lab, digest in ((cached, left), (fresh, right)):
                top = Path(lab.engine.layers.path(DiffID(digest)))
                said += [f"   {path.relative_to(top)}" for path in sorted(top.rglob("*"))[:30]]
            break
    return "\n".join(said)


@pytest.fixture(scope="module")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Lab]]:
    made = [Lab(tmp_path_factory.mktemp("cached")), Lab(tmp_path_factory.mktemp("fresh"))]
    yield made[0], made[1]
    for lab in made:
        lab.close()


@pytest.mark.requires("root", "runc", "busybox")
@pytest.mark.parametrize("seed", range(SEED, SEED + CASES))
def test_a_build_with_the_cache_equals_a_build_without(labs: tuple[Lab, Lab], tmp_path: Path, seed: int) -> None:
    cached, fresh = labs
    context = tmp_path / "context"
    context.mkdir()
    case = Case(seed, context)
    done = ["first build"]
    for number in range(EDITS + 1):
        if number:
            done.append(case.edit())
        ours, theirs = _outcome(cached, case, no_cache=False), _outcome(fresh, case, no_cache=True)
        where = f"SOUNDNESS_SEED={seed} SOUNDNESS_N=1, after {' > '.join(done)}, {case.arguments}\n{case.text()}"
        if ours[1] != theirs[1]:
            pytest.fail(f"{where}\n{ours[0]}\n{theirs[0]}\n{_different(cached, fresh, ours[1], theirs[1])}")
        assert ours[2] == theirs[2], where
        # Of two stages that fail, either may be heard of first
        assert bool(ours[0]) == bool(theirs[0]), f"{where}\n{ours[0]}\n{theirs[0]}"
