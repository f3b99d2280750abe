"""Random small layers and random small commands, for what must hold of every step."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Any

__all__ = ["Held", "edited", "fill", "layer", "script"]

Node = tuple[str, Any, int]
Held = dict[str, Node]

NAMES = ["a", "b", "c", "d"]
TARGETS = ["a", "b", "c/a", "../b", "/app/c", "/app/a/b", ".", "gone", "/etc/passwd"]
TEXTS = ["", "x\n", "y\n", "#!/bin/sh\necho run $0\n", "#!/app/a\n", "x\nx\nlonger\n"]


def layer(draw: Random, depth: int = 0) -> Held:
    """What /app of a layer holds: name → (kind, content, mode)."""
    return {name: _node(draw, depth) for name in draw.sample(NAMES, draw.randint((depth and 0) or 1, 4))}


def _node(draw: Random, depth: int) -> Node:
    if depth < 2 and draw.random() < 0.35:
        return draw.choice(["folder", "folder", "opaque"]), layer(draw, depth + 1), draw.choice([0o755, 0o700])
    return _leaf(draw)


def _leaf(draw: Random) -> Node:
    return draw.choice([
        ("file", draw.choice(TEXTS), draw.choice([0o644, 0o755, 0o600, 0o4755])),
        ("file", draw.choice(["x\n", "y\n"]), 0o755),
        ("link", draw.choice(TARGETS), 0),
        ("hard", draw.choice(NAMES), 0),
        ("whiteout", "", 0),
        ("marked", draw.choice("12"), 0o644),
    ])  # fmt: skip


_OTHER = {"x\n": "y\n", "y\n": "x\n", "1": "2", "2": "1", "a": "b", "b": "a", "../b": "../a", "/app/c": "/app/a"}


def edited(draw: Random, held: Held) -> tuple[Held, str]:
    """The same but for one small thing, mostly one that a careless trace would miss; and its path."""
    name = draw.choice([*sorted(held) * 3, *NAMES])
    if name not in held:
        return {**held, name: _node(draw, 1)}, name
    kind, what, mode = held[name]
    gone = {one: node for one, node in held.items() if one != name}
    if isinstance(what, dict):
        way = draw.randint(0, 9)
        if way == 0:
            return gone, name
        if way < 4:
            return {**held, name: ("folder" if kind == "opaque" else "opaque", what, mode)}, name
        inner, path = edited(draw, what)
        return {**held, name: (kind, inner, mode)}, f"{name}/{path}"
    if what in _OTHER and draw.random() < 0.8:
        return {**held, name: (kind, _OTHER[what], mode)}, name
    return {**held, name: _leaf(draw)} if draw.random() < 0.5 else gone, name


def fill(app: Path, held: Held) -> None:
    app.mkdir(exist_ok=True)
    late = []
    for name, (kind, what, mode) in held.items():
        at = app / name
        if kind in ("folder", "opaque"):
            fill(at, what)
            at.chmod(mode)
            if kind == "opaque":
                os.setxattr(at, "trusted.overlay.opaque", b"y")
        elif kind == "link":
            at.symlink_to(what)
        elif kind == "hard":
            late.append((at, app / what))
        elif kind == "whiteout":
            os.mknod(at, 0o20000, os.makedev(0, 0))
        else:
            at.write_text(what)
            at.chmod(mode)
            if kind == "marked":
                os.setxattr(at, "user.mark", what.encode())
    for at, other in late:
        if other.is_file() and not other.is_symlink():
            at.hardlink_to(other)


_PATHS = [
    "a", "b", "c", "d", "a/a", "a/b", "b/a", "c/a", "c/d", "d/c", "./b", "/app/a", "../app/c", ".", "a/..", "d/a/b",
    "gone", "c/gone",
]  # fmt: skip
# No FIFOs: a script must not wait for itself. No folder into itself: cp then ends by the order of names
_READ = [
    "test -e {p} && echo there", "test -f {p} && echo file", "test -d {p} && echo folder", "test -x {p} && echo exec",
    "test -r {p} && echo readable", "test -s {p} && echo filled", "test {p} -ef {q} && echo same", "readlink {p}",
    "test -f {p} && cat {p}", "ls {p}", "ls -d {p}", "cd {p} && pwd -P", "realpath -e {p}", "test -f {p} && sh {p}",
    "find {p} -printf '%p %y %m %U %l\\n' | sort", "find {p} -type f -printf '%p %s %T@ %n\\n' | sort",
    "stat --cached=always -c '%n %f %s' {p} | grep -v ' 41' ; true", "stat -L -c %A {p}", "test -f {p} && {p}",
    "test -f {p} && test -f {q} && cmp {p} {q} && echo equal", "grep -r --devices=skip x {p} | sort", "ls {p}/* ; true",
    "tar --sort=name -cf - {p} 2>/dev/null | tar tf -", "PATH=/app/{p}:/app/{q}:/usr/bin; b ; true",
    "test -f {p} && exec 3< {p} && rm -f {p} && cat <&3", "test -f {p} && (cat {p} & wait)",
    "python3 -SEc \"import os; print(os.access('{p}', 4), os.path.islink('{q}'))\"",
    "python3 -SEc \"import os; print(sorted((e.name, e.is_dir()) for e in os.scandir('{p}')))\"",
    "python3 -SEc \"import os; print(os.listxattr('{p}', follow_symlinks=False))\"",
    "test -d {p} && unshare -m sh -c 'mount --bind {p} /tmp && ls /tmp && ls /tmp/a'",
    "test -d {p} && chroot {p} /a ; true",
]  # fmt: skip
_WRITE = [
    "echo new > {p}", "test -f {p} && echo more >> {p}", "chmod 640 {p}", "touch -c {p}", "mkdir {p}", "mkdir -p {p}",
    "rmdir {p}", "rm {p}", "rm -rf {p}", "ln -s {p} {q}", "ln {p} {q}", "mv {p} {q}", "mv -n {p} {q}",
    "cp -aT {p} /tmp/copy", "test -f {p} && cp -a {p} {q}",
    "test -f {p} && cp {p} {q}", "chown 1:1 {p}", "chown -h 1:1 {p}", "test -f {p} && truncate -s 2 {p}",
    "test -f {p} && sed -i s/x/z/ {p}", "rm -rf {p} && mkdir {p}", "mknod {p} c 1 3", "set -C; echo once > {p}",
    "test -f {p} && dd if=/usr/bin/env of={p} bs=1 count=1 conv=notrunc 2>/dev/null", "install -m 700 /dev/null {p}",
    "find {p} -type f -delete", "test -f {p} && python3 -SEc \"import os; os.setxattr('{p}', 'user.m', b'1')\"",
    "test -f {p} && python3 -SEc \"import mmap; f=open('{p}','r+b'); m=mmap.mmap(f.fileno(),0); m[0]=65\" 2>/dev/null",
    "mv -T {p} {q}", "(mv {p} {q} & wait)",
]  # fmt: skip


def script(draw: Random, focus: str = "") -> str:
    """Some lines; every second path is `focus` or a folder above it."""
    near = [focus, focus, focus, focus.rpartition("/")[0] or "."] if focus else _PATHS

    def path() -> str:
        return draw.choice(near if draw.random() < 0.5 else _PATHS)

    return "\n".join(draw.choice(_READ + _WRITE).format(p=path(), q=path()) for _ in range(draw.randint(1, 5)))
