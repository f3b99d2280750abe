"""How many, or which, GPUs → names of CDI devices. Pure."""

from __future__ import annotations

from wherry.errors import RuntimeFailure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

__all__ = ["VENDORS", "by_count", "by_ids", "nvidia_capabilities", "visible"]

# What --gpus without a driver means, in this order; the names are NVIDIA's, AMD's and Intel's own of their CDI kinds
VENDORS = {"nvidia": "nvidia.com/gpu", "amd": "amd.com/gpu", "intel": "intel.com/gpu"}


def by_count(kind: str, names: Collection[str], count: int) -> list[str]:
    """`names` are the kind's devices. -1 is all, 0 none; else the first ones by index. Raises: RuntimeFailure."""
    indexes = sorted((name for name in names if name.isdecimal()), key=int)
    if count < 0:
        return [f"{kind}=all"] if "all" in names else [f"{kind}={name}" for name in indexes or sorted(names)]
    if count > len(indexes):
        there = f"{len(indexes)} GPU{'s' * (len(indexes) != 1)}"
        raise RuntimeFailure(f"could not select {count} GPUs: {kind} has {there}", hint="wherry gpu ls")
    return [f"{kind}={name}" for name in indexes[:count]]


def by_ids(kind: str, names: Collection[str], ids: Sequence[str]) -> list[str]:
    """Indexes, UUIDs (or enough of their beginning, as nvidia-smi takes), MIG parts as "0:1".

    Raises: RuntimeFailure.
    """
    found = []
    for id in ids:
        bare = id.removeprefix(f"{kind}=")
        fits = [name for name in names if name.startswith(bare)] if bare.startswith(("GPU-", "MIG-")) else []
        if bare in names:
            fits = [bare]
        if len(fits) != 1:
            there = ", ".join(name for name in names if name not in {"all", "none"}) or "none"
            raise RuntimeFailure(
                f"could not select the GPU {id!r}: {'several have' if fits else f'no device of {kind} has'} that id",
                hint=f"there is {there}",
            )
        found.append(f"{kind}={fits[0]}")
    return found


def visible(text: str) -> tuple[int, tuple[str, ...]] | None:
    """NVIDIA_VISIBLE_DEVICES → (count, ids) as of --gpus; None for no GPU and no driver ("", "void")."""
    if text in {"", "void"}:
        return None
    if text == "all":
        return -1, ()
    return (0, ()) if text == "none" else (0, tuple(one.strip() for one in text.split(",") if one.strip()))


def nvidia_capabilities(asked: Sequence[str], env: str) -> tuple[str, ...]:
    """What of the driver a container gets: by --gpus capabilities=, else by NVIDIA_DRIVER_CAPABILITIES (`env`), else
    what the toolkit gives. Raises: RuntimeFailure for a word that is none."""
    from wherry.gpu.nvidia_files import CAPABILITIES, DEFAULT_CAPABILITIES

    own = [one for one in asked if one in CAPABILITIES]
    words = own or [one.strip() for one in env.split(",") if one.strip()] or list(DEFAULT_CAPABILITIES)
    if "all" in words:
        return CAPABILITIES
    unknown = [one for one in words if one not in CAPABILITIES]
    if unknown:
        raise RuntimeFailure(
            f"unsupported capabilities found in NVIDIA_DRIVER_CAPABILITIES: {','.join(unknown)}",
            hint=f"of all, {', '.join(CAPABILITIES)}",
        )
    return tuple(dict.fromkeys(words))
