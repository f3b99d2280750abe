"""What of the build cache goes: the steps as the database has them, and which ones a policy takes.

Works on `step` and `step_layer` alone: another kind of step (a row with another `kind`) comes for free, and tables that
name a step go with its row. Layers are not removed here: the next collection takes those that nothing needs any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol, TypeVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.store.db import Database

__all__ = ["CachedStep", "Policy", "cached_steps", "forget_steps", "kept_bytes", "victims"]


class CachedStep(NamedTuple):
    """`size` is of the layers that only the cache keeps. A layer of several steps counts for the one that was used
    last: with that one it would go. `is_shared`: an image has all of them; `is_in_use`: a running process needs one.
    """

    key: str
    what: str
    created_ns: int
    used_ns: int
    size: int
    is_shared: bool
    is_in_use: bool = False
    kind: str = ""


class Item(Protocol):
    """Something that can be taken."""

    @property
    def used_ns(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def is_shared(self) -> bool: ...
    @property
    def is_in_use(self) -> bool: ...


_Item = TypeVar("_Item", bound=Item)


class Policy(NamedTuple):
    """`everything`: also what frees nothing now, since an image has it. `before_ns`: only what was not used since.

    Of the rest the least recently used goes until no more than `max_used` bytes are taken and `min_free` are free on
    the disk, and never below `reserved`; all three 0: all of it goes. As BuildKit's.
    """

    everything: bool = False
    before_ns: int = 0
    reserved: int = 0
    max_used: int = 0
    min_free: int = 0


def cached_steps(db: Database) -> list[CachedStep]:
    """Every remembered step, the least recently used first. Sweep the leases before, for `is_in_use`."""
    conn = db.read()
    in_images = {row[0] for row in conn.execute("SELECT diff_id FROM image_layer")}
    leased = {row[0] for row in conn.execute("SELECT key FROM lease_item WHERE kind = 'layer'")}
    sizes = dict(conn.execute("SELECT diff_id, size FROM layer").fetchall())
    layers: dict[str, list[str]] = {}
    for key, diff_id in conn.execute("SELECT key, diff_id FROM step_layer"):
        layers.setdefault(key, []).append(diff_id)
    seen: set[str] = set()
    steps = []
    rows = conn.execute("SELECT key, what, created_ns, used_ns, kind FROM step ORDER BY used_ns DESC, key DESC")
    for key, what, created_ns, used_ns, kind in rows.fetchall():
        every = layers.get(key, [])
        own = [one for one in every if one not in in_images]
        size = sum(sizes.get(one, 0) for one in own if one not in seen)
        seen.update(own)
        shared, busy = bool(every) and not own, not leased.isdisjoint(every)
        steps.append(CachedStep(key, what, created_ns, used_ns, size, shared, busy, kind))
    steps.reverse()
    return steps


def kept_bytes(total: int, free: int, policy: Policy) -> int | None:
    """How much of `total` may stay, with `free` bytes free on the disk; None when the policy sets no limit. Pure.

    Spec: https://github.com/moby/buildkit/blob/v0.18.0/cache/manager.go#L1505 (calculateKeepBytes)
    """
    if not (policy.max_used or policy.reserved or policy.min_free):
        return None
    kept, excess = policy.max_used, policy.min_free - free
    if excess > 0:
        kept = min(kept or total, total - excess)
    elif not kept and not policy.reserved:
        return total  # nothing but space was asked for, and there is enough
    return max(kept, policy.reserved)


def victims(items: Sequence[_Item], policy: Policy, free: int = 0) -> list[_Item]:
    """Which of `items` go, the least recently used first. What is in use never does. Pure."""
    total = sum(item.size for item in items)
    kept = kept_bytes(total, free, policy)
    gone: list[_Item] = []
    for item in sorted(items, key=lambda item: item.used_ns):
        if kept is not None and total <= kept:
            break
        stays = item.is_in_use or (item.is_shared and not policy.everything)
        if stays or (policy.before_ns and item.used_ns > policy.before_ns):
            continue
        gone.append(item)
        total -= item.size
    return gone


def forget_steps(db: Database, keys: Iterable[str]) -> tuple[str, ...]:
    """Forget these, but for those that somebody leased since; the keys of those that went. One short transaction."""
    gone = []
    with db.write() as conn:
        for key in keys:
            query = (
                "DELETE FROM step WHERE key = ? AND NOT EXISTS (SELECT 1 FROM step_layer JOIN lease_item "
                "ON lease_item.key = step_layer.diff_id AND lease_item.kind = 'layer' WHERE step_layer.key = step.key)"
            )
            if conn.execute(query, (key,)).rowcount:
                gone.append(key)
    return tuple(gone)
