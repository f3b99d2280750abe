"""What wherry needs of this machine: found or not, its version, and how to get it. It tries what can be tried."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

from wherry.errors import HostError
from wherry.host import Command, Overlay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wherry.host import Host
    from wherry.settings import Settings

__all__ = ["Check", "examine", "examine_runtimes", "has_seccomp", "is_sound"]

_RUNC_CVES = "CVE-2025-31133, CVE-2025-52565 and CVE-2025-52881"
_OLDEST_KERNEL, _GOOD_KERNEL = (5, 6), (6, 5)
_ROOM_BYTES = 5 << 30


class Check(NamedTuple):
    """One thing. `status` is "ok", "warning" or "missing"; `note` is what is wrong with it, `hint` how to mend it.

    `required` False: wherry works without it, but for what `purpose` says.
    """

    name: str
    status: str
    required: bool
    purpose: str
    version: str = ""
    where: str = ""
    note: str = ""
    hint: str = ""


def is_sound(checks: Sequence[Check]) -> bool:
    """Nothing that is required is missing."""
    return not any(one.required and one.status == "missing" for one in checks)


def examine(settings: Settings, host: Host) -> list[Check]:
    """Every check, in the order to show them. Starts a dozen small programs: half a second.

    Leaves nothing but the choice of the runtime, which is remembered as by any other command.
    """
    from wherry.engine import doctor_cgroups, doctor_network

    return [
        _root(settings),
        _kernel(),
        _python(),
        *_packages(),
        _overlay(settings, host),
        *doctor_cgroups.examine(),
        *doctor_network.examine(settings, host),
        _seccomp(),
        _container(settings, host),
        *examine_runtimes(settings, host),
        _program(settings, host, "nft", "nftables", ["--version"], required=True, purpose="bridge networks and ports"),
        _program(settings, host, "ip", "iproute2", ["-V"], required=True, purpose="bridge networks and ports"),
        _init(settings),
        _program(settings, host, "mmdebstrap", "mmdebstrap", ["--version"], required=False, purpose="bootstrap"),
        _program(settings, host, "git", "git", ["--version"], required=False, purpose="times of images from commits"),
        *_gpus(settings, host),
        _room(settings),
    ]


def _gpus(settings: Settings, host: Host) -> Sequence[Check]:
    from wherry.engine.gpus import examine_gpus

    return examine_gpus(settings, host)


def _apt(package: str) -> str:
    return f"apt-get install --no-install-recommends {package}"


def _root(settings: Settings) -> Check:
    if settings.uid == 0:
        return Check("root", "ok", True, "mounts, namespaces, cgroups")
    return Check(
        "root", "missing", True, "mounts, namespaces, cgroups",
        note=f"running as uid {settings.uid}; wherry can't do without root yet", hint="run it with sudo",
    )  # fmt: skip


def _kernel() -> Check:
    from wherry.runtime.machine import kernel_version

    release = os.uname().release
    found = kernel_version(release)
    purpose = "openat2, detached mounts, pidfds"
    if found < _OLDEST_KERNEL:
        return Check("kernel", "missing", True, purpose, release, note="Linux 5.6 is the oldest that works")
    if found < _GOOD_KERNEL:
        note = "images with very many layers need Linux 6.5"
        return Check("kernel", "warning", True, purpose, release, note=note)
    return Check("kernel", "ok", True, purpose, release)


def _python() -> Check:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Check("python", "ok", True, "wherry itself", version, sys.executable)


def _packages() -> Iterator[Check]:
    from importlib.metadata import PackageNotFoundError, version

    for name in ("isal", "pyyaml", "zstandard"):
        try:
            yield Check(name, "ok", True, "a Python package that wherry uses", version(name))
        except PackageNotFoundError:
            yield Check(name, "missing", True, "a Python package that wherry uses", hint=f"pip install {name}")


def _overlay(settings: Settings, host: Host) -> Check:
    """A real mount, detached, of two folders on the file system that images will be on."""
    import tempfile

    purpose = "the layers of images"
    place = settings.paths.root
    while not os.path.isdir(place):
        place = os.path.dirname(place)
    try:
        with tempfile.TemporaryDirectory(prefix=".wherry-doctor-", dir=place) as folder:
            for name in ("lower", "upper", "work"):
                os.mkdir(f"{folder}/{name}")
            os.close(host.overlay(Overlay((f"{folder}/lower",), f"{folder}/upper", f"{folder}/work")))
    except (OSError, HostError) as fault:
        hint = "modprobe overlay; or choose a folder on ext4, xfs or btrfs with --root"
        return Check("overlayfs", "missing", True, purpose, where=place, note=str(fault), hint=hint)
    return Check("overlayfs", "ok", True, purpose, where=place)


def has_seccomp() -> bool:
    """The kernel can filter system calls."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        return any(line.startswith("Seccomp:") for line in file)


def _seccomp() -> Check:
    if has_seccomp():
        return Check("seccomp", "ok", True, "docker's system call filter")
    return Check(
        "seccomp", "missing", True, "docker's system call filter", note="the kernel lacks CONFIG_SECCOMP_FILTER",
        hint="another kernel, or --security-opt seccomp=unconfined for each container",
    )  # fmt: skip


def _container(settings: Settings, host: Host) -> Check:
    """Whether a container can be started at all."""
    from wherry.runtime.driver import choose

    purpose = "starting a container"
    if settings.uid != 0:
        return Check("OCI runtime", "missing", True, purpose, note="can't be tried without root", hint="use sudo")
    try:
        chosen = choose(settings, host)
    except (HostError, OSError) as fault:
        return Check("OCI runtime", "missing", True, purpose, note=str(fault), hint=_apt("runc"))
    return Check("OCI runtime", "ok", True, purpose, chosen.name, chosen.path)


def examine_runtimes(settings: Settings, host: Host) -> list[Check]:
    """runc and crun by their versions; whether either works is `OCI runtime`'s question."""
    found = []
    for name in ("runc", "crun"):
        one = _program(settings, host, name, name, ["--version"], required=False, purpose="an OCI runtime")
        if name == "runc" and one.version and is_vulnerable_runc(one.version):
            one = one._replace(
                status="warning",
                note=f"older than the repair of {_RUNC_CVES}: a hostile image may reach the host",
                hint="upgrade to runc 1.2.8, 1.3.3, 1.4 or newer, unless your distribution has patched its own",
            )
        found.append(one)
    return found


def is_vulnerable_runc(version: str) -> bool:
    """By its own word ("1.1.15+ds1"): distributions patch without a new number, so this is a warning only."""
    numbers, dash, candidate = version.partition("+")[0].partition("-")
    parts = tuple(int(part) for part in numbers.split(".") if part.isdecimal())
    if parts == (1, 4, 0) and dash:
        return candidate in {"rc.1", "rc.2"}
    return parts < (1, 2, 8) or (1, 3) <= parts < (1, 3, 3)


def _program(
    settings: Settings, host: Host, name: str, package: str, words: list[str], *, required: bool, purpose: str
) -> Check:
    from wherry.runtime import trial

    path = trial.find(name, settings)
    if not path:
        return Check(name, "missing", required, purpose, hint=_apt(package))
    try:
        done = host.run(Command([path, *words], timeout_s=10))
    except HostError as fault:
        return Check(name, "missing", required, purpose, where=path, note=str(fault), hint=_apt(package))
    text = (done.stdout or done.stderr).decode("utf-8", "replace")
    return Check(name, "ok", required, purpose, _version(text), path)


def _version(text: str) -> str:
    """The first word of the first line that is a number, bare ("1.21"), as "v1.1.3," or as "iproute2-6.15.0,"."""
    first = text.splitlines()[0] if text else ""
    words = [word.strip(",()").rpartition("-" if word[:1].isalpha() else "\0")[2] for word in first.split()]
    return next((bare for word in words if (bare := word.removeprefix("v"))[:1].isdigit()), "")


def _init(settings: Settings) -> Check:
    from wherry.runtime.docker_init import find_init

    try:
        return Check("tini", "ok", False, "run --init", where=find_init(settings.env.get("PATH", "")))
    except HostError as fault:
        return Check("tini", "missing", False, "run --init", note=str(fault), hint=fault.hint or "")


def _room(settings: Settings) -> Check:
    place = settings.paths.root
    while not os.path.isdir(place):
        place = os.path.dirname(place)
    facts = os.statvfs(place)
    free = facts.f_bavail * facts.f_frsize
    shown = f"{free / 10**9:.1f} GB free"
    if free < _ROOM_BYTES:
        note = "images of AI applications are large"
        return Check("disk", "warning", False, "images", shown, place, note, "free some, or move it with --root")
    return Check("disk", "ok", False, "images", shown, place)
