"""What happened: written by whoever does it, read by `events`. docs/adr/0192-events-are-a-log-file.md."""

from __future__ import annotations

from wherry import lean_json as json
from wherry.errors import WherryError
from wherry.fs.atomic import replace_file
from wherry.lean import suppress
from wherry.runtime.monitor_events import append, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.engine.events_read import Event, EventQuery
    from wherry.network.model import Network
    from wherry.oci.digest import Digest
    from wherry.oci.reference import Reference

__all__ = ["Events"]

_MOST = 16 << 10


class Events:
    """One per engine. Recording never fails: an event that can't be written is lost."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._folder, self._bundles = engine.settings.paths.events, engine.settings.paths.containers

    def record(self, kind: str, action: str, id: str, attributes: Mapping[str, str] | None = None) -> None:
        """`kind` is docker's Type ("image", "volume", ...), `id` whole. Once it has happened, not before. 20 µs."""
        append(self._folder, record(kind, action, id, attributes or {}, _encode))

    def container(self, row: ContainerRow, action: str, **more: str) -> None:
        """Of a container: its image, name and labels come along."""
        self.record("container", action, row.id, {**_attributes(row), **more})

    def renamed(self, row: ContainerRow, name: str) -> None:
        """Of `row` as it was, and to its monitor, which goes on to report under the new name."""
        with suppress(OSError):
            replace_file(f"{self._bundles}/{row.id}/name", name.encode(), durable=False)
        self.container(row._replace(name=name), "rename", oldName=f"/{row.name}")

    def image(self, action: str, image_id: Digest, name: str = "") -> None:
        """Of an image that is here: its labels come along. `name` "" is the id, as in most of docker's."""
        self.record("image", action, image_id, {**self.labels(image_id), "name": name or image_id})

    def labels(self, image_id: Digest) -> Mapping[str, str]:
        """Those of an image; none of one that is gone."""
        try:
            return self._engine.images.config(image_id).config.labels
        except WherryError:
            return {}

    def transfer(self, action: str, image_id: Digest, reference: Reference) -> None:
        """A pull or a push, which docker tells of a name, not of an id."""
        attributes = {**self.labels(image_id), "name": reference.familiar_name}
        self.record("image", action, reference.familiar, attributes)

    def network(self, network: Network, action: str, container_id: str = "") -> Network:
        """`container_id` is who joins or leaves it. Returns `network`."""
        driver = {"none": "null", "host": "host"}.get(network.name, "bridge")
        attributes = {"container": container_id} if container_id else {}
        self.record("network", action, network.id, {**attributes, "name": network.name, "type": driver})
        return network

    def volume(self, action: str, name: str, **more: str) -> None:
        self.record("volume", action, name, {"driver": "local", **more})

    def prune(self, kind: str, freed_bytes: int) -> None:
        self.record(kind, "prune", "", {"reclaimed": str(freed_bytes)})

    def of_container(self, row: ContainerRow) -> dict[str, Any]:
        """What its monitor needs to report: the `events` of its plan, which is one packet. Labels that don't fit into
        it are left out of what the monitor tells."""
        attributes = _attributes(row)
        if sum(len(name) + len(value) for name, value in attributes.items()) > _MOST:
            attributes = {"image": row.image_name, "name": row.name}
        return {"folder": self._folder, "attributes": attributes}

    def stream(self, query: EventQuery, cancel: Cancel | None = None) -> Iterator[Event]:
        """In the order in which they were recorded; waits for further ones unless the query ends in the past."""
        from wherry.engine.events_read import stream

        return stream(self._folder, query, cancel)


def _attributes(row: ContainerRow) -> dict[str, str]:
    # As docker: a label of such a name gives way
    return {**row.labels, "image": row.image_name, "name": row.name}


def _encode(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
