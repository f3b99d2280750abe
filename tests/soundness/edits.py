"""Random contexts and random edits of them. Pure: the same random numbers give the same trees."""

from __future__ import annotations

import io
import random
import struct
import tarfile
from collections.abc import Callable

from tests.soundness.context import Context, Node, below, drop, move, put

__all__ = ["CONTEXT_EDITS", "FILES", "FOLDERS", "PLAIN", "edit_context", "make_context", "node_for"]

# Few names, so that edits, probes and the names that steps create hit each other often
FILES = (
    "a", "b", "c.txt", "run.sh", "tool", "sub/c", "sub/d", "sub/deep/e", "sub/deep/f", "new", "z", "bin/tool",
    "bin/cat", "bin/elf", "mod.py", "pkg/__init__.py", "pkg/core.py", "Makefile", "empty",
)  # fmt: skip
ODD = ("sp ace", "-dash", ".hidden", "new\nline", "b\udcffd", "Ü", "sub/q'uote", "*")
FOLDERS = ("sub", "sub/deep", "bin", "pkg", "void", "new", "a", "out")
LINKS = ("lnk", "alnk", "sub/up", "loop", "dirlnk", "b", "sub", "a", "bin/tool")
TARGETS = (
    "a", "b", "sub", "sub/c", "../a", "/app/a", "/app/sub", "/data/a", "nowhere", "lnk", "loop", ".", "..", "deep",
    "/etc/passwd", "/out", "sub/deep/e", "../sub/deep", "/app/nowhere/x",
)  # fmt: skip
PLAIN = FILES
MODES = (0o644, 0o755, 0o600, 0o444, 0o4755, 0o2755, 0o000, 0o666)
FOLDER_MODES = (0o755, 0o700, 0o2775, 0o1777, 0o555, 0o711)
SCRIPTS = (
    "#!/bin/sh\ncat /app/a /app/sub/c 2>&1\n", "#!/bin/sh\ncat \"$(dirname \"$0\")/b\" 2>&1; ls /app/sub 2>&1\n",
    "#!/bin/sh -e\necho plain\n", "#!/app/tool\nnothing\n", "#!/bin/cat\nshown\n", "#!/bin/nowhere\n",
    "echo no shebang\ntest -e /app/new && echo new\n", "#!/bin/sh\n. /app/b 2>/dev/null\n",
    "#! /bin/busybox sh\ncd /app/sub && cat c\n",
    "#!/bin/sh\n[ \"$ONCE\" ] || { export ONCE=1; exec /app/bin/tool; }\n", "#!tool\n",
    "#!./bin/tool x\n", "#!../app/run.sh\n",
    "#!/via/tool\n",
)  # fmt: skip
MODULES = (
    "X = 1\n",
    "X = 2\n",
    "from pkg import core\n",
    "import mod\n",
    "import sub\n",
    "import os\nX = os.listdir('/app/sub')\n",
)
MAKEFILES = (
    "all: out.txt\nout.txt: a\n\tcat a > out.txt\n",
    "all: out.txt z\nout.txt: b sub/c\n\tcat b sub/c > out.txt\nz:\n\techo z > z\n",
    "include sub/deep/e\nall:\n\techo all $(wildcard sub/*)\n",
)  # fmt: skip


def node_for(rng: random.Random, path: str) -> Node:
    """A file as `path` would have it: scripts, modules and makefiles are what their names say."""
    name = path.rpartition("/")[2]
    mode = rng.choice(MODES) if rng.random() < 0.25 else 0o644
    if name in ("run.sh", "tool", "cat"):
        return Node("file", 0o755 if rng.random() < 0.85 else 0o644, rng.choice(SCRIPTS).encode())
    if name == "elf":
        return Node("file", rng.choice((0o755, 0o4755, 0o4755, 0o6755, 0o700)), _program(rng.randrange(3)))
    if name.endswith(".py"):
        return Node("file", mode, rng.choice(MODULES).encode())
    if name == "Makefile":
        return Node("file", mode, rng.choice(MAKEFILES).encode())
    if name.endswith(".tar"):
        return Node("file", 0o644, _archive(rng))
    if name == "empty":
        return Node("file", mode, b"")
    if rng.random() < 0.03:
        return Node("file", mode, b"\0" * rng.choice((1 << 16, 1 << 18)) + b"%d" % rng.randrange(10))
    size = rng.choice((1, 1, 1, 3, 40, 5000))
    return Node("file", mode, b"".join(b"%d\n" % rng.randrange(10) for _ in range(size)), "", rng.random() < 0.03)


def _program(add: int) -> bytes:
    """An ELF program for x86-64 that ends with its effective uid plus `add`."""
    code = bytes.fromhex("b86b0000000f0589c7") + b"\x83\xc7" + bytes([add]) + bytes.fromhex("b83c0000000f05")
    size = 120 + len(code)
    head = b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0x400078, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return head + struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, size, size, 4096) + code


def _archive(rng: random.Random) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name in rng.sample(("t/a", "t/b", "sub/c", "new"), 2):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = 1, rng.choice((0o644, 0o755))
            tar.addfile(entry, io.BytesIO(b"%d" % rng.randrange(10)))
    return stream.getvalue()


def make_context(rng: random.Random) -> Context:
    tree: Context = {}
    for path in FILES:
        if rng.random() < 0.75:
            tree = put(tree, path, node_for(rng, path))
    tree = put(tree, "ar.tar", node_for(rng, "ar.tar"))
    for path in FOLDERS:
        if path not in tree and rng.random() < 0.4:
            tree = put(tree, path, Node("dir", rng.choice(FOLDER_MODES) if rng.random() < 0.3 else 0o755))
    for _ in range(rng.randrange(4)):
        tree = put(tree, rng.choice(ODD), node_for(rng, "odd"))
    for _ in range(rng.randrange(4)):
        tree = _with_link(rng, tree)
    if rng.random() < 0.3:
        tree = _hard_link(rng, tree)
    return _crowd(rng, tree) if rng.random() < 0.06 else tree


def _crowd(rng: random.Random, tree: Context) -> Context:
    """A folder so full that its own size tells."""
    folder = rng.choice(("sub/deep", "void", "pkg"))
    for number in range(rng.choice((60, 150))):
        tree = put(tree, f"{folder}/a-rather-long-name-of-one-of-many-files-{number:04}", Node("file"))
    return tree


def _with_link(rng: random.Random, tree: Context) -> Context:
    return put(tree, rng.choice(LINKS), Node("link", target=rng.choice(TARGETS)))


def _files(tree: Context) -> list[str]:
    return sorted(path for path, node in tree.items() if node.kind == "file" and not path.startswith(".docker"))


def _paths(tree: Context) -> list[str]:
    return sorted(path for path in tree if not path.startswith(".docker"))


def _rewrite(rng: random.Random, tree: Context) -> Context:
    """Other content; often of a file that is there."""
    files = _files(tree)
    path = rng.choice(files) if files and rng.random() < 0.8 else rng.choice(FILES)
    return put(tree, path, node_for(rng, path))


def _same_size(rng: random.Random, tree: Context) -> Context:
    """One byte becomes another: what fools a memory of sizes and times."""
    files = [path for path in _files(tree) if tree[path].data and not path.endswith(".tar")]
    if not files:
        return tree
    path = rng.choice(files)
    data = bytearray(tree[path].data)
    at = rng.randrange(len(data))
    data[at] = ord("0") + (data[at] + 1) % 10
    return {**tree, path: tree[path]._replace(data=bytes(data))}


def _append(rng: random.Random, tree: Context) -> Context:
    files = _files(tree)
    if not files:
        return tree
    path = rng.choice(files)
    return {**tree, path: tree[path]._replace(data=tree[path].data + b"more\n")}


def _mode(rng: random.Random, tree: Context) -> Context:
    paths = [path for path in _paths(tree) if tree[path].kind in ("file", "dir")]
    if not paths:
        return tree
    path = rng.choice(paths)
    modes = FOLDER_MODES if tree[path].kind == "dir" else MODES
    return {**tree, path: tree[path]._replace(mode=rng.choice(modes))}


def _add(rng: random.Random, tree: Context) -> Context:
    gone = [path for path in (*FILES, *ODD) if path not in tree]
    path = rng.choice(gone) if gone else "extra"
    return put(tree, path, node_for(rng, path))


def _add_folder(rng: random.Random, tree: Context) -> Context:
    path = rng.choice(FOLDERS)
    return tree if path in tree else put(tree, path, Node("dir", rng.choice(FOLDER_MODES)))


def _remove(rng: random.Random, tree: Context) -> Context:
    paths = _paths(tree)
    return drop(tree, rng.choice(paths)) if paths else tree


def _rename(rng: random.Random, tree: Context) -> Context:
    paths = _paths(tree)
    return move(tree, rng.choice(paths), rng.choice((*FILES, *FOLDERS))) if paths else tree


def _swap(rng: random.Random, tree: Context) -> Context:
    files = _files(tree)
    if len(files) < 2:
        return tree
    one, two = rng.sample(files, 2)
    return {**tree, one: tree[two], two: tree[one]}


def _to_folder(rng: random.Random, tree: Context) -> Context:
    """A file becomes a folder with something in it, or the other way round."""
    paths = _paths(tree)
    if not paths:
        return tree
    path = rng.choice(paths)
    if tree[path].kind == "dir":
        return put(tree, path, node_for(rng, path))
    tree = put(tree, path, Node("dir", 0o755))
    return put(tree, f"{path}/{rng.choice(('inner', 'c', 'new'))}", node_for(rng, "inner"))


def _to_link(rng: random.Random, tree: Context) -> Context:
    """A link in the place of a file or folder; it often leads to equal content."""
    paths = _paths(tree)
    if not paths:
        return tree
    path = rng.choice(paths)
    if rng.random() < 0.4 and tree[path].kind in ("file", "dir"):
        moved = move(tree, path, "moved")
        return put(moved, path, Node("link", target="../" * path.count("/") + "moved"))
    return put(tree, path, Node("link", target=rng.choice(TARGETS)))


def _from_link(rng: random.Random, tree: Context) -> Context:
    """What a link leads to, in its place."""
    links = sorted(path for path, node in tree.items() if node.kind == "link")
    if not links:
        return _with_link(rng, tree)
    path = rng.choice(links)
    target = tree[path].target
    if target in tree and tree[target].kind in ("file", "dir") and not path.startswith(target + "/"):
        taken = below(tree, target)
        tree = put(tree, path, taken[""])
        return {**tree, **{f"{path}/{name}": node for name, node in taken.items() if name and node.kind != "hard"}}
    return put(tree, path, node_for(rng, path))


def _hard_link(rng: random.Random, tree: Context) -> Context:
    files = _files(tree)
    if not files:
        return tree
    name = rng.choice(("linked", "sub/linked", "b"))
    target = rng.choice(files)
    return tree if name == target else put(tree, name, Node("hard", target=target))


def _capability(rng: random.Random, tree: Context) -> Context:
    files = _files(tree)
    if not files:
        return tree
    path = rng.choice(files)
    return {**tree, path: tree[path]._replace(is_capable=not tree[path].is_capable)}


def _empty(rng: random.Random, tree: Context) -> Context:
    """A folder loses all that it holds, and stays."""
    folders = sorted(path for path, node in tree.items() if node.kind == "dir")
    if not folders:
        return tree
    path = rng.choice(folders)
    return {**drop(tree, path), path: tree[path]}


def _ignore(rng: random.Random, tree: Context) -> Context:
    lines = rng.choice((
        "", "b\n", "sub\n!sub/deep\n", "**/c\n", "*\n!a\n!run.sh\n", ".dockerignore\n", "void\n", "*.txt\nz\n", "pkg\n",
    ))  # fmt: skip
    return put(tree, ".dockerignore", Node("file", 0o644, lines.encode()))


def _irrelevant(rng: random.Random, tree: Context) -> Context:
    """A file that few steps look at."""
    return put(tree, rng.choice(("README", "docs/page", "notes")), node_for(rng, "README"))


def _whiteout_name(rng: random.Random, tree: Context) -> Context:
    """What a layer can't hold: both builds must refuse it."""
    return put(tree, rng.choice(("sub/.wh.c", ".wh.b", ".wh..wh..opq")), Node("file"))


def _touch(rng: random.Random, tree: Context) -> Context:
    del rng
    return tree


CONTEXT_EDITS: tuple[tuple[str, Callable[[random.Random, Context], Context], float], ...] = (
    ("rewrite", _rewrite, 5), ("same size", _same_size, 5), ("append", _append, 2), ("mode", _mode, 4),
    ("add", _add, 5),
    ("add folder", _add_folder, 2), ("remove", _remove, 5), ("rename", _rename, 4), ("swap", _swap, 2),
    ("file to folder", _to_folder, 3), ("to link", _to_link, 3), ("from link", _from_link, 2),
    ("hard link", _hard_link, 1),
    ("capability", _capability, 1), ("empty a folder", _empty, 1), ("ignore", _ignore, 1),
    ("irrelevant", _irrelevant, 3),
    ("touch", _touch, 1), ("whiteout name", _whiteout_name, 0.15),
)  # fmt: skip


def edit_context(rng: random.Random, tree: Context) -> tuple[str, Context]:
    """One edit: what it is called, and the tree after it."""
    name, act, _ = rng.choices(CONTEXT_EDITS, [weight for _, _, weight in CONTEXT_EDITS])[0]
    return name, act(rng, tree)
