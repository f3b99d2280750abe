from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.build.context import open_context
from wherry.build.filehash import FileHashes
from wherry.build.gather import digest, gather
from wherry.build.graph import Copy
from wherry.build.tree import Tree
from wherry.cancel import Cancel
from wherry.errors import BuildError, NotFound
from wherry.fs.remove import remove_tree
from wherry.store.db import Database

FILES = {
    "main.py": "print()", "data/a.csv": "1", "data/b.txt": "2", "data/deep/c.csv": "3", "node_modules/x/y.js": "4",
    "docs/keep.md": "5", "docs/other.md": "6", "secret.env": "7",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


class Context:
    """A folder as a context; each call opens it anew, as each build does."""

    def __init__(self, folder: Path, db: Database | None = None) -> None:
        self.folder = folder
        self.age_ns = 10**9
        self.hashes = FileHashes(db, clock=self._now)

    def _now(self) -> int:
        """The clock, `age_ns` after main.py changed."""
        return (self.folder / "main.py").stat().st_ctime_ns + self.age_ns

    def _open(self) -> Tree:
        return open_context(str(self.folder), "")

    def paths(self, *sources: str, **options: object) -> list[str]:
        tree = self._open()
        try:
            found = gather(tree, Copy(sources, "/", **options), Cancel())  # type: ignore[arg-type]
            return [entry.source for one in found for entry in one.entries]
        finally:
            os.close(tree.root_fd)

    def digest(self, *sources: str) -> str:
        tree = self._open()
        try:
            return digest(tree, gather(tree, Copy(sources or ("",), "/"), Cancel()), self.hashes, Cancel())
        finally:
            os.close(tree.root_fd)


@pytest.fixture
def context(folder: Path) -> Context:
    return Context(folder)


@pytest.fixture
def remembering(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    db = Database(str(tmp_path_factory.mktemp("db") / "state.db"))
    yield Context(folder, db)
    db.close()


def test_a_folder_comes_before_what_is_in_it_in_byte_order(context: Context) -> None:
    assert context.paths("data") == ["data", "data/a.csv", "data/b.txt", "data/deep", "data/deep/c.csv"]


def test_ignored_files_stay_behind_and_exceptions_come_back(context: Context) -> None:
    (context.folder / ".dockerignore").write_text("node_modules\n*.env\ndocs\n!docs/keep.md\n")
    assert context.paths("") == [
        "", ".dockerignore", "data", "data/a.csv", "data/b.txt", "data/deep", "data/deep/c.csv", "docs",
        "docs/keep.md", "main.py",
    ]  # fmt: skip


def test_a_hidden_folder_with_nothing_brought_back_is_not_there(context: Context) -> None:
    (context.folder / ".dockerignore").write_text("docs\n!docs/absent\n")
    assert "docs" not in context.paths("")
    with pytest.raises(NotFound, match=r"hidden by \.dockerignore"):
        context.paths("docs")


def test_the_dockerfiles_own_ignore_file_wins(folder: Path) -> None:
    (folder / ".dockerignore").write_text("data\n")
    (folder / "prod.Dockerfile.dockerignore").write_text("docs\n")
    tree = open_context(str(folder), str(folder / "prod.Dockerfile"))
    try:
        assert tree.excludes("docs")
        assert not tree.excludes("data")
    finally:
        os.close(tree.root_fd)


def test_a_missing_source_names_the_nearest(context: Context) -> None:
    with pytest.raises(NotFound, match=r'"/mian\.py": not found in the build context') as caught:
        context.paths("mian.py")
    assert caught.value.hint == 'did you mean "main.py"?'


def test_an_ignored_source_says_so(context: Context) -> None:
    (context.folder / ".dockerignore").write_text("*.env\n")
    with pytest.raises(NotFound, match=r"hidden by \.dockerignore") as caught:
        context.paths("secret.env")
    assert "!" in str(caught.value.hint)


def test_a_link_to_an_ignored_file_is_no_way_around(context: Context) -> None:
    (context.folder / ".dockerignore").write_text("*.env\n")
    (context.folder / "link").symlink_to("secret.env")
    with pytest.raises(NotFound):
        context.paths("link")


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../../../etc/passwd", "/proc/self/environ"])
def test_a_link_never_leads_out_of_the_context(context: Context, target: str) -> None:
    (context.folder / "link").symlink_to(target)
    (context.folder / "folder").symlink_to(os.path.dirname(target))
    for source in ("link", f"folder/{os.path.basename(target)}"):
        with pytest.raises(NotFound):
            context.paths(source)


def test_a_pattern_that_fits_nothing_brings_nothing(context: Context) -> None:
    assert context.paths("nothing*") == []


def test_patterns_do_not_cross_folders(context: Context) -> None:
    assert context.paths("*.csv") == []
    assert context.paths("data/*.csv") == ["data/a.csv"]
    assert context.paths("*/*/*.csv") == ["data/deep/c.csv"]


def test_excludes_are_relative_to_the_source(context: Context) -> None:
    assert context.paths("data", excludes=("*.csv",)) == ["data", "data/b.txt", "data/deep", "data/deep/c.csv"]
    assert context.paths("data", excludes=("**/*.csv",)) == ["data", "data/b.txt", "data/deep"]
    assert context.paths("data/*", excludes=("*.csv",)) == ["data/b.txt", "data/deep"]


def test_parents_keep_the_way_and_nothing_beside_it(context: Context) -> None:
    assert context.paths("data/deep/c.csv", parents=True) == ["", "data", "data/deep", "data/deep/c.csv"]
    assert context.paths("**/*.csv", parents=True) == ["", "data", "data/a.csv", "data/deep", "data/deep/c.csv"]


def test_a_pivot_cuts_the_way(context: Context) -> None:
    tree = open_context(str(context.folder), "")
    try:
        (found,) = gather(tree, Copy(("data/./deep/c.csv",), "/", parents=True), Cancel())
        assert [entry.path for entry in found.entries] == ["", "deep", "deep/c.csv"]
    finally:
        os.close(tree.root_fd)


def test_parents_of_a_missing_file_are_an_error(context: Context) -> None:
    with pytest.raises(NotFound):
        context.paths("data/nope.csv", parents=True)


def test_the_digest_is_of_content_and_mode_and_not_of_time(context: Context) -> None:
    before = context.digest()
    os.utime(context.folder / "main.py", (1, 1))
    assert context.digest() == before
    os.chmod(context.folder / "main.py", 0o755)
    changed = context.digest()
    assert changed != before
    os.chmod(context.folder / "main.py", 0o644)
    (context.folder / "main.py").write_text("PRINT()")
    assert context.digest() not in {before, changed}


def test_the_digest_knows_names_links_and_folders(context: Context) -> None:
    seen = {context.digest()}
    for change in (
        lambda: (context.folder / "secret.env").rename(context.folder / "Secret.env"),
        (context.folder / "empty").mkdir,
        lambda: (context.folder / "link").symlink_to("a"),
        lambda: ((context.folder / "link").unlink(), (context.folder / "link").symlink_to("b")),
        lambda: os.mkfifo(context.folder / "pipe"),
    ):
        change()
        now = context.digest()
        assert now not in seen
        seen.add(now)


def test_a_file_that_is_older_than_the_clocks_step_is_read_once(remembering: Context) -> None:
    before = remembering.digest("main.py")
    assert _rows(remembering) == 1
    # Content changed behind the file system's back can't be seen: proof that it is not read again
    _forge(remembering, "forged")
    assert remembering.digest("main.py") != before


def test_a_file_that_is_younger_than_the_clocks_step_is_read_again(remembering: Context) -> None:
    remembering.age_ns = 10_000_000
    remembering.digest("main.py")
    assert _rows(remembering) == 0


def test_a_file_that_changed_just_now_is_read_when_its_stamp_can_not_be_given_again(folder: Path) -> None:
    """Else it could change under the same stamp between its digest and its copy."""
    ticks = []

    class Patient(Cancel):
        def wait(self, timeout_s: float) -> bool:
            ticks.append(timeout_s)
            return False

    (folder / "main.py").write_text("new")
    changed = (folder / "main.py").stat().st_ctime_ns
    tree = open_context(str(folder), "")
    try:
        for age_ns, waits in ((5_000_000, True), (10**9, False), (-(10**10), False)):
            ticks.clear()
            hashes = FileHashes(None, clock=lambda age_ns=age_ns: changed + age_ns)  # type: ignore[misc]
            digest(tree, gather(tree, Copy(("main.py",), "/"), Cancel()), hashes, Patient())
            assert [0.015 < tick < 0.03 for tick in ticks] == [True] * waits
    finally:
        os.close(tree.root_fd)


def test_a_change_that_keeps_size_and_mtime_is_seen(remembering: Context) -> None:
    path = remembering.folder / "main.py"
    os.utime(path, ns=(10**18, 10**18))
    before = remembering.digest("main.py")
    assert _rows(remembering) == 1
    path.write_text("PRINT()")
    os.utime(path, ns=(10**18, 10**18))
    assert remembering.digest("main.py") != before


def test_large_files_are_hashed_in_pieces_and_every_piece_counts(context: Context) -> None:
    path = context.folder / "weights.bin"
    with path.open("wb") as file:
        file.truncate(40 << 20)
    seen = {context.digest("weights.bin")}
    for position in (0, (16 << 20) - 1, 16 << 20, (40 << 20) - 1):
        with path.open("r+b") as file:
            file.seek(position)
            file.write(b"x")
        seen.add(context.digest("weights.bin"))
    assert len(seen) == 5


def test_a_file_that_may_not_be_read_is_named(folder: Path) -> None:
    os.chmod(folder / "secret.env", 0)
    os.chmod(folder, 0o755)
    tree = open_context(str(folder), "")
    found = gather(tree, Copy(("",), "/"), Cancel())
    uid = os.geteuid()
    if uid == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(BuildError, match=r'cannot read "/secret\.env" in the build context') as caught:
            digest(tree, found, FileHashes(None), Cancel())
    finally:
        os.seteuid(uid)
        os.close(tree.root_fd)
    assert ".dockerignore" in str(caught.value.hint)


def test_folders_without_end_are_an_error_in_words(context: Context) -> None:
    here = os.open(context.folder, os.O_RDONLY)
    for _ in range(600):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    try:
        with pytest.raises((BuildError, OSError), match=r"nested too deeply|open files"):
            context.paths("d")
    finally:
        remove_tree(str(context.folder / "d"))


def _rows(context: Context) -> int:
    db = context.hashes._db
    assert db is not None
    return int(db.read().execute("SELECT count(*) FROM file_hash").fetchone()[0])


def _forge(context: Context, digest: str) -> None:
    db = context.hashes._db
    assert db is not None
    with db.write() as connection:
        connection.execute("UPDATE file_hash SET digest = ?", (digest,))
