"""rmi: which names go, whether the image goes with them, and docker's reasons to refuse.

Behaviour: docker 26's `rmi`, also the order of its lines.
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from wherry.errors import Conflict
from wherry.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from wherry.oci.digest import DiffID
    from wherry.store.images import ImageRecord

__all__ = ["Removal", "chain_ids", "is_id_prefix", "plan_removal", "removed_lines"]


class Removal(NamedTuple):
    """Names to take away (whole), in order, and whether the image itself goes."""

    untag: tuple[str, ...]
    delete: bool


def plan_removal(image: ImageRecord, text: str, *, force: bool, users: Mapping[str, bool]) -> Removal:
    """What `rmi text` means for the image that `text` names. Pure.

    `users` maps the ids of the containers made from the image to whether they run.
    Raises: Conflict with docker's message.
    """
    if is_id_prefix(image, text):
        if not _is_single(image.references) and not force:
            raise _cannot_delete(image, "must be forced", "image is referenced in multiple repositories")
        _check_use(image, users, force=force)
        return Removal(image.references, True)
    name = str(_named(image, text))
    if not force and users and _is_single(image.references):
        first = sorted(users)[0]
        raise Conflict(
            f'conflict: unable to remove repository reference "{text}" (must force) - container {first[:12]} is '
            f"using its referenced image {image.id.short}"
        )
    untag = [name, *_orphaned_digests(image.references, name)]
    rest = [one for one in image.references if one not in untag]
    if rest:
        return Removal(tuple(untag), False)
    # The name was given: what then keeps the image is no fault
    return Removal(tuple(untag), not any(users.values()) and (force or not users))


def is_id_prefix(image: ImageRecord, text: str) -> bool:
    """Whether `text` names the image by its id rather than by a name."""
    if any(str(_parsed(text)) == name for name in image.references):
        return False
    return image.id.startswith(text) or image.id.hex.startswith(text)


def chain_ids(layers: Sequence[DiffID]) -> tuple[str, ...]:
    """The ChainID up to each layer, base first: what docker prints of a removed layer.

    Spec: https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#layer-chainid
    """
    chain: list[str] = []
    for diff_id in layers:
        text = f"{chain[-1]} {diff_id}" if chain else ""
        chain.append(f"sha256:{sha256(text.encode()).hexdigest()}" if text else str(diff_id))
    return tuple(chain)


def _parsed(text: str) -> Reference | None:
    from wherry.errors import InvalidReference

    try:
        return Reference.parse(text)
    except InvalidReference:
        return None


def _named(image: ImageRecord, text: str) -> Reference:
    reference = Reference.parse(text)
    if str(reference) not in image.references and reference.digest:
        return reference._replace(tag="")
    return reference


def _repository(name: str) -> str:
    return Reference.known(name)._replace(tag="", digest=None).familiar_name


def _orphaned_digests(references: Sequence[str], removed: str) -> list[str]:
    """name@digest entries that go with the last tag of their repository."""
    if "@" in removed:
        return []
    repository = _repository(removed)
    same = [one for one in references if one != removed and _repository(one) == repository]
    return [] if any("@" not in one for one in same) else same


def _is_single(references: Sequence[str]) -> bool:
    """At most one tag, and all names in one repository."""
    if len(references) <= 1:
        return True
    tags = [one for one in references if "@" not in one]
    return len(tags) <= 1 and len({_repository(one) for one in references}) == 1


def _check_use(image: ImageRecord, users: Mapping[str, bool], *, force: bool) -> None:
    for container, running in sorted(users.items()):
        if running:
            reason = f"image is being used by running container {container[:12]}"
            raise _cannot_delete(image, "cannot be forced", reason)
    if users and not force:
        reason = f"image is being used by stopped container {sorted(users)[0][:12]}"
        raise _cannot_delete(image, "must be forced", reason)


def _cannot_delete(image: ImageRecord, how: str, reason: str) -> Conflict:
    return Conflict(f"conflict: unable to delete {image.id.short} ({how}) - {reason}")


def removed_lines(image: ImageRecord, removal: Removal, gone: Collection[str]) -> list[str]:
    """docker's lines; `gone` are the layers that were collected."""
    lines = [f"Untagged: {Reference.known(name).familiar}" for name in removal.untag]
    if removal.delete:
        lines.append(f"Deleted: {image.id}")
        chain = zip(image.layers, chain_ids(image.layers), strict=True)
        lines += [f"Deleted: {chain_id}" for diff_id, chain_id in reversed(list(chain)) if diff_id in gone]
    return lines
