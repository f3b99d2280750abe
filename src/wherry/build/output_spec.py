"""--output: where a build's result goes besides the store. Pure; buildx's syntax and messages.

Spec: https://docs.docker.com/build/exporters/
"""

from __future__ import annotations

from typing import NamedTuple

from wherry.errors import InputError, Unsupported, nearest
from wherry.oci.reference import Reference

__all__ = ["BuildOutput", "parse_output"]

_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_COMPRESSIONS = {"": "", "gzip": "gzip", "uncompressed": "none", "zstd": "zstd"}
_KEYS = {
    "local": {"dest"},
    "tar": {"dest"},
    "oci": {"dest", "name", "tar", "compression", "oci-mediatypes"},
    "docker": {"dest", "name", "tar", "compression", "oci-mediatypes"},
    "image": {"name", "push", "compression", "oci-mediatypes"},
    "registry": {"name", "push", "compression", "oci-mediatypes"},
    "cacheonly": set(),
}  # fmt: skip


class BuildOutput(NamedTuple):
    """`kind` is "local" (a folder of files), "tar" (the same as one), "oci" or "docker" (an image's archive), "image"
    (the store, then a registry when `push`), or "cacheonly". `dest` "-" is standard output, "" none.

    `tar` False writes an OCI layout as a folder. `compression` is as `push --compression`.
    """

    kind: str
    dest: str = ""
    names: tuple[Reference, ...] = ()
    push: bool = False
    tar: bool = True
    compression: str = ""

    @property
    def keeps_image(self) -> bool:
        """Whether the image is to be in the store under its names."""
        return self.kind == "image" or (self.kind == "docker" and not self.dest)


def parse_output(text: str) -> BuildOutput:
    """A folder, "-", or type=KIND,KEY=VALUE,... Raises: InputError, Unsupported (a kind that does not exist)."""
    if "=" not in text:
        if not text:
            raise InputError("--output names no folder")
        return BuildOutput("tar", "-") if text == "-" else BuildOutput("local", text)
    fields = _fields(text)
    kind = fields.pop("type", "")
    if not kind:
        raise InputError("type is required for output")
    if kind not in _KEYS:
        close = nearest(kind, list(_KEYS))
        raise Unsupported(f"exporter {kind!r} could not be found", hint=f"did you mean {close}?" if close else None)
    unknown = sorted(set(fields) - _KEYS[kind])
    if unknown:
        raise InputError(f"--output type={kind} has no {unknown[0]!r}", hint=f"it has {', '.join(sorted(_KEYS[kind]))}")
    if kind == "local" and fields.get("dest", "-") in {"", "-"}:
        raise InputError("dest is required for local exporter")
    if kind in {"tar", "oci"} and not fields.get("dest"):
        raise InputError(f"dest file is required for {kind} exporter", hint="dest=FILE, or dest=- for standard output")
    if not _truth(fields, "oci-mediatypes", "true"):
        raise Unsupported("--output oci-mediatypes=false is not supported: images have the media types of OCI")
    compression = _compression(kind, fields)
    return BuildOutput(
        "image" if kind == "registry" else kind,
        fields.get("dest", ""),
        tuple(Reference.parse(name) for name in fields.get("name", "").split(",") if name),
        _truth(fields, "push", "false") or kind == "registry",
        _truth(fields, "tar", "true"),
        compression,
    )


def _truth(fields: dict[str, str], key: str, default: str) -> bool:
    """Raises: InputError."""
    text = fields.get(key, default)
    if text not in _TRUE | _FALSE:
        raise InputError(f"non-bool value specified for {key}: {text}", hint="true or false")
    return text in _TRUE


def _compression(kind: str, fields: dict[str, str]) -> str:
    """As `push --compression`. Raises: InputError, Unsupported where layers are written in one form only."""
    text = fields.get("compression", "")
    if text not in _COMPRESSIONS:
        raise InputError(f"unsupported compression type {text!r}", hint=f"of {', '.join(filter(None, _COMPRESSIONS))}")
    if kind in {"oci", "docker"} and text:
        own = "uncompressed" if _truth(fields, "tar", "true") else "gzip"
        if text != own:
            raise Unsupported(f"--output type={kind} writes its layers as {own}, not {text}",
                              hint="`wherry push --compression` writes them to a registry")  # fmt: skip
    return _COMPRESSIONS[text]


def _fields(text: str) -> dict[str, str]:
    import csv

    try:
        (row,) = csv.reader([text], strict=True)
    except (csv.Error, ValueError):
        raise InputError(f"invalid value {text}") from None
    found = {}
    for part in row:
        key, equals, value = part.partition("=")
        if not equals:
            raise InputError(f"invalid value {part}")
        found[key.strip().lower()] = value
    return found
