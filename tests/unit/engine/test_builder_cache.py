"""`builder du` and `builder prune` over a store in a temporary folder."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.build.cache import StepCache
from wherry.build.evict import Policy
from wherry.cli import builder_du, builder_prune
from wherry.cli.builder_du import parse_query
from wherry.cli.flags import parse
from wherry.cli.render import Output
from wherry.engine import Engine, builder_limit
from wherry.engine.builder_cache import entries, prune
from wherry.engine.builder_folders import BuilderFolders, folders, forget, note
from wherry.errors import InputError, WherryError
from wherry.fs.lock import locked
from wherry.host.fake import FakeHost
from wherry.oci.digest import DiffID
from wherry.settings import Paths, Settings

DISK = 100 * 1000**3


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    (tmp_path / "root").mkdir()
    paths = Paths(str(tmp_path / "root"), str(tmp_path / "run"))
    with Engine(Settings(paths, {}, os.getuid(), str(tmp_path)), FakeHost()) as engine:
        yield engine


def mount(engine: Engine, name: str, content: bytes, when: int) -> str:
    path = BuilderFolders(engine)(name, f"id of {name}")
    os.mkdir(path)
    Path(path, "f").write_bytes(content)
    with engine.db.write() as conn:
        conn.execute("UPDATE cache_folder SET used_ns = ? WHERE name = ?", (when, f"mounts/{name}"))
    return path


def step(engine: Engine, name: str, size: int, when: int) -> DiffID:
    with engine.layers.workdir() as work:
        Path(work, "fs").mkdir()
        Path(work, "fs", name).write_text(name)
        diff_id = DiffID.of(name.encode())
        engine.layers.commit(work, diff_id, size, None)
    StepCache(engine.db).put(name, (diff_id,), f"RUN {name}")
    with engine.db.write() as conn:
        conn.execute("UPDATE step SET used_ns = ? WHERE key = ?", (when, name))
    return diff_id


def ids(engine: Engine) -> list[str]:
    return [one.id for one in entries(engine)]


def test_steps_and_folders_are_listed_by_their_last_use(engine: Engine) -> None:
    mount(engine, "m", b"12345", 2)
    step(engine, "old", 100, 1)
    step(engine, "new", 200, 3)
    os.makedirs(f"{engine.settings.paths.cache}/ambient/pip-0-x")
    note(engine.db, [("ambient/pip-0-x", "pip of /home/me/api")])
    assert [(one.id, one.type, one.size, one.what) for one in entries(engine)] == [
        ("old", "regular", 100, "RUN old"),
        ("m", "exec.cachemount", 5, 'cache mount with id "id of m"'),
        ("new", "regular", 200, "RUN new"),
        ("pip-0-x", "ambient", 0, "downloads: pip of /home/me/api"),
    ]


def test_pruning_takes_the_folders_and_the_layers_from_the_disk(engine: Engine) -> None:
    path = mount(engine, "m", b"12345", 2)
    layer = step(engine, "s", 100, 1)
    pruned = prune(engine, Policy())
    assert {one.id for one in pruned.entries} == {"m", "s"}
    assert pruned.freed_bytes == 105
    assert not os.path.exists(path)
    assert not engine.layers.has(layer)
    assert ids(engine) == []
    assert folders(engine.db, engine.settings.paths.cache) == []


def test_a_folder_that_a_step_uses_stays(engine: Engine) -> None:
    path = mount(engine, "m", b"12345", 2)
    with locked(f"{path}.lock", shared=True):
        assert [one.is_in_use for one in entries(engine)] == [True]
        assert prune(engine, Policy(everything=True)).entries == ()
        assert not forget(engine.settings.paths.cache, "mounts/m", engine.scratch.path("gone"))
    assert os.path.exists(f"{path}/f")


def test_a_folder_that_the_database_does_not_know_is_cache_too(engine: Engine) -> None:
    os.makedirs(f"{engine.settings.paths.cache}/ambient/pip-0")
    Path(engine.settings.paths.cache, "ambient", "pip-0", "f").write_bytes(b"123")
    (one,) = entries(engine)
    assert (one.id, one.size, one.uses) == ("pip-0", 3, 0)
    assert prune(engine, Policy()).freed_bytes == 3


def test_a_prune_that_was_killed_behind_the_rename_leaves_nothing(engine: Engine) -> None:
    mount(engine, "m", b"12345", 2)
    assert forget(engine.settings.paths.cache, "mounts/m", f"{engine.settings.paths.root}/tmp-gone")
    assert ids(engine) == []  # its row is there still, and says nothing
    mount(engine, "m", b"1", 3)
    assert [one.size for one in entries(engine)] == [1]


def test_a_full_disk_frees_folders_before_the_database_writes(engine: Engine) -> None:
    """The database is made read-only for the moment: what a full disk does to it."""
    path = mount(engine, "m", b"12345", 2)
    step(engine, "s", 100, 1)
    engine.db.read().execute("PRAGMA query_only = ON")
    with pytest.raises(WherryError):
        prune(engine, Policy())
    engine.db.read().execute("PRAGMA query_only = OFF")
    assert not os.path.exists(path)
    assert ids(engine) == ["s"]


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("", 10 * 1000**3), ("20GB", 20 * 1000**3), ("15%", 15 * 1000**3), ("none", 0), ("0", 0),
        ("500MB", 500 * 1000**2),
    ],
)  # fmt: skip
def test_the_limit_is_a_size_a_share_or_a_tenth_of_the_disk(text: str, limit: int) -> None:
    assert builder_limit.limit_bytes(text, DISK) == limit


def test_a_small_disk_has_a_limit_of_two_gigabytes() -> None:
    assert builder_limit.limit_bytes("", 5 * 1000**3) == 2 * 1000**3


@pytest.mark.parametrize("text", ["lots", "0%", "101%", "-1", "%"])
def test_a_limit_that_is_none_is_told(text: str) -> None:
    with pytest.raises(InputError, match="WHERRY_BUILD_CACHE_LIMIT"):
        builder_limit.limit_bytes(text, DISK)


def test_the_limit_takes_the_least_recently_used_and_never_what_is_leased(engine: Engine) -> None:
    engine.settings = engine.settings._replace(env={"WHERRY_BUILD_CACHE_LIMIT": "250"})
    step(engine, "a", 100, 1)
    leased = step(engine, "b", 100, 2)
    mount(engine, "c", b"x" * 100, 3)
    step(engine, "d", 100, 4)
    with engine.leases.hold("build") as lease:
        lease.add_layer(leased)
        engine.host.processes[os.getpid()] = 1  # type: ignore[attr-defined]
        with engine.db.write() as conn:
            conn.execute("UPDATE lease SET pid = ?, start_time = 1, boot_id = ?", (os.getpid(), engine.host.boot_id()))
        assert builder_limit.enforce(engine) == 200
        assert ids(engine) == ["b", "d"]
        assert builder_limit.enforce(engine) == 0


def test_a_folder_is_walked_once_while_nothing_uses_it(engine: Engine) -> None:
    os.makedirs(f"{engine.settings.paths.cache}/ambient/npm-0")
    path = mount(engine, "m", b"12345", 2)
    builder_limit.enforce(engine)
    Path(path, "more").write_bytes(bytes(1000))
    builder_limit.enforce(engine)
    assert {row.name: row.size for row in folders(engine.db, engine.settings.paths.cache)} == {
        "ambient/npm-0": 0, "mounts/m": 5,
    }  # fmt: skip
    assert [row.uses for row in folders(engine.db, engine.settings.paths.cache) if row.name == "ambient/npm-0"] == [0]


def said(module: object, engine: Engine, *argv: str) -> str:
    text = io.StringIO()
    verb = module.VERB  # type: ignore[attr-defined]
    assert module.run(engine, parse("wherry builder", verb, argv), Output(text, io.StringIO(), {})) == 0  # type: ignore[attr-defined]
    return text.getvalue()


def test_du_shows_dockers_columns_and_what_each_is(engine: Engine) -> None:
    mount(engine, "m", b"12345", 1)
    step(engine, "s", 100, 2)
    lines = said(builder_du, engine).splitlines()
    assert lines[0].split() == ["ID", "RECLAIMABLE", "SIZE", "LAST", "ACCESSED", "DESCRIPTION"]
    assert lines[1].startswith("m*")
    assert lines[1].endswith('cache mount with id "id of m"')
    assert lines[3:] == ["Reclaimable:    105B", "Total:          105B"]
    (one,) = said(builder_du, engine, "--format", "json", "--filter", "type=regular").splitlines()
    assert json.loads(one)["Description"] == "RUN s"
    assert "Type:           exec.cachemount\n" in said(builder_du, engine, "--verbose", "--filter", "mutable=true")


def test_filters_choose_what_is_pruned(engine: Engine) -> None:
    mount(engine, "m", b"12345", 1)
    step(engine, "s", 100, 2)
    assert said(builder_prune, engine, "-f", "--filter", "type=exec.cachemount") == (
        "Deleted build cache objects:\nm\n\nTotal reclaimed space: 5B\n"
    )
    assert said(builder_prune, engine, "-f", "--filter", "id=other") == "Total reclaimed space: 0B\n"
    assert said(builder_prune, engine, "-f", "--reserved-space", "1GB") == "Total reclaimed space: 0B\n"
    assert said(builder_prune, engine, "-f", "--keep-storage", "1GB") == "Total reclaimed space: 0B\n"
    assert said(builder_prune, engine, "-f", "--max-used-space", "10") == (
        "Deleted build cache objects:\ns\n\nTotal reclaimed space: 100B\n"
    )


def test_a_filter_that_is_none_is_refused() -> None:
    for text in ("colour=red", "inuse=perhaps"):
        with pytest.raises(InputError, match="invalid"):
            parse_query([text], 0)
