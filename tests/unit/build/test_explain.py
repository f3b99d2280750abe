from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wherry.build.cache import MADE, ORDINARY, TRACED
from wherry.build.explain import Before, explain
from wherry.build.explain_facts import facts_of, files_of, place
from wherry.build.explain_memory import MOST_FILES, MOST_PROJECTS, Memory, Remembered
from wherry.build.explain_names import Names
from wherry.build.gather import Gathered
from wherry.build.graph import Copy, Op, Run, Source, Vertex
from wherry.build.job import Job, Outcome, Trace
from wherry.build.traced_store import Earlier
from wherry.build.tree import Entry, Match
from wherry.build.weakkey import Stack
from wherry.cancel import Cancel
from wherry.oci.digest import DiffID
from wherry.store.db import Database
from wherry.trace.observe import CONTENT, LINK, LIST, NODE, TREE, Look, PathSet
from wherry.trace.values import Contents, Evaluator

BASE, COPIED = DiffID.of(b"base"), DiffID.of(b"copied")
RUN = Run(("/bin/sh", "-c", "x"), env=("A=1",), workdir="/app")
ALL = Copy((".",), "/app")
UNKNOWN = Trace()


def entry(path: str, mode: int = 0o100644) -> Entry:
    return Entry(path, path, mode, 0, 0, 1, 0, "", "", (), 1, 2, 3, 4)


def source(image: DiffID = BASE) -> Outcome:
    vertex = Vertex(0, Source("b", (image,)), None, (), "[1/3] FROM b", "linux/amd64")
    return Outcome(Job(vertex, Stack(), (), (), "", ""), ORDINARY)


def copy(files: dict[str, str], base: DiffID = BASE, op: Copy = ALL) -> Outcome:
    vertex = Vertex(1, op, 0, (), "[2/3] COPY . /app", "linux/amd64", where="Dockerfile:2")
    gathered = Gathered(Match("", "", True), tuple(entry(path) for path in files))
    return Outcome(Job(vertex, Stack((base,), (False,)), (), (gathered,), str(files), "copy", files), MADE)


def run(op: Op = RUN, trace: Trace = UNKNOWN, kind: str = MADE, *, base: DiffID = BASE, anew: bool = False) -> Outcome:
    vertex = Vertex(
        2, op, 1, (), "[3/3] RUN x", "linux/amd64", where="Dockerfile:3", no_cache=anew
    )  # fmt: skip
    return Outcome(Job(vertex, Stack((base, COPIED), (False, True)), (), (), "", "run"), kind, trace)


def outcomes(*last: Outcome, base: DiffID = BASE, files: dict[str, str] | None = None) -> dict[int, Outcome]:
    steps = (source(base), copy(files or {"main.py": "1", "sub/x": "2"}, base), *last)
    return {one.job.vertex.number: one for one in steps}


def before(known: dict[int, Outcome] | None) -> Before:
    if known is None:
        return Before(Remembered(), lambda slot: {})
    jobs = [one.job for one in known.values() if one.job.vertex.number]
    steps = tuple(facts_of(job, (0,), known) for job in jobs)
    files = {fact.slot: files_of(job) for fact, job in zip(steps, jobs, strict=True)}
    return Before(Remembered(steps), lambda slot: files.get(slot, {}))


def line(
    now: dict[int, Outcome], then: dict[int, Outcome] | None, number: int = -1, shape: tuple[object, ...] = (0,)
) -> str:
    return explain(now, shape, before(then))[number].line()


def test_the_parts_of_a_shown_name() -> None:
    assert place("[build 2/14] RUN x") == ("build", 2, "RUN x")
    assert place("[ 2/14] COPY a b") == ("", 2, "COPY a b")
    assert place("[3/4] RUN [x 1/2] y") == ("", 3, "RUN [x 1/2] y")
    assert place("FROM b\x1b[0m") == ("", 0, "FROM b\\x1b[0m")


@pytest.mark.parametrize(
    ("now", "then", "said"),
    [
        (run(), None, "never built here"),
        (run(), run(), "its result was removed since"),
        (run(), run(RUN._replace(argv=("/bin/sh", "-c", "y"))), "the command changed"),
        (run(), run(RUN._replace(env=("A=2",))), "ENV A changed"),
        (run(), run(RUN._replace(env=())), "ENV A appeared"),
        (run(), run(RUN._replace(env=("A=1", "B=1"))), "ENV B went away"),
        (
            run(RUN._replace(env=("A=1", "B=1"))),
            run(RUN._replace(env=("B=1", "A=1"))),
            "the order of ENV and ARG changed",
        ),
        (run(), run(RUN._replace(user="app")), "USER changed"),
        (run(), run(RUN._replace(workdir="/")), "WORKDIR changed"),
        (run(), run(RUN._replace(network="none")), "the network changed"),
        (run(), run(RUN._replace(shm_size=5)), "the limits changed"),
        (run(anew=True), run(), "--no-cache"),
        (run(trace=Trace(untraced="no /dev/fuse")), run(), "its result was removed since (it could not be traced: no"
         " /dev/fuse)"),
        (run(trace=Trace(damaged=2)), run(), "its result was removed since (2 damaged records of it were dropped)"),
    ],
)  # fmt: skip
def test_a_run_says_what_of_its_own_changed(now: Outcome, then: Outcome | None, said: str) -> None:
    assert line(outcomes(now), None if then is None else outcomes(then)) == f"RUN x: miss: {said}"


def test_a_run_says_what_changed_below_it() -> None:
    other = DiffID.of(b"other")
    assert line(outcomes(run()), outcomes(run(base=other), base=other)) == "RUN x: miss: the base image changed"
    below = run().job._replace(below=Stack((BASE, other), (False, True)))
    then = outcomes(Outcome(below, MADE))
    assert line(outcomes(run()), then) == "RUN x: miss: the step before gave other files"
    assert "the time for new files" in line(outcomes(run()), outcomes(run()), shape=(1,))


def test_a_copy_says_which_files_changed() -> None:
    then = {"main.py": "1", "sub/x": "2", "old": "3"}
    now = {"main.py": "9", "sub/x": "2", "new": "3"}
    assert line(outcomes(files=now), outcomes(files=then)) == (
        "COPY . /app: miss: main.py changed, new appeared, old vanished"
    )
    many = {f"f{number}": "1" for number in range(6)}
    changed = dict.fromkeys(many, "2")
    assert line(outcomes(files=changed), outcomes(files=many)) == (
        "COPY . /app: miss: f0 changed, f1 changed, f2 changed, and 3 more"
    )


READ = PathSet((Look(0, b"app", NODE), Look(0, b"app/main.py", NODE | CONTENT), Look(0, b"etc", NODE)))
VALUES = ("folder 755 0:0", "file 644 0:0 0 5; 1234", "absent")


def test_a_traced_hit_names_the_files_that_were_read() -> None:
    (_, found) = explain(outcomes(run(trace=Trace("w", READ, VALUES), kind=TRACED)), (0,), before(None))
    assert found.line() == "RUN x: hit (read 1 file of yours: main.py)"
    assert (found.reads, found.kind, found.hit, found.advice) == (("main.py",), "traced", True, "")
    none = Trace("w", PathSet((Look(0, b"app", NODE | LIST),)), ("folder 755 0:0; holds fmain.py",))
    assert line(outcomes(run(trace=none, kind=TRACED)), None) == "RUN x: hit (read none of your files; listed /app)"
    whole = Trace("w", PathSet((Look(0, b"app/d", NODE | TREE),)), ("folder 755 0:0; 1234",))
    assert line(outcomes(run(trace=whole, kind=TRACED)), None) == (
        "RUN x: hit (read none of your files; read in all of /app/d)"
    )
    assert line(outcomes(run(kind=ORDINARY)), None) == "RUN x: hit (nothing changed)"


def test_what_came_from_another_stage_is_not_yours() -> None:
    known = outcomes(run(trace=Trace("w", READ, VALUES), kind=TRACED))
    job = known[1].job
    known[1] = Outcome(job._replace(gathered=()), MADE)
    assert line(known, None) == "RUN x: hit (read none of your files; 1 copied from other stages or images)"


@pytest.mark.parametrize(
    ("op", "path", "name"),
    [
        (Copy((".",), "/app"), "app/sub/x", "sub/x"),
        (Copy((".",), "/"), "sub/x", "sub/x"),
        (Copy((".",), "/app"), "etc/passwd", "/etc/passwd"),
        (Copy((".",), "/app/"), "app", "/app"),
    ],
)
def test_a_path_in_a_layer_has_the_name_that_the_user_knows(op: Copy, path: str, name: str) -> None:
    assert Names((copy({"sub/x": ""}, op=op).job,)).name(0, path.encode()) == name


def test_a_single_file_is_known_under_both_of_its_possible_places() -> None:
    job = copy({}).job._replace(gathered=(Gathered(Match("req.txt", "conf/req.txt", False), (entry(""),)),))
    names = Names((job._replace(vertex=job.vertex._replace(op=Copy(("conf/req.txt",), "/app/"))),))
    assert names.name(0, b"app/req.txt") == "conf/req.txt"
    assert names.name(1, b"app/req.txt") == "/app/req.txt"
    assert names.name(0, b"app/\xff\n") == "/app/\\xff\\n"


def relink(folder: Path) -> None:
    (folder / "app" / "l").unlink()
    (folder / "app" / "l").symlink_to("y")


def touch(folder: Path) -> None:
    (folder / "app" / "main.py").write_text("other")


CHANGES: list[tuple[Callable[[Path], object], str]] = [
    (touch, "main.py changed"),
    (lambda top: (top / "app" / "main.py").unlink(), "main.py vanished"),
    (lambda top: (top / "app" / "main.py").chmod(0o755), "main.py has another mode"),
    (lambda top: (top / "app" / "flag").write_text(""), "flag appeared"),
    (lambda top: (top / "app" / "d" / "new").write_text(""), "d/new appeared in /app/d, which this step lists"),
    (lambda top: (top / "app" / "d" / "x").unlink(), "d/x vanished in /app/d, which this step lists"),
    (relink, "l points elsewhere"),
    (lambda top: (top / "app" / "whole" / "x").write_text("y"), "whole has other files in it"),
]


@pytest.mark.parametrize(("act", "said"), CHANGES, ids=[said for _, said in CHANGES])
def test_a_miss_names_what_changed_of_what_it_looked_at(
    act: Callable[[Path], object], said: str, tmp_path: Path
) -> None:
    """With real values of real folders: what is parsed here is what is written there."""
    for folder in ("d", "whole"):
        (tmp_path / "app" / folder).mkdir(parents=True)
        (tmp_path / "app" / folder / "x").write_text("x")
    (tmp_path / "app" / "main.py").write_text("1")
    (tmp_path / "app" / "l").symlink_to("x")
    paths = PathSet((
        Look(0, b"app/d", NODE | LIST), Look(0, b"app/flag", NODE), Look(0, b"app/l", NODE | LINK),
        Look(0, b"app/main.py", NODE | CONTENT), Look(0, b"app/whole", NODE | TREE),
    ))  # fmt: skip

    def values() -> tuple[str, ...]:
        with Evaluator([str(tmp_path)], Contents(Cancel())) as evaluator:
            return tuple(map(evaluator.value, paths.looks))

    old = values()
    act(tmp_path)
    trace = Trace("w", earlier=Earlier(paths, old), now=values())
    assert line(outcomes(run(trace=trace)), outcomes(run())) == f"RUN x: miss: {said}"


def test_a_miss_without_values_says_that_something_changed() -> None:
    trace = Trace("w", earlier=Earlier(READ, ()), now=VALUES)
    assert line(outcomes(run(trace=trace)), outcomes(run())) == "RUN x: miss: files that it reads changed"


@pytest.mark.parametrize(
    ("op", "paths", "said"),
    [
        (RUN, PathSet(is_whole=True), "it looks at all that was copied"),
        (RUN, PathSet((Look(0, b"app/.git/HEAD", NODE | CONTENT),)), "it reads .git"),
        (
            RUN._replace(argv=("sh", "-c", "pip install .")),
            PathSet((Look(0, b"app", NODE | LIST),)),
            "pip install of a",
        ),
        (RUN, PathSet(tuple(Look(0, b"app/%d" % number, NODE | CONTENT) for number in range(10))), "nearly all"),
        (RUN, READ, ""),
    ],
)
def test_advice_is_given_where_a_step_depends_on_more_than_it_needs(op: Run, paths: PathSet, said: str) -> None:
    files = {str(number): "" for number in range(11 if said == "nearly all" else 100)}
    values = ("file 644 0:0; x",) * len(paths.looks)
    found = explain(outcomes(run(op, Trace("w", paths, values)), files=files), (0,), before(None))[-1]
    assert said in found.advice
    assert bool(said) == bool(found.advice)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    db = Database(str(tmp_path / "state.db"))
    yield db
    db.close()


def test_a_build_is_remembered_until_the_next_one_of_the_same_project(db: Database) -> None:
    known = outcomes(run())
    steps = [facts_of(one.job, (0,), known) for one in known.values() if one.job.vertex.number]
    memory = Memory(db, "/a")
    assert (memory.recall(), memory.is_current(["k"])) == (Remembered(), False)
    memory.note(steps, {steps[0].slot: {"main.py": "1"}}, ["k"])
    assert memory.recall().steps == tuple(steps)
    assert memory.files(steps[0].slot) == {"main.py": "1"}
    assert (memory.is_current(["k"]), memory.is_current(["l"]), Memory(db, "/b").is_current(["k"])) == (
        True,
        False,
        False,
    )
    memory.note(steps[1:], {}, ["l"])
    assert memory.files(steps[0].slot) == {}


def test_only_so_many_projects_are_remembered_and_damage_is_forgotten(db: Database) -> None:
    for number in range(MOST_PROJECTS + 2):
        Memory(db, str(number)).note([], {"slot": {"a": "1"}}, ["k"])
    counts = [db.read().execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("build_seen", "copy_seen")]
    assert counts == [MOST_PROJECTS, MOST_PROJECTS]
    last = Memory(db, str(MOST_PROJECTS + 1))
    with db.write() as connection:
        connection.execute("UPDATE build_seen SET steps = x'ff'")
        connection.execute("UPDATE copy_seen SET files = '[1]'")
    assert (last.recall(), last.files("slot")) == (Remembered(), {})


def test_of_very_many_files_folders_are_remembered() -> None:
    files = {f"d{number % 7}/f{number}": "1" for number in range(MOST_FILES + 1)}
    found = files_of(copy({**files, "main.py": "1"}).job)
    assert sorted(found) == [*(f"d{number}/" for number in range(7)), "main.py"]
    other = files_of(copy({**files, "d3/f3": "2", "main.py": "1"}).job)
    assert [name for name in found if found[name] != other[name]] == ["d3/"]
