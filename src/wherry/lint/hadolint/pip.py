"""Python's packages, as far as hadolint looks at them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wherry.dockerfile.instructions import Env
from wherry.lint.hadolint.installs import removes, with_flag
from wherry.lint.rule import Hit, rule
from wherry.lint.shell import Command
from wherry.lint.subject import Script, Subject

__all__ = ["WITH_VALUE", "cache", "installs", "pinned"]

WITH_VALUE = (
    "r", "requirement", "c", "constraint", "e", "editable", "t", "target", "platform", "python-version",
    "implementation", "abi", "root", "prefix", "src", "upgrade-strategy", "config-settings", "C", "global-option",
    "no-binary", "only-binary", "progress-bar", "report", "group", "i", "index-url", "extra-index-url", "f",
    "find-links", "log", "proxy", "retries", "timeout", "exists-action", "trusted-host", "cert", "client-cert",
    "cache-dir", "python", "keyring-provider", "root-user-action", "build", "install-option", "use-feature",
)  # fmt: skip
"""pip's flags that are followed by a word."""
_PIP = re.compile(r"(?:.*/)?pip[0-9.]*")
_PYTHON = re.compile(r"(?:.*/)?python[0-9.]*")
_FILES = (".whl", ".tar.gz", ".zip", ".tar.bz2")
_TRUE = frozenset({"1", "true", "yes", "on", "y", "t"})


def installs(script: Script) -> Iterator[Command]:
    """The `pip install` of it, also by `python -m pip`; the arguments begin behind "pip"."""
    for command in script.commands:
        found = command
        if _PYTHON.fullmatch(command.name) and command.texts[:2] == ("-m", "pip"):
            found = command._replace(name="pip", args=command.args[2:])
        if _PIP.fullmatch(found.name) and "install" in found.without_values(*WITH_VALUE).plain[:1]:
            yield found


@rule("DL3013", "warning", "pip installs a distribution without a version")
def pinned(subject: Subject) -> Iterator[Hit]:
    for script in subject.runs():
        for command in installs(script):
            if command.has_flag("r", "requirement", "c", "constraint"):
                continue
            named = command.without_values(*WITH_VALUE).plain[1:]
            loose = next((word for word in named if not _is_pinned(word)), "")
            if loose:
                yield Hit(
                    script.span,
                    f"pip installs {loose} in whatever version is newest: {loose}==VERSION, or -r and a lock",
                )
                break


def _is_pinned(word: str) -> bool:
    text = word.partition(";")[0].strip()
    if re.match(r"(git|hg|bzr|svn)\+", text):
        return "@" in text.partition("://")[2]
    path = re.sub(r"\[[^\]]*\]$", "", text)
    if path == "." or "/" in path or path.lower().endswith(_FILES):
        return True
    return bool(re.search(r"[=<>~]=|[<>]|!=", text))


@rule("DL3042", "warning", "pip leaves its cache in the image: --no-cache-dir")
def cache(subject: Subject) -> Iterator[Hit]:
    off: dict[str, bool] = {}
    for stage in subject.stages:
        is_off = off.get(stage.image.lower(), False)
        switched = dict[int, bool]()
        for one in stage.instructions:
            if isinstance(one, Env):
                for pair in one.pairs:
                    if pair.key == "PIP_NO_CACHE_DIR":
                        is_off = pair.value.strip("\"'").lower() in _TRUE
            switched[one.span.first] = is_off
        if stage.name:
            off[stage.name] = is_off
        for script in subject.scripts_of(stage):
            if not switched.get(script.span.first, is_off) and not _is_clean(script):
                for command in installs(script):
                    if not command.has_flag("no-cache-dir"):
                        yield with_flag(subject, script, command, "install", "--no-cache-dir")
                        break


def _is_clean(script: Script) -> bool:
    """The RUN itself keeps the cache out of the image, or takes it away."""
    for mount in script.run.mounts:
        if mount.type in ("cache", "tmpfs") and re.search(r"/\.cache(/pip)?/?$|/pip(-cache)?/?$", mount.target):
            return True
    if re.search(r"\bPIP_NO_CACHE_DIR=[\"']?(1|true|yes|on|y|t)\b", script.text, re.IGNORECASE):
        return True
    if removes(script, "/root/.cache/pip", "~/.cache/pip", "$HOME/.cache/pip"):
        return True
    return any(_PIP.fullmatch(one.name) and one.texts[:2] == ("cache", "purge") for one in script.commands)
