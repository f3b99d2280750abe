"""`gpu ls`: every GPU of this machine, and how a container gets it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import NamedTuple

    from wherry.gpu.machine import Card
    from wherry.gpu.nvidia import Driver
    from wherry.gpu.specs import Specs
else:
    from wherry.lean import NamedTuple

__all__ = ["QUERY", "Listed", "listed", "parse_memory", "parse_migs"]

QUERY = ("--query-gpu=uuid,memory.total", "--format=csv,noheader,nounits")


class Listed(NamedTuple):
    """`number` is its index, -1 where nothing has numbered it; `mig` are names of its parts; `reached` are flags for
    `run`, or "" with the reason in `problem`."""

    vendor: str
    number: int
    name: str
    uuid: str = ""
    memory_bytes: int = 0
    driver: str = ""
    mig: tuple[str, ...] = ()
    reached: str = ""
    problem: str = ""


def parse_memory(text: str) -> dict[str, int]:
    """nvidia-smi's answer to QUERY: UUID → bytes."""
    pairs = (line.partition(",")[::2] for line in text.splitlines())
    return {uuid.strip(): int(mib) << 20 for uuid, mib in pairs if mib.strip().isdecimal()}


def parse_migs(text: str) -> dict[str, str]:
    """`nvidia-smi -L`: UUID of a MIG part → its name, "0:1"."""
    found: dict[str, str] = {}
    gpu = "0"
    for line in text.splitlines():
        word = line.strip().split(" ")
        if word[0] == "GPU" and len(word) > 1:
            gpu = word[1].rstrip(":")
        elif word[0] == "MIG" and "UUID: " in line and "Device" in line:
            number = line.rpartition("Device")[2].partition(":")[0].strip()
            found[line.rpartition("UUID: ")[2].rstrip(") ")] = f"{gpu}:{number}"
    return found


def listed(
    driver: Driver | None, cards: Sequence[Card], specs: Specs, memory: Mapping[str, int], problem: str
) -> list[Listed]:
    """NVIDIA's by index, then the others by PCI address, then CDI devices of other kinds. `problem` is what stands
    between a container and NVIDIA's."""
    others = [_other(card) for card in cards if card.vendor != "nvidia"]
    left_out = {"nvidia.com/gpu"} if driver else set()
    return [*_nvidia(driver, cards, memory, problem), *others, *_of_specs(specs, left_out)]


def _nvidia(driver: Driver | None, cards: Sequence[Card], memory: Mapping[str, int], problem: str) -> Iterator[Listed]:
    if driver and driver.is_wsl:
        yield Listed("nvidia", 0, "by Windows' driver (/dev/dxg)", driver=driver.version, reached="--gpus all")
        return
    known = {gpu.bus for gpu in driver.gpus} if driver else set()
    if driver:
        for gpu in driver.gpus:
            yield Listed(
                "nvidia", gpu.number, gpu.model, gpu.uuid, memory.get(gpu.uuid, 0),
                driver.kernel_version or driver.version, tuple(mig.name for mig in gpu.migs),
                "" if problem else f"--gpus device={gpu.number}", problem,
            )  # fmt: skip
    for card in cards:
        if card.vendor == "nvidia" and card.bus not in known:
            yield Listed("nvidia", -1, f"{card.bus} [10de:{card.device}]", driver=card.driver, problem=problem)


def _other(card: Card) -> Listed:
    numbers = {"amd": "1002", "intel": "8086"}
    name = f"{card.bus} [{numbers[card.vendor]}:{card.device}]"
    if not card.nodes:
        return Listed(card.vendor, -1, name, driver=card.driver, problem="the kernel has no driver for it loaded")
    first = "--device /dev/kfd --device /dev/dri" if card.vendor == "amd" else "--device /dev/dri"
    return Listed(card.vendor, -1, name, memory_bytes=card.memory_bytes, driver=card.driver, reached=first)


def _of_specs(specs: Specs, left_out: set[str]) -> Iterator[Listed]:
    for name in specs.names():
        kind, _, bare = name.partition("=")
        found = specs.find(name)
        if kind not in left_out and found:
            index = int(bare) if bare.isdecimal() else -1
            yield Listed(kind.partition("/")[0], index, bare, driver=found[0].path, reached=f"--device {name}")
