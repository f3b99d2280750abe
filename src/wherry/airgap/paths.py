"""Names in a bundle are not trusted: they never lead out of a folder, and say nothing to a terminal."""

from __future__ import annotations

from wherry.errors import InvalidSpec

__all__ = ["checked_path", "checked_text"]

_LONGEST = 1024


def checked_text(text: str, where: str) -> str:
    """Printable, and not endless. Raises: InvalidSpec."""
    if len(text) > _LONGEST or (text and not text.isprintable()):
        raise InvalidSpec(f"{where}: {text[:80]!r} is no name")
    return text


def checked_path(text: str, where: str) -> str:
    """Relative, with "/" between its parts, none of them empty, "." or "..". Raises: InvalidSpec."""
    if len(text) > 4096 or "\0" in text or {"", ".", ".."} & set(text.split("/")):
        raise InvalidSpec(f"{where}: the path {text[:80]!r} leads elsewhere", hint="nothing was written")
    return text
