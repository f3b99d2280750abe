"""COPY and ADD."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from wherry.dockerfile.expander import expander
from wherry.dockerfile.heredoc import Heredoc
from wherry.dockerfile.shell import Lex
from wherry.dockerfile.span import Span

__all__ = ["Add", "Copy"]


class Copy(NamedTuple):
    """COPY [flags] SOURCE ... DESTINATION.

    `sources` are paths and wildcards, `files` the heredocs among the sources (their `content` is expanded by `expand`
    unless quoted). `from_stage` is the name, number or image of --from, "" for the context. `chmod` is octal or
    symbolic.
    """

    span: Span
    text: str
    sources: tuple[str, ...]
    destination: str
    files: tuple[Heredoc, ...] = ()
    from_stage: str = ""
    chown: str = ""
    chmod: str = ""
    link: bool = False
    parents: bool = False
    exclude: tuple[str, ...] = ()

    def expand(self, lex: Lex, env: Mapping[str, str]) -> Copy:
        """Everything but --from. Raises: DockerfileError."""
        word = expander(self.span, lex, env)
        return self._replace(
            sources=tuple(map(word, self.sources)),
            destination=word(self.destination),
            files=tuple(word.heredoc(file) for file in self.files),
            chown=word(self.chown),
            chmod=word(self.chmod),
            exclude=tuple(map(word, self.exclude)),
        )


class Add(NamedTuple):
    """ADD [flags] SOURCE ... DESTINATION; as Copy, and a source may be a URL, a git repository or an archive.

    `checksum` is "sha256:..." or a commit. `unpack` None: local archives are unpacked, remote ones are not.
    """

    span: Span
    text: str
    sources: tuple[str, ...]
    destination: str
    files: tuple[Heredoc, ...] = ()
    chown: str = ""
    chmod: str = ""
    link: bool = False
    exclude: tuple[str, ...] = ()
    checksum: str = ""
    keep_git_dir: bool | None = None
    unpack: bool | None = None

    def expand(self, lex: Lex, env: Mapping[str, str]) -> Add:
        """Raises: DockerfileError."""
        word = expander(self.span, lex, env)
        return self._replace(
            sources=tuple(map(word, self.sources)),
            destination=word(self.destination),
            files=tuple(word.heredoc(file) for file in self.files),
            chown=word(self.chown),
            chmod=word(self.chmod),
            exclude=tuple(map(word, self.exclude)),
            checksum=word(self.checksum),
        )
