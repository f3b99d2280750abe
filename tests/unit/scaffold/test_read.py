"""What the readers say of projects that are broken, empty, ambiguous or hostile: never an exception."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.scaffold.tree_case import expected, lay_out
from wherry.errors import InputError
from wherry.scaffold.document import document
from wherry.scaffold.facts import Facts
from wherry.scaffold.plan import Wishes, plan
from wherry.scaffold.read import read
from wherry.scaffold.write import texts

CASES = sorted((Path(__file__).parents[2] / "cases" / "scaffold").glob("*.txt"))


def said(facts: Facts) -> list[str]:
    """One line for what would be started, one for each file of weights, one for each problem."""
    app = facts.app
    lines = [f"app {app.kind} {app.import_string or app.file}" if app else "no app"]
    lines += [f"weights {one.path} {one.format} {one.size_bytes}" for one in facts.weights]
    return lines + [f"{one.level} {one.code} {one.where or '-'}" for one in facts.problems]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_the_readers_say_what_was_expected(case: Path, tmp_path: Path) -> None:
    lay_out(case, tmp_path)
    assert said(read(str(tmp_path))) == expected(case)


def test_every_hint_and_text_is_one_sentence_for_people(tmp_path: Path) -> None:
    for case in CASES:
        folder = tmp_path / case.stem
        folder.mkdir()
        lay_out(case, folder)
        for one in read(str(folder)).problems:
            assert one.text.strip()
            assert not one.text.endswith("."), one
            assert "\n" not in one.text + one.hint, one


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the project"):
        read(str(tmp_path / "nowhere"))


# Words that the readers look for, so that junk gets further than the first test of a name
_NAMES = st.sampled_from([
    "main.py", "app.py", "pkg/__init__.py", "pkg/urls.py", "manage.py", "requirements.txt", "pyproject.toml", "uv.lock",
    "poetry.lock", "pdm.lock", "Pipfile", "Pipfile.lock", "pylock.toml", "environment.yml", "setup.py", "setup.cfg",
    ".python-version", "runtime.txt", "Procfile", "MLmodel", "model.pkl", "model.safetensors", "model.onnx", "m.json",
    ".env", "apt.txt", ".git/index", "Dockerfile", "compose.yaml", "data/x.csv", "nb.ipynb", ".streamlit/config.toml",
])  # fmt: skip
_WORDS = st.lists(
    st.sampled_from([
        "from fastapi import FastAPI\n", "app = FastAPI()\n", "app.include_router(app)\n", "import app\n",
        "import main\n", "@app.get('/x')\ndef f(): ...\n", "uvicorn.run(app, port=int(os.environ['PORT']))\n",
        "import uvicorn, os\n",
        "app.mount('/', app)\n", "def make(): return make()\n", "app = make()\n", "a = b = a\n", "[project]\n",
        "dependencies = [1, {}]\n", "name = 3\n", "[[package]]\n", "[tool.uv]\n", "x = 1\n", "-r requirements.txt\n",
        "-c missing.txt\n", "-e .\n", "torch @ git+https://x\n", "torch==2.0+cu118 ; python_version<'3' \\\n", "{", "]",
        "\x00", "\ufeff", "web: gunicorn\n", "3.12\n", "- 1\n", "a: &a [*a]\n", "dependencies:\n- pip:\n",
        "# -*- coding: x -*-\n",
    ]),
    max_size=8,
).map(lambda parts: "".join(parts).encode())  # fmt: skip
_TREES = st.dictionaries(_NAMES, _WORDS | st.binary(max_size=60), max_size=6)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_TREES)
def test_no_tree_of_junk_is_more_than_facts(tree: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, data in tree.items():
            path = Path(folder, name)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        facts = read(folder)
        document(facts)
        try:
            written = texts(plan(facts, Wishes()))
        except InputError:
            assert facts.app is None
            return
        assert written["Dockerfile"].endswith("\n")
