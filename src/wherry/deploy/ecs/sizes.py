"""Which pairs of CPU and memory Fargate sells.

AWS, "Task CPU and memory" of the ECS developer guide; cfn-lint's rule E3047 has the same table.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FREE_DISK_GIB", "LARGEST_DISK_GIB", "PAIRS", "Size", "disk_gib", "fitting", "is_sold"]

_GIB = 1024


class Size(NamedTuple):
    """`cpu` in ECS units (1024 is a vCPU), `memory` in MiB: the numbers of a task definition."""

    cpu: int
    memory: int

    @property
    def text(self) -> str:
        """0.5 vCPU, 1 GB."""
        return f"{self.cpu / 1024:g} vCPU, {self.memory / _GIB:g} GB"


PAIRS: dict[int, tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4096 + 1, 1024)),
    1024: tuple(range(2048, 8192 + 1, 1024)),
    2048: tuple(range(4096, 16384 + 1, 1024)),
    4096: tuple(range(8192, 30720 + 1, 1024)),
    8192: tuple(range(16384, 61440 + 1, 4096)),
    16384: tuple(range(32768, 122880 + 1, 8192)),
}
FREE_DISK_GIB = 20
LARGEST_DISK_GIB = 200


def is_sold(size: Size) -> bool:
    return size.memory in PAIRS.get(size.cpu, ())


def fitting(size: Size) -> Size | None:
    """The smallest pair that is at least as large in both, or None when Fargate has nothing so large."""
    sold = (Size(cpu, memory) for cpu, memories in PAIRS.items() if cpu >= size.cpu for memory in memories)
    return next((pair for pair in sold if pair.memory >= size.memory), None)


def disk_gib(image_bytes: int) -> int:
    """What the task's disk must hold: the image as it is pulled and as it is unpacked, and 5 GiB to write.

    20 is what every task has without asking.
    """
    needed = -(-image_bytes * 2 // (1 << 30)) + 5
    return FREE_DISK_GIB if needed <= FREE_DISK_GIB else max(21, needed)
