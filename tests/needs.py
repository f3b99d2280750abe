"""What a test may ask of the machine, and how to see whether it is there."""

from __future__ import annotations

import os
import shutil
import sys
from functools import cache
from importlib.util import find_spec

__all__ = ["missing"]

PROGRAMS = {
    "runc", "nft", "ip", "mmdebstrap", "cosign", "docker", "docker-compose", "dockerd", "docker-registry",
    "skopeo", "umoci", "busybox", "oras",
    "chromium", "git", "mkfs.ext4", "openssl", "podman", "crun", "htpasswd", "ssh-agent", "fish",
    "zsh",
}  # fmt: skip

MODULES = {
    "azure-mgmt-appcontainers": "azure.mgmt.appcontainers", "cfn-lint": "cfnlint",
    "google-cloud-run": "google.cloud.run_v2", "kubernetes": "kubernetes",
    "kubernetes-validate": "kubernetes_validate", "mlflow": "mlflow", "moto": "moto", "sqlalchemy": "sqlalchemy",
}  # fmt: skip
"""Packages of the dependency group `test` (tools/setup.sh test)."""


@cache
def missing(name: str) -> str:
    """Why `name` can't be had on this machine, or "" when it can."""
    if name == "root":
        return "" if os.geteuid() == 0 else f"running as uid {os.geteuid()}"
    if name == "fuse":
        return "" if os.access("/dev/fuse", os.R_OK | os.W_OK) else "/dev/fuse can't be opened"
    if name == "pypi":
        return _pypi()
    if name == "mirror":
        return _mirror()
    if name == "hadolint":
        beside = os.path.dirname(sys.executable)
        found = shutil.which(name, path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
        return "" if found else "hadolint is not installed (tools/setup.sh test)"
    if name in MODULES:
        return "" if _has(MODULES[name]) else f"the Python package {name} is not installed"
    if name in PROGRAMS:
        where = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        return "" if shutil.which(name, path=where) else f"{name} is not installed"
    raise KeyError(f"tests/needs.py knows no {name!r}")


def _has(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # what it would be in is not there either
        return False


def _pypi() -> str:
    import urllib.request

    try:
        with urllib.request.urlopen("https://pypi.org/simple/six/", timeout=20):
            return ""
    except OSError as fault:
        return f"PyPI can't be reached: {fault}"


def _mirror() -> str:
    """Debian's packages, as this machine's own apt gets them."""
    import subprocess

    try:
        asked = ["apt-get", "download", "--print-uris", "base-files"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
    except OSError as fault:
        return f"no apt here: {fault}"
    return "" if "http" in done.stdout else f"apt knows no package: {done.stderr.strip()[-200:]}"
