"""Which image exactly a tag names now: the digest that a Dockerfile can be pinned to."""

from __future__ import annotations

from wherry.errors import Cancelled, InvalidSpec, NotFound, RegistryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.engine import Engine

__all__ = ["find_digest"]


def find_digest(engine: Engine, name: str, timeout_s: float) -> tuple[str, str]:
    """The digest as its registry says it, else that of the image which was pulled earlier; and why there is none.

    One of the two is "". A stand-in that was made on this machine has no digest that others could pull.
    """
    from wherry.cancel import Cancel
    from wherry.engine.pull_source import sources
    from wherry.oci.reference import Reference

    reference = Reference.parse(name)
    try:
        found = sources(engine.registries, reference).head(reference.tag, Cancel(timeout_s))
        if found is not None:
            return str(found.digest), ""
        why = f"the registry has no {name}"
    except Cancelled:
        why = f"the registry did not answer within {timeout_s:g} s"
    except (RegistryError, NotFound, InvalidSpec) as fault:
        why = str(fault)
    try:
        known = engine.image_store.resolve(name).digests
    except NotFound:
        known = ()
    return (known[0].rpartition("@")[2], "") if known else ("", why)
