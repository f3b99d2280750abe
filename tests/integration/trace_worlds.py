"""Random small layers and random small commands, for what must hold of every step."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

__all__ = ["commands", "edited", "fill", "layers"]

NAMES = ["a", "b", "c", "d"]
TARGETS = ["a", "b", "c/a", "../b", "/app/c", "/app/a/b", ".", "gone", "/etc/passwd"]
TEXTS = ["", "x\n", "y\n", "#!/bin/sh\necho run $0\n", "#!/app/a\n", "x\nx\nlonger\n"]

_leaf = st.one_of(
    st.tuples(st.just("file"), st.sampled_from(TEXTS), st.sampled_from([0o644, 0o755, 0o600, 0o4755])),
    st.tuples(st.just("link"), st.sampled_from(TARGETS), st.just(0)),
    st.tuples(st.just("hard"), st.sampled_from(NAMES), st.just(0)),
    st.tuples(st.just("fifo"), st.just(""), st.just(0o644)),
    st.tuples(st.just("whiteout"), st.just(""), st.just(0)),
    st.tuples(st.just("marked"), st.sampled_from(["1", "2"]), st.just(0o644)),
)


def _folder(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    held = st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    return st.tuples(st.sampled_from(["folder", "folder", "opaque"]), held, st.sampled_from([0o755, 0o700]))


_node = st.recursive(_leaf, _folder, max_leaves=6)
layers = st.dictionaries(st.sampled_from(NAMES), _node, min_size=1, max_size=4)
"""What /app of a layer holds."""


_OTHER = {"x\n": "y\n", "y\n": "x\n", "1": "2", "2": "1", "a": "b", "b": "a", "../b": "../a", "/app/c": "/app/a"}


@st.composite
def edited(draw: st.DrawFn, held: dict[str, Any]) -> dict[str, Any]:
    """The same but for one small thing, mostly one that a careless trace would miss."""
    name = draw(st.sampled_from([*held, *NAMES]))
    if name not in held:
        return {**held, name: draw(_node)}
    kind, what, mode = held[name]
    if kind in ("folder", "opaque"):
        way = draw(st.integers(0, 9))
        if way == 0:
            return {one: node for one, node in held.items() if one != name}
        if way < 3:
            return {**held, name: ("folder" if kind == "opaque" else "opaque", what, mode)}
        return {**held, name: (kind, draw(edited(what)), mode)}
    if what in _OTHER and draw(st.integers(0, 3)):
        return {**held, name: (kind, _OTHER[what], mode)}
    if draw(st.booleans()):
        return {**held, name: draw(_leaf)}
    return {one: node for one, node in held.items() if one != name}


def fill(app: Path, held: dict[str, Any]) -> None:
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
        elif kind == "fifo":
            os.mkfifo(at, mode)
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


_path = st.sampled_from([
    "a", "b", "c", "d", "a/a", "a/b", "b/a", "c/a", "c/d", "d/c", "./b", "/app/a", "../app/c", ".", "a/..", "d/a/b",
    "gone", "c/gone",
])  # fmt: skip
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
    "rmdir {p}", "rm {p}", "rm -rf {p}", "ln -s {p} {q}", "ln {p} {q}", "mv {p} {q}", "mv -n {p} {q}", "cp -a {p} {q}",
    "test -f {p} && cp {p} {q}", "chown 1:1 {p}", "chown -h 1:1 {p}", "test -f {p} && truncate -s 2 {p}",
    "test -f {p} && sed -i s/x/z/ {p}", "rm -rf {p} && mkdir {p}", "mkfifo {p}", "set -C; echo once > {p}",
    "test -f {p} && dd if=/usr/bin/env of={p} bs=1 count=1 conv=notrunc 2>/dev/null", "install -m 700 /dev/null {p}",
    "find {p} -type f -delete", "test -f {p} && python3 -SEc \"import os; os.setxattr('{p}', 'user.m', b'1')\"",
    "test -f {p} && python3 -SEc \"import mmap; f=open('{p}','r+b'); m=mmap.mmap(f.fileno(),0); m[0]=65\" 2>/dev/null",
    "mv -T {p} {q}", "(mv {p} {q} & wait)",
]  # fmt: skip
_line = st.tuples(st.sampled_from(_READ + _WRITE), _path, _path).map(lambda one: one[0].format(p=one[1], q=one[2]))
commands = st.lists(_line, min_size=1, max_size=5).map("\n".join)
