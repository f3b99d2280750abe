"""--build-context: something else that FROM, COPY --from and mounts find under a name. Pure; docker's messages.

Spec: https://docs.docker.com/reference/cli/docker/buildx/build/#build-context
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from wherry.errors import InputError, InvalidReference
from wherry.oci.reference import Reference

__all__ = ["GitSource", "NamedContext", "context_of", "git_source", "main_context", "parse_context"]

_GIT = re.compile(r"(?:git://|ssh://|git@|github\.com/|https?://[^?#]+\.git(?:[?#]|\Z))")
_NOT_HERE = ("input:", "target:", "local:")


class NamedContext(NamedTuple):
    """`kind` is "image" (`value` names it), "oci" (PATH[@DIGEST|:TAG]), "folder", "git" or "url"."""

    kind: str
    value: str


class GitSource(NamedTuple):
    """A repository, what to check out of it ("" is its default branch), and a folder in it ("" is all)."""

    url: str
    ref: str = ""
    subdir: str = ""
    keep_git_dir: bool = False
    submodules: bool = True


def parse_context(text: str) -> tuple[str, NamedContext]:
    """`name=value`; the name is as `context_of` looks for it. Raises: InputError."""
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"invalid context value: {text}, expected key=value", hint="as --build-context NAME=FOLDER")
    try:
        found = _normal(name)
    except InvalidReference as fault:
        raise InputError(f"invalid context name {name}: {fault}") from None
    return found, _source(name, value)


def _source(name: str, value: str) -> NamedContext:
    if value.startswith("docker-image://"):
        image = value.removeprefix("docker-image://")
        try:
            Reference.parse(image)
        except InvalidReference as fault:
            raise InputError(f"failed to parse image reference of context {name}: {fault}") from None
        return NamedContext("image", image)
    if value.startswith("oci-layout://"):
        return NamedContext("oci", value.removeprefix("oci-layout://"))
    if value.startswith(_NOT_HERE):
        raise InputError(
            f"unsupported context source {value.partition(':')[0]} for {name}", hint="it is for bake files; give a path"
        )
    return main_context(value)


def main_context(value: str) -> NamedContext:
    """What a build's own context is: a "folder", a repository ("git"), or a tar ("url")."""
    if _GIT.match(value):
        return NamedContext("git", value)
    if value.startswith(("http://", "https://")):
        return NamedContext("url", value)
    return NamedContext("folder", value)


def context_of(contexts: Mapping[str, NamedContext], name: str) -> str:
    """The name of the context that stands for the stage or image `name`, "" when there is none."""
    if not contexts:
        return ""
    try:
        found = _normal(name.lower())
    except InvalidReference:
        return ""
    return found if found in contexts else ""


def _normal(name: str) -> str:
    """As docker prints it, without :latest. Raises: InvalidReference."""
    return Reference.parse(name).familiar.removesuffix(":latest")


def git_source(text: str) -> GitSource:
    """`URL#REF:FOLDER`, or `URL?ref=..&subdir=..` (branch, tag, commit, checksum, keep-git-dir, submodules too).

    Raises: InputError.
    """
    whole, _, fragment = text.partition("#")
    url, _, query = whole.partition("?")
    if url.startswith("github.com/"):
        url = f"https://{url}"
    ref, _, subdir = fragment.partition(":")
    found = GitSource(url, ref, subdir)
    for field in filter(None, query.split("&")):
        found = _with(found, *field.partition("=")[::2])
    if found.ref.startswith("-"):
        raise InputError(f"invalid git reference {found.ref!r}")
    return found._replace(subdir=found.subdir.strip("/"))


def _with(found: GitSource, key: str, value: str) -> GitSource:
    from urllib.parse import unquote

    value = unquote(value)
    match key:
        case "ref" | "branch" | "tag" | "commit" | "checksum":
            prefix = {"branch": "refs/heads/", "tag": "refs/tags/"}.get(key, "")
            return found._replace(ref=prefix + value)
        case "subdir":
            return found._replace(subdir=value)
        case "keep-git-dir":
            return found._replace(keep_git_dir=value in {"", "1", "true"})
        case "submodules":
            return found._replace(submodules=value in {"", "1", "true"})
        case _:
            raise InputError(f"unexpected query {key!r} of the git address", hint="ref, branch, tag, commit, subdir")
