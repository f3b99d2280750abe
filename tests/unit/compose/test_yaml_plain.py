"""Plain files are read without libyaml: what comes out is what libyaml's reader makes of them, places included."""

from __future__ import annotations

import random

import pytest

from tests.compose_cases import cases
from wherry.compose.source import Source
from wherry.compose.tree import Map, Seq
from wherry.compose.yaml_plain import plain_tree
from wherry.compose.yaml_reader import documents
from wherry.errors import ComposeError

PLAIN = (
    "a: 1",
    "a:\nb:\n  c: # nothing\n\n  d: [] # list\ne: {}",
    "services:\n  web:\n    image: nginx:1.27 # the web\n    command: [\"sh\", '-c', \"trap 'exit' TERM\", 5]\n",
    "list:\n- a\n- b: 1\n  c: 2\n-\n  d: x\n- - e\n  - f\n-\nlast: 'it''s'",
    "list:\n  - key:\n    - a\n    - b\n    other: ${A:-b c}\n  # far left\n# all the way\n  - -v\n",
    "a: {b: c, d: [e, {f: g}], h: 'i, j'}  #",
    "ports: [8080:80, '53:53/udp', 5432]\nwhen: 2024-01-02\nmode: 0o640\nratio: .5\nyes: on\nx-no: ~",
    "a: 'grün' # 日本\nb: [\"é\", {c: '🐳'}]\nd: le café\n# ß\n",
    "a: b#c\nd: http://e/#f\ng: -1\nh: --flag=x\ni: a, b [c] {d}\n",
)
NOT_PLAIN = (
    "", "# nothing", "- a", "a", "{a: b}", " a: 1", "a: &b 1", "a: *b", "a: !!str 1", "a: |\n  b", "a: >-\n  b",
    "a: b\n  c", "a: 'b\n  c'", 'a: "b\\n"', "a: 1\n---\nb: 2", "%YAML 1.2\na: 1", "a:\tb", "a: 1\r\n",
    "ä: 1", "a: ä", "a: \u00a0", "a: [ä]", "a: \u2028b", "\ufeffa: 1", "<<: {a: 1}", "? a\n: b",
    "1: a", "true: a", "~: a", "a: 1\na: 2", "a: b: c", "a: - b", "a:b", "a:\n b: 1\n  c: 2", "a:\n  b: 1\n c: 2",
    "a: [b", "a: [b,\n  c]", "a: [b: c]", "a: {b}", "a: {b: }", "a: [b, ]", "a: [b]c", "a: 'b' c", "a: 'b'#c", "a: `b",
    "a: @b", "a: [-]", "a: [b:]", "a:\n- b\n c: 1", "'a': 1", "...", "a: \x7f", f"{'a' * 1100}: 1", f"a: {'[' * 400}",
    "\n".join(" " * depth + "a:" for depth in range(100)),
)  # fmt: skip


def parts(tree: object) -> object:
    if type(tree) is Map:
        return [(key, tree.marks[key][1:], parts(value)) for key, value in tree.items()]
    if type(tree) is Seq:
        return ["list", *((mark and mark[1:], parts(item)) for item, mark in zip(tree, tree.marks, strict=True))]
    return type(tree), repr(tree), getattr(tree, "spoken", None)


def is_read_as_libyaml_reads(data: bytes) -> bool:
    """Whether it is plain; then it must be what the reader says."""
    found = plain_tree(Source("compose.yaml", data))
    if found is None:
        return False
    try:
        (document,) = documents(Source("compose.yaml", data))
    except ComposeError as fault:
        raise AssertionError(f"{data!r} is no YAML: {fault}") from None
    assert not document.has_tags
    assert parts(found) == parts(document.tree), data
    return True


@pytest.mark.parametrize("text", PLAIN)
def test_plain_files_are_read_as_libyaml_reads_them(text: str) -> None:
    assert is_read_as_libyaml_reads(text.encode())


@pytest.mark.parametrize("text", NOT_PLAIN)
def test_all_else_is_left_to_libyaml(text: str) -> None:
    assert plain_tree(Source("compose.yaml", text.encode())) is None


def files() -> list[bytes]:
    found = {text for folder in ("config", "load") for case in cases(folder) for text in case.files.values()}
    return [*(text.encode() for text in PLAIN), *sorted(text.encode() for text in found if len(text) < 3000)]


def test_no_file_of_the_cases_is_read_otherwise() -> None:
    assert sum(map(is_read_as_libyaml_reads, files())) > 100


TOKENS = (
    b" ", b"  ", b"\n", b":", b": ", b"- ", b"-", b"#", b" #", b"'", b'"', b"[", b"]", b"{", b"}", b",", b", ", b"a",
    b"true", b"1", b"~", b"0x1f", b".5", b"$", b"?", b"&a ", b"*a", b"!x ", b"|", b">", b"%", b"@", b"---", b"...",
    b"<<: ", b"=", b"\n\n", b"\n  ", b"\n- ", b"\n  - ", b"k: ", b"k:\n", b"2024-01-01", b"-1",
    b"\xc3\xa4", b"\xc2\x85", b"\xc2", b"\xe2\x80\xa8",
)  # fmt: skip


def test_nor_is_one_that_somebody_mistyped() -> None:
    chance, known = random.Random(250), files()
    count = 0
    for _ in range(20_000):
        data = bytearray(chance.choice(known))
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(data) + 1)
            if chance.random() < 0.6:
                data[at:at] = chance.choice(TOKENS)
            else:
                del data[at : at + chance.randint(1, 4)]
        count += is_read_as_libyaml_reads(bytes(data))
    assert count > 1000
