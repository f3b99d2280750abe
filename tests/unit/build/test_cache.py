from __future__ import annotations

from pathlib import Path

from wherry.build.cache import StepCache
from wherry.oci.digest import DiffID
from wherry.store.db import Database


def test_a_step_that_was_pruned_while_it_was_looked_up_is_a_miss(tmp_path: Path) -> None:
    """Its row was seen and its layers are gone: "it adds nothing" would be a wrong hit."""
    db = Database(str(tmp_path / "state.db"))
    cache = StepCache(db)
    cache.put("key", [DiffID("sha256:" + "a" * 64)], "RUN true")
    assert cache.get("key") == (DiffID("sha256:" + "a" * 64),)
    with db.write() as connection:
        connection.execute("DELETE FROM step_layer")
    assert cache.get("key") is None
    db.close()


def test_what_shall_not_be_remembered_is_not(tmp_path: Path) -> None:
    db = Database(str(tmp_path / "state.db"))
    layers = [DiffID("sha256:" + "a" * 64)]
    StepCache(db, remember=False).put("key", layers, "RUN true")
    assert StepCache(db).get("key") is None
    StepCache(db).put("key", layers, "RUN true")
    assert StepCache(db, remember=False).get("key") == tuple(layers)
    db.close()
