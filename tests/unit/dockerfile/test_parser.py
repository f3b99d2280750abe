"""Lines to nodes, against BuildKit's own cases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from wherry.dockerfile.decode import NAMES
from wherry.dockerfile.parser import Node, parse_nodes


def go_quoted(text: str) -> str:
    """As Go's %q: the way that BuildKit's expected trees write strings."""
    short = {"\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\v": r"\v"}
    out = []
    for char in text:
        if char in '"\\':
            out.append("\\" + char)
        elif char in short:
            out.append(short[char])
        elif char.isprintable():
            out.append(char)
        elif ord(char) < 0x80:
            out.append(f"\\x{ord(char):02x}")
        else:
            out.append(f"\\u{ord(char):04x}")
    return '"' + "".join(out) + '"'


def tree(node: Node) -> str:
    """An S-expression, as BuildKit dumps its nodes."""
    parts = [node.name]
    if node.flags:
        parts.append("[" + " ".join(map(go_quoted, node.flags)) + "]")
    if node.child:
        parts.append(tree(node.child))
    elif node.name.upper() not in NAMES:
        parts.append('""')
    parts += map(go_quoted, node.args)
    return f"({' '.join(parts)})"


def test_buildkits_cases_give_buildkits_trees(corpus: Callable[[str], Path]) -> None:
    folders = sorted((corpus("buildkit") / "parser" / "testfiles").iterdir())
    for folder in folders:
        parsed = parse_nodes((folder / "Dockerfile").read_bytes(), folder.name)
        assert not parsed.faults, folder.name
        got = "\n".join(map(tree, parsed.nodes))
        assert got == (folder / "result").read_text().strip(), folder.name


def test_lines_are_counted_as_buildkit_counts_them(corpus: Callable[[str], Path]) -> None:
    data = (corpus("buildkit") / "parser" / "testfile-line" / "Dockerfile").read_bytes()
    nodes = parse_nodes(data, "Dockerfile").nodes
    assert [(node.span.first, node.span.last) for node in nodes] == [(5, 5), (11, 12), (17, 31)]
