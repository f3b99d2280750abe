"""The page on training in containers, typed from its first command to its last."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.docs_text import PROJECT, runnable
from tests.integration.lesson import Lesson, is_alone
from tests.integration.test_docs import programs

pytestmark = pytest.mark.requires("root", "runc", "nft", "mmdebstrap", "mirror")
PAGE = PROJECT / "docs" / "tracking-images.md"


def test_the_page_works_from_its_first_command_to_its_last(lesson: Lesson, tmp_path: Path) -> None:
    text = PAGE.read_text().replace("python:3.10", lesson.base)
    for name, body in re.findall(r"^```(?:python|dockerfile)\n# (\S+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(body)
    # Of a block with an example of what is printed, the commands alone
    script = "\n".join(block.partition("\n\n")[0] for block in runnable(PAGE))
    env = {**lesson.env, "PATH": f"{programs(tmp_path / 'bin')}:{lesson.env['PATH']}", "WHERRY_TRACK_GIT": "0",
           "WHERRY_RUNS": str(tmp_path / "runs")}  # fmt: skip
    done = subprocess.run(["bash", "-euc", script], cwd=tmp_path, env=env, text=True, check=False, timeout=300,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)  # fmt: skip
    assert done.returncode == 0, done.stdout
    said = done.stdout
    assert re.search(r"Image: +trainer sha256:[0-9a-f]{64}\n", said)
    assert re.search(r"  score +0\.5 +min 0\.5 at 1", said)
    assert re.search(r"^container api \(\w+\) running\n└─ runs image models/mean:prod", said, re.MULTILINE)
    assert re.search(r"learned from data data\.csv \(\w+\) 12B", said)
    assert re.search(r"served by image models/mean:prod \(\w+\)\n.*└─ runs as container api", said)
    # The rate that learns best was chosen, and its model is in the image
    labels = json.loads(lesson.must("image", "inspect", "--format", "{{json .Config.Labels}}", "models/mean:prod"))
    (best,) = json.loads(lesson.must("runs", "inspect", labels["dev.wherry.run"], WHERRY_RUNS=env["WHERRY_RUNS"]))
    assert best["params"] == {"rate": 0.2}
    model = json.loads(lesson.must("run", "--rm", "--network", "none", "models/mean:prod", "cat", "model.json"))
    assert model["mean"] == pytest.approx(5.1, abs=0.2)
    assert lesson.must("ps", "-aq") == ""
    assert is_alone(lesson.root)
