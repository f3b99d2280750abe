from __future__ import annotations

import os

import pytest

from tests.unit.store.conftest import Store
from wherry.oci.digest import DiffID, Digest


def as_other_process(store: Store, what: str, *, start_time: int) -> int:
    """A lease of process 77, which the fake host knows when its start time is 5."""
    store.host.processes[77] = 5
    with store.db.write() as conn:
        return int(
            conn.execute(
                "INSERT INTO lease (what, pid, start_time, boot_id, created_ns) VALUES (?, 77, ?, ?, 1)",
                (what, start_time, store.host.boot),
            ).lastrowid
            or 0
        )


def lease_layer(store: Store, lease: int, diff_id: DiffID) -> None:
    with store.db.write() as conn:
        conn.execute("INSERT INTO lease_item (lease_id, kind, key) VALUES (?, 'layer', ?)", (lease, diff_id))


def test_a_layer_that_nobody_needs_goes(store: Store) -> None:
    diff_id = store.layer("x")
    collected = store.collector.collect()
    assert collected.layers == (diff_id,)
    assert collected.freed_bytes == 1
    assert not store.layers.has(diff_id)
    assert os.listdir(store.paths.layers) == os.listdir(store.paths.tmp) == []
    assert store.db.read().execute("SELECT count(*) FROM layer").fetchone() == (0,)


def test_a_leased_layer_and_blob_stay_until_the_lease_ends(store: Store) -> None:
    with store.leases.hold("build") as lease:
        diff_id = store.layer("x", lease)
        lease.add_blob(Digest.of(b"blob"))
        store.blobs.put([b"blob"])
        assert store.collector.collect() == ((), (), 0)
        assert store.layers.has(diff_id)
    assert store.collector.collect() == ((diff_id,), (Digest.of(b"blob"),), 5)


def test_an_images_layers_and_blobs_stay(store: Store) -> None:
    image = store.image("app", layers=("base", "top"))
    blobs = set(store.blobs.all())
    assert blobs == {image.id, image.manifest}
    assert store.collector.collect() == ((), (), 0)
    assert all(store.layers.has(one) for one in image.layers)


def test_a_layer_that_two_images_share_stays_with_the_second(store: Store) -> None:
    first, second = store.image("a", layers=("base", "a")), store.image("b", layers=("base", "b"))
    store.images.remove(first, first.references, delete=True, known_users=())
    collected = store.collector.collect()
    assert collected.layers == (first.layers[1],)
    assert all(store.layers.has(one) for one in second.layers)


def test_the_lease_of_a_live_process_holds(store: Store) -> None:
    lease = as_other_process(store, "build", start_time=5)
    diff_id = store.layer("x")
    lease_layer(store, lease, diff_id)
    assert store.collector.collect().layers == ()


def test_the_lease_of_a_dead_process_or_of_a_recycled_pid_does_not(store: Store) -> None:
    lease = as_other_process(store, "build", start_time=4)
    diff_id = store.layer("x")
    lease_layer(store, lease, diff_id)
    assert store.collector.collect().layers == (diff_id,)
    assert store.db.read().execute("SELECT count(*) FROM lease_item").fetchone() == (0,)


def test_the_leases_of_another_boot_mean_nothing(store: Store) -> None:
    lease = as_other_process(store, "build", start_time=5)
    diff_id = store.layer("x")
    lease_layer(store, lease, diff_id)
    store.host.boot = "11111111-0000-0000-0000-000000000000"
    assert store.collector.collect().layers == (diff_id,)


def test_layers_of_the_build_cache_stay(store: Store) -> None:
    diff_id = store.layer("x")
    with store.db.write() as conn:
        conn.execute("INSERT INTO step (key, kind, what, created_ns, used_ns) VALUES ('k', 'ordinary', 'RUN', 1, 1)")
        conn.execute("INSERT INTO step_layer (key, position, diff_id) VALUES ('k', 0, ?)", (diff_id,))
    assert store.collector.collect().layers == ()


def test_work_of_dead_processes_is_swept_and_that_of_live_ones_is_not(store: Store) -> None:
    store.host.processes[77] = 5
    mine = store.scratch.path("work")
    boot = store.host.boot[:8]
    kept = [mine, f"{store.paths.tmp}/work.77-5-{boot}.aa"]
    gone = [
        f"{store.paths.tmp}/work.77-4-{boot}.aa",
        f"{store.paths.tmp}/work.78-5-{boot}.aa",
        f"{store.paths.tmp}/work.77-5-ffffffff.aa",
        f"{store.paths.tmp}/whatever",
    ]
    for path in [*kept, *gone]:
        os.makedirs(f"{path}/fs/deep")
    assert store.scratch.sweep() == len(gone)
    assert sorted(os.listdir(store.paths.tmp)) == sorted(os.path.basename(path) for path in kept)


def test_a_lease_ends_with_its_block_even_when_it_fails(store: Store) -> None:
    with pytest.raises(ValueError, match="x"), store.leases.hold("build") as lease:  # noqa: PT012
        lease.add_layer(DiffID.of(b"a"), DiffID.of(b"a"))
        raise ValueError("x")
    assert store.db.read().execute("SELECT count(*) FROM lease").fetchone() == (0,)


def test_a_removed_image_that_a_container_uses_is_kept_for_it_but_not_shown(store: Store) -> None:
    image = store.image("app")
    store.container("c1", image)
    store.images.remove(image, image.references, delete=True, known_users=["c1"])
    store.collector.collect()
    assert store.images.list() == []
    assert store.images.get(image.id).id == image.id
    assert store.images.config(image.id).diff_ids == image.layers
    assert all(store.layers.has(one) for one in image.layers)
    with store.db.write() as conn:
        conn.execute("DELETE FROM container")
    assert store.collector.collect().layers == image.layers
