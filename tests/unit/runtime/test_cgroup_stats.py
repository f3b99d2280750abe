from __future__ import annotations

from pathlib import Path

import pytest

from wherry.runtime.cgroup_stats import Usage, network_bytes, read, total_memory


def write(root: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


V1 = {
    "cpuacct/wherry-1/cpuacct.usage": "16159937555\n",
    "memory/wherry-1/memory.usage_in_bytes": "10000000\n",
    "memory/wherry-1/memory.stat": "cache 5\ninactive_file 1\ntotal_inactive_file 4000000\ntotal_rss 7\n",
    "memory/wherry-1/memory.limit_in_bytes": "67108864\n",
    "blkio/wherry-1/blkio.throttle.io_service_bytes_recursive": (
        "254:0 Read 442368\n254:0 Write 10485760\n254:0 Sync 1\n254:0 Total 10928128\n8:0 Read 8\n8:0 Write 0\n"
        "Total 9\n"
    ),
    "pids/wherry-1/pids.current": "3\n",
}
V2 = {
    "cgroup.controllers": "cpu io memory pids\n",
    "wherry-1/cpu.stat": "usage_usec 16159937\nuser_usec 1\nsystem_usec 2\n",
    "wherry-1/memory.current": "10000000\n",
    "wherry-1/memory.stat": "anon 5\ninactive_file 4000000\nactive_file 9\n",
    "wherry-1/memory.max": "67108864\n",
    "wherry-1/io.stat": "254:0 rbytes=442368 wbytes=10485760 rios=9 dbytes=0\n8:0 rbytes=8 wbytes=0\n7:0 \n",
    "wherry-1/pids.current": "3\n",
}


@pytest.mark.parametrize("files", [V1, V2, {**V1, "unified/cgroup.controllers": ""}], ids=["v1", "v2", "hybrid"])
def test_what_a_container_uses(tmp_path: Path, files: dict[str, str]) -> None:
    found = read("/wherry-1", write(tmp_path, files))
    assert found._replace(cpu_ns=0) == Usage(0, 6_000_000, 64 << 20, 442_376, 10_485_760, 3)
    assert found.cpu_ns // 1000 == 16_159_937


@pytest.mark.parametrize("files", [V1, V2], ids=["v1", "v2"])
def test_more_cache_than_memory_counts_for_nothing(tmp_path: Path, files: dict[str, str]) -> None:
    """Both files are read one after the other: the cache may have grown between."""
    root = write(tmp_path, {name: text.replace("4000000", "99000000") for name, text in files.items()})
    assert read("/wherry-1", root).memory_bytes == 10_000_000


def test_no_limit_is_none(tmp_path: Path) -> None:
    assert read("/wherry-1", write(tmp_path, {**V2, "wherry-1/memory.max": "max\n"})).memory_limit_bytes == 0


@pytest.mark.parametrize("files", [V1, V2], ids=["v1", "v2"])
def test_a_container_that_is_gone_uses_nothing(tmp_path: Path, files: dict[str, str]) -> None:
    assert read("/wherry-2", write(tmp_path, files)) == Usage()


def test_another_schedulers_counters_are_found(tmp_path: Path) -> None:
    files = {
        "blkio/a/blkio.throttle.io_service_bytes_recursive": "Total 0\n",
        "blkio/a/blkio.bfq.io_service_bytes_recursive": "8:0 Read 5\n8:0 Write 7\nTotal 12\n",
    }
    found = read("/a", write(tmp_path, files))
    assert (found.block_read_bytes, found.block_write_bytes) == (5, 7)


def test_traffic_is_that_of_all_links_but_the_loopback(tmp_path: Path) -> None:
    text = (
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop\n"
        "    lo:  999 1 0 0 0 0 0 0  999 1 0 0 0 0 0 0\n"
        "  eth0: 1296 16 0 0 0 0 0 0  516 6 0 0 0 0 0 0\n"
        "  eth1:4 1 0 0 0 0 0 0 4 1 0 0 0 0 0 0\n"
    )
    assert network_bytes(7, write(tmp_path, {"7/net/dev": text})) == (1300, 520)
    assert network_bytes(8, str(tmp_path)) == (0, 0)


def test_the_machines_memory(tmp_path: Path) -> None:
    write(tmp_path, {"meminfo": "MemTotal:       24684548 kB\nMemFree: 5 kB\n"})
    assert total_memory(f"{tmp_path}/meminfo") == 24_684_548 * 1024
    assert total_memory(f"{tmp_path}/nothing") == 0
