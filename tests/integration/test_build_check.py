"""wherry build --check-reproducible: two builds, and what of them differs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.docs_text import PROJECT
from tests.integration.build_lab import Lab
from tests.integration.lesson import MAIN

LINE = re.compile(r"    (?:\w+=\S+ )?wherry build")
pytestmark = pytest.mark.requires("root", "runc", "busybox")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("check"))
    yield lab
    assert lab.leftovers() == {}
    lab.close()


def ids(lab: Lab) -> set[str]:
    return {str(image.id) for image in lab.engine.images.list()}


def test_a_build_that_is_the_same_twice_says_so_and_exits_with_0(lab: Lab) -> None:
    files = {"Dockerfile": "FROM busybox\nCOPY f /f\nRUN cat /f > /g; mkdir -p /a/b\n", "f": "1"}
    before = ids(lab)
    done = lab.wherry(
        "build", "--check-reproducible", "-t", "same", "--iidfile", "iid", str(lab.context("same", files))
    )
    assert done.returncode == 0, done.stderr
    image = (lab.folder / "iid").read_text()
    assert done.stdout == f"Both builds gave the same image: {image}\n"
    assert "=> first build" in done.stderr
    assert "=> second build, without the cache" in done.stderr
    assert ids(lab) - before == {image}
    assert str(lab.engine.image_store.resolve("same").id) == image


DIFFERENT = """FROM busybox
COPY f /f
RUN cat /f > /steady && date > /stamp && head -c 12 /dev/urandom > /seed
RUN mkdir /d && mktemp -d /d/XXXXXX && ln -s $(cat /proc/sys/kernel/random/uuid) /link
RUN echo steady
"""


def test_what_differs_is_named_with_its_step_its_lines_and_its_cause(lab: Lab) -> None:
    context = lab.context("different", {"Dockerfile": DIFFERENT, "f": "1"})
    before = ids(lab)
    done = lab.wherry("build", "--check-reproducible", "-q", "-t", "different", str(context))
    assert done.returncode == 3
    assert done.stderr == ""
    text = done.stdout
    assert "The two builds gave different images" in text
    assert "Layer 3 of 5: RUN cat /f > /steady" in text
    assert "Layer 4 of 5: RUN mkdir /d" in text
    assert "Layer 2" not in text
    assert "Layer 5" not in text
    assert "/steady" not in text.split("head -c")[1]
    assert "  /stamp (text): other content (" in text
    assert "    why: a date or a time of day" in text
    assert "SOURCE_DATE_EPOCH" in text
    assert "  /seed (" in text
    assert "a folder that only the first build has" in text
    assert "a folder that only the second build has" in text
    assert "a name that is random, or holds a time" in text
    assert "  /link: target " in text
    assert "why: a random identifier" in text
    # The second image is gone, and what the cache knows is the first's
    assert len(ids(lab) - before) == 1
    assert f"first  {lab.engine.image_store.resolve('different').id}" in text
    assert lab.build(context) == str(lab.engine.image_store.resolve("different").id)


def test_json_says_the_same(lab: Lab) -> None:
    context = lab.context("json", {"Dockerfile": "FROM busybox\nRUN date > /stamp; echo x > /steady\n"})
    done = lab.wherry("build", "--check-reproducible", "--format", "json", str(context))
    assert done.returncode == 3
    found = json.loads(done.stdout)
    assert found["equal"] is False
    assert found["first"] != found["second"]
    (step,) = found["steps"]
    assert (step["layer"], step["of"], step["files"]) == (2, 2, 3)
    (one,) = step["differences"]
    assert (one["path"], one["format"], one["content"]) == ("/stamp", "text", True)
    assert one["why"] == "a date or a time of day"
    assert [line[0] for line in one["lines"]] == ["-", "+"]
    (context / "Dockerfile").write_text("FROM busybox\nRUN echo x > /steady\n")
    done = lab.wherry("build", "--check-reproducible", "--format", "json", "-q", str(context))
    assert (done.returncode, json.loads(done.stdout)["equal"], json.loads(done.stdout)["steps"]) == (0, True, [])
    done = lab.wherry("build", "--check-reproducible", "--format", "yaml", str(context))
    assert done.returncode == 125
    assert "text or json" in done.stderr


def test_what_else_was_asked_is_done_once(lab: Lab) -> None:
    """The cache is exported for the first build alone; explanations would be of two builds."""
    context = lab.context("once", {"Dockerfile": "FROM busybox\nRUN date > /stamp\n"})
    done = lab.wherry("build", "--check-reproducible", "-q", "--cache-to", "type=local,dest=once-cache", str(context))
    assert done.returncode == 3, done.stderr
    (index,) = (lab.folder / "once-cache").rglob("index.json")
    assert len(json.loads(index.read_text())["manifests"]) == 1
    done = lab.wherry("build", "--check-reproducible", "--explain", str(context))
    assert (done.returncode, "can't be given together" in done.stderr) == (125, True)
    done = lab.wherry("build", "--format", "json", str(context))
    assert (done.returncode, "give one of them" in done.stderr) == (125, True)


def test_a_step_that_a_build_stage_left_to_copy_shows_where_it_arrives(lab: Lab) -> None:
    text = "FROM busybox AS made\nRUN date > /stamp\nFROM busybox\nCOPY --from=made /stamp /stamp\n"
    done = lab.wherry("build", "--check-reproducible", "-q", str(lab.context("stages", {"Dockerfile": text})))
    assert done.returncode == 3
    assert "Layer 2 of 2: COPY /stamp /stamp" in done.stdout


def test_both_builds_read_what_came_through_stdin(lab: Lab) -> None:
    done = lab.wherry("build", "--check-reproducible", "-q", "-", stdin=b"FROM busybox\nRUN echo 1 > /f\n")
    assert done.returncode == 0, done.stderr
    context = lab.context("stdin", {"f": "1"})
    done = lab.wherry("build", "--check-reproducible", "-q", "-f", "-", str(context), stdin=b"FROM busybox\nCOPY f /\n")
    assert done.returncode == 0, done.stderr


def test_a_build_that_fails_fails_as_ever(lab: Lab) -> None:
    done = lab.wherry(
        "build", "--check-reproducible", str(lab.context("fails", {"Dockerfile": "FROM busybox\nRUN exit 7\n"}))
    )
    assert done.returncode == 1
    assert "exit code: 7" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("page", ["reproducible.md", "wherry-toml.md"])
def test_the_pages_commands_do_what_they_say(lab: Lab, page: str) -> None:
    text = "FROM busybox\nCOPY . /app\nRUN cat /app/main.py > /made\n"
    context = lab.context(f"page-{page}", {"Dockerfile": text, "main.py": "1\n"})
    program = f"#!/bin/sh\nexec {sys.executable} -c '{MAIN}' --root {lab.root} \"$@\"\n"
    (lab.folder / "bin").mkdir(exist_ok=True)
    (lab.folder / "bin" / "wherry").write_text(program)
    (lab.folder / "bin" / "wherry").chmod(0o755)
    env = {**lab.env, "PYTHONPATH": str(PROJECT / "src"), "PATH": f"{lab.folder}/bin:{lab.env['PATH']}"}
    lines = [text for text in (PROJECT / "docs" / page).read_text().splitlines() if LINE.match(text)]
    assert lines
    for line in lines:
        done = subprocess.run(["sh", "-c", line], cwd=context, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stderr}"


def test_dockers_check_builds_nothing_and_knows_the_base_images_variables(lab: Lab) -> None:
    text = "FROM busybox AS base\nENV SET=1\nFROM base\nRUN touch /never\nCOPY $SET $UNSET /\n"
    context = lab.context("call", {"Dockerfile": text})
    done = lab.wherry("build", "--check", "-t", "never", str(context))
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("Check complete, 1 warning has been found!\n\nWARNING: UndefinedVar - https://docs.")
    assert "Usage of undefined variable '$UNSET'" in done.stdout
    assert lab.wherry("image", "inspect", "never").returncode == 1
    done = lab.wherry("build", "--call=targets", str(context))
    assert (done.returncode, done.stdout) == (0, "TARGET      DESCRIPTION\nbase\n(default)\n")


def test_a_build_tells_what_the_checks_find_over_its_base_images(lab: Lab) -> None:
    context = lab.context("told", {"Dockerfile": "FROM busybox\nENV B=$UNSET\n"})
    done = lab.wherry("build", str(context))
    assert done.returncode == 0, done.stderr
    assert "UndefinedVar: Usage of undefined variable '$UNSET' (line 2)" in done.stderr
    (context / "Dockerfile").write_text("# check=error=true\nFROM busybox\nENV B=$UNSET\nRUN touch /never\n")
    done = lab.wherry("build", str(context))
    assert done.returncode == 1
    assert "lint violation found for rules: UndefinedVar" in done.stderr
