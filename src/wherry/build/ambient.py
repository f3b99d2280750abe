"""What a RUN step gets of the host beside its image: trust, proxies, and package managers' caches. Pure.

Everything is shown below /dev/wherry: /dev is a fresh file system in each step, so that no mountpoint, no certificate
and no cache can reach the layer. Nothing of it stands in the config, the history or a cache key.
"""

# Differs from docker: docker gives a step none of this; behind a TLS-intercepting proxy its pip fails, and it downloads
# anew each time. `--no-host-ca` and `--no-ambient-cache` give docker's behaviour.

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

__all__ = [
    "ARCHIVES", "FOLDER", "OUT", "Ambient", "AmbientCache", "HostSide", "Step", "Wishes", "extra_trust",
    "merge_bundles", "plan",
]  # fmt: skip

FOLDER = "/dev/wherry"
_BUNDLE = f"{FOLDER}/ca.pem"
_APT_CONFIG = f"{FOLDER}/apt.conf"
_WGETRC = f"{FOLDER}/wgetrc"
_CACHES = f"{FOLDER}/cache"
ARCHIVES, OUT = "archives", "out"

# Who names a bundle that takes the place of the system's; the first of them that is set is the host's bundle
_WHOLE = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO")
_EXTRA = ("NODE_EXTRA_CA_CERTS",)
# openssl (Python, Ruby, Go, uv), requests, pip, curl, git, node and npm, cargo, conda, AWS, Deno
_TRUST = (
    "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS",
    "CARGO_HTTP_CAINFO", "CONDA_SSL_VERIFY", "AWS_CA_BUNDLE", "DENO_CERT",
)  # fmt: skip
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
# Proxies and dates; not the files that it names (CAInfo, SslCert): those paths are the host's
_APT_KEPT = re.compile(r"Acquire::(?:Check-|Retries|(?:https?|ftp)::(?:Proxy|Timeout|Pipeline)(?!-Auto))")
_PEM = re.compile(rb"-----BEGIN (?:TRUSTED )?CERTIFICATE-----.*?-----END (?:TRUSTED )?CERTIFICATE-----", re.DOTALL)


class HostSide(NamedTuple):
    """What the host trusts and how it fetches. `bundle` is b"" when it trusts nothing beyond the public roots.

    `apt_options` are Acquire::... lines of `apt-config dump`: how apt fetches here.
    """

    env: Mapping[str, str]
    bundle: bytes = b""
    apt_options: str = ""


class Step(NamedTuple):
    """One RUN. `names` are the variables that the Dockerfile or a build argument set: those are never touched.

    `text` is the whole command line, `targets` what it mounts, `base` names the image that its stage stands on,
    `project` what is built: caches are shared among the steps of one project above one image, and no further.
    """

    names: frozenset[str]
    text: str = ""
    targets: tuple[str, ...] = ()
    uid: int = 0
    gid: int = 0
    base: str = ""
    project: str = ""


class Wishes(NamedTuple):
    """--no-host-ca and --no-ambient-cache make them False."""

    host_ca: bool = True
    cache: bool = True


class AmbientCache(NamedTuple):
    """A folder that outlives the build. `name` is its name below ROOT/cache/ambient.

    `parts`: only these subfolders last; the rest of the folder is the step's own and goes with it. `is_offered`: the
    step gets copies in ARCHIVES/partial, where apt checks each before it takes it; what it leaves there or in OUT is
    kept.
    """

    name: str
    target: str
    parts: tuple[str, ...] = ()
    is_offered: bool = False


class Ambient(NamedTuple):
    """`env` is KEY=VALUE; `files` maps a name below /dev/wherry to its bytes (0644, shown read-only)."""

    env: tuple[str, ...] = ()
    files: Mapping[str, bytes] = {}
    caches: tuple[AmbientCache, ...] = ()


def extra_trust(env: Mapping[str, str], local: Iterable[str]) -> tuple[str, ...]:
    """The files whose certificates a step must trust, () when the host trusts nothing special.

    `local` are the files of /usr/local/share/ca-certificates. The system's bundle is not among them.
    """
    whole = [env[name] for name in _WHOLE if env.get(name)][:1]
    extra = [env[name] for name in _EXTRA if env.get(name)]
    return tuple(dict.fromkeys([*whole, *extra, *local]))


def merge_bundles(texts: Iterable[bytes]) -> bytes:
    """One bundle of all certificates, each once, in order; comments are dropped."""
    blocks = dict.fromkeys(block for text in texts for block in _PEM.findall(text.replace(b"\r\n", b"\n")))
    return b"".join(block + b"\n" for block in blocks)


def plan(host: HostSide, step: Step, wishes: Wishes) -> Ambient:
    """What the step gets. Variables that the step has already stay as they are."""
    env: dict[str, str] = {}
    files: dict[str, bytes] = {}
    apt: list[str] = []
    if wishes.host_ca:
        env |= _proxies(host.env)
        apt += [line for line in host.apt_options.splitlines() if _APT_KEPT.match(line)]
        if host.bundle:
            files["ca.pem"] = host.bundle
            files["wgetrc"] = f"ca_certificate = {_BUNDLE}\n".encode()
            env |= dict.fromkeys(_TRUST, _BUNDLE) | {"SYSTEM_WGETRC": _WGETRC}
            apt.append(f'Acquire::https::CAInfo "{_BUNDLE}";')
    settings, caches = _caches(step) if wishes.cache else ({}, [])
    env |= settings
    apt += _APT if any(cache.is_offered for cache in caches) else ()
    if apt:
        files["apt.conf"] = ("\n".join(apt) + "\n").encode()
        env["APT_CONFIG"] = _APT_CONFIG
    given = tuple(f"{name}={value}" for name, value in sorted(env.items()) if name not in step.names)
    return Ambient(given, files, tuple(caches))


def _proxies(env: Mapping[str, str]) -> dict[str, str]:
    """Both spellings of each: curl reads only http_proxy, others only HTTP_PROXY."""
    found: dict[str, str] = {}
    for name in _PROXIES:
        value = env.get(name) or env.get(name.upper())
        if value:
            found |= {name: value, name.upper(): value}
    return found


class _Tool(NamedTuple):
    """One package manager. `own` are variables that say the Dockerfile has its own idea; `places` its usual folders."""

    name: str
    env: tuple[tuple[str, str], ...]
    own: tuple[str, ...]
    places: tuple[str, ...]
    parts: tuple[str, ...] = ()


_TOOLS = (
    # Not pip's wheels/: those may have been built against libraries that an earlier Dockerfile installed
    _Tool("pip", (("PIP_CACHE_DIR", ""),), ("PIP_NO_CACHE_DIR",), (".cache/pip",), parts=("http", "http-v2")),
    # uv, poetry and conda keep what they built beside what they loaded, and can't be told to keep only one of it
    _Tool("uv", (("UV_CACHE_DIR", ""), ("UV_LINK_MODE", "copy")), ("UV_NO_CACHE",), (".cache/uv",)),
    # Virtual environments are no cache: poetry puts them there all the same, and the image needs them
    _Tool(
        "poetry",
        (("POETRY_CACHE_DIR", ""), ("POETRY_VIRTUALENVS_PATH", "~/.cache/pypoetry/virtualenvs")),
        ("XDG_CACHE_HOME",),
        (".cache/pypoetry",),
    ),
    _Tool("conda", (("CONDA_PKGS_DIRS", ""),), (), ("conda/pkgs", ".conda/pkgs")),
    _Tool("npm", (("npm_config_cache", ""),), ("NPM_CONFIG_CACHE",), (".npm",)),
)
# apt believes every archive of the right name and size in its cache, and checks the ones in partial/ as if they had
# just come. What it took is linked to OUT at once, since many a Dockerfile ends with `apt-get clean`
_APT = (
    f'Dir::Cache::archives "{_CACHES}/apt/{ARCHIVES}/";',
    'Binary::apt::APT::Keep-Downloaded-Packages "1";',
    f'DPkg::Post-Invoke:: "ln -f {_CACHES}/apt/{ARCHIVES}/*.deb {_CACHES}/apt/{OUT}/ 2>/dev/null || true";',
)


def _caches(step: Step) -> tuple[dict[str, str], list[AmbientCache]]:
    """The variables that lead to each cache, and the caches, but for those whose place the step mounts or sets."""
    env: dict[str, str] = {}
    caches: list[AmbientCache] = []
    # What a hostile Dockerfile, or a hostile image, leaves in a cache is met by itself alone
    place = "".join(f"-{part}" for part in (step.base, step.project) if part)
    for tool in _TOOLS:
        if step.names.intersection([*tool.own, *(name for name, _ in tool.env)]):
            continue
        if not _is_mounted(step.targets, tool.places):
            target = f"{_CACHES}/{tool.name}"
            caches.append(AmbientCache(f"{tool.name}-{step.uid}{place}", target, parts=tool.parts))
            env |= {name: value or target for name, value in tool.env}
    # Only where it is named: it costs a copy of what is kept
    wants_apt = step.uid == 0 and "apt" in step.text and "APT_CONFIG" not in step.names
    if wants_apt and not _is_mounted(step.targets, ("/var/cache/apt", "/var/cache/apt/archives")):
        caches.append(AmbientCache(f"apt-0{place}", f"{_CACHES}/apt", is_offered=True))
    return env, caches


def _is_mounted(targets: Iterable[str], places: tuple[str, ...]) -> bool:
    """Whether the step mounts one of `places`, or the .cache folder that holds it, itself."""
    for target in targets:
        bare = target.rstrip("/")
        if any(bare == place or bare.endswith("/" + place.lstrip("/")) for place in places):
            return True
        if bare.endswith("/.cache") and any(place.startswith(".cache/") for place in places):
            return True
    return False
