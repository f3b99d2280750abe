"""`extends`: a service over another one, of the same file or of another.

Compose specification, 05: https://github.com/compose-spec/compose-spec/blob/v2.1.0/05-services.md#extends
"""

from __future__ import annotations

import posixpath

from wherry.compose.discover import read_file
from wherry.compose.interpolate import copied
from wherry.compose.merge import merged_service
from wherry.compose.paths import absolute, is_remote_file, resolve_paths
from wherry.compose.resets import take_away
from wherry.compose.source import Source, fault, missing
from wherry.compose.tree import Map
from wherry.errors import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.compose.read import Reading
    from wherry.compose.tree import Mark, Path, Tree

__all__ = ["apply_extends"]

_MOST_COPIED = 1_000_000  # values that services of one document take from others
_LONGEST = 100  # services that extend one another in a row


def apply_extends(tree: Map, source: Source, reading: Reading, resets: list[Path]) -> Map:
    """
    The tree, changed: each service that extends another has what it takes from there.

    Raises:
        ComposeError: an unknown service or file, a cycle (with its chain), services that are no mapping.
    """
    if "services" not in tree:
        return tree
    services = tree["services"]
    if not isinstance(services, Map):
        raise fault(tree.marks.get("services"), "services must be a mapping")
    extender = _Extender(source, reading)
    for name in list(services):
        services[name] = extender.extended(name, services, source.name, (), [resets])
    return tree


class _Extender:
    def __init__(self, source: Source, reading: Reading) -> None:
        self._source, self._reading = source, reading
        self._copied = 0
        self._files: dict[str, tuple[Tree, list[Path]]] = {}

    def extended(
        self, name: str, services: Tree, file: str, chain: tuple[tuple[str, str], ...], resets: list[list[Path]]
    ) -> Tree:
        """The service with all that it extends; `chain` are the (service, file) that led here."""
        service = services[name]
        if service is None:
            return None
        mark = services.marks.get(name)
        if not isinstance(service, Map):
            raise fault(mark, f"services.{name} must be a mapping")
        if "extends" not in service:
            return service
        at = service.marks.get("extends") or mark
        ref, other = _reference(service["extends"], name, at)
        here = (name, file)
        if here in chain:
            raise fault(at, _circle((*chain, here)))
        if len(chain) > _LONGEST:
            raise fault(at, f"extends more than {_LONGEST} services in a row")
        where = file
        base_services = services
        if other is not None:
            base_services, where, taken = self._of_file(name, ref, other, file, at)
            resets = [*resets, taken]
        elif ref not in services:
            raise self._unknown(name, ref, file, services, at, f'service "{ref}" not found')
        base = self.extended(ref, base_services, where, (*chain, here), resets)
        if base is None:
            return service
        self._copied += _size(base)
        if self._copied > _MOST_COPIED:
            raise fault(at, f"extends: more than {_MOST_COPIED:,} values come of it")
        base = copied(base)
        for paths in resets:
            take_away({"services": {name: base}}, paths)
        made = merged_service(base, service, name)
        made.pop("extends", None)
        services[name] = made
        return made

    def _of_file(self, name: str, ref: str, path: str, file: str, at: Mark | None) -> tuple[Tree, str, list[Path]]:
        """The services of another file, the file's name, and what `!reset` marked in it."""
        if is_remote_file(path):
            message = f'cannot extend service "{name}" in {file}: {path} is remote, which is not supported'
            raise fault(at, message, hint="clone it, and name the file")
        folder = self._reading.folder
        real = absolute(folder, path)
        if real not in self._files:
            source = Source(real, self._read(real, at))
            below = posixpath.relpath(posixpath.dirname(real), folder)
            reading = self._reading.other(self._reading.variables, posixpath.dirname(real))
            tree, taken = reading.base_services(source)
            self._files[real] = resolve_paths(tree, below, self._reading.home), taken
        tree, taken = self._files[real]
        if "services" not in tree:
            raise fault(at, f'cannot extend service "{name}" in {real}: no services section')
        services = tree["services"]
        if not isinstance(services, Map):
            raise fault(at, f'cannot extend service "{name}" in {real}: services must be a mapping')
        if ref not in services:
            raise self._unknown(name, ref, file, services, at, f'service "{ref}" not found in {path}')
        return services, real, taken

    def _read(self, path: str, at: Mark | None) -> bytes:
        from wherry.errors import ComposeError, ComposeFileMissing

        try:
            return read_file(path)
        except ComposeError as wrong:
            raise (missing if isinstance(wrong, ComposeFileMissing) else fault)(at, str(wrong)) from None

    def _unknown(self, name: str, ref: str, file: str, services: Map, at: Mark | None, why: str) -> Exception:
        near = nearest(ref, list(services))
        hint = f"did you mean {near}?" if near else f"there are: {', '.join(sorted(services))}"
        return fault(at, f'cannot extend service "{name}" in {file}: {why}', hint=hint)


def _size(tree: Tree) -> int:
    inner = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    return 1 + sum(map(_size, inner))


def _reference(extends: Tree, name: str, at: Mark | None) -> tuple[str, str | None]:
    """Which service, and of which file when it is another."""
    if isinstance(extends, str):
        return extends, None
    if isinstance(extends, dict):
        ref, file = extends.get("service"), extends.get("file")
        if isinstance(ref, str) and (file is None or isinstance(file, str)):
            return ref, file
        if "service" not in extends:
            raise fault(at, f"services.{name}.extends service is required", hint="extends: {service: NAME}")
    raise fault(at, f"services.{name}.extends must be a mapping of text, or a service's name")


def _circle(chain: tuple[tuple[str, str], ...]) -> str:
    first, *others = chain
    lines = ["Circular reference:", f"  {first[0]} in {first[1]}"]
    return "\n".join([*lines, *(f"  extends {name} in {file}" for name, file in others)])
