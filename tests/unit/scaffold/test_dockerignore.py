"""The .dockerignore, judged by the reader that builds use."""

from __future__ import annotations

from tests.unit.scaffold.hand_made import APP, facts
from wherry.dockerfile.ignore import Matcher
from wherry.scaffold.dockerignore import dockerignore
from wherry.scaffold.facts import Tree, Weights, Where
from wherry.scaffold.plan import Wishes, plan


def matcher(tree: Tree, weights: tuple[Weights, ...] = ()) -> Matcher:
    found = facts()._replace(tree=tree, weights=weights)
    return Matcher.of_file(dockerignore(plan(found, Wishes())).encode())


PLAIN = Tree(1, 1, True, (), (), (), (), ())


def test_what_never_belongs_into_an_image_is_hidden_and_the_project_is_not() -> None:
    found = matcher(PLAIN)
    hidden = [".git/config", ".venv/bin/python", "pkg/__pycache__/a.pyc", ".env", "conf/.env.prod", "tls/key.pem",
              "mlruns/0/meta.yaml", "a/b.ipynb", "Dockerfile", "compose.yaml", ".aws/credentials"]  # fmt: skip
    kept = ["main.py", "pkg/a.py", "requirements.txt", "README.md", ".env.example", "model.onnx", ".python-version"]
    assert [path for path in hidden if not found.excludes(path)] == []
    assert [path for path in kept if found.excludes(path)] == []


def test_the_projects_own_data_secrets_and_leftovers_are_hidden() -> None:
    found = matcher(Tree(9, 9, True, ("env",), ("old.ipynb",), ("key.json",), ("data",), ("tests",)))
    for path in ("env/bin/python", "key.json", "data/train.csv", "tests/test_a.py"):
        assert found.excludes(path), path


def test_weights_that_are_used_stay_also_in_a_folder_of_data() -> None:
    used = Weights("data/model.onnx", 9, "onnx", False, "", Where("main.py", 3))
    other = used._replace(path="data/old.onnx", loaded_at=None)
    found = matcher(PLAIN._replace(data=("data",)), (used, other))
    assert not found.excludes("data/model.onnx")
    assert found.excludes("data/old.onnx")


def test_odd_names_hide_themselves_only() -> None:
    found = matcher(PLAIN._replace(data=("#set", "a[1]", "!x", "st*r")))
    for path in ("#set/a.csv", "a[1]/a.csv", "!x/a", "st*r/a"):
        assert found.excludes(path), path
    assert not found.excludes("a1/b.py")
    assert not found.excludes("star/b.py")
    assert APP.file == "main.py"
    assert not found.excludes("main.py")
