"""Packages of Fedora, Red Hat and SUSE."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wherry.lint.hadolint.installs import calls, keeps_outside, removes, with_flag, words
from wherry.lint.rule import Hit, rule
from wherry.lint.shell import Command
from wherry.lint.subject import Script, Subject

__all__ = [
    "dnf_cache", "dnf_versions", "dnf_yes", "yum_cache", "yum_versions", "yum_yes", "zypper_cache", "zypper_dup",
    "zypper_versions", "zypper_yes",
]  # fmt: skip

_INSTALLS = ("install", "groupinstall", "localinstall")
_VALUES = ("enablerepo", "disablerepo", "repo", "x", "exclude", "c", "config", "installroot", "releasever", "setopt")
_ZYPPER = ("install", "in")
_ZYPPER_ALL = (*_ZYPPER, "remove", "rm", "source-install", "si", "patch")
_ZYPPER_VALUES = ("r", "repo", "from", "t", "type", "root", "name")


def _yes(subject: Subject, *names: str) -> Iterator[Hit]:
    for script in subject.runs():
        for command in _all(script, names, *_INSTALLS):
            if not command.has_flag("y", "assumeyes"):
                verb = next(verb for verb in _INSTALLS if verb in command.texts)
                yield with_flag(subject, script, command, verb, "-y")
                break


def _all(script: Script, names: tuple[str, ...], *verbs: str) -> list[Command]:
    return [command for name in names for command in calls(script, name, *verbs)]


def _versions(subject: Subject, *names: str) -> Iterator[Hit]:
    for script in subject.runs():
        for command in _all(script, names, "install"):
            named = words(command, ("install",), *_VALUES)
            is_module = named[:1] == ("module",)
            loose = next((one for one in named[1 if is_module else 0 :] if not _is_pinned(one, is_module)), "")
            if loose:
                sign = ":STREAM" if is_module else "-VERSION"
                text = f"{command.name} installs {loose} in whatever version is newest: {loose}{sign}"
                yield Hit(script.span, text)
                break


def _is_pinned(word: str, is_module: bool) -> bool:
    if is_module:
        return ":" in word
    return bool(re.search(r"-[0-9]", word)) or "/" in word or word.endswith(".rpm") or "=" in word


@rule("DL3030", "warning", "yum asks before it installs, and nobody answers in a build: -y")
def yum_yes(subject: Subject) -> Iterator[Hit]:
    return _yes(subject, "yum")


@rule("DL3032", "warning", "yum leaves its cache in the image: yum clean all in the same RUN")
def yum_cache(subject: Subject) -> Iterator[Hit]:
    return _cached(subject, ("yum",), "/var/cache/yum")


def _cached(subject: Subject, names: tuple[str, ...], *folders: str) -> Iterator[Hit]:
    for script in subject.runs():
        if any(keeps_outside(script, folder) or removes(script, folder) for folder in folders):
            continue
        for name in names:
            is_clean = any("all" in one.texts for one in calls(script, name, "clean"))
            if not is_clean and any(True for _ in calls(script, name, "install")):
                yield Hit(script.span)
                break


@rule("DL3033", "warning", "yum installs a package without a version")
def yum_versions(subject: Subject) -> Iterator[Hit]:
    return _versions(subject, "yum")


@rule("DL3034", "warning", "zypper asks before it installs, and nobody answers in a build: -y")
def zypper_yes(subject: Subject) -> Iterator[Hit]:
    for script in subject.runs():
        for command in calls(script, "zypper", *_ZYPPER_ALL):
            if not command.has_flag("y", "n", "non-interactive", "no-confirm"):
                verb = next(verb for verb in _ZYPPER_ALL if verb in command.texts)
                yield with_flag(subject, script, command, verb, "-y")
                break


@rule("DL3035", "warning", "zypper replaces the whole distribution: take a newer base image")
def zypper_dup(subject: Subject) -> Iterator[Hit]:
    for script in subject.runs():
        if any(True for _ in calls(script, "zypper", "dup", "dist-upgrade")):
            yield Hit(script.span)


@rule("DL3036", "warning", "zypper leaves its cache in the image: zypper clean in the same RUN")
def zypper_cache(subject: Subject) -> Iterator[Hit]:
    for script in subject.runs():
        if keeps_outside(script, "/var/cache/zypp") or removes(script, "/var/cache/zypp"):
            continue
        if any(True for _ in calls(script, "zypper", *_ZYPPER)) and not any(
            True for _ in calls(script, "zypper", "clean", "cc")
        ):
            yield Hit(script.span)


@rule("DL3037", "warning", "zypper installs a package without a version")
def zypper_versions(subject: Subject) -> Iterator[Hit]:
    for script in subject.runs():
        for command in calls(script, "zypper", *_ZYPPER):
            named = words(command, _ZYPPER, *_ZYPPER_VALUES)
            loose = next((one for one in named if not re.search(r"[=<>]", one) and not one.endswith(".rpm")), "")
            if loose:
                yield Hit(script.span, f"zypper installs {loose} in whatever version is newest: {loose}=VERSION")
                break


@rule("DL3038", "warning", "dnf asks before it installs, and nobody answers in a build: -y")
def dnf_yes(subject: Subject) -> Iterator[Hit]:
    return _yes(subject, "dnf", "microdnf")


@rule("DL3040", "warning", "dnf leaves its cache in the image: dnf clean all in the same RUN")
def dnf_cache(subject: Subject) -> Iterator[Hit]:
    return _cached(subject, ("dnf", "microdnf"), "/var/cache/dnf", "/var/cache/libdnf5")


@rule("DL3041", "warning", "dnf installs a package without a version")
def dnf_versions(subject: Subject) -> Iterator[Hit]:
    return _versions(subject, "dnf", "microdnf")
