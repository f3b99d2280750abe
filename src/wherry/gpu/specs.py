"""The CDI specs of this machine: found, read (YAML once for each change of the file), and asked for devices by name.

A folder further down the list wins over one before it; two specs of one folder that have the same device are a
conflict, and then nobody gets it. Spec: https://github.com/cncf-tags/container-device-interface/blob/v1.0.0/SPEC.md
"""

from __future__ import annotations

import json
import os
from contextlib import suppress

from wherry.errors import InvalidSpec, RuntimeFailure, nearest
from wherry.gpu.cdi import Edits, joined, qualified
from wherry.gpu.parse import LIMIT_BYTES, parse_spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, NamedTuple

    from wherry.gpu.cdi import Device, Spec
else:
    from wherry.lean import NamedTuple

__all__ = ["DEFAULT_DIRS", "Specs", "read_specs"]

DEFAULT_DIRS = ("/etc/cdi", "/var/run/cdi")


class Specs(NamedTuple):
    """`ranked` holds (priority, spec), higher ones win; `faults` (path, reason) of files that are none."""

    ranked: tuple[tuple[int, Spec], ...]
    faults: tuple[tuple[str, str], ...] = ()
    dirs: tuple[str, ...] = DEFAULT_DIRS

    def with_spec(self, spec: Spec) -> Specs:
        """One more, below all that are there already."""
        return self._replace(ranked=((-1, spec), *self.ranked))

    def kinds(self) -> set[str]:
        return {spec.kind for _, spec in self.ranked}

    def names(self) -> list[str]:
        """All that can be asked for, sorted."""
        every = {f"{spec.kind}={device.name}" for _, spec in self.ranked for device in spec.devices}
        return sorted(name for name in every if self.find(name))

    def find(self, name: str) -> tuple[Spec, Device] | None:
        """The device and the spec it is of; None when there is none, or several of equal rank."""
        having = self._having(name)
        return having[0] if len(having) == 1 else None

    def _having(self, name: str) -> list[tuple[Spec, Device]]:
        """Those of the highest rank."""
        kind, bare = qualified(name)
        every = [
            (rank, spec, device)
            for rank, spec in self.ranked
            if spec.kind == kind
            for device in spec.devices
            if device.name == bare
        ]
        top = max((rank for rank, _, _ in every), default=0)
        return [(spec, device) for rank, spec, device in every if rank == top]

    def edits(self, names: Sequence[str]) -> Edits:
        """What all of them need: a spec's own edits once, before those of its first device.

        Raises: RuntimeFailure (125) in docker's words, naming all that can't be had, and why.
        """
        missing = [name for name in names if not self.find(name)]
        if missing:
            raise RuntimeFailure(
                f"CDI device injection failed: unresolvable CDI devices {', '.join(missing)}",
                hint=self._reason(missing[0]),
            )
        edits, seen = Edits(), set()
        # A device that is named twice has its last place, as its variables would have
        for name in reversed(dict.fromkeys(reversed(names))):
            found = self.find(name)
            assert found
            spec, device = found
            if id(spec) not in seen:
                seen.add(id(spec))
                edits = joined(edits, spec.edits)
            edits = joined(edits, device.edits)
        return edits

    def _reason(self, name: str) -> str:
        """Why `name` can't be had, and what to do."""
        kind, bare = qualified(name)
        rivals = [spec.path for spec, _ in self._having(name)]
        if len(rivals) > 1:
            return f"{name} is in {' and in '.join(rivals)}: take it out of one of them"
        if self.faults:
            path, reason = self.faults[0]
            return f"{path} could not be read: {reason}"
        if kind not in self.kinds():
            where = " and ".join(self.dirs) or "no folder"
            known = ", ".join(sorted(self.kinds()))
            return f"no spec for {kind} in {where}" + (f"; there is {known}" if known else "")
        names = [device.name for _, spec in self.ranked if spec.kind == kind for device in spec.devices]
        close = nearest(bare, names)
        shown = ", ".join(dict.fromkeys(names))
        return f"did you mean {kind}={close}?" if close else f"{kind} has the devices {shown}"


def read_specs(dirs: Iterable[str], cache: str = "") -> Specs:
    """Every *.json, *.yaml and *.yml directly in the folders; a folder that is not there has none.

    `cache` is a file of ours that keeps what YAML said, by the file's inode, size and times. Raises: OSError when a
    folder can't be listed.
    """
    ranked: list[tuple[int, Spec]] = []
    faults: list[tuple[str, str]] = []
    memory = _Memory(cache)
    folders = tuple(dirs)
    for rank, folder in enumerate(folders):
        try:
            names = sorted(os.listdir(folder))
        except (FileNotFoundError, NotADirectoryError):
            continue
        for name in names:
            # As containerd and podman: hidden files are somebody's editor
            if name.endswith((".json", ".yaml", ".yml")) and not name.startswith("."):
                path = f"{folder}/{name}"
                try:
                    ranked.append((rank, parse_spec(memory.document(path), path)))
                except InvalidSpec as fault:
                    faults.append((path, fault.message))
                except OSError as fault:
                    faults.append((path, (fault.strerror or "can't be read").lower()))
    memory.keep()
    return Specs(tuple(ranked), tuple(faults), folders)


class _Memory:
    """What YAML files said when they were last read: PyYAML costs 15 ms to load, before the first line."""

    def __init__(self, path: str) -> None:
        self._path, self._changed = path, False
        self._known: dict[str, Any] = {}
        self._used: dict[str, Any] = {}
        with suppress(OSError, ValueError):
            if path:
                with open(path, "rb") as file:
                    known = json.load(file)
                self._known = known if isinstance(known, dict) else {}

    def document(self, path: str) -> dict[str, Any]:
        """Raises: InvalidSpec, OSError."""
        from wherry.gpu.source import read_document

        with open(path, "rb") as file:
            facts = os.fstat(file.fileno())
            # Differs from docker: a spec that others than root may write is refused, since its hooks run as root
            if facts.st_uid not in {0, os.geteuid()} or facts.st_mode & 0o002:
                raise InvalidSpec("others than root may write it, and its hooks run as root")
            stamp = [facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns]
            known = self._known.get(path)
            if isinstance(known, list) and len(known) == 2 and known[0] == stamp and isinstance(known[1], dict):
                self._used[path] = known
                return known[1]
            doc = read_document(file.read(LIMIT_BYTES + 1), path)
        if not path.endswith(".json"):
            self._used[path] = [stamp, doc]
            self._changed = True
        return doc

    def keep(self) -> None:
        """Write it, when something is new. A cache that can't be written is only slower."""
        if self._path and (self._changed or self._used.keys() != self._known.keys()):
            from wherry.fs.atomic import replace_file

            with suppress(OSError):
                replace_file(self._path, json.dumps(self._used).encode(), durable=False)
