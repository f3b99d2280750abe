"""`pip install` in two parts: pip without its compiler, then the compiler on all processors
(docs/adr/0158-pip-compiles-side-by-side.md).

pip compiles file after file, and that is nearly half of what it does. What it leaves is the same, RECORDs included.
"""

# Differs from docker: `RUN pip install ...` has a parent process of wherry's, which compiles what pip installed on all
# processors; the image is the same. `ENV PIP_COMPILE=1` gives docker's way.

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence

from wherry.build.graph import Run
from wherry.build.resolve import resolve
from wherry.errors import WherryError
from wherry.fs.kernel import open_in_root

__all__ = ["faster"]

_PIP = re.compile(r"pip3?(?:\.\d+)?")
_PYTHON = re.compile(r"(?:/[\w./-]*/)?python3?(?:\.\d+)?")
_SHEBANG = re.compile(rb"#!(/[\w./-]+/python3?(?:\.\d+)?)\n")
# Whatever a shell would make of them is not in the words
_SHELL = re.compile(r"[$`\\\n#*?{}~]|\[(?![\w,-]+\])")
_PLAIN = frozenset((
    "requirement", "constraint", "index-url", "extra-index-url", "find-links", "no-cache-dir", "no-deps", "no-index",
    "no-input", "upgrade", "pre", "upgrade-strategy", "prefer-binary", "only-binary", "no-binary", "quiet", "verbose",
    "progress-bar", "disable-pip-version-check", "timeout", "default-timeout", "retries", "trusted-host",
    "root-user-action", "break-system-packages", "force-reinstall", "ignore-installed", "require-hashes", "no-color",
    "editable", "no-build-isolation", "use-pep517",
))  # fmt: skip
_SHORT = re.compile(r"-(?:[qvUI]+|[rcife].*)")
# What would make pip install elsewhere, compile otherwise, or read a configuration that _CONFIGS does not name; HOME is
# /root when the step says nothing
_ENV = re.compile(
    r"(?:PIP_(?:COMPILE|NO_COMPILE|TARGET|PREFIX|ROOT|USER|PYTHON|DRY_RUN|CONFIG_FILE)"
    r"|HOME|XDG_CONFIG_(?:HOME|DIRS)|SOURCE_DATE_EPOCH"
    r"|PYTHON(?:HASHSEED|PYCACHEPREFIX|OPTIMIZE|HOME|PATH|DONTWRITEBYTECODE|NODEBUGRANGES|SAFEPATH|PLATLIBDIR"
    r"|USERBASE))="
)
_CONFIGS = ("etc/pip.conf", "etc/xdg/pip/pip.conf", "root/.pip/pip.conf", "root/.config/pip/pip.conf")
_VERSION = re.compile(r"(?:.*/)?python3\.(\d{1,3})")
_OLDEST = 8
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def faster(op: Run, root_fd: int) -> Run:
    """The step in two parts; itself when it is anything but a plain `pip install` by root, into the interpreter's own
    folder, with pip's own defaults.
    """
    words = _words(op)
    if words is None or op.user.partition(":")[0] not in ("", "0", "root") or any(map(_ENV.match, _env(op))):
        return op
    try:
        python = _interpreter(op, root_fd, words)
        if python is None or not _is_known(resolve(root_fd, python)):
            return op
        prefix = os.path.dirname(os.path.dirname(python)).lstrip("/")
        if any(_exists(root_fd, path) for path in (*_CONFIGS, f"{prefix}/pip.conf")):
            return op
    except (OSError, WherryError):
        return op
    return op._replace(argv=(python, "-B", "-c", _text(), *op.argv))


def _env(op: Run) -> tuple[str, ...]:
    return (*op.env, *op.hidden_env)


def _words(op: Run) -> list[str] | None:
    """The command's words: one simple command, `pip install` with options that do not concern what is compiled."""
    if op.script or op.mounts:
        return None
    words = list(op.argv)
    if len(op.argv) == 3 and op.argv[:2] == ("/bin/sh", "-c"):
        if _SHELL.search(op.argv[2]):
            return None
        lexer = shlex.shlex(op.argv[2], posix=True, punctuation_chars=True)
        try:
            words = list(lexer)
        except ValueError:
            return None
    rest = words[1:] if words and _PIP.fullmatch(words[0]) else []
    if words and _PYTHON.fullmatch(words[0]) and words[1:3] == ["-m", "pip"]:
        rest = words[3:]
    return words if rest[:1] == ["install"] and all(map(_is_plain, rest[1:])) else None


def _is_plain(word: str) -> bool:
    if word.startswith("--"):
        return word[2:].partition("=")[0] in _PLAIN
    if word.startswith("-"):
        return bool(_SHORT.fullmatch(word))
    return not (set(word) <= set("();<>|&"))


def _interpreter(op: Run, root_fd: int, words: Sequence[str]) -> str | None:
    """The Python that pip runs on. Raises: OSError, WherryError."""
    if "/" in words[0]:
        return words[0]
    path = next((one[5:] for one in reversed(op.env) if one.startswith("PATH=")), _PATH)
    for folder in path.split(":"):
        if not folder.startswith("/"):
            return None
        if not _exists(root_fd, found := f"{folder}/{words[0]}"):
            continue
        if _PYTHON.fullmatch(words[0]):
            return found
        fd = open_in_root(root_fd, resolve(root_fd, found), os.O_RDONLY | os.O_NONBLOCK)
        with open(fd, "rb") as file:
            line = _SHEBANG.match(file.read(4096))
        return line[1].decode() if line else None
    return None


def _is_known(path: str) -> bool:
    """Whether this Python runs our program: the interpreter's own file says its version."""
    found = _VERSION.fullmatch(path)
    return found is not None and int(found[1]) >= _OLDEST


def _exists(root_fd: int, path: str) -> bool:
    try:
        os.stat(resolve(root_fd, path), dir_fd=root_fd, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _text() -> str:
    with open(os.path.join(os.path.dirname(__file__), "bytecode_step.py"), encoding="utf-8") as file:
        return file.read()
