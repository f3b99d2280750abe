"""Run documents as others send them, and their way through a run's folder."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from wherry.errors import InvalidSpec, Unsupported
from wherry.runs.document import decode, encode, split
from wherry.track import folder as folders
from wherry.track.record import read

WHOLE: dict[str, Any] = {
    "schema": 1, "id": "0123456789abcdef" * 2, "name": "glad-robin", "experiment": "iris", "status": "failed",
    "exit_code": 3, "error": "ValueError: no", "started_ms": 1000, "ended_ms": 3000, "params": {"lr": 0.1, "z": None},
    "tags": {"who": "me"}, "metrics": {"loss": {"count": 2, "last": "NaN", "last_step": 1}}, "command": ["python"],
    "artifacts": [{"name": "out/model.bin", "digest": "sha256:" + "0" * 64, "size": 7}],
    "git": {"commit": "0" * 40, "diff": "+é\n"}, "environment": {"packages": {"numpy": "2"}},
    "data": [{"name": "iris.csv", "path": "/data/iris.csv", "digest": "sha256:" + "1" * 64, "size": 3, "files": 1}],
    "promoted": [{"image": {"name": "iris:prod", "id": "sha256:" + "2" * 64}, "at_ms": 5, "artifacts": {}}],
}  # fmt: skip


def put(folder: Path, document: dict[str, Any]) -> str:
    parts = split(document)
    folder.mkdir()
    folders.save(f"{folder}/run.json", parts.start)
    folders.save(f"{folder}/end.json", parts.end)
    for event in parts.events:
        folders.append(str(folder), event)
    return str(folder)


def test_a_document_comes_through_a_folder_as_it_was(tmp_path: Path) -> None:
    assert read(put(tmp_path / "whole", WHOLE)) == WHOLE
    bare = {key: WHOLE[key] for key in ("id", "name", "experiment", "status", "started_ms")}
    bare |= {"params": {}, "tags": {}, "metrics": {}, "artifacts": [], "status": "lost", "ended_ms": 1}
    assert read(put(tmp_path / "bare", bare)) == bare
    assert decode(encode(bare), "it") == bare


def test_the_order_in_which_a_folder_tells_its_document_changes_no_byte() -> None:
    assert encode(dict(reversed(WHOLE.items()))) == encode(WHOLE)


def test_numbers_that_json_has_not_become_words() -> None:
    text = encode(WHOLE | {"params": {"a": float("nan"), "b": [float("-inf")]}})
    assert json.loads(text)["params"] == {"a": "NaN", "b": ["-Infinity"]}
    assert decode(b'{"started_ms": 1, "params": {"a": NaN}, ' + encode(WHOLE)[1:].replace(b'"params"', b'"p"'), "it")[
        "params"
    ] == {"a": "NaN"}


CHANGES: list[tuple[str, Any, str]] = [
    ("id", "../../etc", "32 hexadecimal digits"), ("id", 3, "id of the run document is 3, not a JSON string"),
    ("name", None, "name of the run document is None"), ("started_ms", True, "not a JSON integer"),
    ("status", "great", "status is not 'great'"), ("tags", {"a": 1}, "tags of the run document has what is no text"),
    ("command", [1], "command of the run document"), ("metrics", {"loss": 1}, "have no summaries"),
    ("git", {"commit": 1}, "git.commit of the run document is 1"), ("image", {"id": []}, r"image.id of .* is \[\]"),
    ("environment", {"gpus": [1]}, "environment.gpus"), ("data", [{"name": "x"}], "data or promotions"),
    ("promoted", [{"image": {"name": "x"}, "at_ms": 1}], "data or promotions"), ("data", {}, "not a JSON array"),
    ("started_ms", 10**18, "'started_ms' of the run document can't be right"), ("exit_code", 10**40, "'exit_code'"),
    ("params", {"a": json.loads("[" * 50 + "]" * 50)}, "'params'"), ("x", json.loads("[" * 50 + "]" * 50), "'x'"),
    ("git", "abc", "git of the run document"), ("artifacts", [{"name": "x"}], "no name or no digest"),
    ("artifacts", [{"name": "../x", "digest": "sha256:" + "0" * 64, "size": 1}], "an artifact is named '../x'"),
    ("artifacts", [{"name": "x", "digest": "sha256:" + "0" * 63, "size": 1}], "artifact 'x'"),
    ("artifacts", [{"name": "x", "digest": "sha256:" + "0" * 64, "size": -1}], "artifact 'x'"),
    ("artifacts", [{"name": "x", "digest": "sha256:" + "0" * 64, "size": 1}] * 2, "artifact 'x'"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value", "said"), CHANGES)
def test_what_can_not_be_a_run_is_refused(key: str, value: Any, said: str) -> None:
    with pytest.raises(InvalidSpec, match=said):
        decode(json.dumps(WHOLE | {key: value}).encode(), "it")


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b"1"])
def test_what_is_no_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidSpec, match="it: the run document is no JSON"):
        decode(data, "it")


def test_a_later_schema_is_not_guessed_at() -> None:
    with pytest.raises(Unsupported, match="schema 2"):
        decode(encode(WHOLE | {"schema": 2}), "it")


def test_broken_documents_raise_nothing_else() -> None:
    chance = random.Random(7)
    whole = encode(WHOLE)
    for _ in range(2000):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(data))
            data[at : at + chance.randint(0, 4)] = chance.randbytes(chance.randint(0, 3))
        try:
            decode(bytes(data), "it")
        except (InvalidSpec, Unsupported):
            pass
