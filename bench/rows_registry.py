"""Images through registries: wherry beside docker, its server beside docker-registry, its copy beside skopeo."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from pathlib import Path

from bench.engines import Docker, Engine, Wherry
from bench.load import download, random_file, small_blobs, upload
from bench.registries import DockerRegistry, Registry, WherryRegistry
from bench.rows import Pair, Row, Setup, alternate, lesson

__all__ = ["ROWS"]

GIB = 1 << 30
BIG_GB = int(os.environ.get("BENCH_BIG_GB", "2"))


def push(setup: Setup) -> Pair:
    """To a registry that is empty each time."""
    for engine in setup.engines:
        engine.build(lesson(setup, engine, "lesson"))

    def one(engine: Engine, _: int) -> float:
        with DockerRegistry(setup.folder) as registry:
            return _push(engine, "bench", f"{registry.host}/lesson:1")

    return alternate(setup, 3, one, warm=False)


def push_again(setup: Setup) -> Pair:
    for engine in setup.engines:
        engine.build(lesson(setup, engine, "lesson"))
    with DockerRegistry(setup.folder) as registry:
        return alternate(setup, 5, lambda engine, _: _push(engine, "bench", f"{registry.host}/{engine.name}:1"))


def push_edit(setup: Setup) -> Pair:
    """One more line in main.py, built anew before the clock starts, by the lesson's own Dockerfile.

    It copies everything before `RUN pip install`, which therefore runs again: docker gets another layer of packages,
    wherry the same one, as times and names are not in it.
    """
    with DockerRegistry(setup.folder) as registry:

        def one(engine: Engine, number: int) -> float:
            folder = setup.folder / f"edited-{engine.name}"
            if not folder.exists():
                shutil.copytree(lesson(setup, engine, "lesson"), folder)
            with open(folder / "main.py", "a") as file:
                file.write(f"# edit {number}\n")
            engine.build(folder, tag="edited")
            return _push(engine, "edited", f"{registry.host}/{engine.name}:edited")

        return alternate(setup, 3, one)


def _push(engine: Engine, source: str, target: str) -> float:
    engine.run("tag", source, target)
    try:
        return engine.run("push", target)
    finally:
        engine.run("rmi", target)


def pull(setup: Setup) -> Pair:
    """Into an empty store, ready to run."""
    setup.wherry.build(lesson(setup, setup.wherry, "lesson"))
    with DockerRegistry(setup.folder) as registry:
        name = f"{registry.host}/lesson:1"
        _push(setup.wherry, "bench", name)

        def one(engine: Engine, number: int) -> float:
            # Removed at the very end: ext4 is slow to write where much was just deleted
            folder = setup.folder / f"empty-{engine.name}-{number}"
            fresh: Engine = Wherry(folder) if engine.name == "wherry" else Docker(folder, network=False)
            try:
                os.sync()
                return fresh.run("pull", name)
            finally:
                fresh.close()

        return alternate(setup, 3, one)


def push_weights(setup: Setup) -> Pair:
    for engine in setup.engines:
        folder = setup.folder / f"push-weights-{engine.name}"
        folder.mkdir()
        (folder / "Dockerfile").write_text(f"FROM {setup.base}\nCOPY model.safetensors /models/\n")
        random_file(folder / "model.safetensors", GIB)
        engine.build(folder, tag="heavy")

    def one(engine: Engine, _: int) -> float:
        with DockerRegistry(setup.folder) as registry:
            return _push(engine, "heavy", f"{registry.host}/heavy:1")

    return alternate(setup, 3, one, warm=False)


def push_model(setup: Setup) -> Pair:
    """A model of one file, beside `oras push` of the same, each time new bytes to an empty registry."""
    if not shutil.which("oras"):
        raise RuntimeError("oras is not installed: apt-get install oras")
    folder = setup.folder / "push-model"
    folder.mkdir()
    found: dict[str, list[float]] = {"wherry": [], "docker": []}
    for _ in range(3):
        for name, times in found.items():
            random_file(folder / "model.bin", GIB)
            os.sync()
            with DockerRegistry(setup.folder) as registry:
                target = f"{registry.host}/model:1"
                if name == "wherry":
                    times.append(setup.wherry.run("model", "push", str(folder), target))
                    continue
                began = time.monotonic()
                argv = ["oras", "push", "--plain-http", "--no-tty", target, "model.bin"]
                subprocess.run(argv, cwd=folder, check=True, capture_output=True)
                times.append(time.monotonic() - began)
    return Pair(found["wherry"], found["docker"])


def _servers(setup: Setup, rounds: int, one: object) -> Pair:
    """`one(registry, round)` for both servers in turn, each empty at the start."""
    found: dict[str, list[float]] = {"wherry": [], "docker": []}
    with WherryRegistry(setup.folder) as mine, DockerRegistry(setup.folder) as theirs:
        for number in range(rounds):
            for name, registry in (("wherry", mine), ("docker", theirs)):
                os.sync()
                found[name].append(one(registry, number))  # type: ignore[operator]
    return Pair(found["wherry"], found["docker"])


def server_upload(setup: Setup) -> Pair:
    def one(registry: Registry, number: int) -> float:
        path = setup.folder / "upload.bin"
        digest = random_file(path, GIB)
        os.sync()
        return upload(registry.host, path, digest)

    return _servers(setup, 3, one)


def server_download(setup: Setup) -> Pair:
    path = setup.folder / "download.bin"
    digest = random_file(path, GIB)

    def one(registry: Registry, number: int) -> float:
        if number == 0:
            upload(registry.host, path, digest)
        return download(registry.host, digest, GIB)

    return _servers(setup, 5, one)


def server_small(setup: Setup) -> Pair:
    return _servers(setup, 3, lambda registry, number: small_blobs(registry.host, 2000, 16, number))


def server_memory(setup: Setup) -> Pair:
    """The most that each had at once under 16 clients and a large blob."""
    path = setup.folder / "memory.bin"
    digest = random_file(path, GIB)
    with WherryRegistry(setup.folder) as mine, DockerRegistry(setup.folder) as theirs:
        for registry in (mine, theirs):
            upload(registry.host, path, digest)
            small_blobs(registry.host, 1000, 16, 0)
            download(registry.host, digest, GIB)
        return Pair([mine.peak_mb], [theirs.peak_mb], "MB")


class Skopeo(Engine):
    name = "docker"
    command = ("skopeo", "--insecure-policy")


def copy(setup: Setup) -> Pair:
    """From registry to registry, the target empty each time."""
    if not shutil.which("skopeo"):
        raise RuntimeError("skopeo is not installed: apt-get install skopeo")
    setup.wherry.build(lesson(setup, setup.wherry, "lesson"))
    skopeo = Skopeo(setup.folder / "skopeo")
    with DockerRegistry(setup.folder) as source:
        name = f"{source.host}/lesson:1"
        _push(setup.wherry, "bench", name)

        def one(engine: Engine, _: int) -> float:
            with DockerRegistry(setup.folder) as target:
                ways = (f"docker://{name}", f"docker://{target.host}/lesson:1")
                if engine is skopeo:
                    return skopeo.run("copy", "--src-tls-verify=false", "--dest-tls-verify=false", *ways)
                return engine.run("copy", *ways)

        found: dict[str, list[float]] = {"wherry": [], "docker": []}
        for number in range(-1, 3):
            for engine in (setup.wherry, skopeo):
                os.sync()
                took = one(engine, number)
                if number >= 0:
                    found[engine.name].append(took)
        return Pair(found["wherry"], found["docker"])


def memory(setup: Setup) -> Pair:
    """wherry: the most that push and pull of one large layer took; docker: its daemon's peak after the same."""
    peaks = {}
    for engine in setup.engines:
        folder = setup.folder / f"big-{engine.name}"
        folder.mkdir()
        (folder / "Dockerfile").write_text(f"FROM {setup.base}\nCOPY big /big\n")
        random_file(folder / "big", BIG_GB * 10**9)
        engine.build(folder, tag="big")
        shutil.rmtree(folder)
        with DockerRegistry(setup.folder) as registry:
            name = f"{registry.host}/big:1"
            engine.run("tag", "big", name)
            peaks[engine.name] = peak_mb(engine, "push", name)
            engine.run("rmi", "-f", "big", name)
            peaks[engine.name] = max(peaks[engine.name], peak_mb(engine, "pull", name))
            engine.run("rmi", "-f", name)
    for pid in setup.docker.pids:
        status = Path(f"/proc/{pid}/status").read_text()
        peak = next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
        peaks["docker"] = max(peaks["docker"], peak)
    return Pair([peaks["wherry"]], [peaks["docker"]], "MB")


def peak_mb(engine: Engine, *argv: str) -> float:
    """The most memory that the command itself had at once."""
    process = subprocess.Popen([*engine.command, *argv], env=engine.env, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # fmt: skip
    assert process.stderr is not None
    said = process.stderr.read()
    process.stderr.close()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{engine.name} {' '.join(argv)} failed:\n{said.decode(errors='replace')[-3000:]}")
    return _kib(used) / 1024


def _kib(used: resource.struct_rusage) -> int:
    return used.ru_maxrss


ROWS = (
    Row("push", "push the lesson to an empty registry", push, 0.25),
    Row("push-again", "... the same image once more", push_again, 0.50),
    Row("push-edit", "... after one more line in main.py", push_edit, 0.30),
    Row("pull", "pull it into an empty store, ready to run", pull, 0.40),
    Row("push-weights", "push 1 GB of random weights", push_weights, 0.25),
    Row("push-model", "push a model of 1 GB (beside oras)", push_model, 0.80),
    Row("copy-image", "copy it from registry to registry (beside skopeo)", copy, 0.70),
    Row("server-upload", "server: upload of 1 GB (beside docker-registry)", server_upload, 1.0),
    Row("server-download", "server: download of 1 GB", server_download, 1.0),
    Row("server-small", "server: 2,000 small blobs by 16 clients", server_small, 1.0),
    Row("server-memory", "server: memory under load", server_memory, 64.0),
    Row("transfer-memory", f"memory of push and pull of {BIG_GB} GB", memory, 150.0),
)
