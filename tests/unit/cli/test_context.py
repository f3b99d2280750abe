"""`context`: one, default; what scripts ask of it works, and what can't be says why in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wherry.cli.main import main


def test_scripts_find_and_choose_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = ["--root", str(tmp_path)]
    assert [main([*root, "context", *words]) for words in (["show"], ["use", "default"], ["ls", "-q"])] == [0, 0, 0]
    assert capsys.readouterr().out == "default\ndefault\ndefault\n"


def test_inspect_has_dockers_keys_and_no_endpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(tmp_path), "context", "inspect"]) == 0
    (doc,) = json.loads(capsys.readouterr().out)
    assert list(doc) == ["Name", "Metadata", "Endpoints", "TLSMaterial", "Storage"]
    assert doc["Endpoints"]["docker"] == {"Host": "", "SkipTLSVerify": False}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["context", "use", "prod"], 'context "prod": context not found'),
        (["context", "inspect", "prod"], 'context "prod": context not found'),
        (["context", "rm", "default"], 'default: context "default" cannot be removed'),
        (["context", "rm", "prod"], 'context "prod" does not exist'),
        (["context", "create", "default"], '"default" is a reserved context name'),
        (["context", "create", "prod"], "wherry has no daemon to connect to"),
        (["context", "update", "prod"], 'context "prod": context not found'),
        (["context", "import", "prod", "f.tar"], "wherry has no daemon to connect to"),
        (["context", "export", "default"], "wherry has no daemon to connect to"),
        (["--context", "prod", "ps"], 'context "prod": context not found'),
        (["-H", "tcp://10.0.0.1:2375", "ps"], "--host tcp://10.0.0.1:2375: wherry has no daemon to connect to"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_needs_another_daemon_says_why(
    words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--root", str(tmp_path), *words]) == 1
    said = capsys.readouterr().err
    assert says in said
    assert len(said.splitlines()) <= 2
