"""--gpus, CDI devices and `--runtime nvidia`: from what was asked to changes of a container's config.json.

Loaded only for containers that ask for such devices. CDI specs come first; where NVIDIA's driver is there and nobody
wrote a spec for it, ours stands in.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cached_property

from wherry.errors import InputError, RuntimeFailure
from wherry.fs.atomic import replace_file
from wherry.gpu import choose
from wherry.gpu.apply import absent, apply, settled_nodes
from wherry.gpu.cdi import joined
from wherry.gpu.specs import DEFAULT_DIRS, read_specs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from wherry.engine import Engine
    from wherry.engine.containers_bundle import Start
    from wherry.gpu.cdi import Edits
    from wherry.gpu.nvidia import Driver, Places
    from wherry.gpu.specs import Specs
    from wherry.gpu.tegra import Board
    from wherry.runtime.options import GpuRequest, RunOptions
    from wherry.settings import Settings

__all__ = ["grant", "places", "shm_bytes", "specs", "wants_gpu"]

_NVIDIA = choose.VENDORS["nvidia"]
_SHM_BYTES = 64 << 20


def places(settings: Settings) -> Places:
    """Where NVIDIA's driver is looked for: WHERRY_NVIDIA_DRIVER_ROOT is a driver's tree (as the GPU operator's
    /run/nvidia/driver), WHERRY_GPU_ROOT stands before /dev, /proc, /sys and /run."""
    from wherry.gpu.nvidia import Places

    machine = settings.env.get("WHERRY_GPU_ROOT", "").rstrip("/")
    return Places(machine, settings.env.get("WHERRY_NVIDIA_DRIVER_ROOT", "").rstrip("/"))


def specs(settings: Settings) -> Specs:
    """The machine's CDI specs, of WHERRY_CDI_SPEC_DIRS ("a:b", later ones win) or of /etc/cdi and /var/run/cdi."""
    chosen = settings.env.get("WHERRY_CDI_SPEC_DIRS", "")
    return read_specs(tuple(filter(None, chosen.split(":"))) or DEFAULT_DIRS, f"{settings.paths.run}/cdi.json")


def wants_gpu(options: RunOptions) -> bool:
    return bool(options.gpus or options.runtime == "nvidia" or any("/gpu=" in one for one in options.cdi_devices))


def shm_bytes(options: RunOptions) -> int:
    """/dev/shm of a container with a GPU whose size nobody chose: half of its memory, as the host has it."""
    # Differs from docker: 64 MB there, too little for a DataLoader's workers (docs/adr/0202-shm-of-gpu-containers.md)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(_SHM_BYTES, min(memory, options.memory_bytes or memory) // 2)


def grant(engine: Engine, start: Start, doc: dict[str, Any]) -> None:
    """Change `doc` by what the container's devices need; its ld.so.cache learns of the driver's libraries.

    Raises: RuntimeFailure (125) with what is missing, InputError.
    """
    if not (start.options.gpus or start.options.cdi_devices or start.options.runtime == "nvidia"):
        return
    work = _Grant(engine, start, doc)
    for request in start.options.gpus:
        work.gpus(request)
    if start.options.runtime == "nvidia" and not start.options.gpus:
        work.visible_devices()
    work.names += start.options.cdi_devices
    work.finish()
    _mark_hooks(f"{start.bundle}/poststop", doc.get("hooks", {}))


def _mark_hooks(path: str, hooks: dict[str, Any]) -> None:
    """So that the end of the container is left to the runtime, which knows its poststop hooks."""
    if hooks.get("poststop"):
        replace_file(path, b"", durable=False)
    else:
        with suppress(FileNotFoundError):
            os.unlink(path)


class _Grant:
    """One container's devices being collected."""

    def __init__(self, engine: Engine, start: Start, doc: dict[str, Any]) -> None:
        self._engine, self._start, self._doc = engine, start, doc
        self.names: list[str] = []
        self._capabilities: tuple[str, ...] = ()
        self._env: list[str] = []
        # Of a spec of ours: the container's folder of libraries
        self._own_folder, self._is_own = "", False
        self._libraries: Sequence[tuple[str, str]] = ()

    @cached_property
    def _specs(self) -> Specs:
        return specs(self._engine.settings)

    @cached_property
    def _driver(self) -> Driver | None:
        from wherry.gpu.nvidia import find_driver

        return find_driver(places(self._engine.settings))

    @cached_property
    def _board(self) -> Board | None:
        from wherry.gpu.tegra import find_board

        return find_board(places(self._engine.settings))

    def _variable(self, name: str) -> str:
        found = [one.partition("=")[2] for one in self._doc["process"]["env"] if one.partition("=")[0] == name]
        return found[-1] if found else ""

    def gpus(self, request: GpuRequest) -> None:
        """One --gpus. Raises: RuntimeFailure."""
        if request.number and request.device_ids:
            raise InputError("cannot set both Count and DeviceIDs on device request", hint=_quoting(request))
        if request.driver == "cdi":
            self.names += request.device_ids
            return
        kind = self._kind(request)
        if kind == _NVIDIA:
            self._take_capabilities(request.capabilities)
        if request.options:
            self._engine.notices.append(f"--gpus options={next(iter(request.options))}: the driver has no options")
        self._take(kind, request.number, request.device_ids)

    def _kind(self, request: GpuRequest) -> str:
        """Raises: RuntimeFailure in docker's words, with what is missing."""
        known = {"gpu", "nvidia", "amd", "intel", "all", "compute", "compat32", "graphics", "utility", "video",
                 "display", "ngx"}  # fmt: skip
        asked = [request.driver] if request.driver else list(choose.VENDORS)
        if set(request.capabilities) <= known:
            for vendor in asked:
                kind = choose.VENDORS.get(vendor, "")
                if kind in self._specs.kinds() or (kind == _NVIDIA and self._own_is_there()):
                    return kind
        shown = " ".join(request.capabilities)
        raise RuntimeFailure(
            f'could not select device driver "{request.driver}" with capabilities: [[{shown}]]',
            hint=self._reason(request.driver),
        )

    def _own_is_there(self) -> bool:
        if self._board:
            return True
        from wherry.gpu.machine import missing

        return self._driver is not None and not missing(self._driver, places(self._engine.settings).machine)[0]

    def _reason(self, driver: str) -> str:
        from wherry.gpu.machine import missing

        if driver and driver not in choose.VENDORS:
            return f"wherry knows the drivers {', '.join(choose.VENDORS)} and cdi"
        if self._specs.faults:
            path, reason = self._specs.faults[0]
            return f"{path} could not be read: {reason}"
        what, todo = missing(self._driver, places(self._engine.settings).machine)
        return f"{what}: {todo}" if what else "wherry gpu ls"

    def _take_capabilities(self, asked: Sequence[str]) -> None:
        own = self._variable("NVIDIA_DRIVER_CAPABILITIES")
        found = choose.nvidia_capabilities(asked, own)
        if "compat32" in asked:
            self._engine.notices.append("--gpus capabilities=compat32: 32-bit libraries are not given")
        self._capabilities = tuple(dict.fromkeys((*self._capabilities, *found)))

    def _take(self, kind: str, count: int, ids: Sequence[str]) -> None:
        if kind == _NVIDIA:
            self._settle_nvidia()
        every = [device.name for _, spec in self._specs.ranked if spec.kind == kind for device in spec.devices]
        names = list(dict.fromkeys(every))
        if any(one.startswith("MIG-") for one in ids):
            ids = self._mig_names(ids)
        found = choose.by_ids(kind, names, ids) if ids else choose.by_count(kind, names, count)
        self.names += found
        if kind == _NVIDIA:
            bare = [name.partition("=")[2] for name in found]
            self._env.append(f"NVIDIA_VISIBLE_DEVICES={','.join(ids or bare) or 'void'}")

    def _mig_names(self, ids: Sequence[str]) -> list[str]:
        """UUIDs of MIG parts are nowhere but in nvidia-smi's answer: the host's own, at its own path."""
        from wherry.engine.gpus import mig_names

        known = mig_names(self._engine, self._driver)
        return [known.get(one, one) for one in ids]

    def visible_devices(self) -> None:
        """--runtime nvidia: NVIDIA_VISIBLE_DEVICES of the image or of -e. Raises: RuntimeFailure."""
        wanted = choose.visible(self._variable("NVIDIA_VISIBLE_DEVICES"))
        if wanted is None:
            return
        count, ids = wanted
        if ids and all("/" in one and "=" in one for one in ids):
            self._check_names(ids)
            self.names += ids
            return
        from wherry.runtime.options import GpuRequest

        self._kind(GpuRequest("nvidia"))
        self._take_capabilities(())
        if count or ids:
            self._take(_NVIDIA, count, ids)
            return
        # The driver without a GPU: only a spec of ours has that
        self._settle_nvidia()
        if self._specs.find(f"{_NVIDIA}=none"):
            self.names.append(f"{_NVIDIA}=none")

    def _check_names(self, ids: Sequence[str]) -> None:
        """Raises: RuntimeFailure when an image asks for more of the machine than --runtime nvidia grants."""
        # Differs from docker: NVIDIA's runtime gives an image any device that a CDI spec has, a disk, too
        name = "NVIDIA_VISIBLE_DEVICES"
        foreign = [one for one in ids if not one.startswith("nvidia.com/")]
        if foreign and not any(one.partition("=")[0] == name for one in self._start.options.env):
            raise RuntimeFailure(
                f"the image asks for {', '.join(foreign)} by its {name}, and only you can give it that",
                hint=f"--device {foreign[0]}, or -e {name}=... with what it may have",
            )

    def _settle_nvidia(self) -> None:
        """Ours in place of none, or of one that an upgrade of the driver has left behind."""
        if _NVIDIA in self._specs.kinds():
            gone = self._gone()
            if not gone or not self._own_is_there():
                return
            path = next(spec.path for _, spec in self._specs.ranked if spec.kind == _NVIDIA)
            self._engine.notices.append(
                f"{path} is out of date ({gone[0]} is not there): wherry took the driver's files itself; "
                f"to write it anew: nvidia-ctk cdi generate --output={path}"
            )
            self._specs = self._specs._replace(
                ranked=tuple(one for one in self._specs.ranked if one[1].kind != _NVIDIA)
            )
        self._add_own()

    def _gone(self) -> list[str]:
        found = [spec for _, spec in self._specs.ranked if spec.kind == _NVIDIA]
        return [path for spec in found for path in absent(spec.edits)]

    def _add_own(self) -> None:
        """Raises: nothing; without the driver there is no spec of ours."""
        if self._board:
            self._add_board(self._board)
            return
        driver = self._driver
        if driver is None:
            return
        from wherry.gpu.inside import library_folder
        from wherry.gpu.machine import mismatch
        from wherry.gpu.nvidia_spec import spec

        folder = library_folder(self._start.rootfs_fd, os.uname().machine)
        capabilities = self._capabilities or choose.nvidia_capabilities(
            (), self._variable("NVIDIA_DRIVER_CAPABILITIES")
        )
        if wrong := mismatch(driver):
            self._engine.notices.append(wrong)
        if not folder:
            self._engine.notices.append("the image has no glibc: NVIDIA's libraries can't be used in it")
        self._specs = self._specs.with_spec(spec(driver, capabilities, folder or "/usr/lib"))
        self._own_folder, self._is_own = folder, True

    def _add_board(self, board: Board) -> None:
        """A Jetson's: its files say all, and there is one GPU, whatever the capabilities."""
        from wherry.gpu.tegra import spec

        found = spec(board, self._capabilities or ("all",), places(self._engine.settings).machine)
        self._specs, self._is_own, self._libraries = self._specs.with_spec(found), True, board.names

    def finish(self) -> None:
        """Raises: RuntimeFailure."""
        if not self.names and not self._env:
            return
        nvidia = [name for name in self.names if name.startswith(f"{_NVIDIA}=")]
        if nvidia and _NVIDIA not in self._specs.kinds():
            if not self._own_is_there():
                raise RuntimeFailure(
                    f"CDI device injection failed: unresolvable CDI devices {', '.join(nvidia)}",
                    hint=f"no spec for {_NVIDIA} in {' and '.join(self._specs.dirs)}; {self._reason('')}",
                )
            self._add_own()
        edits = self._specs.edits(self.names)
        self._check_present(edits)
        edits = edits._replace(device_nodes=settled_nodes(edits.device_nodes))
        if self._is_own:
            from wherry.gpu.cdi import Edits

            edits = joined(edits, Edits(env=tuple(self._env)))
        if self._own_folder:
            paths = (one.container_path for one in edits.mounts)
            own = [path for path in paths if path.startswith(f"{self._own_folder}/lib")]
            self._libraries = [(os.path.basename(path), path) for path in own]
        self._name_libraries()
        apply(self._doc, edits, privileged=self._start.options.privileged)

    def _check_present(self, edits: Edits) -> None:
        """A runtime's own complaint about a missing file names neither the spec nor what to do."""
        gone = absent(edits)
        if not gone:
            return
        found = self._specs.find(self.names[0]) if self.names else None
        path = found[0].path if found else ""
        raise RuntimeFailure(
            f"CDI device injection failed: {gone[0]} is not on this machine"
            + (f" (and {len(gone) - 1} more)" if len(gone) > 1 else ""),
            hint=f"{path} is out of date; for NVIDIA: nvidia-ctk cdi generate --output={path}" if path else None,
        )

    def _name_libraries(self) -> None:
        if not self._libraries:
            return
        from wherry.gpu.inside import update_cache

        try:
            update_cache(self._start.rootfs_fd, self._libraries, os.uname().machine)
        except OSError as fault:
            self._engine.notices.append(f"the container's ld.so.cache does not name the driver: {fault.strerror}")


def _quoting(request: GpuRequest) -> str | None:
    """The usual cause: the shell or the CSV reader took `device=0,1` apart."""
    if request.number > 0:
        return f"""for several devices: --gpus '"device={",".join((*request.device_ids, str(request.number)))}"'"""
    return None
