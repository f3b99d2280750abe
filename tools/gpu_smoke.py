"""Try wherry's GPU support on a machine that has a GPU; a person runs it there: `tools/gpu-smoke` (as root).

    tools/gpu-smoke                              with an image that it bootstraps
    tools/gpu-smoke --image python:3.12          with an image of yours; one with python3 tests CUDA, too
    tools/gpu-smoke --image my-torch --torch     and PyTorch in it

It prints PASS, FAIL or SKIP for each check, and ends with 1 when one failed. Send the whole report with a bug.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

CUDA = """
import ctypes
cuda = ctypes.CDLL("libcuda.so.1")
def ask(name, *args):
    code = getattr(cuda, name)(*args)
    if code: raise SystemExit(f"{name}: error {code}")
count, device, context, memory = ctypes.c_int(), ctypes.c_int(), ctypes.c_void_p(), ctypes.c_void_p()
ask("cuInit", 0)
ask("cuDeviceGetCount", ctypes.byref(count))
ask("cuDeviceGet", ctypes.byref(device), 0)
ask("cuCtxCreate_v2", ctypes.byref(context), 0, device)
ask("cuMemAlloc_v2", ctypes.byref(memory), ctypes.c_size_t(64 << 20))
print("devices", count.value)
"""
TORCH = """
import torch
from torch.utils.data import DataLoader
assert torch.cuda.is_available(), "torch.cuda.is_available() is False"
a = torch.rand(2048, 2048, device="cuda")
assert torch.isfinite((a @ a).sum())
data = [torch.rand(3, 224, 224) for _ in range(256)]
print("batches", sum(1 for _ in DataLoader(data, batch_size=32, num_workers=4)))
"""


class Skip(Exception):
    """This machine or image has not what the check needs."""


class Result(NamedTuple):
    name: str
    verdict: str
    note: str
    seconds: float


class Smoke:
    """`wherry` is the command's words; `image` has a shell at least."""

    def __init__(self, wherry: list[str], image: str, *, torch: bool) -> None:
        self.wherry, self.image, self.torch = wherry, image, torch
        self.results: list[Result] = []

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.wherry, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=600, check=False
        )

    def run(self, *words: str) -> str:
        """stdout of `wherry run --rm ...`; a failure is the check's."""
        done = self.call("run", "--rm", "--network", "none", *words)
        assert done.returncode == 0, f"exit {done.returncode}: {(done.stderr or done.stdout).strip()[-600:]}"
        return done.stdout

    def shell(self, script: str, *flags: str) -> str:
        return self.run(*flags, self.image, "sh", "-c", script)

    def check(self, name: str, body: Callable[[], str | None]) -> None:
        start = time.monotonic()
        try:
            verdict, note = "PASS", body() or ""
        except Skip as reason:
            verdict, note = "SKIP", str(reason)
        except (AssertionError, subprocess.TimeoutExpired, OSError, ValueError) as fault:
            verdict, note = "FAIL", str(fault)
        found = Result(name, verdict, note, time.monotonic() - start)
        self.results.append(found)
        print(f"{verdict}  {found.seconds:5.1f}s  {name}" + (f": {note}" if note else ""), flush=True)


def host_gpus() -> list[str]:
    """Lines of the host's `nvidia-smi -L`."""
    program = os.environ.get("GPU_SMOKE_NVIDIA_SMI") or shutil.which("nvidia-smi")
    if not program:
        raise Skip("no nvidia-smi on this machine")
    done = subprocess.run([program, "-L"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"the host's own nvidia-smi fails: {(done.stdout + done.stderr).strip()}"
    return [line for line in done.stdout.splitlines() if line.startswith("GPU ")]


def nvidia(smoke: Smoke) -> None:
    listed: list[dict[str, str]] = []

    def ls() -> str:
        out = smoke.call("gpu", "ls", "--format", "json").stdout
        listed.extend(json.loads(line) for line in out.splitlines())
        own = [one for one in listed if one["Vendor"] == "nvidia" and one["Use"]]
        assert len(own) == len(host_gpus()), f"wherry lists {len(own)} GPUs, nvidia-smi {len(host_gpus())}: {out}"
        return f"{len(own)} GPU(s)"

    def inside(*flags: str) -> list[str]:
        lines = smoke.shell("nvidia-smi -L", *flags).splitlines()
        return [line for line in lines if line.startswith("GPU ")]

    def same() -> None:
        assert inside("--gpus", "all") == host_gpus(), "nvidia-smi -L differs inside"

    def one(*flags: str) -> Callable[[], None]:
        def body() -> None:
            first = host_gpus()[0]
            assert inside(*flags) == [first], f"not only {first}"

        return body

    def by_uuid() -> None:
        uuid = host_gpus()[0].rpartition("UUID: ")[2].rstrip(")")
        one("--gpus", f"device={uuid}")()

    def none() -> None:
        host_gpus()
        out = smoke.shell("ls /dev; command -v nvidia-smi || true")
        assert "nvidia" not in out, f"a container that did not ask sees {out.split()}"

    smoke.check("gpu ls has what nvidia-smi has", ls)
    smoke.check("--gpus all: nvidia-smi -L is the host's", same)
    smoke.check("--gpus 1", one("--gpus", "1"))
    smoke.check("--gpus device=0", one("--gpus", "device=0"))
    smoke.check("--gpus device=UUID", by_uuid)
    smoke.check("--device nvidia.com/gpu=0", one("--device", "nvidia.com/gpu=0"))
    smoke.check(
        "--runtime nvidia -e NVIDIA_VISIBLE_DEVICES=0", one("--runtime", "nvidia", "-e", "NVIDIA_VISIBLE_DEVICES=0")
    )
    smoke.check("--gpus 1 --read-only --user 1000", one("--gpus", "1", "--read-only", "--user", "1000"))
    smoke.check("no GPU without a flag", none)
    libraries(smoke)


def libraries(smoke: Smoke) -> None:
    def cache() -> str:
        host_gpus()
        out = smoke.shell(
            "command -v ldconfig >/dev/null || exit 0; ldconfig -p | grep libcuda.so.1; true", "--gpus", "all"
        )
        if not out and not smoke.shell("command -v ldconfig || true"):
            raise Skip("the image has no ldconfig")
        assert "libcuda.so.1" in out, "ldconfig -p does not name libcuda.so.1"
        return out.strip().splitlines()[0].strip()

    def cuda() -> str:
        host_gpus()
        if not smoke.shell("command -v python3 || true").strip():
            raise Skip("the image has no python3: --image python:3.12")
        return smoke.run("--gpus", "all", smoke.image, "python3", "-c", CUDA).strip()

    def shm() -> str:
        host_gpus()
        kib = int(smoke.shell("df -k /dev/shm | tail -1", "--gpus", "all").split()[1])
        assert kib > 65536, f"{kib} KiB"
        return f"{kib >> 10} MiB"

    def torch() -> str:
        if not smoke.torch:
            raise Skip("--torch and an image with PyTorch try it")
        return smoke.run("--gpus", "all", smoke.image, "python3", "-c", TORCH).strip()

    smoke.check("ldconfig -p knows the driver (triton asks it)", cache)
    smoke.check("CUDA: cuInit, a context, 64 MiB of memory", cuda)
    smoke.check("/dev/shm of a GPU's container", shm)
    smoke.check("PyTorch: a product on the GPU, a DataLoader with 4 workers", torch)


def others(smoke: Smoke) -> None:
    def amd() -> None:
        if not os.path.exists("/dev/kfd"):
            raise Skip("no /dev/kfd on this machine")
        out = smoke.shell("ls /dev/kfd /dev/dri", "--device", "/dev/kfd", "--device", "/dev/dri")
        assert "renderD" in out, out

    def render() -> None:
        if not os.path.isdir("/dev/dri"):
            raise Skip("no /dev/dri on this machine")
        assert "renderD" in smoke.shell("ls /dev/dri", "--device", "/dev/dri")

    def nothing_left() -> None:
        done = smoke.call("ps", "-aq")
        assert done.returncode == 0, done.stderr
        assert not done.stdout.split(), f"containers {done.stdout.split()} are left"

    smoke.check("AMD: --device /dev/kfd --device /dev/dri", amd)
    smoke.check("Intel and others: --device /dev/dri", render)
    smoke.check("nothing is left", nothing_left)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="tools/gpu-smoke", description="Try wherry on a machine with a GPU.")
    parser.add_argument("--wherry", default="wherry", help="the command, with its flags (default: wherry)")
    parser.add_argument("--image", default="", help="an image with a shell (default: one is bootstrapped)")
    parser.add_argument("--torch", action="store_true", help="the image has PyTorch: try it")
    found = parser.parse_args(argv)
    smoke = Smoke(found.wherry.split(), found.image, torch=found.torch)
    print(f"machine: {platform.platform()}; {smoke.call('--version').stdout.strip()}")
    for line in smoke.call("doctor").stdout.splitlines():
        if " gpu " in line or " cdi " in line or "OCI runtime" in line:
            print(f"doctor:  {line}")
    if not smoke.image:
        smoke.image = f"python:{sys.version_info.major}.{sys.version_info.minor}"
        smoke.check(f"bootstrap {smoke.image}", lambda: _made(smoke))
    nvidia(smoke)
    others(smoke)
    count = {verdict: sum(one.verdict == verdict for one in smoke.results) for verdict in ("PASS", "FAIL", "SKIP")}
    print(
        f"\n{count['PASS']} passed, {count['FAIL']} failed, {count['SKIP']} skipped: "
        + ("FAIL" if count["FAIL"] else "PASS")
    )
    return 1 if count["FAIL"] else 0


def _made(smoke: Smoke) -> None:
    done = smoke.call("bootstrap", smoke.image)
    assert done.returncode == 0, done.stderr.strip()[-600:]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
