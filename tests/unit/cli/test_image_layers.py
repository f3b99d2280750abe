"""image tree, history and image diff as a user types them."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from wherry.cli.main import main

Run = Callable[..., tuple[int, str, str]]
SITE = "usr/lib/python3/site-packages"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("WHERRY_ROOT", str(tmp_path / "root"))
    monkeypatch.chdir(tmp_path)

    def call(*argv: str) -> tuple[int, str, str]:
        code = main(list(argv))
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.fixture
def images(run: Run, tmp_path: Path) -> None:
    """demo:1 and demo:2 have another version of a package, and another program."""
    for version in ("1", "2"):
        info = f"{SITE}/demo-{version}.dist-info"
        files = {
            f"{SITE}/demo.py": "x" * 100 * int(version), "app.py": version, f"{info}/METADATA": "Name: demo\n",
            f"{info}/RECORD": f"demo.py,,\ndemo-{version}.dist-info/METADATA,,\ndemo-{version}.dist-info/RECORD,,\n",
        }  # fmt: skip
        with tarfile.open(tmp_path / "base.tar", "w") as tar:
            for path, text in files.items():
                entry = tarfile.TarInfo(path)
                entry.size = len(text)
                tar.addfile(entry, io.BytesIO(text.encode()))
        assert run("import", "base.tar", f"demo:{version}")[0] == 0


@pytest.mark.usefixtures("images")
def test_a_tree_has_the_packages_of_each_layer(run: Run) -> None:
    code, out, err = run("image", "tree", "demo:1")
    assert (code, err) == (0, "")
    rows = [line.strip(" │├└─").split() for line in out.splitlines()[3:]]
    assert rows[0][:2] == ["layer", "1"]
    assert rows[1] == ["demo", "1", "-", "175B", "-"]


@pytest.mark.usefixtures("images")
def test_a_tree_whose_layers_are_lost_is_still_drawn(run: Run, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "root" / "layers")
    code, out, _ = run("image", "tree", "demo:1")
    assert code == 0
    assert "demo 1" not in out
    assert "layer 1" in out


@pytest.mark.usefixtures("images")
def test_a_diff_has_tables_json_and_templates(run: Run) -> None:
    code, out, err = run("image", "diff", "demo:1", "demo:2")
    assert (code, err) == (0, "")
    assert [line.split() for line in out.splitlines()] == [
        ["PACKAGE", "CHANGE", "FROM", "TO", "SIZE", "FILES"],
        ["demo", "changed", "1", "2", "+100B", "3"],
        [],
        ["FILE", "CHANGE", "SIZE", "WHAT"],
        ["/app.py", "changed", "0B", "content"],
        [],
        ["files", "and", "folders:", "2", "added,", "2", "removed,", "2", "changed;", "+100B"],
    ]
    doc = json.loads(run("image", "diff", "--format", "json", "demo:1", "demo:2")[1])
    assert doc["Packages"] == [
        {"Change": "changed", "Name": "demo", "From": "1", "To": "2", "FromSize": 175, "ToSize": 275, "Files": 3,
         "Folder": f"/{SITE}"},
    ]  # fmt: skip
    assert doc["Files"][0] == {
        "Change": "changed", "Path": "/app.py", "Kind": "file", "FromSize": 1, "ToSize": 1, "What": ["content"],
        "Package": "",
    }  # fmt: skip
    template = "{{len .Files}} {{(index .Packages 0).Name}}"
    assert run("image", "diff", "--format", template, "demo:1", "demo:2")[1] == "6 demo\n"
    assert run("image", "diff", "demo:2", "demo:2")[1] == "no difference\n"


@pytest.mark.usefixtures("images")
def test_a_diff_needs_two_images_that_are_here(run: Run) -> None:
    code, out, err = run("image", "diff", "demo:1", "elsewhere")
    assert (code, out) == (1, "")
    assert "No such image: elsewhere:latest" in err
    assert run("image", "diff", "demo:1")[0] == 1
