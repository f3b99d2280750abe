"""`gpu ls`, and what doctor and info say of this machine's GPUs."""

from __future__ import annotations

import os
from typing import NamedTuple

from wherry.errors import HostError
from wherry.gpu import listing
from wherry.gpu.machine import cards, mismatch, missing
from wherry.gpu.nvidia import find_driver
from wherry.gpu.tegra import find_board
from wherry.host import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.engine import Engine
    from wherry.engine.doctor import Check
    from wherry.gpu.listing import Listed
    from wherry.gpu.nvidia import Driver
    from wherry.host import Host
    from wherry.settings import Settings

__all__ = ["Cdi", "examine_cdi", "examine_gpus", "list_gpus", "mig_names", "own_spec", "why_none"]


def list_gpus(settings: Settings, host: Host) -> Sequence[Listed]:
    """Every GPU, NVIDIA's first. Asks the host's nvidia-smi for the memory, where there is one: 50 ms or more."""
    from wherry.engine import devices

    where = devices.places(settings)
    known = devices.specs(settings)
    if find_board(where):
        board = listing.Listed("nvidia", 0, "the Jetson's GPU", reached="--gpus all")
        return [board, *listing.listed(None, cards(where.machine), known, {}, "")]
    driver = find_driver(where)
    problem, todo = missing(driver, where.machine)
    if driver and driver.gpus:
        problem = mismatch(driver)
    memory = listing.parse_memory(_smi(host, driver, *listing.QUERY)) if driver and not problem else {}
    shown = f"{problem}: {todo}" if problem and todo else problem
    return listing.listed(driver, cards(where.machine), known, memory, shown)


def why_none(settings: Settings) -> str:
    """What stands between a container and a GPU, and what to do."""
    from wherry.engine import devices

    where = devices.places(settings)
    return ": ".join(filter(None, missing(find_driver(where), where.machine)))


def _smi(host: Host, driver: Driver | None, *words: str) -> str:
    """What nvidia-smi of the driver says; "" when it says nothing useful."""
    path = next((one.path for one in driver.files if one.target.endswith("/nvidia-smi")), "") if driver else ""
    if not path:
        return ""
    try:
        done = host.run(Command([path, *words], timeout_s=20, limit_bytes=1 << 20))
    except HostError:
        return ""
    return done.stdout.decode("utf-8", "replace") if done.status == 0 else ""


def mig_names(engine: Engine, driver: Driver | None) -> dict[str, str]:
    """UUID of a MIG part → "0:1"."""
    return listing.parse_migs(_smi(engine.host, driver, "-L"))


def own_spec(settings: Settings) -> dict[str, object] | None:
    """The CDI spec that wherry makes of NVIDIA's driver, as JSON for a container of this machine's own layout; None
    where there is no driver."""
    from wherry.engine import devices
    from wherry.gpu.inside import library_folder
    from wherry.gpu.nvidia_files import CAPABILITIES
    from wherry.gpu.nvidia_spec import spec
    from wherry.gpu.write import document

    where = devices.places(settings)
    driver = find_driver(where)
    if driver is None:
        return None
    root = os.open(where.driver or "/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        folder = library_folder(root, os.uname().machine) or "/usr/lib"
    finally:
        os.close(root)
    return document(spec(driver, CAPABILITIES, folder))


class Cdi(NamedTuple):
    """For info: folders of specs that are there, devices by name, and what is wrong."""

    folders: tuple[str, ...]
    names: tuple[str, ...]
    warnings: tuple[str, ...]


def examine_cdi(settings: Settings) -> Cdi:
    """Reads files, starts nothing."""
    from wherry.engine import devices
    from wherry.gpu.nvidia_spec import KIND, spec

    where = devices.places(settings)
    driver, known = find_driver(where), devices.specs(settings)
    warnings = [f"{path}: {reason}" for path, reason in known.faults]
    problem, _ = missing(driver, where.machine)
    if driver:
        warnings += [f"gpu: {said}" for said in (problem, mismatch(driver)) if said]
        if KIND not in known.kinds() and not problem:
            known = known.with_spec(spec(driver, (), "/usr/lib"))
    elif any(one.vendor == "nvidia" for one in cards(where.machine)):
        warnings.append(f"gpu: {problem}")
    names = tuple(name for name in known.names() if name != f"{KIND}=none")
    return Cdi(tuple(path for path in known.dirs if os.path.isdir(path)), names, tuple(warnings))


def examine_gpus(settings: Settings, host: Host) -> list[Check]:
    """For doctor: one line for each GPU, or one that says there is none; broken CDI specs."""
    from wherry.engine import devices
    from wherry.engine.doctor import Check

    found = []
    for one in list_gpus(settings, host):
        status = "ok" if one.reached and not one.problem else "warning"
        found.append(
            Check("gpu", status, False, "GPUs in containers", one.name, one.reached or one.vendor, one.problem)
        )
    for path, reason in devices.specs(settings).faults:
        found.append(Check("cdi", "warning", False, "devices by CDI", where=path, note=reason))
    return found or [Check("gpu", "missing", False, "run --gpus")]
