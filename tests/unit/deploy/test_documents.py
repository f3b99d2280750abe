"""The files of --output."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from wherry.deploy import targets
from wherry.deploy.application import Application, ImageFacts
from wherry.deploy.documents import save
from wherry.deploy.target import Chosen, Document
from wherry.errors import Conflict, InputError
from wherry.oci.platform import Platform

DIGEST = "sha256:" + "0" * 64
IMAGE = ImageFacts(f"r.example.com/iris@{DIGEST}", Platform.of("linux", "amd64"), digest=DIGEST, user="1000")
APP = Application("iris", IMAGE, 8000)


@pytest.mark.parametrize("name", targets.BUILT_IN)
def test_documents_of_an_earlier_time_are_replaced(name: str, tmp_path: Path) -> None:
    target, chosen = targets.find(name), Chosen({"location": "westeurope", "host": "me@a"})
    paths = save(str(tmp_path / "out"), target.documents(APP, chosen))
    other = replace(APP, port=9000)
    assert save(str(tmp_path / "out"), target.documents(other, chosen)) == paths
    assert any("9000" in Path(one).read_text() for one in paths)


@pytest.mark.parametrize("text", ["Transform: AWS::Serverless\n", "# Written by `wherry init`, and yours\n"])
def test_a_file_of_the_projects_own_stays_and_nothing_is_written(text: str, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(text)
    documents = [Document("a.yaml", "wherry: 1\n"), Document("compose.yaml", "wherry: 2\n")]
    with pytest.raises(Conflict, match=r"compose\.yaml is there already"):
        save(str(tmp_path), documents)
    assert {one.name: one.read_text() for one in tmp_path.iterdir()} == {"compose.yaml": text}


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write to"):
        save(str(tmp_path / "file"), [Document("a.yaml", "")])
    (tmp_path / "a.yaml").mkdir()
    with pytest.raises(Conflict, match="is there already"):
        save(str(tmp_path), [Document("a.yaml", "")])
