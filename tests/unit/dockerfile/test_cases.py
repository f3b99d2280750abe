"""The cases in tests/cases/dockerfile: good/NAME/{Dockerfile,expected.json}, bad/NAME/{Dockerfile,expected.txt}.

To add one, make its folder: no code is needed. `expected.txt` holds what the faults say, without the excerpts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wherry.dockerfile import parse
from wherry.dockerfile.span import Span
from wherry.errors import DockerfileError

CASES = Path(__file__).parents[2] / "cases" / "dockerfile"


def document(value: Any) -> Any:
    """A typed instruction as JSON: fields that hold their default are left out."""
    if isinstance(value, Span):
        return [value.first, value.last]
    if not hasattr(value, "_fields"):
        return [document(one) for one in value] if isinstance(value, tuple) else value
    defaults = value._field_defaults
    doc = {
        name: document(field)
        for name, field in zip(value._fields, value, strict=True)
        if name != "text" and (name not in defaults or field != defaults[name])
    }
    return {type(value).__name__: {"lines": doc.pop("span"), **doc}} if "span" in doc else doc


def told(fault: DockerfileError) -> list[str]:
    lines = []
    for one in fault.faults or (fault,):
        lines.append(f"{one.where}: {one.message}")
        lines += [f"  hint: {one.hint}"] if one.hint else []
    return lines


@pytest.mark.parametrize("folder", sorted((CASES / "good").iterdir()), ids=lambda folder: folder.name)
def test_good_files_give_typed_instructions(folder: Path) -> None:
    file = parse((folder / "Dockerfile").read_bytes())
    got = {
        "directives": {one.name: one.value for one in file.directives},
        "global": document(file.global_args),
        "stages": [[document(stage.origin), *document(stage.instructions)] for stage in file.stages],
        "warnings": list(file.warnings),
    }
    expected = json.loads((folder / "expected.json").read_text())
    assert {key: value for key, value in got.items() if value} == expected


@pytest.mark.parametrize("folder", sorted((CASES / "bad").iterdir()), ids=lambda folder: folder.name)
def test_bad_files_say_what_is_wrong(folder: Path) -> None:
    with pytest.raises(DockerfileError) as caught:
        parse((folder / "Dockerfile").read_bytes())
    assert told(caught.value) == (folder / "expected.txt").read_text().splitlines()
