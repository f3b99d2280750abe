"""What a container uses, from the files of its cgroup: v1, hybrid and v2. A file that is gone counts as 0."""

from __future__ import annotations

import os

from wherry.runtime.cgroups import ROOT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["Usage", "network_bytes", "read", "total_memory"]

_V1_BLOCK = (
    "blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes",
    "blkio.bfq.io_service_bytes_recursive",
)  # fmt: skip


class Usage(NamedTuple):
    """`cpu_ns` since the container started; `memory_bytes` without the page cache that could be dropped at once, as
    docker counts; `memory_limit_bytes` 0 is none."""

    cpu_ns: int = 0
    memory_bytes: int = 0
    memory_limit_bytes: int = 0
    block_read_bytes: int = 0
    block_write_bytes: int = 0
    pids: int = 0


def read(path: str, root: str = ROOT) -> Usage:
    """Of the cgroup `path` ("/wherry-ID"), which need not be there. Takes 0.3 ms."""
    if os.path.exists(f"{root}/cgroup.controllers"):
        return _read_v2(root + path)
    return _read_v1(root, path)


def _read_v2(folder: str) -> Usage:
    cpu = _table(f"{folder}/cpu.stat")
    used, cached = _number(f"{folder}/memory.current"), _table(f"{folder}/memory.stat").get("inactive_file", 0)
    reads = writes = 0
    for line in _lines(f"{folder}/io.stat"):
        fields = dict(word.split("=", 1) for word in line.split()[1:] if "=" in word)
        reads += int(fields.get("rbytes", 0))
        writes += int(fields.get("wbytes", 0))
    return Usage(
        cpu.get("usage_usec", 0) * 1000, used - cached if cached < used else used, _number(f"{folder}/memory.max"),
        reads, writes, _number(f"{folder}/pids.current"),
    )  # fmt: skip


def _read_v1(root: str, path: str) -> Usage:
    memory = f"{root}/memory{path}"
    used = _number(f"{memory}/memory.usage_in_bytes")
    cached = _table(f"{memory}/memory.stat").get("total_inactive_file", 0)
    reads, writes = _v1_block(f"{root}/blkio{path}")
    return Usage(
        _number(f"{root}/cpuacct{path}/cpuacct.usage"), used - cached if cached < used else used,
        _number(f"{memory}/memory.limit_in_bytes"), reads, writes, _number(f"{root}/pids{path}/pids.current"),
    )  # fmt: skip


def _v1_block(folder: str) -> tuple[int, int]:
    """Of the first file that counts any device: which one does hangs on the kernel and on the disk's scheduler."""
    for name in _V1_BLOCK:
        found = {"Read": 0, "Write": 0}
        for line in _lines(f"{folder}/{name}"):
            words = line.split()
            if len(words) == 3 and words[1] in found:
                found[words[1]] += int(words[2])
        if any(found.values()):
            return found["Read"], found["Write"]
    return 0, 0


def total_memory(path: str = "/proc/meminfo") -> int:
    """Of the machine, in bytes."""
    for line in _lines(path):
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0


def network_bytes(pid: int, proc: str = "/proc") -> tuple[int, int]:
    """(received, sent) in the network namespace of that process, over all links but the loopback."""
    received = sent = 0
    for line in _lines(f"{proc}/{pid}/net/dev"):
        name, colon, rest = line.partition(":")
        numbers = rest.split()
        if colon and name.strip() != "lo" and len(numbers) > 8:
            received += int(numbers[0])
            sent += int(numbers[8])
    return received, sent


def _lines(path: str) -> Iterator[str]:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            yield from file
    except OSError:
        # Not counted here, or the container ended just now
        return


def _number(path: str) -> int:
    """0 for "max" too."""
    text = next(_lines(path), "").strip()
    return int(text) if text.isdecimal() else 0


def _table(path: str) -> dict[str, int]:
    found = {}
    for line in _lines(path):
        name, _, value = line.strip().partition(" ")
        if value.isdecimal():
            found[name] = int(value)
    return found
