"""The two ends of a copy, as skopeo writes them: docker://NAME, oci:PATH[:NAME], oci-archive:, docker-archive:, dir:.

Spec: containers-transports(5), https://github.com/containers/image/blob/v5.34.0/docs/containers-transports.5.md
"""

from __future__ import annotations

from typing import NamedTuple

from wherry.errors import InputError
from wherry.oci.reference import Reference

__all__ = ["KINDS", "Location"]

KINDS = ("docker", "oci", "oci-archive", "docker-archive", "dir", "local")


class Location(NamedTuple):
    """`kind` is one of KINDS; `name` an image's name for "docker" and "local", what an archive calls it, or ""."""

    kind: str
    path: str = ""
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> Location:
        """Raises: InputError, InvalidReference."""
        kind, colon, rest = text.partition(":")
        if not colon or kind not in KINDS or not rest:
            raise InputError(
                f"{text!r} does not say where: expected {', '.join(f'{one}:' for one in KINDS)}",
                hint="docker://python:3.10, oci:FOLDER:TAG, docker-archive:FILE, dir:FOLDER, local:IMAGE",
            )
        if kind == "docker":
            if not rest.startswith("//"):
                raise InputError(f"{text!r} does not say where", hint=f"docker://{rest}")
            Reference.parse(rest[2:])
            return cls(kind, name=rest[2:])
        if kind == "local":
            return cls(kind, name=rest)
        if kind == "dir":
            return cls(kind, rest)
        path, _, name = rest.partition(":")
        if not path:
            raise InputError(f"{text!r} names no file")
        if kind == "docker-archive" and name and not name.startswith("@"):
            Reference.parse(name)
        return cls(kind, path, name)

    @property
    def reference(self) -> Reference:
        """Of "docker", "local" and "docker-archive" with a name. Raises: InvalidReference."""
        return Reference.parse(self.name)

    def __str__(self) -> str:
        if self.kind == "docker":
            return f"docker://{self.name}"
        if self.kind == "local":
            return f"local:{self.name}"
        return f"{self.kind}:{self.path}" + (f":{self.name}" if self.name else "")
