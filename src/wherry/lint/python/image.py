"""What the finished image has that it should not."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wherry.dockerfile.instructions import Add, User
from wherry.lint.hadolint.installs import appended, is_kept
from wherry.lint.python.final import chain, image, scripts, started
from wherry.lint.rule import Hit, rule
from wherry.lint.shell import Command
from wherry.lint.subject import Script, Subject

__all__ = ["compilers", "conda", "pickles", "root"]

_ROOT_IMAGES = frozenset(
    {"python", "debian", "ubuntu", "alpine", "fedora", "rockylinux", "node", "cuda", "pytorch", "tensorflow",
     "miniconda3", "anaconda3", "miniforge3", "uv", "buildpack-deps", "tritonserver", "busybox"}
)  # fmt: skip
_COMPILERS = frozenset(
    {"build-essential", "gcc", "g++", "clang", "make", "cmake", "gfortran", "ninja-build", "cargo", "rustc",
     "python3-dev", "python-dev-is-python3", "libpython3-dev", "nvidia-cuda-toolkit", "build-base", "musl-dev"}
)  # fmt: skip
_PICKLE = re.compile(r"(?:https?|ftp)://\S+\.(?:pkl|pickle|joblib|pt|pth|ckpt)(?:[?#]\S*)?", re.IGNORECASE)
_CONDA = ("conda", "mamba", "micromamba")


@rule("PY007", "warning", "A pickle from the internet is code from the internet")
def pickles(subject: Subject) -> Iterator[Hit]:
    for _, one in subject.instructions():
        if isinstance(one, Add) and not one.checksum:
            found = next((source for source in one.sources if _PICKLE.fullmatch(source)), "")
            if found:
                yield Hit(one.span, f"{_short(found)} can run code when it is loaded: ADD --checksum=sha256:...")
    for script in subject.runs():
        text = script.text
        if re.search(r"sha(256|512)sum|openssl dgst|--checksum|b2sum", text):
            continue
        for command in script.commands:
            found = next((word for word in command.texts if _PICKLE.fullmatch(word)), "")
            if command.name in ("curl", "wget", "aria2c") and found:
                yield Hit(
                    script.span, f"{_short(found)} can run code when it is loaded: check its sha256, or safetensors"
                )
                break
    what = started(subject)
    for load in subject.facts.downloads if subject.facts and what else ():
        if load.is_pickle and what:
            yield Hit(what.span, f"{load.where} loads what it fetched as a pickle, which can run code: safetensors")
            break


def _short(url: str) -> str:
    return url.rpartition("/")[2].partition("?")[0][:60]


@rule("PY014", "warning", "The container runs as root")
def root(subject: Subject) -> Iterator[Hit]:
    """Only over base images that are known to have no user of their own."""
    if any(isinstance(one, User) for stage in chain(subject) for one in stage.instructions):
        return
    name = image(subject).partition("@")[0].rpartition("/")[2].partition(":")
    if name[0] in _ROOT_IMAGES and "nonroot" not in name[2]:
        said = "No USER: who breaks into the application is root in its container"
        yield Hit(subject.stages[-1].span, f"{said}. useradd, then USER with its number")


@rule("PY015", "info", "Compilers stay in the image")
def compilers(subject: Subject) -> Iterator[Hit]:
    for script in scripts(subject):
        gone = {word for one in script.commands if _takes_away(one) for word in one.plain}
        for command in script.commands:
            is_install = command.name in ("apt-get", "apt", "apk", "dnf", "yum") and command.has_any("install", "add")
            found = [word for word in command.plain if re.split(r"[=~]", word)[0] in _COMPILERS and word not in gone]
            if is_install and found and not (command.name == "apk" and gone):
                said = f"{found[0]} stays, hundreds of MB with what it brings: compile in a stage of its own"
                yield Hit(script.span, f"{said}, and COPY --from the environment")
                break


def _takes_away(command: Command) -> bool:
    return command.name in ("apt-get", "apt", "apk", "dnf", "yum") and command.has_any(
        "purge", "remove", "del", "autoremove"
    )


@rule("PY016", "warning", "conda leaves its packages in the image a second time")
def conda(subject: Subject) -> Iterator[Hit]:
    for script in subject.runs():
        found = next((one for one in script.commands if one.name in _CONDA and _installs(one)), None)
        if found is None or not is_kept(subject, script.stage) or _is_clean(script):
            continue
        edits = appended(subject, script, f"{found.name} clean --all --yes")
        yield Hit(
            script.span, f"{found.name} clean --all --yes in the same RUN, or a cache mount on /opt/conda/pkgs", edits
        )


def _installs(command: Command) -> bool:
    return command.plain[:1] in (("install",), ("create",), ("update",)) or command.plain[:2] in (
        ("env", "create"),
        ("env", "update"),
    )


def _is_clean(script: Script) -> bool:
    if any(one.name in _CONDA and one.plain[:1] == ("clean",) for one in script.commands):
        return True
    if any("/pkgs" in word for one in script.commands if one.name == "rm" for word in one.plain):
        return True
    return any(
        mount.type in ("cache", "tmpfs") and mount.target.rstrip("/").endswith("pkgs") for mount in script.run.mounts
    )
