from __future__ import annotations

import pytest

from wherry.errors import Conflict
from wherry.oci.digest import DiffID, Digest
from wherry.store.images import ImageRecord
from wherry.store.removal import Removal, chain_ids, plan_removal, removed_lines

ID = Digest.of(b"image")
D1 = "@" + Digest.of(b"manifest")
APP, APP2, OTHER = "docker.io/library/app:latest", "docker.io/library/app:2", "docker.io/library/other:latest"
APPD = "docker.io/library/app" + D1


def image(*references: str) -> ImageRecord:
    return ImageRecord(ID, ID, references, 0, 0, (DiffID.of(b"a"), DiffID.of(b"b")))


def test_the_last_name_takes_the_image_with_it() -> None:
    assert plan_removal(image(APP), "app", force=False, users={}) == Removal((APP,), True)


def test_another_name_keeps_the_image() -> None:
    assert plan_removal(image(APP, OTHER), "app", force=False, users={}) == Removal((APP,), False)


def test_the_last_tag_of_a_repository_takes_its_digests_with_it() -> None:
    assert plan_removal(image(APP, APPD), "app", force=False, users={}) == Removal((APP, APPD), True)
    assert plan_removal(image(APP, APP2, APPD), "app:2", force=False, users={}) == Removal((APP2,), False)


def test_a_digest_can_be_removed_by_itself() -> None:
    assert plan_removal(image(APP, APPD), f"app{D1}", force=False, users={}) == Removal((APPD,), False)


def test_an_id_removes_an_image_with_one_name() -> None:
    for text in (ID, ID.hex, ID.hex[:8]):
        assert plan_removal(image(APP, APPD), text, force=False, users={}) == Removal((APP, APPD), True)
    assert plan_removal(image(), ID.hex[:8], force=False, users={}) == Removal((), True)


def test_an_id_with_several_names_needs_force() -> None:
    with pytest.raises(Conflict) as fault:
        plan_removal(image(APP, OTHER), ID.hex[:8], force=False, users={})
    assert str(fault.value) == (
        f"conflict: unable to delete {ID.short} (must be forced) - image is referenced in multiple repositories"
    )
    assert plan_removal(image(APP, OTHER), ID.hex[:8], force=True, users={}) == Removal((APP, OTHER), True)


def test_the_last_name_of_an_image_with_a_container_needs_force() -> None:
    with pytest.raises(Conflict) as fault:
        plan_removal(image(APP), "app", force=False, users={"c" * 64: False})
    assert str(fault.value) == (
        f'conflict: unable to remove repository reference "app" (must force) - container {"c" * 12} is using its '
        f"referenced image {ID.short}"
    )
    assert plan_removal(image(APP), "app", force=True, users={"c" * 64: False}) == Removal((APP,), True)


def test_with_another_name_left_a_container_does_not_matter() -> None:
    assert plan_removal(image(APP, OTHER), "app", force=False, users={"c" * 64: True}) == Removal((APP,), False)


def test_by_id_a_stopped_container_can_be_forced_and_a_running_one_can_not() -> None:
    with pytest.raises(Conflict) as fault:
        plan_removal(image(APP), ID.hex, force=False, users={"c" * 64: False})
    assert str(fault.value) == (
        f"conflict: unable to delete {ID.short} (must be forced) - image is being used by stopped container {'c' * 12}"
    )
    assert plan_removal(image(APP), ID.hex, force=True, users={"c" * 64: False}).delete
    for force in (False, True):
        with pytest.raises(Conflict) as fault:
            plan_removal(image(APP), ID.hex, force=force, users={"b": False, "c" * 64: True})
        assert str(fault.value) == (
            f"conflict: unable to delete {ID.short} (cannot be forced) - image is being used by running container "
            f"{'c' * 12}"
        )


def test_forced_by_name_under_a_running_container_only_the_name_goes() -> None:
    assert plan_removal(image(APP), "app", force=True, users={"c": True}) == Removal((APP,), False)


def test_lines_are_dockers() -> None:
    one = image(APP, APPD)
    chain = chain_ids(one.layers)
    assert removed_lines(one, Removal((APP, APPD), True), set(one.layers)) == [
        "Untagged: app:latest",
        f"Untagged: app{D1}",
        f"Deleted: {ID}",
        f"Deleted: {chain[1]}",
        f"Deleted: {chain[0]}",
    ]
    assert removed_lines(one, Removal((APP,), True), {one.layers[1]})[-1] == f"Deleted: {chain[1]}"


def test_chain_ids_are_the_specs() -> None:
    assert chain_ids([]) == ()
    a, b = DiffID.of(b"a"), DiffID.of(b"b")
    assert chain_ids([a, b]) == (a, Digest.of(f"{a} {b}".encode()))
