"""The config document of a ModelPack artifact: what the model is, in the words of the specification.

Spec: https://github.com/modelpack/model-spec/blob/v0.0.7/docs/config.md and schema/config-schema.json
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from wherry.errors import InputError
from wherry.models.headers import Facts, count_text
from wherry.oci.digest import Digest
from wherry.oci.manifest import encode

__all__ = ["Described", "described", "from_config", "to_config"]

_PARAM_SIZE = re.compile(r"\d+(\.\d+)?[QqTtBbMmKk]")
_MOST_BYTES = 4 << 20


class Described(NamedTuple):
    """Each "" or empty when nobody said. `created` is RFC 3339."""

    name: str = ""
    version: str = ""
    family: str = ""
    architecture: str = ""
    format: str = ""
    param_size: str = ""
    precision: str = ""
    quantization: str = ""
    licenses: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    description: str = ""
    source_url: str = ""
    revision: str = ""
    created: str = ""


# field -> its key in the document
_DESCRIPTOR = {
    "created": "createdAt", "authors": "authors", "family": "family", "name": "name", "source_url": "sourceURL",
    "version": "version", "revision": "revision", "licenses": "licenses", "description": "description",
}  # fmt: skip
_CONFIG = {
    "architecture": "architecture", "format": "format", "param_size": "paramSize", "precision": "precision",
    "quantization": "quantization",
}  # fmt: skip


def to_config(described: Described, layers: Sequence[Digest]) -> bytes:
    """The document, compact; `layers` in the manifest's order. Raw layers are their own DiffIDs."""
    values = described._asdict()

    def part(keys: Mapping[str, str]) -> dict[str, Any]:
        found = {key: values[field] for field, key in keys.items() if values[field]}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in found.items()}

    return encode({
        "descriptor": part(_DESCRIPTOR),
        "modelfs": {"type": "layers", "diffIds": [str(one) for one in layers]},
        "config": part(_CONFIG),
    })  # fmt: skip


def from_config(data: bytes) -> Described:
    """What a config says of ours, of docker's models or of KitOps'; what is not as it should be is left out."""
    if len(data) > _MOST_BYTES:
        return Described()
    try:
        doc = json.loads(data)
    except (ValueError, RecursionError):
        return Described()
    if not isinstance(doc, dict):
        return Described()
    descriptor, config = _part(doc, "descriptor"), _part(doc, "config")
    found = {field: _text(descriptor, key) for field, key in _DESCRIPTOR.items()}
    found |= {field: _text(config, key) for field, key in _CONFIG.items()}
    package, model = _part(doc, "package"), _part(doc, "model")
    found["name"] = found["name"] or _text(package, "name") or _text(model, "name")
    found["version"] = found["version"] or _text(package, "version")
    found["architecture"] = found["architecture"] or _text(config, "architecture")
    found["param_size"] = found["param_size"] or _text(config, "parameters")
    licenses = _texts(descriptor, "licenses") or tuple(
        filter(None, [_text(package, "license") or _text(model, "license")])
    )
    return Described(**{**found, "licenses": licenses, "authors": _texts(descriptor, "authors")})  # type: ignore[arg-type]


def _part(doc: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = doc.get(key)
    return value if isinstance(value, dict) else {}


def _text(doc: Mapping[str, Any], key: str) -> str:
    value = doc.get(key)
    return value[:1000] if isinstance(value, str) else ""


def _texts(doc: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = doc.get(key)
    return tuple(one[:1000] for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def described(asked: Described, facts: Facts | None, settings: bytes, name: str, formats: Sequence[str]) -> Described:
    """What is written: what was asked for, else what headers and Hugging Face's config.json (`settings`) say, else the
    folder's name and what the files' names say.

    Raises: InputError for a --param-size that the specification does not know.
    """
    if asked.param_size and not _PARAM_SIZE.fullmatch(asked.param_size):
        raise InputError(
            f"invalid --param-size {asked.param_size[:40]!r}", hint="a number and a letter: 8B, 1.5b, 135M, 700k"
        )
    said = _hugging_face(settings)
    known = facts or Facts("")
    format = known.format or (formats[0] if len(set(formats)) == 1 else "")
    return asked._replace(
        name=asked.name or name,
        family=asked.family or known.family or said.family,
        architecture=asked.architecture or said.architecture or ("transformer" if known.format == "gguf" else ""),
        format=asked.format or format,
        param_size=asked.param_size or count_text(known.parameters),
        precision=asked.precision or known.precision or said.precision,
        quantization=asked.quantization or known.quantization or said.quantization,
        licenses=asked.licenses or ((known.license,) if known.license else ()),
    )


def _hugging_face(settings: bytes) -> Described:
    try:
        doc = json.loads(settings[:_MOST_BYTES] or b"{}")
    except (ValueError, RecursionError):
        return Described()
    if not isinstance(doc, dict):
        return Described()
    dtype = (_text(doc, "torch_dtype") or _text(doc, "dtype")).removeprefix("torch.")
    is_transformer = "num_attention_heads" in doc or "n_head" in doc
    return Described(
        family=_text(doc, "model_type"), architecture="transformer" if is_transformer else "",
        precision={"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}.get(dtype, ""),
        quantization=_text(_part(doc, "quantization_config"), "quant_method"),
    )  # fmt: skip
