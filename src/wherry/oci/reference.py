"""Image names: [registry/]repository[:tag][@digest].

Spec: https://github.com/distribution/reference/blob/v0.6.0/reference.go
"""

from __future__ import annotations

from wherry.errors import InvalidReference, InvalidSpec
from wherry.lean import cache
from wherry.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["DEFAULT_REGISTRY", "Reference"]

DEFAULT_REGISTRY = "docker.io"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = rf"{_COMPONENT}(?:/{_COMPONENT})*"
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_REGISTRY = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    import re  # 5 ms that a listing need not pay: see `known`

    return re.compile(pattern)


def _fits(pattern: str, text: str) -> bool:
    words = text.split("/") if pattern == _REPOSITORY else [text]
    return all(map(_is_plain, words)) or _compiled(pattern).fullmatch(text) is not None


def _is_plain(text: str) -> bool:
    """Lower-case letters and digits, a point or a dash between them: right in each place of a name. Most are so."""
    return all(word and _PLAIN.issuperset(word) for word in text.replace("-", ".").split(".")) and len(text) <= 128


class Reference(NamedTuple):
    """A name, whole: registry and `library/` filled in. `tag` is "" only when there is a digest and no tag."""

    registry: str
    repository: str
    tag: str
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str, *, default_tag: str = "latest") -> Reference:
        """As docker reads it: `python` is docker.io/library/python:latest. Raises: InvalidReference."""
        rest, at, digest_text = text.partition("@")
        digest = _digest(text, digest_text) if at else None
        head, slash, tail = rest.partition("/")
        if slash and ("." in head or ":" in head or head == "localhost" or head != head.lower()):
            registry, path = head, tail
        else:
            registry, path = DEFAULT_REGISTRY, rest
        path, colon, tag = path.partition(":")
        if colon and not _fits(_TAG, tag):
            raise _invalid(text, f"bad tag {tag!r}")
        if registry in {"index.docker.io", "registry-1.docker.io"}:
            registry = DEFAULT_REGISTRY
        if not _fits(_REGISTRY, registry):
            raise _invalid(text, f"bad registry {registry!r}")
        if path != path.lower():
            raise _invalid(text, "repository name must be lowercase")
        if not _fits(_REPOSITORY, path) or len(path) > 255:
            raise _invalid(text, "bad repository name")
        if registry == DEFAULT_REGISTRY and "/" not in path:
            path = "library/" + path
        return cls(registry, path, tag or ("" if digest else default_tag), digest)

    @classmethod
    def known(cls, whole: str) -> Reference:
        """Of what `str` gave for a reference that was parsed: a name out of the store. Checks nothing."""
        name, _, digest = whole.partition("@")
        registry, _, path = name.partition("/")
        repository, _, tag = path.partition(":")
        return cls(registry, repository, tag, Digest(digest) if digest else None)

    def __str__(self) -> str:
        """The whole name; what the store keeps as key."""
        text = f"{self.registry}/{self.repository}"
        if self.tag:
            text += f":{self.tag}"
        return f"{text}@{self.digest}" if self.digest else text

    @property
    def familiar_name(self) -> str:
        """The repository as docker prints it: without docker.io/ and library/."""
        if self.registry != DEFAULT_REGISTRY:
            return f"{self.registry}/{self.repository}"
        return self.repository.removeprefix("library/")

    @property
    def familiar(self) -> str:
        """Name and tag (or digest) as docker prints them: `python:3.10`."""
        text = self.familiar_name + (f":{self.tag}" if self.tag else "")
        return f"{text}@{self.digest}" if self.digest else text


def _invalid(text: str, why: str) -> InvalidReference:
    return InvalidReference(
        f"invalid reference format: {text[:200]!r}: {why}",
        hint="a name looks like [registry/]name[:tag], with the name in lower case",
    )


def _digest(text: str, digest_text: str) -> Digest:
    try:
        return Digest.parse(digest_text)
    except InvalidSpec:
        raise _invalid(text, "bad digest") from None
