"""From a run to the image that serves its artifact: which artifacts, where they go, and the labels that lead back.

The labels (docs/tracking-images.md) carry what is needed on a machine that does not have the run: its id and name, the
commit, the training image, the digests of artifacts and data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from wherry.errors import InputError, NotFound, nearest

__all__ = ["LABEL", "Chosen", "Origin", "choose", "dockerfile", "labels", "origin"]

LABEL = "dev.wherry.run"
"""The run's id; the others are LABEL.name, .experiment, .commit, .source, .image, .artifacts, .data."""


class Chosen(NamedTuple):
    """An artifact by its `name` in the run, and where it goes: `target` is absolute or from the image's WORKDIR."""

    name: str
    target: str
    digest: str


class Origin(NamedTuple):
    """What an image's labels say of the run that it serves. `artifacts` and `data` map names to digests."""

    id: str
    name: str
    experiment: str
    commit: str
    source: str
    image: str
    artifacts: Mapping[str, str]
    data: Mapping[str, str]


def choose(document: Mapping[str, Any], wishes: Sequence[str]) -> tuple[Chosen, ...]:
    """`wishes` are NAME, NAME=TARGET, or FOLDER/ for all below it; none are the one artifact that the run has.

    A target that ends with "/" is a folder. Raises: NotFound, InputError.
    """
    known = {one["name"]: one["digest"] for one in document["artifacts"]}
    if not known:
        raise NotFound(f"run {document['name']} has no artifacts", hint="wherry.track.artifact(PATH) keeps one")
    if not wishes and len(known) > 1:
        raise InputError(f"run {document['name']} has {len(known)} artifacts: {', '.join(sorted(known))[:300]}",
                         hint="choose: --artifact NAME")  # fmt: skip
    found: dict[str, Chosen] = {}
    for wish in wishes or tuple(known):
        for one in _wished(known, wish):
            _check(one.target)
            found[one.target] = one
    return tuple(found.values())


def _wished(known: Mapping[str, str], wish: str) -> Sequence[Chosen]:
    name, equals, target = wish.partition("=")
    if equals and not target:
        raise InputError(f"--artifact {wish[:80]!r} says no target", hint="NAME=/path/in/the/image")
    if name.endswith("/"):
        base = target.rstrip("/") + "/" if target else name
        below = [
            Chosen(one, base + one.removeprefix(name), known[one]) for one in sorted(known) if one.startswith(name)
        ]
    else:
        whole = target + name.rpartition("/")[2] if target.endswith("/") else target or name
        below = [Chosen(name, whole, known[name])] if name in known else []
    if not below:
        close = nearest(name, list(known))
        hint = f"did you mean {close}?" if close else f"it has {', '.join(sorted(known))[:300]}"
        raise NotFound(f"the run has no artifact {name}", hint=hint)
    return below


def _check(target: str) -> None:
    """The target becomes a word of a Dockerfile. Raises: InputError."""
    if not target.isprintable() or set(target) & set('$\\"') or ".." in target.split("/"):
        raise InputError(f"{target[:80]!r} can't be a place in an image", hint="--artifact NAME=TARGET")


def dockerfile(chosen: Sequence[Chosen]) -> str:
    """On the named context `base`, each artifact of the context `run` in a layer of its own: there they are called 0,
    1 and so on, since a COPY reads names as patterns.
    """
    lines = [f"COPY --from=run {json.dumps([str(number), one.target])}" for number, one in enumerate(chosen)]
    return "\n".join(["FROM base", *lines]) + "\n"


def labels(document: Mapping[str, Any], chosen: Sequence[Chosen]) -> dict[str, str]:
    """What leads from the image back to the run."""
    code, image = document.get("git", {}), document.get("image", {})
    found = {
        "": document["id"], ".name": document["name"], ".experiment": document["experiment"],
        ".commit": code.get("commit", "") + ("-dirty" if code.get("dirty") else ""), ".source": code.get("remote", ""),
        ".image": _reference(image), ".artifacts": _packed({one.name: one.digest for one in chosen}),
        ".data": _packed({one["name"]: one["digest"] for one in document.get("data", [])}),
    }  # fmt: skip
    return {LABEL + key: value for key, value in found.items() if value and value != "-dirty"}


def origin(labels: Mapping[str, str]) -> Origin | None:
    """What `labels` wrote; None for an image of another kind. What can't be read is left out."""
    if not labels.get(LABEL):
        return None
    name, experiment, commit, source, image = (
        labels.get(f"{LABEL}.{key}", "") for key in ("name", "experiment", "commit", "source", "image")
    )
    artifacts, data = (_unpacked(labels.get(f"{LABEL}.{key}", "")) for key in ("artifacts", "data"))
    return Origin(labels[LABEL], name, experiment, commit, source, image, artifacts, data)


def _reference(image: Mapping[str, Any]) -> str:
    name, digest = str(image.get("name", "")), str(image.get("digest") or image.get("id") or "")
    return f"{name}@{digest}" if name and digest and "@" not in name else name or digest


def _packed(names: Mapping[str, str]) -> str:
    return json.dumps(dict(sorted(names.items())), separators=(",", ":"), ensure_ascii=False) if names else ""


def _unpacked(text: str) -> dict[str, str]:
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}
