"""Files to one merged tree: each is parsed, interpolated, extended, joined by what it includes, and merged over those
before it. The order of the steps is compose-go's, since what a file means depends on it.
"""

from __future__ import annotations

import posixpath

from wherry.compose.discover import find, read_file
from wherry.compose.interpolate import Variables, copied, interpolated
from wherry.compose.merge import merged
from wherry.compose.names import checked_name, name_of_folder
from wherry.compose.source import Source, fault, fault_at
from wherry.compose.template import TemplateFault
from wherry.compose.tree import Map, Override
from wherry.compose.unique import made_unique
from wherry.errors import ComposeError, ComposeFileMissing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import NamedTuple, Protocol

    from wherry.compose.discover import Found
    from wherry.compose.load import LoadRequest
    from wherry.compose.tree import Document, Path, Tree
else:
    from wherry.lean import NamedTuple, Protocol

__all__ = ["Loaded", "Reading", "Steps", "read", "read_name"]


class Steps(Protocol):
    """What the model does to a tree between the steps of reading."""

    def settle(self, tree: Tree, where: str, validate: bool) -> Tree:
        """Check a tree by the schema (unless not to `validate`) and make its short forms long. `where`: the file."""

    def finish(self, tree: Tree, base: str, environment: Mapping[str, str], *, resolve: bool) -> Tree:
        """Once all files of a model are merged: defaults, checks, paths below `base` (if to `resolve`), secrets."""


class Loaded(NamedTuple):
    """One merged tree in long form, and what was found on the way. `source.fault_in(tree, path, ...)` knows places."""

    tree: Tree
    name: str
    working_dir: str
    files: tuple[str, ...]
    """Absolute, in the order of merging, "-" for standard input; those that were included are not among them."""
    env_files: tuple[str, ...]
    environment: dict[str, str]
    """The shell's variables over those of env files, and COMPOSE_PROJECT_NAME."""


def read(request: LoadRequest, steps: Steps, *, stdin: Callable[[], bytes], warn: Callable[[str], None]) -> Loaded:
    """
    The files of `request`, merged.

    `stdin` is read for `-f -`; `warn` is told what is odd, in docker-compose's words, each thing once.

    Raises:
        ComposeError: with file, line, column, the lines and a caret.
    """
    variables = Variables(request.environment, _once(warn))
    found = _found(request, variables)
    if not found.files:
        raise ComposeFileMissing("no configuration file provided: not found", hint="`-f FILE` says which one to take")
    sources = [_source(file, stdin) for file in found.files]
    variables = variables.over(found.environment)
    # A tree of a million nodes has no cycle, and looking for one takes a third of the time
    import gc

    collects = gc.isenabled()
    gc.disable()
    try:
        return _read(request, steps, found, sources, variables)
    finally:
        if collects:
            gc.enable()


def _found(request: LoadRequest, variables: Variables) -> Found:
    """What the options and the environment mean. A fault of theirs has exit code 1, as docker-compose's."""
    try:
        if request.project_name:
            checked_name(request.project_name)
        return find(request, variables)
    except ComposeError as wrong:
        wrong.exit_code = 1
        raise


def _read(request: LoadRequest, steps: Steps, found: Found, sources: Sequence[Source], variables: Variables) -> Loaded:
    name = _name(request, found, sources, variables)
    environment = {**found.environment, "COMPOSE_PROJECT_NAME": name}
    home = environment.get("HOME")
    reading = Reading(variables.over(environment), steps, found.working_dir, home, interpolate=request.interpolate)
    tree = reading.model(sources, (), resolve=request.resolve_paths)
    if not tree:
        raise ComposeError("empty compose file", where=found.files[0], hint="it needs at least `services:`")
    return Loaded(tree, name, found.working_dir, found.files, found.env_files, environment)


def read_name(request: LoadRequest, *, stdin: Callable[[], bytes], warn: Callable[[str], None]) -> str:
    """The project's name alone: for commands that ask nothing else of the files, which may be wrong or not there.

    Raises:
        ComposeError: the name is none, or an env file is wrong.
    """
    variables = Variables(request.environment, _once(warn))
    found = _found(request, variables)
    sources = [] if request.project_name else [_source(file, stdin) for file in found.files]
    return _name(request, found, sources, variables.over(found.environment))


def _once(warn: Callable[[str], None]) -> Callable[[str], None]:
    told: set[str] = set()

    def once(text: str) -> None:
        if text not in told:
            told.add(text)
            warn(text)

    return once


def _source(file: str, stdin: Callable[[], bytes]) -> Source:
    return Source("-", stdin()) if file == "-" else Source(file, read_file(file))


def _name(request: LoadRequest, found: Found, sources: Sequence[Source], variables: Variables) -> str:
    if asked := request.project_name or found.environment.get("COMPOSE_PROJECT_NAME"):
        return checked_name(asked)
    said, mark = "", None
    for source in sources:
        for document in source.documents:
            value = document.tree.get("name") if isinstance(document.tree, Map) else None
            value = value.value if isinstance(value, Override) else value
            if isinstance(value, str) and value:
                said, mark = value, document.tree.marks.get("name")
    try:
        said = variables.expand(said) if request.interpolate else said
    except TemplateFault as wrong:
        raise fault(mark, f"error while interpolating name: {wrong}") from None
    name = name_of_folder(said)
    if not name:
        folder = posixpath.basename(found.working_dir)
        name = name_of_folder(folder)
        if posixpath.basename(posixpath.realpath(found.working_dir)) != folder:
            variables.warn(f'project has been loaded without an explicit name from a symlink. Using name "{folder}"')
    if not name:
        raise ComposeError("project name must not be empty", hint="`-p NAME`, or `name: NAME` in the file")
    return name


class Reading:
    """How files of one model are read: with which variables, and from which folder relative names are taken.

    An included file has a Reading of its own. `folder` is absolute.
    """

    def __init__(
        self, variables: Variables, steps: Steps, folder: str, home: str | None, *, interpolate: bool = True
    ) -> None:
        self.variables, self.steps, self.folder, self.home = variables, steps, folder, home
        self.interpolate = interpolate
        self.counted: list[str] = []
        """What was included so far, by this one and all that it led to."""

    def other(self, variables: Variables, folder: str) -> Reading:
        made = Reading(variables, self.steps, folder, self.home, interpolate=self.interpolate)
        made.counted = self.counted
        return made

    def model(
        self, sources: Sequence[Source], included: tuple[str, ...], *, base: str | None = None, resolve: bool = True
    ) -> Tree:
        """All `sources` merged and finished. `base` is what paths are put below, `folder` when it is None."""
        tree: Tree = Map()
        for source in sources:
            tree = self._merge_file(tree, source, included)
        base = self.folder if base is None else base
        return self.steps.finish(tree, base, self.variables.values, resolve=resolve)

    def _merge_file(self, tree: Tree, source: Source, included: tuple[str, ...]) -> Tree:
        for raw, resets in self.trees(source):
            if _may_extend(raw):
                from wherry.compose.extends import apply_extends

                raw = apply_extends(raw, source, self, resets)
            _take_away(tree, resets)
            included = (*included, source.name)
            if "include" in raw:
                from wherry.compose.include import apply_include

                apply_include(raw, self, included)
            tree = made_unique(merged(tree, raw))
            tree = self.steps.settle(tree, source.name, True)
            if "version" in tree:
                self.variables.warn(
                    f"{source.name}: the attribute `version` is obsolete, it will be ignored, "
                    "please remove it to avoid potential confusion"
                )
                del tree["version"]
            tree = made_unique(tree)
        return tree

    def trees(self, source: Source) -> list[tuple[Map, list[Path]]]:
        """The documents of a file with their variables replaced, and the paths that `!reset` or `!override` marked."""
        made = []
        for document in source.documents:
            tree, resets = _resettled(document) if document.has_tags else (document.tree, [])
            if not isinstance(tree, Map):
                raise fault_at(
                    source, 1, 1, "Top-level object must be a mapping", hint="a compose file is `services:` ..."
                )
            made.append((interpolated(tree, self.variables) if self.interpolate else copied(tree), resets))
        return made

    def base_services(self, source: Source) -> tuple[Tree, list[Path]]:
        """A file that a service of another one extends: merged in itself, with no `extends` of its own applied."""
        tree: Tree = Map()
        taken: list[Path] = []
        for raw, resets in self.trees(source):
            _take_away(tree, resets)
            taken = resets
            tree = made_unique(merged(tree, raw))
            tree = made_unique(self.steps.settle(tree, source.name, False))
        return tree, taken


def _may_extend(tree: Map) -> bool:
    """Whether a service extends another one, or is none."""
    services = tree.get("services", {})
    if not isinstance(services, Map):
        return "services" in tree
    return any(one is not None and (not isinstance(one, Map) or "extends" in one) for one in services.values())


def _resettled(document: Document) -> tuple[Tree, list[Path]]:
    from wherry.compose.resets import resettled

    return resettled(document.tree)


def _take_away(tree: Tree, paths: list[Path]) -> None:
    if paths:
        from wherry.compose.resets import take_away

        take_away(tree, paths)
