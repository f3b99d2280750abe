"""A root of busybox, and containers in it by the real runtime: what the tests of the spec and of steps share."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from wherry.cancel import Cancel
from wherry.host import Overlay
from wherry.host.linux import LinuxHost
from wherry.oci.config import ContainerConfig, ImageConfig
from wherry.oci.platform import Platform
from wherry.runtime import cgroups, spec, users
from wherry.runtime.machine import read_machine
from wherry.runtime.options import RunOptions
from wherry.runtime.step import StepRequest, run_step, step_id

PREFIX = "/wherry-test-spec-"
APPLETS = (
    "sh", "cat", "echo", "id", "env", "ls", "grep", "sleep", "true", "false", "kill", "mkdir", "touch", "mount",
    "umount", "head", "hostname", "pwd", "nc",
)  # fmt: skip
PLAIN = ContainerConfig()


class Outcome(NamedTuple):
    status: int
    output: str

    @property
    def lines(self) -> list[str]:
        return self.output.splitlines()


class Lab:
    """One root below, and a fresh upper folder for each run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = LinuxHost({"PATH": os.environ["PATH"], "LANG": "C"})
        self.root = folder / "base"
        self.runtime = shutil.which("runc", path=os.environ["PATH"] + ":/usr/sbin:/sbin") or ""
        self.runtime_root = str(folder / "runtime")
        self.machine = read_machine()
        (self.root / "bin").mkdir(parents=True)
        busybox = shutil.which("busybox")
        assert busybox
        shutil.copy(busybox, self.root / "bin/busybox")
        for name in APPLETS:
            (self.root / "bin" / name).symlink_to("busybox")
        (self.root / "etc").mkdir()
        (self.root / "tmp").mkdir(mode=0o1777)
        (self.root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n")
        (self.root / "etc/group").write_text("root:x:0:\napp:x:1000:\nextra:x:7:app\n")

    @contextmanager
    def rootfs(self) -> Iterator[int]:
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            upper, work = f"{folder}/upper", f"{folder}/work"
            os.mkdir(upper)
            os.mkdir(work)
            fd = self.host.overlay(Overlay((str(self.root),), upper, work))
            try:
                yield fd
            finally:
                os.close(fd)

    def request(self, rootfs_fd: int, options: RunOptions, config: ContainerConfig, **facts: Any) -> StepRequest:
        id = step_id(self.host)
        who = users.resolve(rootfs_fd, options.user or config.user, options.group_add)
        known = spec.SpecFacts(
            id, "replaced", self.machine, user=who, mounts=options.mounts, cgroup_prefix=PREFIX, **facts
        )
        image = ImageConfig(Platform.of("linux", self.machine.architecture), config)
        folder = tempfile.mkdtemp(dir=self.folder)
        return StepRequest(
            id, rootfs_fd, spec.runtime_spec(image, options, known), self.runtime, self.runtime_root, folder,
            options.network or "none", spec.network_sysctls(options),
        )  # fmt: skip

    def run(
        self,
        options: RunOptions,
        config: ContainerConfig = PLAIN,
        *,
        cancel: Cancel | None = None,
        on_output: Callable[[bytes], None] = lambda _: None,
        on_netns: Callable[[int], None] | None = None,
        change: Callable[[dict[str, Any]], None] = lambda _: None,
        **facts: Any,
    ) -> Outcome:
        seen: list[bytes] = []

        def collect(data: bytes) -> None:
            seen.append(data)
            on_output(data)

        with self.rootfs() as rootfs_fd:
            request = self.request(rootfs_fd, options, config, **facts)
            change(dict(request.spec))
            status = run_step(self.host, request, cancel or Cancel(), collect, on_netns)
        return Outcome(status, b"".join(seen).decode())

    def shell(self, script: str, **fields: Any) -> Outcome:
        return self.run(RunOptions(command=("sh", "-c", script), **fields))

    def leftovers(self) -> list[str]:
        """What a step must not leave: state, cgroups, mounts, and processes below our folder."""
        found = [f"cgroup {name}" for name in cgroups.children("") if name.startswith(PREFIX[1:])]
        if os.path.isdir(self.runtime_root):
            found += [f"state {name}" for name in os.listdir(self.runtime_root)]
        found += [
            f"mount {line}" for line in Path("/proc/self/mounts").read_text().splitlines() if str(self.folder) in line
        ]
        for entry in os.scandir("/proc"):
            if entry.name.isdecimal() and (line := _command_line(entry.name)) and str(self.folder) in line:
                found.append(f"process {line}")
        return found


def _command_line(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""
