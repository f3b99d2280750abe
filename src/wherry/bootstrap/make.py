"""Making a stand-in: a Debian root as one layer, a CPython as the next."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from wherry.bootstrap import debian, libraries, pythons, relocate, sources
from wherry.bootstrap.recipe import LABEL, DebianRecipe, PythonRecipe
from wherry.errors import HostError, NotFound
from wherry.fs.atomic import replace_file
from wherry.fs.remove import remove_tree
from wherry.host import Command
from wherry.image.tar import diff, pack
from wherry.oci.config import ContainerConfig, History, ImageConfig
from wherry.oci.digest import DiffID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.bootstrap.pythons import Python
    from wherry.bootstrap.spawn import Runner
    from wherry.host import Host
    from wherry.oci.platform import Platform
    from wherry.store.layers import LayerStore
    from wherry.store.lease import Lease

__all__ = ["Machine", "Maker", "debian_python"]

EPOCH_S = 315_532_800
"""1980-01-01: the earliest time that a zip file can hold, as in builds."""
_FRESH_S = 7 * 86_400
_PATH = "PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
_DEBIAN_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Of the official slim images; what the interpreter's own libraries need comes on top
_BASE_PACKAGES = ("ca-certificates", "netbase", "tzdata")
_OF_DEBIAN = {"bullseye": "3.9", "bookworm": "3.11", "trixie": "3.13"}


class Machine(NamedTuple):
    """What this host can give. `codename` is "" when it is no Debian; `apt_files` is (path, text) of its sources."""

    codename: str
    keyring: str
    pythons: tuple[Python, ...]
    apt_files: tuple[tuple[str, str], ...]
    apt_dump: str
    env: Mapping[str, str]
    platform: Platform


def debian_python(codename: str) -> str:
    """The version of Python that a Debian release packages, "" when unknown."""
    return _OF_DEBIAN.get(codename, "")


class Maker:
    """Makes images in a store. `say` gets a line per step; `cache` is a folder that remembers Debian roots."""

    def __init__(
        self, host: Host, layers: LayerStore, machine: Machine, run: Runner, *, cache: str, say: Callable[[str], None]
    ) -> None:
        self._host, self._layers, self._machine, self._run = host, layers, machine, run
        self._cache, self._say = cache, say

    def make_debian(self, recipe: DebianRecipe, lease: Lease, *, fresh: bool) -> ImageConfig:
        """Raises: HostError, Cancelled."""
        layer = self._root(recipe, lease, fresh=fresh)
        name = f"debian:{recipe.codename}" + ("-slim" if recipe.slim else "")
        label = f"Debian {recipe.codename} made on this machine; not the official {name}"
        config = ContainerConfig(env=(_DEBIAN_PATH,), cmd=("bash",), labels={LABEL: label})
        return self._config(config, [(layer, f"wherry bootstrap {name}")])

    def make_python(
        self, recipe: PythonRecipe, lease: Lease, *, packages: tuple[str, ...] = (), fresh: bool
    ) -> ImageConfig:
        """Raises: NotFound when the machine has no such version, HostError, Cancelled."""
        codename = self._machine.codename
        if not codename:
            raise HostError("python stand-ins are made of this machine's own Python, and this is no Debian machine",
                            hint="load the image from a file: wherry load -i python.tar")  # fmt: skip
        if recipe.codename not in {"", codename}:
            raise NotFound(f"this machine is Debian {codename}: no Python for {recipe.codename} can be made here",
                           hint="wherry bootstrap --list says what can")  # fmt: skip
        found = pythons.best(self._machine.pythons, recipe.version)
        packaged = debian_python(codename)
        if not found and not (packaged + ".").startswith(recipe.version + "."):
            raise NotFound(f"this machine has no Python {recipe.version}",
                           hint="wherry bootstrap --list says which it has; pyenv and uv install others")  # fmt: skip
        base = self._root(DebianRecipe(codename, slim=True), lease, fresh=fresh)
        if found:
            layer, version = self._cpython(found, base, lease, packages), found.version
            label = f"CPython {version} of this machine on Debian {codename}; not the official image"
        else:
            layer, version = self._packaged(packaged, base, lease, packages)
            label = f"Debian's own Python {version} on Debian {codename}; not the official image"
        config = ContainerConfig(
            env=(_PATH, "LANG=C.UTF-8", f"PYTHON_VERSION={version}"), cmd=("python3",), labels={LABEL: label}
        )
        return self._config(config, [(base, f"wherry bootstrap debian:{codename}-slim"),
                                     (layer, f"wherry bootstrap python:{version}")])  # fmt: skip

    def _config(self, config: ContainerConfig, layers: list[tuple[DiffID, str]]) -> ImageConfig:
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(EPOCH_S))
        return ImageConfig(
            self._machine.platform, config, tuple(diff_id for diff_id, _ in layers),
            tuple(History(created_by=said, created=created) for _, said in layers), created,
        )  # fmt: skip

    def _root(self, recipe: DebianRecipe, lease: Lease, *, fresh: bool) -> DiffID:
        chosen = self._sources(recipe.codename)
        from hashlib import sha256

        key = sha256(repr((recipe, chosen, self._machine.platform)).encode()).hexdigest()[:16]
        remembered = f"{self._cache}/{key}"
        if not fresh and (known := self._remembered(remembered, lease)):
            self._say(f"Debian {recipe.codename}: the root made before")
            return known
        title = f"Debian {recipe.codename}"
        with self._layers.workdir() as work:
            apt_config, lines = self._apt_files(work, chosen)
            self._run(debian.root(recipe.codename, slim=recipe.slim, sources=lines, target=f"{work}/fs",
                                  apt_config=apt_config, env=self._env()), title)  # fmt: skip
            self._settle(f"{work}/fs", chosen)
            layer = self._commit(work, lease)
        os.makedirs(self._cache, mode=0o700, exist_ok=True)
        replace_file(remembered, layer.encode(), durable=False)
        return layer

    def _remembered(self, path: str, lease: Lease) -> DiffID | None:
        try:
            if time.time() - os.stat(path).st_mtime > _FRESH_S:
                return None  # security updates should not wait for ever
            with open(path, encoding="ascii") as file:
                layer = DiffID.parse(file.read())
        except FileNotFoundError:
            return None
        lease.add_layer(layer)
        return layer if self._layers.has(layer) else None

    def _sources(self, codename: str) -> tuple[sources.Source, ...]:
        found = [source for name, text in self._machine.apt_files for source in sources.parse(name, text)]
        return sources.choose(found, codename)

    def _env(self) -> dict[str, str]:
        return debian.environment(self._machine.env, EPOCH_S)

    def _apt_files(self, work: str, chosen: tuple[sources.Source, ...]) -> tuple[str, str]:
        config, lines = f"{work}/apt.conf", f"{work}/sources.list"
        replace_file(config, debian.apt_options(self._machine.apt_dump).encode(), 0o644, durable=False)
        replace_file(lines, sources.as_lines(chosen, self._machine.keyring).encode(), 0o644, durable=False)
        return config, lines

    def _settle(self, root: str, chosen: tuple[sources.Source, ...]) -> None:
        """The image's own list of sources in place of mmdebstrap's, and apt's and dpkg's ways in images."""
        _drop_sources(root)
        text = sources.as_deb822(chosen, self._machine.keyring)
        replace_file(f"{root}/etc/apt/sources.list.d/debian.sources", text.encode(), 0o644, durable=False)
        replace_file(f"{root}/etc/apt/apt.conf.d/50image", _APT_CONF, 0o644, durable=False)
        replace_file(f"{root}/etc/dpkg/dpkg.cfg.d/50image", b"force-unsafe-io\n", 0o644, durable=False)

    def _commit(self, work: str, lease: Lease) -> DiffID:
        self._say("sealing the layer")
        _tidy(f"{work}/fs")
        diff.normalise(f"{work}/fs", clamp_ns=EPOCH_S * 10**9)
        diff_id, size = pack.diff_id(f"{work}/fs")
        self._layers.commit(work, diff_id, size, lease)
        return diff_id

    def _cpython(self, python: Python, base: DiffID, lease: Lease, packages: tuple[str, ...]) -> DiffID:
        title = f"CPython {python.version}"
        with self._layers.workdir() as work:
            self._say(f"{title}: copying it from {python.prefix}")
            local = f"{work}/fs/usr/local"
            relocate.copy(python, local)
            relocate.link(python, local)
            needs = libraries.owners(self._host, libraries.wanted(relocate.elves(local)))
            if needs.missing:
                self._say(f"{title}: left out, no Debian package has them: {', '.join(needs.missing)}")
            script = _CPYTHON.format(python=f"/usr/local/bin/python{python.short}")
            self._add(work, base, debian.Addition([*_BASE_PACKAGES, *needs.packages, *packages], script), title)
            return self._commit(work, lease)

    def _packaged(self, version: str, base: DiffID, lease: Lease, packages: tuple[str, ...]) -> tuple[DiffID, str]:
        wanted = [*_BASE_PACKAGES, f"python{version}", "python3-pip", "python3-venv", *packages]
        with self._layers.workdir() as work:
            os.mkdir(f"{work}/fs", 0o755)
            script = _PACKAGED.format(version=version)
            self._add(work, base, debian.Addition(wanted, script), f"Python {version} of Debian")
            path = f"{work}/fs/usr/local/lib/python-version"
            with open(path, encoding="ascii") as file:
                whole = file.read().strip()
            os.unlink(path)
            return self._commit(work, lease), whole

    def _add(self, work: str, base: DiffID, addition: debian.Addition, title: str) -> None:
        for name in ("work", "root"):
            os.mkdir(f"{work}/{name}")
        os.chmod(f"{work}/fs", 0o755)
        config, lines = self._apt_files(work, ())
        replace_file(lines, b"# debian.sources of the root below\n", 0o644, durable=False)
        # A file, not the option's text: mmdebstrap first asks whether that is the name of one
        replace_file(f"{work}/finish.sh", addition.script.encode(), 0o755, durable=False)
        self._run(debian.add(self._machine.codename, addition, lower=self._layers.path(base), work=work,
                             apt_config=config, env=self._env()), title)  # fmt: skip
        _drop_sources(f"{work}/fs")


# To the effect of the official images' settings: no package and no 50 MB of indexes stays in a layer by mistake
_APT_CONF = b"""Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
Acquire::GzipIndexes "true";
Apt::AutoRemove::SuggestsImportant "false";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb || true"; };
"""
_CPYTHON = """set -e
chroot "$1" ldconfig
chroot "$1" {python} -I -m ensurepip --default-pip
[ -e "$1/usr/local/bin/pip" ] || ln -s pip3 "$1/usr/local/bin/pip"
chroot "$1" {python} -I -c 'import sys, ssl, zlib, ctypes, pip; assert sys.prefix == "/usr/local", sys.prefix'
"""
# Debian keeps pip out of its own Python ("externally managed"); an image is nobody's system, and the lesson installs
_PACKAGED = """set -e
chroot "$1" ldconfig
rm -f "$1"/usr/lib/python*/EXTERNALLY-MANAGED
for name in python python3 python{version}; do ln -sf /usr/bin/python{version} "$1/usr/local/bin/$name"; done
ln -sf /usr/bin/pip3 "$1/usr/local/bin/pip"; ln -sf /usr/bin/pip3 "$1/usr/local/bin/pip3"
chroot "$1" /usr/local/bin/python3 -c 'import sys, pip; print("%d.%d.%d" % sys.version_info[:3])' \
    > "$1/usr/local/lib/python-version"
"""


def _tidy(root: str) -> None:
    """Take out what a run leaves: devices (the runtime makes its own), logs, backups, bytecode, mmdebstrap's traces."""
    for folder in ("dev", "tmp", "run", "var/log", "var/lib/apt/lists", "var/cache/apt", "root/.cache"):
        if not os.path.isdir(f"{root}/{folder}"):
            continue
        for entry in os.scandir(f"{root}/{folder}"):
            if entry.is_dir(follow_symlinks=False):
                remove_tree(entry.path)
            else:
                os.unlink(entry.path)
    for path in ("var/lib/dpkg/status-old", "var/lib/dpkg/diversions-old", "var/cache/debconf/config.dat-old",
                 "var/cache/debconf/templates.dat-old", "var/cache/ldconfig/aux-cache", "etc/passwd-", "etc/group-",
                 "etc/shadow-", "etc/gshadow-", "etc/.pwd.lock"):  # fmt: skip
        _unlink(f"{root}/{path}")
    if os.path.isdir(f"{root}/usr"):
        relocate.remove_bytecode(f"{root}/usr")


def _drop_sources(root: str) -> None:
    """What mmdebstrap wrote of its command line."""
    _unlink(f"{root}/etc/apt/sources.list")
    folder = f"{root}/etc/apt/sources.list.d"
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        os.unlink(f"{folder}/{name}")


def _unlink(path: str) -> None:
    if os.path.lexists(path):
        os.unlink(path)


def apt_dump(host: Host) -> str:
    """`apt-config dump`, "" when there is no apt. Raises: nothing of its own."""
    try:
        return host.run(Command(["apt-config", "dump"])).stdout.decode(errors="replace")
    except HostError:
        return ""
