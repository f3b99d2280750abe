"""What a look is worth. The law: whatever a step could be told differently is worth something else."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wherry.cancel import Cancel
from wherry.trace.observe import CONTENT, LINK, LIST, NODE, XATTRS, Look, PathSet
from wherry.trace.values import ABSENT, Contents, Evaluator, values

KINDS = (NODE, CONTENT, LINK, LIST, XATTRS)
NS = 10**18


def part(folder: Path, path: str, kind: int) -> str:
    with Evaluator([str(folder)], Contents(Cancel())) as evaluator:
        return evaluator.part(0, os.fsencode(path), kind)


def clamp(folder: Path) -> None:
    for path, names, files in os.walk(folder, topdown=False):
        for name in (*names, *files):
            os.utime(os.path.join(path, name), ns=(NS, NS), follow_symlinks=False)
    os.utime(folder, ns=(NS, NS))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_text("text")
    (tmp_path / "l").symlink_to("d/f")
    clamp(tmp_path)
    return tmp_path


def gone(path: Path) -> Path:
    path.unlink()
    return path


CHANGES: dict[str, tuple[str, int, Callable[[Path], object]]] = {
    "a file's mode": ("d/f", NODE, lambda at: (at / "d/f").chmod(0o600)),
    "a folder's mode": ("d", NODE, lambda at: (at / "d").chmod(0o700)),
    "a file's size": ("d/f", NODE, lambda at: (at / "d/f").write_text("longer")),
    "a time": ("d/f", NODE, lambda at: os.utime(at / "d/f", ns=(NS, NS + 1))),
    "a removal": ("d/f", NODE, lambda at: (at / "d/f").unlink()),
    "a file instead of a link": ("l", NODE, lambda at: gone(at / "l").write_text("text")),
    "a longer target": ("l", NODE, lambda at: gone(at / "l").symlink_to("d/f/")),
    "another target": ("l", LINK, lambda at: gone(at / "l").symlink_to("d/g")),
    "a second link": ("d/f", NODE, lambda at: (at / "g").hardlink_to(at / "d/f")),
    "other bytes": ("d/f", CONTENT, lambda at: (at / "d/f").write_text("tent")),
    "a new name": ("d", LIST, lambda at: (at / "d/g").touch()),
    "a name's type": ("d", LIST, lambda at: gone(at / "d/f").mkdir()),
    "a name gone": ("d", LIST, lambda at: (at / "d/f").unlink()),
    "a name in the root": ("", LIST, lambda at: (at / "new").touch()),
    "the root's mode": ("", NODE, lambda at: at.chmod(0o711)),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_a_step_sees_changed_is_worth_something_else(tree: Path, what: str) -> None:
    path, kind, change = CHANGES[what]
    before = part(tree, path, kind)
    change(tree)
    if what not in ("a time", "the root's mode"):
        clamp(tree)
    assert part(tree, path, kind) != before


def test_the_times_of_a_layers_root_are_worth_nothing(tree: Path) -> None:
    """No tar needs to say them: the same layer, pulled, has others. A step sees those of its own upper folder."""
    before = part(tree, "", NODE)
    os.utime(tree, ns=(NS, NS + 1))
    assert part(tree, "", NODE) == before
    tree.chmod(0o711)
    assert part(tree, "", NODE) != before


def test_what_a_step_did_not_ask_for_is_worth_nothing(tree: Path) -> None:
    before = [part(tree, "d", NODE), part(tree, "d/f", NODE), part(tree, "l", NODE), part(tree, "d", LIST)]
    (tree / "d/f").write_text("tent")
    (tree / "l").unlink()
    (tree / "l").symlink_to("d/g")
    (tree / "new").mkdir()
    (tree / "d/f").chmod(stat.S_IMODE((tree / "d/f").stat().st_mode))
    clamp(tree)
    assert before == [part(tree, "d", NODE), part(tree, "d/f", NODE), part(tree, "l", NODE), part(tree, "d", LIST)]


def test_which_names_are_one_file_counts(tmp_path: Path) -> None:
    """Two pairs of hard links, paired otherwise: each file has the same bytes and as many links as before."""
    for name in "abcd":
        (tmp_path / name).write_text("same")

    def pair(first: str, second: str) -> None:
        (tmp_path / second).unlink()
        (tmp_path / second).hardlink_to(tmp_path / first)

    pair("a", "b")
    pair("c", "d")
    clamp(tmp_path)
    before = part(tmp_path, "b", NODE), part(tmp_path, "c", NODE)
    for name in "abcd":
        (tmp_path / name).unlink()
        (tmp_path / name).write_text("same")
    pair("a", "c")
    pair("b", "d")
    clamp(tmp_path)
    assert (part(tmp_path, "b", NODE), part(tmp_path, "c", NODE)) != before


def test_no_link_is_followed_and_nothing_outside_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    layer = tmp_path / "layer"
    (layer / "real").mkdir(parents=True)
    (layer / "up").symlink_to("..")
    (layer / "abs").symlink_to(tmp_path)
    for path in ("up/secret", "abs/secret", "real/x/y", "up/layer/real"):
        for kind in KINDS:
            assert part(layer, path, kind) == ABSENT
    assert part(layer, "up", CONTENT) == "no file"
    assert part(layer, "up", LIST) == "no folder"
    assert part(layer, "real", LINK) == "no link"


def test_a_fifo_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert part(tmp_path, "pipe", CONTENT) == "no file"
    assert part(tmp_path, "pipe", NODE).startswith("fifo ")


def test_a_layer_that_is_not_there_holds_nothing(tree: Path) -> None:
    with Evaluator([str(tree)], Contents(Cancel())) as evaluator:
        assert evaluator.part(1, b"d", NODE) == ABSENT


def test_a_whole_set_has_no_values(tree: Path) -> None:
    """An empty answer would be equal to every other."""
    with pytest.raises(ValueError, match="whole"):
        values(PathSet(is_whole=True), [str(tree)], Contents(Cancel()))


def test_values_come_in_the_order_of_the_looks(tree: Path) -> None:
    paths = PathSet.of([(0, b"l", NODE | LINK), (0, b"d", LIST), (0, b"gone", NODE), (0, b"d/f", CONTENT)])
    found = values(paths, [str(tree)], Contents(Cancel()))
    assert found[0] == "holds ff"
    assert found[1] == sha256(b"text").hexdigest()
    assert found[2] == ABSENT
    assert found[3].startswith("link 777 ")
    assert found[3].endswith("; -> d/f")


def test_names_of_any_bytes_are_told_apart_and_can_be_printed(tmp_path: Path) -> None:
    shown = set()
    for number, name in enumerate([b"\xff", b"\\xff", b"\xc3\xa9", b"a b", b"\n", b"\xed\xa0\x80"]):
        folder = tmp_path / str(number)
        folder.mkdir()
        os.close(os.open(os.fsencode(folder) + b"/" + name, os.O_CREAT | os.O_WRONLY))
        found = part(folder, "", LIST)
        found.encode()
        shown.add(found)
    assert len(shown) == 6


def test_a_large_folder_is_worth_a_digest(tmp_path: Path) -> None:
    for number in range(900):
        (tmp_path / f"a-long-name-{number}").touch()
    before = part(tmp_path, "", LIST)
    assert before.startswith("holds 900 names ")
    (tmp_path / "a-long-name-7").rename(tmp_path / "a-long-name-x")
    assert part(tmp_path, "", LIST) != before


def test_each_part_is_worked_out_once(tree: Path) -> None:
    class Counting(Contents):
        reads = 0

        def digest(self, layer: int, path: bytes, fd: int) -> str:
            Counting.reads += 1
            return super().digest(layer, path, fd)

    with Evaluator([str(tree)], Counting(Cancel())) as evaluator:
        for _ in range(3):
            evaluator.value(Look(0, b"d/f", NODE | CONTENT))
    assert Counting.reads == 1


name = st.sampled_from(["a", "b", "c"])
node = st.recursive(
    st.one_of(
        st.tuples(st.just("file"), st.sampled_from([b"", b"x", b"yy", b"zz"]), st.sampled_from([0o644, 0o755])),
        st.tuples(st.just("link"), st.sampled_from([b"a", b"b", b"a/b"]), st.just(0o777)),
    ),
    lambda inner: st.tuples(
        st.just("folder"), st.dictionaries(name, inner, max_size=3), st.sampled_from([0o755, 0o700])
    ),
    max_leaves=5,
)


def make(at: Path, what: tuple[str, object, int]) -> None:
    kind, held, mode = what
    if kind == "file" and isinstance(held, bytes):
        at.write_bytes(held)
        at.chmod(mode)
    elif kind == "link" and isinstance(held, bytes):
        at.symlink_to(os.fsdecode(held))
    elif isinstance(held, dict):
        at.mkdir()
        for inner, held_there in held.items():
            make(at / inner, held_there)
        at.chmod(mode)


def everything(folder: Path, path: str = "") -> dict[tuple[str, int], object]:
    """All answers that a step could get in this tree, read by other means than ours."""
    at = folder / path
    found = at.lstat()
    is_folder = stat.S_ISDIR(found.st_mode)
    said: dict[tuple[str, int], object] = {
        (path, NODE): (found.st_mode, found.st_uid, 0 if is_folder else found.st_size)
    }
    if stat.S_ISREG(found.st_mode):
        said[path, CONTENT] = at.read_bytes()
    elif stat.S_ISLNK(found.st_mode):
        said[path, LINK] = os.readlink(at)
    else:
        names = sorted(os.listdir(at))
        said[path, LIST] = [(one, stat.S_IFMT((at / one).lstat().st_mode)) for one in names]
        for one in names:
            said |= everything(folder, f"{path}/{one}".lstrip("/"))
    return said


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(node.filter(lambda one: one[0] == "folder"), node.filter(lambda one: one[0] == "folder"))
def test_values_differ_where_answers_do_and_only_there(
    tmp_path: Path, one: tuple[str, object, int], other: tuple[str, object, int]
) -> None:
    where = Path(str(tmp_path / os.urandom(6).hex()))
    where.mkdir()
    make(where / "one", one)
    make(where / "other", other)
    clamp(where)
    answers = everything(where / "one"), everything(where / "other")
    for path, kind in answers[0].keys() | answers[1].keys():
        said = [each.get((path, kind), each.get((path, NODE), ABSENT) != ABSENT) for each in answers]
        worth = [part(where / each, path, kind) for each in ("one", "other")]
        assert (said[0] == said[1]) == (worth[0] == worth[1]), (path, kind)
