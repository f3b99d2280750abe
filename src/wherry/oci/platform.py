"""Platforms: os/architecture/variant, normalised as containerd does."""

from __future__ import annotations

from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["Platform"]

_ARCH = {
    "x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armhf": "arm", "armel": "arm",
    "armv7l": "arm", "armv6l": "arm", "i386": "386", "i686": "386",
}  # fmt: skip
_VARIANT = {"armhf": "v7", "armv7l": "v7", "armel": "v6", "armv6l": "v6"}


class Platform(NamedTuple):
    """`variant` is "" when there is none; arm64's v8 and amd64's v1 are normalised away."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str, *, default_os: str = "linux") -> Platform:
        """Of "linux/amd64", "linux/arm/v7" or "arm64". Raises: InputError."""
        parts = text.lower().split("/")
        if not all(p and p.replace("_", "").replace("-", "").isalnum() for p in parts) or len(parts) > 3:
            raise InputError(f"invalid platform {text!r}", hint="expected os/arch[/variant], as linux/amd64")
        if len(parts) == 1:
            parts = [default_os, parts[0]]
        return cls.of(*parts)

    @classmethod
    def of(cls, os: str, architecture: str, variant: str = "") -> Platform:
        arch = _ARCH.get(architecture, architecture)
        variant = variant or _VARIANT.get(architecture, "")
        if (arch, variant) in {("arm64", "v8"), ("arm64", "8"), ("amd64", "v1")}:
            variant = ""
        return cls(os, arch, variant)

    def __str__(self) -> str:
        return "/".join(part for part in self if part)
