"""Base images without a registry: what this machine can make, and making it."""

from __future__ import annotations

import os
from typing import NamedTuple

from wherry.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from wherry.bootstrap.make import Machine
    from wherry.bootstrap.recipe import Recipe
    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.store.images import ImageRecord

__all__ = ["Bootstrap", "Offer", "can_make"]


class Offer(NamedTuple):
    """A name that this machine can make, and from what."""

    name: str
    source: str


def can_make(reference: str) -> bool:
    """Whether `wherry bootstrap` knows how to make an image of this name: cheap, says nothing of this machine.

    For hints: "wherry bootstrap python:3.10 makes a stand-in on this machine". A bad name answers False.
    """
    from wherry.bootstrap.recipe import recipe_for
    from wherry.errors import InvalidReference

    try:
        return recipe_for(Reference.parse(reference)) is not None
    except InvalidReference:
        return False


class Bootstrap:
    """Stand-ins. Needs root, mmdebstrap and a Debian mirror (apt's own sources of this machine)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def offers(self) -> list[Offer]:
        """What this machine can make; pythons first, newest first. Reads files only."""
        from wherry.bootstrap.make import debian_python
        from wherry.bootstrap.recipe import CODENAMES

        machine = self.machine()
        found: dict[str, Offer] = {}
        for python in machine.pythons if machine.codename else ():
            name = f"python:{python.short}"
            found.setdefault(name, Offer(name, f"CPython {python.version} in {python.prefix}"))
        if packaged := debian_python(machine.codename):
            name = f"python:{packaged}"
            found.setdefault(name, Offer(name, f"Debian's package python{packaged}"))
        order = sorted(found.values(), key=lambda offer: [int(p) for p in offer.name[7:].split(".")], reverse=True)
        debians = [Offer(f"debian:{name}-slim", "Debian's packages") for name in reversed(CODENAMES)]
        return order + (debians if machine.keyring else [])

    def existing(self, reference: Reference) -> ImageRecord | None:
        """The image of that name when it is here already, whoever made it."""
        from wherry.errors import NotFound

        try:
            return self._engine.image_store.resolve(str(reference))
        except NotFound:
            return None

    def make(
        self,
        name: str,
        *,
        packages: tuple[str, ...] = (),
        fresh: bool = False,
        say: Callable[[str], None] = lambda _: None,
        cancel: Cancel | None = None,
    ) -> ImageRecord:
        """Make the image and give it `name`. `packages` are Debian packages on top; `fresh` reuses no Debian root.

        Raises: NotFound (no such recipe, or not on this machine), HostError, Cancelled.
        """
        from wherry.bootstrap import debian, spawn
        from wherry.bootstrap.make import Maker
        from wherry.bootstrap.recipe import DebianRecipe
        from wherry.cancel import Cancel as NewCancel
        from wherry.host.linux import require_root

        engine, reference = self._engine, Reference.parse(name)
        recipe = _recipe(name, reference)
        require_root(engine.settings.uid, "wherry bootstrap")
        machine = self.machine()
        runner = spawn.follow(engine.host, cancel or NewCancel(), say, debian.step_of)
        cache = f"{engine.settings.paths.cache}/bootstrap"
        maker = Maker(engine.host, engine.layers, machine, runner, cache=cache, say=say)
        engine.scratch.sweep()
        with engine.leases.hold(f"bootstrap {reference.familiar}") as lease:
            if isinstance(recipe, DebianRecipe):
                config = maker.make_debian(recipe, lease, fresh=fresh)
            else:
                config = maker.make_python(recipe, lease, packages=packages, fresh=fresh)
            return engine.image_store.create(config, [reference])

    def machine(self) -> Machine:
        """Reads /etc/os-release, apt's sources and the folders where CPythons are."""
        from wherry.bootstrap import pythons
        from wherry.bootstrap.make import Machine, apt_dump
        from wherry.oci.platform import Platform

        env = self._engine.settings.env
        homes = pythons.homes(env.get("HOME", ""), env.get("SUDO_USER", ""))
        places = pythons.prefixes(
            [(key, env[key]) for key in ("PYENV_ROOT", "UV_PYTHON_INSTALL_DIR") if key in env], homes
        )
        keyring = next((path for path in _KEYRINGS if os.path.exists(path)), "")
        return Machine(
            codename=_codename(_read("/etc/os-release")),
            keyring=keyring,
            pythons=tuple(pythons.find(places)),
            apt_files=tuple((path, _read(path)) for path in _apt_files()),
            apt_dump=apt_dump(self._engine.host),
            env=env,
            platform=Platform.of("linux", os.uname().machine),
        )


_KEYRINGS = ("/usr/share/keyrings/debian-archive-keyring.pgp", "/usr/share/keyrings/debian-archive-keyring.gpg")


def _recipe(name: str, reference: Reference) -> Recipe:
    from wherry.bootstrap.recipe import recipe_for
    from wherry.errors import NotFound

    recipe = recipe_for(reference)
    if recipe is None:
        raise NotFound(f"wherry bootstrap can't make {name}",
                       hint="it makes python:3.X[-slim] and debian:CODENAME[-slim]; see bootstrap --list")  # fmt: skip
    return recipe


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _apt_files() -> list[str]:
    folder = "/etc/apt/sources.list.d"
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return ["/etc/apt/sources.list", *(f"{folder}/{n}" for n in names if n.endswith((".list", ".sources")))]


def _codename(os_release: str) -> str:
    """Of Debian itself: "" for its children, whose packages are others."""
    fields = dict(line.partition("=")[::2] for line in os_release.splitlines() if "=" in line)
    return fields.get("VERSION_CODENAME", "").strip('"') if fields.get("ID", "").strip('"') == "debian" else ""
