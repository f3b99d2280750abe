"""The Dockerfile language.

    dockerfile = parse(data, "Dockerfile")          stages -> typed instructions, each with its span; all faults at once
    instruction.expand(dockerfile.lex, env)         a copy with its words expanded
    parse_trigger(text)                             an image's ONBUILD text
    ignore.Matcher(patterns).excludes(path)         .dockerignore

Text passes through `parser` (lines to nodes), `decode` (nodes to the types in `instructions`), `reader` (stages and
the checks between them).
"""

from __future__ import annotations

from wherry.dockerfile.reader import parse, parse_trigger
from wherry.dockerfile.stages import Dockerfile, Stage

__all__ = ["Dockerfile", "Stage", "parse", "parse_trigger"]
