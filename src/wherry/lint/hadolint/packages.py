"""Packages of Alpine, npm, yarn, Ruby and Go."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wherry.lint.hadolint.installs import calls, is_kept, keeps_outside, with_flag, words
from wherry.lint.rule import Hit, rule
from wherry.lint.subject import Subject

__all__ = ["apk_cache", "apk_versions", "gem_versions", "go_versions", "npm_versions", "yarn_cache"]

_APK_VALUES = ("t", "virtual", "X", "repository", "p", "root", "arch", "keys-dir", "repositories-file", "cache-dir")
_NPM_VALUES = ("registry", "loglevel", "prefix", "cache", "w", "workspace", "userconfig", "tag", "omit", "include")


@rule("DL3016", "warning", "npm installs a package without a version")
def npm_versions(subject: Subject) -> Iterator[Hit]:
    for script in subject.runs():
        for command in calls(script, "npm", "install"):
            loose = next((one for one in words(command, ("install",), *_NPM_VALUES) if not _is_npm_pinned(one)), "")
            if loose:
                yield Hit(script.span, f"npm installs {loose} in whatever version is newest: {loose}@VERSION")
                break


def _is_npm_pinned(word: str) -> bool:
    if re.match(r"[./~]", word) or word.endswith((".tgz", ".tar", ".tar.gz")):
        return True
    if "://" in word or word.startswith("git"):
        return "#" in word
    return "@" in word[1:]


@rule("DL3018", "warning", "apk adds a package without a version")
def apk_versions(subject: Subject) -> Iterator[Hit]:
    for script in subject.runs():
        for command in calls(script, "apk", "add"):
            loose = next((one for one in words(command, ("add",), *_APK_VALUES) if not _is_apk_pinned(one)), "")
            if loose:
                yield Hit(script.span, f"apk adds {loose} in whatever version is newest: {loose}=VERSION")
                break


def _is_apk_pinned(word: str) -> bool:
    return bool(re.search(r"[=<>~]", word)) or word.endswith(".apk")


@rule("DL3019", "info", "apk leaves its index in the image: --no-cache")
def apk_cache(subject: Subject) -> Iterator[Hit]:
    for script in subject.runs():
        if keeps_outside(script, "/var/cache/apk"):
            continue
        for command in calls(script, "apk", "add"):
            if not command.has_flag("no-cache"):
                yield with_flag(subject, script, command, "add", "--no-cache")
                break


@rule("DL3028", "warning", "gem installs a gem without a version")
def gem_versions(subject: Subject) -> Iterator[Hit]:
    for script in subject.runs():
        for command in calls(script, "gem", "install", "i"):
            if command.has_flag("v", "version"):
                continue
            texts = command.texts
            end = texts.index("--") if "--" in texts else len(texts)
            named = words(command._replace(args=command.args[:end]), ("install", "i"), "n", "bindir", "source", "s")
            loose = next((one for one in named if ":" not in one and not one.endswith(".gem")), "")
            if loose:
                yield Hit(script.span, f"gem installs {loose} in whatever version is newest: {loose}:VERSION")
                break


@rule("DL3060", "info", "yarn leaves its cache in the image: yarn cache clean in the same RUN")
def yarn_cache(subject: Subject) -> Iterator[Hit]:
    for script in subject.runs():
        if not is_kept(subject, script.stage) or keeps_outside(script, "/root/.cache/yarn"):
            continue
        is_clean = any("clean" in one.texts for one in calls(script, "yarn", "cache"))
        if not is_clean and any(True for _ in calls(script, "yarn", "install")):
            yield Hit(script.span)


@rule("DL3062", "warning", "go installs a package without a version")
def go_versions(subject: Subject) -> Iterator[Hit]:
    for script in subject.runs():
        for command in calls(script, "go", "install", "get", "run"):
            named = words(command, ("install", "get", "run"))
            loose = next((one for one in named if not _is_go_pinned(one)), "")
            if loose and command.plain[:1] != ("run",):
                yield Hit(script.span, f"go installs {loose} in whatever version is newest: @VERSION")
                break
            if command.plain[:1] == ("run",) and named and not _is_go_pinned(named[0]):
                yield Hit(script.span, f"go runs {named[0]} in whatever version is newest: @VERSION")
                break


def _is_go_pinned(word: str) -> bool:
    if word.startswith((".", "/")) or word.endswith(".go"):
        return True
    return "@" in word and not word.endswith(("@latest", "@none", "@upgrade", "@patch"))
