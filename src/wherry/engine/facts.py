"""What `wherry version`, `info` and `doctor` say of the machine."""

from __future__ import annotations

import os
import shutil
from typing import NamedTuple

from wherry.oci.platform import Platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.host import Host
    from wherry.settings import Settings

__all__ = ["Facts", "gather"]


class Facts(NamedTuple):
    """`cgroup` is "v1", "v2" or "hybrid" (v1 controllers beside an empty v2 tree); `runtime` is "" when none works."""

    kernel: str
    architecture: str
    cgroup: str
    runtime: str


def gather(settings: Settings, host: Host) -> Facts:
    uname = os.uname()
    if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        cgroup = "v2"
    else:
        cgroup = "hybrid" if os.path.isdir("/sys/fs/cgroup/unified") else "v1"
    names = [settings.runtime] if settings.runtime else ["runc", "crun"]
    path = settings.env.get("PATH", "")
    runtime = next((name for name in names if shutil.which(name, path=path)), "")
    return Facts(uname.release, Platform.of("linux", uname.machine).architecture, cgroup, runtime)
