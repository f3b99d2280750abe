"""Debian roots by mmdebstrap, as commands: pure.

Each runs in mount and pid namespaces of its own: whatever ends wherry ends all of it, and nothing stays mounted.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from wherry.host import Command

__all__ = ["Addition", "add", "apt_options", "environment", "root", "step_of"]

_SLIM = (
    "path-exclude=/usr/share/doc/*", "path-include=/usr/share/doc/*/copyright", "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*", "path-exclude=/usr/share/info/*", "path-exclude=/usr/share/groff/*",
    "path-exclude=/usr/share/lintian/*",
)  # fmt: skip
_ALONE = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
# Nothing of the host's name or resolver; services do not start in an image (as the official images do)
_FINISH = (
    ': > "$1/etc/hostname"; : > "$1/etc/resolv.conf"; '
    """printf '#!/bin/sh\\nexit 101\\n' > "$1/usr/sbin/policy-rc.d"; chmod 755 "$1/usr/sbin/policy-rc.d\""""
)
_OVERLAY = (
    'mount -t overlay overlay -o "redirect_dir=off,metacopy=off,index=off,lowerdir=$1,upperdir=$2,workdir=$3" "$4"'
    ' && shift 4 && exec "$@"'
)
_STEPS = {
    "running apt-get update": "reading the package lists",
    "downloading packages with apt": "downloading packages",
    "extracting archives": "unpacking",
    "installing essential packages": "installing the essential packages",
    "installing remaining packages inside the chroot": "installing the other packages",
    "running --customize-hook": "finishing",
    "cleaning package lists": "cleaning up",
}
_APT_KEYS = ("Acquire::http", "Acquire::https", "Acquire::Check-", "Acquire::Max-", "Acquire::Retries",
             "Acquire::Proxy", "Acquire::ForceIPv")  # fmt: skip


def environment(env: Mapping[str, str], epoch_s: int) -> dict[str, str]:
    """What mmdebstrap and the programs inside get: proxies, and nothing else of the caller's."""
    proxies = {name: value for name, value in env.items() if name.lower() in
               {"http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"}}  # fmt: skip
    return {
        **proxies,
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "HOME": "/root",
        "SOURCE_DATE_EPOCH": str(epoch_s),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def apt_options(dump: str) -> str:
    """Of `apt-config dump`: how this host fetches (proxies, certificates, dates), for apt's configuration outside."""
    kept = [line for line in dump.splitlines() if line.startswith(_APT_KEYS) and not line.endswith('"";')]
    return "\n".join(kept) + "\n"


def _hooks(apt_config: str) -> list[str]:
    # apt's configuration outside of the root: mmdebstrap removes it, so that no proxy stays in the image
    return [f'--setup-hook=cat {shlex.quote(apt_config)} >> "$MMDEBSTRAP_APT_CONFIG"'] if apt_config else []


def root(codename: str, *, slim: bool, sources: str, target: str, apt_config: str, env: Mapping[str, str]) -> Command:
    """Make a minimal root in the folder `target`. `sources` and `apt_config` are files of the host."""
    excludes = [f"--dpkgopt={rule}" for rule in _SLIM] if slim else []
    return Command(
        [*_ALONE, "mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory", *excludes,
         *_hooks(apt_config), f"--customize-hook={_FINISH}", codename, target, sources],
        env=env,
    )  # fmt: skip


class Addition(NamedTuple):
    """What comes on top of a root: Debian packages, then a script (sh, with the root's path as $1)."""

    packages: Sequence[str]
    script: str


def add(
    codename: str, addition: Addition, *, lower: str, work: str, apt_config: str, env: Mapping[str, str]
) -> Command:
    """Change the root `lower` through an overlay: what changes lands in WORK/fs, a layer folder afterwards.

    WORK holds the empty folders `work` and `root` and the files `sources.list` and `finish.sh` (the script).
    """
    include = [f"--include={','.join(addition.packages)}"] if addition.packages else []
    inside = [lower, f"{work}/fs", f"{work}/work", f"{work}/root"]
    options = ["--mode=root", "--variant=custom", "--format=directory", "--skip=check/empty", *include]
    hook = f'--customize-hook=sh {shlex.quote(work)}/finish.sh "$1"'
    return Command(
        [*_ALONE, "sh", "-c", _OVERLAY, "sh", *inside, "mmdebstrap", *options, *_hooks(apt_config), hook,
         codename, f"{work}/root", f"{work}/sources.list"],
        env=env,
    )  # fmt: skip


def step_of(line: str) -> str | None:
    """What a line of mmdebstrap's output says to a person, or None."""
    text = line.removeprefix("I: ")
    return next((said for start, said in _STEPS.items() if text.startswith(start)), None)
