from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from pathlib import Path

import pytest

from wherry.build.cache import StepCache
from wherry.build.traced_store import MOST_SETS, TracedStore
from wherry.build.travel_cache import Carried, LayersAway, Nowhere, TravelCache
from wherry.build.travel_document import Step, Trace
from wherry.build.travel_traced import TravelTraced, store_of
from wherry.build.weakkey import strong_key
from wherry.host.fake import FakeHost
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import DiffID
from wherry.settings import Paths
from wherry.store.blobs import BlobStore
from wherry.store.db import Database
from wherry.store.layers import LayerStore
from wherry.store.lease import Lease, Leases
from wherry.store.scratch import Scratch
from wherry.trace.observe import MAX_LOOKS, NODE, Look, PathSet

HERE, THERE, LOST = DiffID.of(b"here"), DiffID.of(b"there"), DiffID.of(b"lost")
KEY = "k" * 64
SET = PathSet((Look(0, b"requirements.txt", NODE),))


class World:
    """A store with one layer, and another machine that has one more. `asked` is what that one was asked for."""

    def __init__(self, folder: Path) -> None:
        paths = Paths(str(folder / "root"), str(folder / "run"))
        host = FakeHost()
        self.db = Database(paths.database)
        scratch = Scratch(paths, host)
        self.layers = LayerStore(paths, self.db, scratch, BlobStore(paths, scratch))
        self.leases = Leases(self.db, host)
        self.records: dict[str, list[Carried]] = {}
        self.sets: dict[str, list[Trace]] = {}
        self.asked: list[str] = []
        self.add(HERE)

    def add(self, diff_id: DiffID) -> None:
        with self.layers.workdir() as work:
            (Path(work) / "fs").mkdir()
            self.layers.commit(work, diff_id, 1024, None)

    def find(self, key: str) -> Sequence[Carried]:
        self.asked.append(key)
        return self.records.get(key, [])

    def traces(self, weak: str) -> Sequence[Trace]:
        return self.sets.get(weak, [])

    def giving(self, results: Set[tuple[DiffID, ...]]) -> Sequence[Trace]:
        return [one for found in self.sets.values() for one in found if one.layers in results]

    def blob(self, diff_id: DiffID) -> Descriptor | None:
        return None

    def fetch(self, diff_ids: Sequence[DiffID]) -> bool:
        for one in diff_ids:
            self.asked.append(one)
            if one == THERE:
                self.add(one)
        return all(map(self.layers.has, diff_ids))

    def cache(self, lease: Lease, *, remember: bool = True) -> TravelCache:
        return TravelCache(self.db, self.layers, lease, self, remember=remember)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.db.close()


@pytest.fixture
def lease(world: World) -> Iterator[Lease]:
    with world.leases.hold("test") as lease:
        yield lease


def test_what_is_here_asks_nobody(world: World, lease: Lease) -> None:
    world.records[KEY] = [Carried("evil", "RUN evil", (THERE,))]
    StepCache(world.db).put(KEY, [HERE], "RUN one")
    assert world.cache(lease).get(KEY) == (HERE,)
    assert world.asked == []
    assert StepCache(world.db).source(KEY) == ""


def test_what_is_elsewhere_is_brought_and_kept_with_where_it_came_from(world: World, lease: Lease) -> None:
    world.records[KEY] = [Carried("ghcr.io/x:cache", "RUN one", (HERE, THERE))]
    cache = world.cache(lease)
    assert cache.get(KEY) == (HERE, THERE)
    assert cache.promises([THERE])
    assert not cache.promises([HERE])
    assert cache.source(KEY) == "ghcr.io/x:cache"
    assert StepCache(world.db).get(KEY) is None
    assert world.asked == [KEY]
    cache.need([HERE, THERE])
    assert not cache.promises([THERE])
    assert cache.came(KEY)
    assert StepCache(world.db).get(KEY) == (HERE, THERE)
    assert StepCache(world.db).source(KEY) == "ghcr.io/x:cache"
    world.asked.clear()
    cache = world.cache(lease)
    assert cache.get(KEY) == (HERE, THERE)
    assert world.asked == []
    assert not cache.came(KEY)


def test_a_step_that_ran_here_is_this_machines_own_from_then_on(world: World, lease: Lease) -> None:
    world.records[KEY] = [Carried("there", "RUN one", (THERE,))]
    cache = world.cache(lease)
    cache.get(KEY)
    cache.need([THERE])
    world.cache(lease).put(KEY, [HERE], "RUN one")
    assert StepCache(world.db).source(KEY) == ""


def test_a_layer_that_can_not_be_had_is_a_miss_and_the_next_cache_is_asked(world: World, lease: Lease) -> None:
    world.records[KEY] = [Carried("bad", "RUN one", (LOST,))]
    cache = world.cache(lease)
    assert cache.get(KEY) == (LOST,)
    with pytest.raises(LayersAway):
        cache.need([LOST])
    cache.be_eager()
    assert cache.get(KEY) is None
    assert cache.document().layers == ()
    assert StepCache(world.db).get(KEY) is None
    world.records[KEY].append(Carried("good", "RUN one", (THERE,)))
    assert cache.get(KEY) == (THERE,)
    assert not cache.promises([THERE])
    assert cache.came(KEY)
    assert StepCache(world.db).source(KEY) == "good"


def test_what_nothing_needs_is_not_fetched_and_not_kept(world: World, lease: Lease) -> None:
    world.records[KEY] = [Carried("there", "RUN one", (THERE,))]
    cache = world.cache(lease)
    cache.get(KEY)
    cache.need([HERE])
    assert world.asked == [KEY]
    assert [step.key for step in cache.document().steps] == [KEY]
    assert StepCache(world.db).get(KEY) is None


def test_a_layer_that_went_is_brought_again(world: World, lease: Lease) -> None:
    StepCache(world.db).put(KEY, [THERE], "RUN one")
    assert world.cache(lease).get(KEY) == (THERE,)


def test_a_build_that_keeps_nothing_keeps_no_origin(world: World, lease: Lease) -> None:
    world.records[KEY] = [Carried("there", "RUN one", (THERE,))]
    assert world.cache(lease, remember=False).get(KEY) == (THERE,)
    assert StepCache(world.db).get(KEY) is None
    assert StepCache(world.db).source(KEY) == ""


def carry(world: World, layers: tuple[DiffID, ...], *, paths: bytes = b"", weak: str = "w" * 64) -> None:
    """The other machine has a traced step that found "1" at its paths."""
    import hashlib

    data = paths or SET.pack()
    key = strong_key(weak, hashlib.sha256(data).hexdigest(), ["1"])
    world.sets.setdefault(weak, []).append(Trace(weak, key, "RUN pip", data, layers))
    world.records[key] = [Carried("there", "RUN pip", layers)]


def test_a_traced_step_is_found_by_what_is_found_here(world: World, lease: Lease) -> None:
    carry(world, (THERE,))
    store = store_of(world.cache(lease))
    (one,), damaged = store.candidates("w" * 64)
    assert (one.paths, damaged) == (SET, 0)
    assert store.get("w" * 64, one.id, ["2"]) is None
    assert not world.layers.has(THERE)
    assert store.get("w" * 64, one.id, ["1"]) == (THERE,)
    own = TracedStore(StepCache(world.db))
    assert own.candidates("w" * 64)[0] == [one]
    assert own.get("w" * 64, one.id, ["1"]) == (THERE,)
    assert StepCache(world.db).source(strong_key("w" * 64, one.id, ["1"])) == "there"


def test_the_ordinary_key_of_an_imported_step_says_where_it_came_from_too(world: World, lease: Lease) -> None:
    carry(world, (THERE,))
    cache = world.cache(lease)
    store = store_of(cache)
    (one,), _ = store.candidates("w" * 64)
    store.get("w" * 64, one.id, ["1"])
    cache.put(KEY, (THERE,), "RUN pip")
    assert StepCache(world.db).source(KEY) == "there"


def test_an_imported_step_never_takes_the_place_of_an_own_one(world: World, lease: Lease) -> None:
    carry(world, (THERE,))
    TracedStore(StepCache(world.db)).put("w" * 64, SET, ["1"], [HERE], "RUN pip")
    store = store_of(world.cache(lease))
    (one,), _ = store.candidates("w" * 64)
    assert store.get("w" * 64, one.id, ["1"]) == (HERE,)
    assert world.asked == []


def test_path_sets_that_no_step_can_have_are_left_out(world: World, lease: Lease) -> None:
    for data in (
        b"",
        b"\xff" * 9,
        PathSet(is_whole=True).pack(),
        PathSet((Look(0, b"../../etc/passwd", NODE),)).pack(),
    ):
        world.sets.setdefault("w" * 64, []).append(Trace("w" * 64, "e" * 64, "RUN evil", data, (THERE,)))
    assert store_of(world.cache(lease)).candidates("w" * 64) == ([], 0)


def test_only_so_many_imported_sets_are_looked_at(world: World, lease: Lease) -> None:
    for number in range(MOST_SETS * 3):
        carry(world, (THERE,), paths=PathSet((Look(0, b"%d" % number, NODE),)).pack())
    assert len(store_of(world.cache(lease)).candidates("w" * 64)[0]) == MOST_SETS


def test_huge_imported_sets_do_not_hold_a_build_up(world: World, lease: Lease) -> None:
    for number in range(3):
        names = (b"%d-%06d" % (number, name) for name in range(MAX_LOOKS // 2))
        carry(world, (THERE,), paths=PathSet(tuple(Look(0, name, NODE) for name in names)).pack())
    assert len(store_of(world.cache(lease)).candidates("w" * 64)[0]) == 2


def test_without_a_named_cache_the_store_is_the_plain_one(world: World, lease: Lease) -> None:
    plain = TravelCache(world.db, world.layers, lease, Nowhere())
    assert not isinstance(store_of(plain), TravelTraced)
    assert not isinstance(store_of(StepCache(world.db)), TravelTraced)


def test_the_document_holds_what_this_build_used_and_made_and_nothing_else(world: World, lease: Lease) -> None:
    StepCache(world.db).put("o" * 64, [LOST], "RUN of another build")
    StepCache(world.db).put(KEY, [HERE], "RUN pip")
    traced = TracedStore(StepCache(world.db))
    traced.put("w" * 64, SET, ["1"], [HERE], "RUN pip")
    traced.put("w" * 64, SET, ["2"], [LOST], "RUN pip")
    traced.put("w" * 64, SET, ["3"], [HERE, LOST], "RUN pip")
    cache = world.cache(lease)
    cache.get(KEY)
    cache.put("m" * 64, [THERE], "COPY . .")
    document = cache.document()
    assert [layer.diff_id for layer in document.layers] == [HERE, THERE]
    assert document.steps == (Step(KEY, "RUN pip", (HERE,)), Step("m" * 64, "COPY . .", (THERE,)))
    (trace,) = document.traces
    assert (trace.weak, trace.paths, trace.layers) == ("w" * 64, SET.pack(), (HERE,))
    assert cache.document([THERE]).steps == (Step("m" * 64, "COPY . .", (THERE,)),)
    assert cache.document([THERE]).traces == ()


def test_what_an_imported_step_read_is_passed_on_though_this_build_did_not_look(world: World, lease: Lease) -> None:
    """From machine to machine: each finds the step by its ordinary key, and the next one may need the rest."""
    carry(world, (THERE,))
    carry(world, (LOST,), weak="v" * 64)
    world.records[KEY] = [Carried("there", "RUN pip", (THERE,))]
    cache = world.cache(lease)
    cache.get(KEY)
    assert [trace.weak for trace in cache.document().traces] == ["w" * 64]
