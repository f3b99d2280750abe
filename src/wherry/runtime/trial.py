"""Choosing the runtime by trying it: a name on the PATH says little (crun refuses hybrid cgroups, for one).

The trial starts a container whose program does not exist. A runtime that works gets as far as saying just that.
"""

from __future__ import annotations

import os

from wherry import lean_json as json
from wherry.errors import CommandNotFound, HostError
from wherry.fs.atomic import replace_file
from wherry.host import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wherry.host import Host
    from wherry.settings import Settings

__all__ = ["CANDIDATES", "choose", "find", "obstacle", "remembered"]

CANDIDATES = ("runc", "crun")
_PROGRAM = "/wherry-trial"
_HINT = "apt-get install --no-install-recommends runc"


def find(name: str, settings: Settings) -> str:
    """The program's absolute path, or ""; looked for where root's programs are, too."""
    path = settings.env.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
    import shutil

    return shutil.which(name, path=path) or ""


def choose(settings: Settings, host: Host) -> tuple[str, str]:
    """(name, path). Raises: HostError."""
    if settings.runtime:
        path = find(settings.runtime, settings)
        if not path:
            raise HostError(f"the OCI runtime {settings.runtime} is not installed", hint=_HINT)
        return os.path.basename(settings.runtime), path
    kept = _kept(settings)
    known = _recall(kept, host)
    if known:
        return known
    reasons = []
    for name in CANDIDATES:
        path = find(name, settings)
        reason = obstacle(path, settings, host) if path else "not installed"
        if not reason:
            _remember(kept, name, path, host)
            return name, path
        reasons.append(f"{name}: {reason}")
    raise HostError(f"no OCI runtime works on this machine ({'; '.join(reasons)})", hint=_HINT)


def _kept(settings: Settings) -> str:
    return f"{settings.paths.run}/runtime.json"


def remembered(settings: Settings, host: Host) -> str:
    """The name of the runtime that was tried and chosen since the machine booted, or ""."""
    known = None if settings.runtime else _recall(_kept(settings), host)
    return known[0] if known else ""


def _stamp(path: str) -> list[int]:
    facts = os.stat(path)
    return [facts.st_mtime_ns, facts.st_size]


def _recall(kept: str, host: Host) -> tuple[str, str] | None:
    try:
        with open(kept, "rb") as file:
            doc = json.load(file)
        path = doc["path"]
        if doc["boot"] == host.boot_id() and doc["stamp"] == _stamp(path):
            return doc["name"], path
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _remember(kept: str, name: str, path: str, host: Host) -> None:
    doc = {"boot": host.boot_id(), "name": name, "path": path, "stamp": _stamp(path)}
    replace_file(kept, json.dumps(doc).encode(), durable=False)


def _config(id: str) -> dict[str, Any]:
    quiet = ["nosuid", "noexec", "nodev"]
    return {
        "ociVersion": "1.0.2",
        "process": {"user": {"uid": 0, "gid": 0}, "args": [_PROGRAM], "env": [], "cwd": "/", "terminal": False},
        "root": {"path": "rootfs"},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": quiet},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
        ],
        "linux": {
            "cgroupsPath": f"/wherry-{id}",
            "namespaces": [{"type": kind} for kind in ("mount", "pid", "ipc", "uts", "network")],
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
        },
    }


def obstacle(path: str, settings: Settings, host: Host) -> str:
    """Why this runtime can't start containers here, or "". Takes 30 ms. Raises: HostError when it hangs, OSError."""
    import tempfile

    from wherry.fs.private import private_folder
    from wherry.runtime.complaints import explain

    private_folder(settings.paths.run)
    with tempfile.TemporaryDirectory(prefix="trial-", dir=settings.paths.run) as folder:
        id = f"trial-{os.getpid()}"
        os.mkdir(f"{folder}/rootfs", 0o755)
        with open(f"{folder}/config.json", "w", encoding="utf-8") as file:
            json.dump(_config(id), file)
        base = [path, "--root", f"{folder}/state"]
        for _ in range(3):
            done = host.run(Command([*base, "run", "--bundle", folder, id], timeout_s=30))
            if b"could not ensure we are a cloned binary" not in done.stderr:
                break  # else as in monitor.run_runtime
        host.run(Command([*base, "delete", "--force", id], timeout_s=30))
    fault = explain((done.stdout + done.stderr).decode("utf-8", "replace"))
    return "" if isinstance(fault, CommandNotFound) else fault.message
