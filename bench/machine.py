"""What this machine is, and what processes weigh."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

__all__ = ["facts", "processes", "pss_kib"]


def facts(folder: Path) -> dict[str, str]:
    """For the table's foot: what a reader needs to compare."""
    cpu = re.search(r"^model name\s*:\s*(.*)$", _read("/proc/cpuinfo"), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+)", _read("/proc/meminfo"), re.MULTILINE)
    system = re.search(r'^PRETTY_NAME="?([^"\n]*)', _read("/etc/os-release"), re.MULTILINE)
    return {
        "cpu": f"{os.cpu_count()} x {cpu[1] if cpu else os.uname().machine}",
        "memory": f"{int(memory[1]) / 1048576:.1f} GiB" if memory else "unknown",
        "kernel": os.uname().release,
        "system": system[1] if system else "unknown",
        "file system": _said("stat", "-f", "-c", "%T", str(folder)),
        "load before": " ".join(f"{one:.2f}" for one in os.getloadavg()),
        "runc": _said("runc", "--version").partition("\n")[0],
        "docker": _said("docker", "--version"),
    }


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def _said(*argv: str) -> str:
    if not shutil.which(argv[0]):
        return "not installed"
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()


def processes() -> dict[int, str]:
    """pid to command line, kernel threads left out."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            line = _read(f"{folder}/cmdline").replace("\0", " ").strip()
            if line:
                found[int(folder.name)] = line
    return found


def pss_kib(pid: int) -> int:
    """Proportional set size: memory that is shared with n processes counts 1/n. 0 for a process that has ended."""
    found = re.search(r"^Pss:\s*(\d+)", _read(f"/proc/{pid}/smaps_rollup"), re.MULTILINE)
    return int(found[1]) if found else 0
