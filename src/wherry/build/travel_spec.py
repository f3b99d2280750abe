"""--cache-from and --cache-to: where a cache comes from and goes to. Pure; docker's syntax and messages.

Spec: https://docs.docker.com/build/cache/backends/
"""

from __future__ import annotations

from typing import NamedTuple

from wherry.errors import InputError, Unsupported, nearest
from wherry.oci.reference import Reference

__all__ = ["KINDS", "CacheFrom", "CacheTo", "Gha", "parse_from", "parse_to"]

KINDS = ("registry", "local", "inline", "gha")
_ELSEWHERE = ("s3", "azblob")
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_COMPRESSIONS = {"gzip": "gzip", "zstd": "zstd", "uncompressed": "none"}
_GHA_KEYS = ("scope", "version", "url", "url_v2", "token", "timeout", "repository", "ghtoken")
_FROM = {
    "registry": ("ref", "registry.insecure"), "local": ("src", "tag", "digest"), "gha": _GHA_KEYS,
    "inline": ("ref",),
}  # fmt: skip
_COMPRESSED = ("compression", "compression-level", "force-compression")
_TO = {
    "registry": ("ref", "mode", "ignore-error", "image-manifest", "oci-mediatypes", "registry.insecure", *_COMPRESSED),
    "local": ("dest", "tag", "mode", "ignore-error", "image-manifest", "oci-mediatypes", *_COMPRESSED),
    "gha": ("mode", "ignore-error", *_GHA_KEYS),
    "inline": ("mode", "ignore-error"),
}  # fmt: skip
_NO_EFFECT = {
    "compression-level": "wherry's levels are its own", "timeout": "each request has its own",
    "repository": "the API is not asked what it has", "ghtoken": "the API is not asked what it has",
}  # fmt: skip


class Gha(NamedTuple):
    """Where GitHub's cache is: "" is what the environment says. `scope` keeps builds of one repository apart."""

    scope: str = "wherry"
    version: int = 0
    url: str = ""
    url_v2: str = ""
    token: str = ""


class CacheFrom(NamedTuple):
    """One --cache-from. `kind` is one of KINDS; `text` as it was written, to be shown (a token left out).

    `ref` is an image's name as written; `path` a folder, `tag` and `digest` say which cache of it. `notes` say what
    was given and does nothing.
    """

    kind: str
    text: str
    ref: str = ""
    path: str = ""
    tag: str = "latest"
    digest: str = ""
    insecure: bool = False
    gha: Gha = Gha()
    notes: tuple[str, ...] = ()


class CacheTo(NamedTuple):
    """One --cache-to, as CacheFrom. `mode` is "min" or "max". `compression` is "gzip", "zstd", "none" or "".

    `is_forced`: layers in another form are not good enough. `is_index`: an index names the layers, as BuildKit's older
    caches do, where some registries take no manifest of another kind.
    """

    kind: str
    text: str
    ref: str = ""
    path: str = ""
    tag: str = "latest"
    mode: str = "min"
    ignore_error: bool = False
    compression: str = ""
    is_forced: bool = False
    is_index: bool = False
    is_docker: bool = False
    insecure: bool = False
    gha: Gha = Gha()
    notes: tuple[str, ...] = ()


def parse_from(text: str) -> CacheFrom:
    """`type=registry,ref=user/app:cache`, or `user/app:cache`. Raises: InputError, Unsupported."""
    kind, attrs = _fields(text)
    _check(kind, attrs, _FROM, "--cache-from")
    found = CacheFrom(kind, _shown(text, attrs), gha=_gha(attrs), notes=_notes(attrs))
    if kind in ("registry", "inline"):
        # As docker: a cache inside an image is named as any other of a registry
        return found._replace(kind="registry", ref=_ref(attrs), insecure=_insecure(attrs))
    if kind == "local":
        path = _required(attrs, "src", kind)
        return found._replace(path=path, tag=attrs.get("tag", "latest"), digest=attrs.get("digest", ""))
    return found


def parse_to(text: str) -> CacheTo:
    """`type=registry,ref=user/app:cache,mode=max`, or `user/app:cache`. Raises: InputError, Unsupported."""
    kind, attrs = _fields(text)
    _check(kind, attrs, _TO, "--cache-to")
    mode = attrs.get("mode", "min")
    if mode not in ("min", "max"):
        raise InputError(f"invalid mode {mode!r} in {text!r}", hint="min (the image's own steps) or max (all stages)")
    if kind == "inline" and mode == "max":
        raise InputError(
            "inline cache cannot hold more than the image's own steps (mode=min)", hint="type=registry can"
        )
    found = CacheTo(
        kind, _shown(text, attrs), mode=mode, ignore_error=_flag(attrs, "ignore-error", default=False),
        compression=_compression(attrs), is_forced=_flag(attrs, "force-compression", default=False),
        is_docker=not _flag(attrs, "oci-mediatypes", default=True), gha=_gha(attrs), notes=_notes(attrs),
        is_index=not _flag(attrs, "image-manifest", default=True), insecure=_insecure(attrs),
    )  # fmt: skip
    if kind == "registry":
        return found._replace(ref=_ref(attrs))
    if kind == "local":
        return found._replace(path=_required(attrs, "dest", kind), tag=attrs.get("tag", "latest"))
    return found


def _fields(text: str) -> tuple[str, dict[str, str]]:
    """The type and the other attributes, by their lower-case names."""
    import csv

    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error as fault:
        raise InputError(f"invalid value {text!r}: {fault}") from None
    fields = rows[0] if len(rows) == 1 else []
    if not fields or fields == [""]:
        raise InputError("a cache has no name", hint="user/app:cache, or type=registry,ref=user/app:cache")
    if len(fields) == 1 and "=" not in fields[0]:
        return "registry", {"ref": fields[0]}
    attrs: dict[str, str] = {}
    for field in fields:
        key, equals, value = field.partition("=")
        if not equals:
            raise InputError(f"invalid value {field}", hint="NAME=VALUE, with commas between them")
        attrs[key.strip().lower()] = value
    kind = attrs.pop("type", "")
    if not kind:
        raise InputError(f'type required form> "{text}"', hint=f"type= one of {', '.join(KINDS)}")
    return kind, attrs


def _check(kind: str, attrs: dict[str, str], known: dict[str, tuple[str, ...]], flag: str) -> None:
    if kind in _ELSEWHERE:
        raise Unsupported(
            f"{flag} type={kind} is not supported", hint="type=registry works with every cloud's registry"
        )
    if kind not in known:
        near = nearest(kind, KINDS)
        raise InputError(
            f"unknown cache {'importer' if flag == '--cache-from' else 'exporter'}: {kind!r}",
            hint=f"did you mean {near}?" if near else f"one of {', '.join(KINDS)}",
        )
    for key in attrs:
        if key not in known[kind]:
            # Differs from docker: it takes any attribute and looks at those that it knows
            near = nearest(key, known[kind])
            raise InputError(
                f"{flag} type={kind} has no attribute {key!r}",
                hint=f"did you mean {near}?" if near else f"it has {', '.join(known[kind])}",
            )


def _required(attrs: dict[str, str], key: str, kind: str) -> str:
    if not (value := attrs.get(key, "")):
        raise InputError(f"{key} not specified for the {kind} cache", hint=f"type={kind},{key}=...")
    return value


def _ref(attrs: dict[str, str]) -> str:
    """Raises: InputError, InvalidReference: a slip is said before the build, not as a cache that is not there."""
    ref = _required(attrs, "ref", "registry")
    Reference.parse(ref)
    return ref


def _flag(attrs: dict[str, str], key: str, *, default: bool) -> bool:
    text = attrs.get(key)
    if text is None:
        return default
    if text not in _TRUE | _FALSE:
        raise InputError(f"invalid value {text!r} for {key}", hint="true or false")
    return text in _TRUE


def _insecure(attrs: dict[str, str]) -> bool:
    return _flag(attrs, "registry.insecure", default=False)


def _compression(attrs: dict[str, str]) -> str:
    asked = attrs.get("compression", "")
    if asked == "estargz":
        raise Unsupported("compression=estargz is not supported", hint="zstd, gzip or uncompressed")
    if asked and asked not in _COMPRESSIONS:
        raise InputError(f"unsupported compression type {asked}", hint=", ".join(_COMPRESSIONS))
    return _COMPRESSIONS.get(asked, "")


def _gha(attrs: dict[str, str]) -> Gha:
    version = attrs.get("version", "0")
    if version not in ("0", "1", "2"):
        raise InputError(f"invalid version {version!r} of the gha cache", hint="1 or 2")
    return Gha(
        attrs.get("scope", "") or "wherry", int(version), attrs.get("url", ""), attrs.get("url_v2", ""),
        attrs.get("token", ""),
    )  # fmt: skip


def _notes(attrs: dict[str, str]) -> tuple[str, ...]:
    return tuple(f"{key}={attrs[key]} changes nothing: {why}" for key, why in _NO_EFFECT.items() if key in attrs)


def _shown(text: str, attrs: dict[str, str]) -> str:
    """Without secrets: what is shown may end in a log."""
    secrets = [attrs[key] for key in ("token", "ghtoken") if attrs.get(key)]
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
