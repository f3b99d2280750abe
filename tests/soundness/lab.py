"""Roots with base images, and builds in them by the Python API: what a worker of the checker works with."""

from __future__ import annotations

import io
import os
import re
import shutil
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tests.soundness.world import State
from wherry.build.explain import Explained
from wherry.build.options import BuildOptions
from wherry.build.progress import Quiet
from wherry.build.travel_spec import CacheFrom, CacheTo
from wherry.cancel import Cancel
from wherry.engine import Engine
from wherry.engine.builds import BuildRequest
from wherry.errors import WherryError
from wherry.host import Overlay
from wherry.host.linux import LinuxHost
from wherry.oci.config import ContainerConfig, ImageConfig
from wherry.oci.digest import DiffID
from wherry.oci.platform import Platform
from wherry.oci.reference import Reference
from wherry.settings import Paths, Settings

__all__ = ["Built", "Layer", "Root", "Why", "available_tools"]

PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:app:/home/app:/bin/sh\n"
GROUP = "root:x:0:\napp:x:1001:\nstaff:x:50:\n"
_STEP = re.compile(r"^\[(\S+)\] RUN\b")
_VERTEX = re.compile(r"^\[(\S+) +(\d+)/\d+\] RUN\b")


# A file appended to itself would fill the disk, and scripts may run each other for ever
_LIMITS = (("fsize", 1 << 24, 1 << 24), ("cpu", 10, 10))


class Layer(NamedTuple):
    """One layer of an image. `made_by` is its history: steps that gave several layers have one entry for each."""

    diff_id: str
    made_by: str


class Why(NamedTuple):
    """What --explain says of a step."""

    kind: str
    reason: str


class Built(NamedTuple):
    """What a build gave. `error` "" when it went well; `hits` are (stage, number of its RUN) that came from the cache,
    `made` those that ran; `config` is the whole configuration as text; `why` by stage and number.
    """

    error: str
    layers: tuple[Layer, ...]
    config: str
    hits: frozenset[tuple[str, int]]
    made: frozenset[tuple[str, int]]
    why: Mapping[tuple[str, int], Why]


class _Watch(Quiet):
    """Which RUN vertices were cached."""

    def __init__(self) -> None:
        self._names: dict[str, tuple[str, int]] = {}
        self._cached: set[str] = set()

    def start(self, key: str, name: str) -> None:
        if found := _VERTEX.match(name):
            self._names[key] = (found[1], int(found[2]))

    def cached(self, key: str) -> None:
        self._cached.add(key)

    def steps(self, *, cached: bool) -> frozenset[tuple[str, int]]:
        """(stage, number of the RUN among those of the stage)."""
        counts: dict[str, int] = {}
        found = set()
        for key, (stage, _) in sorted(self._names.items(), key=lambda item: item[1]):
            counts[stage] = counts.get(stage, 0) + 1
            if (key in self._cached) is cached:
                found.add((stage, counts[stage]))
        return frozenset(found)


class Root:
    """One root of wherry in a folder of its own, with the images `busybox` and, when it is wanted, `tools`.

    `luggage` is a folder to which each build's cache is exported, and from which it is imported.
    """

    def __init__(self, folder: Path, *, with_tools: bool, luggage: Path | None = None) -> None:
        self.folder, self.luggage = folder, luggage
        folder.mkdir(exist_ok=True)
        env = {"PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin", "HOME": "/root"}
        self.engine = Engine(
            Settings(Paths.for_user(env, 0, str(folder / "root")), env, 0, str(folder)), LinuxHost(env)
        )
        self._add_image("busybox", _busybox_tar())
        if with_tools:
            self._add_image("tools", _tools_tar())

    def close(self) -> None:
        self.engine.close()
        shutil.rmtree(self.engine.settings.paths.run, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _add_image(self, name: str, tar: bytes) -> None:
        with self.engine.leases.hold("soundness") as lease:
            diff_id, _ = self.engine.layers.extract(io.BytesIO(tar), lease)
            config = ImageConfig(Platform.of("linux", os.uname().machine), ContainerConfig(), (diff_id,))
            self.engine.image_store.create(config, [Reference.parse(name)])

    def build(self, context: Path, state: State, target: str, *, cache: bool, traced: bool = True) -> Built:
        """`cache` False makes every step anew; `traced` watches what the steps read."""
        options = BuildOptions(
            target=target, build_args=dict(state.arguments), no_cache=not cache, network="none",
            traced_cache=traced, ulimits=_LIMITS,
        )  # fmt: skip
        text = os.fsencode(state.doc.text())
        steps: list[Explained] = []
        request = BuildRequest(
            str(context), options, "-", stdin=io.BytesIO(text), ambient_cache=False, host_ca=False, jobs=2,
            explain=steps.extend, **self._travel(target),
        )  # fmt: skip
        watch = _Watch()
        try:
            image = self.engine.builds.build(request, watch, Cancel())
        except WherryError as fault:
            return Built(str(fault) or type(fault).__name__, (), "", watch.steps(cached=True), frozenset(), {})
        config = self.engine.image_store.config(image.id)
        made_by = [one.created_by for one in config.history if not one.empty_layer]
        texts = [""] * (len(image.layers) - len(made_by)) + made_by
        layers = tuple(Layer(str(diff_id), text) for diff_id, text in zip(image.layers, texts, strict=True))
        hits, made = watch.steps(cached=True), watch.steps(cached=False)
        return Built("", layers, repr(config), hits, made, _by_number(steps))

    def prune(self, third: int) -> None:
        """Forget a third of the steps, by their keys, and collect what nothing needs any more."""
        from wherry.build.evict import Policy
        from wherry.engine.builder_cache import prune

        prune(
            self.engine,
            Policy(everything=True),
            lambda one: not one.is_mutable and int(one.key[:8], 16) % 3 == third - 1,
        )

    def _travel(self, target: str) -> dict[str, Any]:
        if self.luggage is None:
            return {}
        path, text = str(self.luggage), f"type=local,{self.luggage}"
        known = (CacheFrom("local", text, path=path, tag=target),) if self.luggage.exists() else ()
        return {"cache_from": known, "cache_to": (CacheTo("local", text, path=path, tag=target, mode="max"),)}

    @contextmanager
    def tree(self, layers: tuple[Layer, ...]) -> Iterator[str]:
        """The merged tree as a folder."""
        lowers = tuple(self.engine.layers.path(DiffID(one.diff_id)) for one in layers)
        fd = self.engine.host.overlay(Overlay(lowers))
        try:
            yield f"/proc/self/fd/{fd}"
        finally:
            os.close(fd)


def _by_number(steps: Sequence[Explained]) -> dict[tuple[str, int], Why]:
    counts: dict[str, int] = {}
    found = {}
    for one in steps:
        if match := _STEP.match(one.name):
            counts[match[1]] = counts.get(match[1], 0) + 1
            found[match[1], counts[match[1]]] = Why(one.kind, one.reason)
    return found


def _pack(tree: Path) -> bytes:
    from wherry.image.tar import pack

    stream = io.BytesIO()
    pack.tree_to_tar(str(tree), stream.write, mtime_ns=0)
    return stream.getvalue()


@cache
def _busybox_tar() -> bytes:
    with tempfile.TemporaryDirectory(prefix="soundness-") as name:
        _busybox(Path(name))
        return _pack(Path(name))


def _busybox(base: Path) -> None:
    import subprocess

    base.chmod(0o755)  # a temporary folder is for its owner alone, and others must get through the root
    for name, mode in {"bin": 0o755, "etc": 0o755, "tmp": 0o1777, "out": 0o1777}.items():
        (base / name).mkdir()
        (base / name).chmod(mode)
    # Links of the base into what COPY brings, and files that it may cover
    (base / "via").symlink_to("/app")
    (base / "opt").mkdir()
    (base / "opt" / "up").symlink_to("../app/sub")
    (base / "srv" / "sub").mkdir(parents=True)
    for name in ("srv/a", "srv/sub/c", "srv/sub/d"):
        (base / name).write_text("1\n")
    program = shutil.which("busybox") or "/bin/busybox"
    shutil.copy(program, base / "bin" / "busybox")
    for name in subprocess.check_output([program, "--list"], text=True).split():
        if name != "busybox":
            (base / "bin" / name).symlink_to("busybox")
    (base / "etc" / "passwd").write_text(PASSWD)
    (base / "etc" / "group").write_text(GROUP)


def available_tools() -> frozenset[str]:
    """What this machine can lend to the image `tools`: Python always, as it runs this."""
    programs = {name for name in ("make", "git") if shutil.which(name)}
    return frozenset(programs | {"python"})


@cache
def _tools_tar() -> bytes:
    """busybox with this machine's Python (its own library only), make and git, and the libraries that they load."""
    with tempfile.TemporaryDirectory(prefix="soundness-") as name:
        base = Path(name)
        _busybox(base)
        python = sysconfig.get_config_var("BINDIR") + "/python" + sysconfig.get_python_version()
        library = Path(sysconfig.get_paths()["stdlib"])
        for program in (python, *filter(None, map(shutil.which, ("make", "git")))):
            _bring(base, program)
        skipped = shutil.ignore_patterns(
            "__pycache__",
            "test",
            "tests",
            "site-packages",
            "dist-packages",
            "idlelib",
            "ensurepip",
            "config-*",
            "tkinter",
        )
        shutil.copytree(library, base / str(library).lstrip("/"), ignore=skipped, symlinks=True)
        for extension in (base / str(library).lstrip("/")).rglob("*.so"):
            _bring_libraries(base, str(extension))
        (base / "usr" / "bin").mkdir(parents=True, exist_ok=True)
        if not (base / "usr" / "bin" / "python3").exists():
            (base / "usr" / "bin" / "python3").symlink_to(python)
        for program in ("make", "git"):
            if (found := shutil.which(program)) and not (base / "usr" / "bin" / program).exists():
                (base / "usr" / "bin" / program).symlink_to(found)
        return _pack(base)


def _bring(base: Path, program: str) -> None:
    target = base / program.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(program, target)
    _bring_libraries(base, program)


def _bring_libraries(base: Path, program: str) -> None:
    import subprocess

    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    for path in re.findall(r"(/\S+) \(0x", said):
        target = base / path.lstrip("/")
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
