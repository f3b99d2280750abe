"""`wherry lineage`: from a container or an image to the run, the data and the commit that made it; from a run to what
became of it.

Up the chain is what a thing comes from, down is what was made of it. What is not on this machine any more, or never
was, is known by the labels of promoted images (`wherry.runs.promotion`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from wherry.engine import containers_rows
from wherry.errors import InputError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine
    from wherry.engine.containers_rows import ContainerRow
    from wherry.runs.promotion import Origin
    from wherry.store.images import ImageRecord
    from wherry.track.record import Record

__all__ = ["KINDS", "Node", "lineage"]

KINDS = ("container", "image", "run")


class Node(NamedTuple):
    """`kind` is one of KINDS, "artifact", "data" or "commit"; `relation` is how the node above leads to it.

    `facts` are plain values for JSON.
    """

    kind: str
    id: str
    name: str
    relation: str = ""
    facts: Mapping[str, Any] = {}
    links: Sequence[Node] = ()

    def document(self) -> dict[str, Any]:
        """For JSON."""
        found = {"kind": self.kind, "id": self.id, "name": self.name, "relation": self.relation, **self.facts}
        return {key: value for key, value in found.items() if value != ""} | {
            "links": [one.document() for one in self.links]
        }


def lineage(engine: Engine, name: str, kind: str = "") -> Node:
    """Of the container, image or run (`kind`: of that one) that is called so, looked for in this order.

    Raises: NotFound, Conflict, InputError.
    """
    if kind and kind not in KINDS:
        raise InputError(f'"{kind}" is not a valid value for --type', hint=f"one of {', '.join(KINDS)}")
    chart = _Chart(engine)
    finders = {"container": chart.container, "image": chart.image, "run": chart.run}
    fault: NotFound | None = None
    for one in (kind,) if kind else KINDS:
        try:
            return finders[one](name)
        except NotFound as found:
            fault = found
    if kind and fault:
        raise fault
    raise NotFound(f"No such container, image or run: {name}", hint="wherry ps -a, wherry images and wherry runs ls")


class _Chart:
    """One look: a run or image that was shown already is not opened again."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._seen: set[str] = set()

    def container(self, name: str) -> Node:
        row = self._engine.containers.find(name)
        links = [self._image_up(row.image_id, row.image_name, "runs")]
        if row.labels.get(containers_rows.TRACKED) and _is_tracked(row):
            links.insert(0, self._run_of(row.labels[containers_rows.TRACKED], "is"))
        return self._container_node(row)._replace(links=links)

    def image(self, name: str) -> Node:
        record = self._engine.images.resolve(name)
        up = self._image_up(str(record.id), name, "")
        runs = [_run_node(one, "was the image of") for one in self._engine.runs.of_image(str(record.id))]
        return up._replace(links=[*up.links, *runs, *self._containers_of(str(record.id))])

    def run(self, name: str) -> Node:
        record = self._engine.runs.find(name)
        return self._run_up(record, "")._replace(links=[*self._made_of(record), *self._promoted(record)])

    def _containers_of(self, image_id: str) -> list[Node]:
        rows = containers_rows.every(self._engine.db)
        return [self._container_node(row)._replace(relation="runs as") for row in rows if row.image_id == image_id]

    def _container_node(self, row: ContainerRow) -> Node:
        return Node("container", row.id, row.name, facts={"status": self._engine.containers.state(row.id).status})

    def _image_up(self, id: str, name: str, relation: str) -> Node:
        """With the run that it serves, and what that comes from."""
        from wherry.runs.promotion import origin

        record = self._record(id)
        if record is None:
            return Node("image", id, name, relation, {"here": False})
        labels = self._engine.images.config(record.id).config.labels
        facts = {"names": list(record.tags), "digest": _digest(record)}
        links = []
        if revision := labels.get("org.opencontainers.image.revision"):
            source = labels.get("org.opencontainers.image.source", "")
            links.append(Node("commit", revision, source, "built from"))
        served = origin(labels)
        if served and id not in self._seen:
            self._seen.add(id)
            links.insert(0, self._served(served))
        return Node("image", id, name or (record.tags or (id,))[0], relation, facts, links)

    def _record(self, id: str) -> ImageRecord | None:
        from wherry.oci.digest import Digest

        try:
            return self._engine.image_store.get(Digest(id)) if id else None
        except NotFound:
            return None

    def _served(self, served: Origin) -> Node:
        """The run when it is here; else what the image says of it."""
        try:
            node = self._run_of(served.id, "serves")
        except NotFound:
            return _told(served)
        kept = [one for one in node.links if one.kind != "artifact" or one.name in served.artifacts]
        return node._replace(links=kept)

    def _run_of(self, id: str, relation: str) -> Node:
        return self._run_up(self._engine.runs.find(id), relation)

    def _run_up(self, record: Record, relation: str) -> Node:
        return _run_node(record, relation)._replace(links=[*self._made_of(record)])

    def _made_of(self, record: Record) -> Iterator[Node]:
        document = record.document
        for kind, some in (("artifact", document["artifacts"]), ("data", document.get("data", ()))):
            relation = "kept" if kind == "artifact" else "learned from"
            for one in some:
                yield Node(kind, str(one["digest"]), str(one["name"]), relation, {"size": one["size"]})
        if commit := _commit(document.get("git", {})):
            yield commit
        image = document.get("image", {})
        if image:
            yield self._image_up(str(image.get("id", "")), str(image.get("name", "")), "ran in")

    def _promoted(self, record: Record) -> Iterator[Node]:
        """Images by their labels, wherever they come from; then those that are gone."""
        from wherry.runs.promotion import LABEL

        found = set()
        for image in self._engine.images.list():
            if self._engine.images.config(image.id).config.labels.get(LABEL) == record.id:
                found.add(str(image.id))
                facts = {"names": list(image.tags), "digest": _digest(image)}
                name = (image.tags or (str(image.id),))[0]
                yield Node("image", str(image.id), name, "served by", facts, self._containers_of(str(image.id)))
        for one in record.document.get("promoted", ()):
            if one["image"]["id"] not in found:
                found.add(one["image"]["id"])
                yield Node("image", one["image"]["id"], one["image"]["name"], "served by", {"here": False})


def _is_tracked(row: ContainerRow) -> bool:
    from wherry.engine.runs_container import folder_of

    return bool(folder_of(row))


def _digest(record: ImageRecord) -> str:
    digests = [one.rpartition("@")[2] for one in record.digests]
    return digests[0] if digests else ""


def _run_node(record: Record, relation: str) -> Node:
    document = record.document
    facts = {
        "experiment": document["experiment"], "status": document["status"], "started_ms": document["started_ms"],
        "command": document.get("command", []), "params": document["params"],
        "metrics": {name: one.get("last") for name, one in document["metrics"].items()},
    }  # fmt: skip
    return Node("run", record.id, str(document["name"]), relation, facts)


def _commit(code: Mapping[str, Any]) -> Node | None:
    if not code.get("commit"):
        return None
    facts = {"branch": code.get("branch", ""), "dirty": bool(code.get("dirty"))}
    return Node("commit", str(code["commit"]), str(code.get("remote", "")), "code", facts)


def _told(served: Origin) -> Node:
    """A run that is not on this machine, by the labels of the image that serves it."""
    links = [Node("artifact", digest, name, "kept") for name, digest in served.artifacts.items()]
    links += [Node("data", digest, name, "learned from") for name, digest in served.data.items()]
    if served.commit:
        commit = served.commit.removesuffix("-dirty")
        links.append(Node("commit", commit, served.source, "code", {"dirty": commit != served.commit}))
    if served.image:
        links.append(Node("image", served.image.rpartition("@")[2], served.image, "ran in", {"here": False}))
    return Node("run", served.id, served.name, "serves", {"experiment": served.experiment, "here": False}, links)
