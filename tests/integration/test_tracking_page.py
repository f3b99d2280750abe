"""The page on tracking, typed from its first command to its last: no container in it, and no root."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.docs_text import PROJECT, runnable

PAGE = PROJECT / "docs" / "tracking.md"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    programs = tmp_path / "bin"
    programs.mkdir()
    main = "import sys; from wherry.cli.main import main; sys.exit(main(sys.argv[1:]))"
    for name, text in (
        ("wherry", f"exec {sys.executable} -c '{main}' \"$@\""),
        ("python", f'exec {sys.executable} "$@"'),
    ):
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    return {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(PROJECT / "src"), "HOME": str(tmp_path),
            "WHERRY_ROOT": str(tmp_path / "root"), "WHERRY_TRACK_GIT": "0"}  # fmt: skip


def test_the_page_works_from_its_first_command_to_its_last(tmp_path: Path, env: dict[str, str]) -> None:
    ((name, program),) = re.findall(
        r"^```python\n# (train\.py)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    (tmp_path / name).write_text(program)
    # Of a block with an example of what is printed, the commands alone
    lines = [line for block in runnable(PAGE) for line in block.partition("\n\n")[0].splitlines()]
    done = subprocess.run(["bash", "-euc", "\n".join(lines)], cwd=tmp_path, env=env, capture_output=True, text=True,
                          check=False, timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "trained\n" in done.stdout
    assert re.search(r"RUN ID +NAME +EXPERIMENT +STATUS +STARTED +DURATION +METRICS\n", done.stdout)
    assert re.search(r"^param +lr +0\.1 +0\.02$", done.stdout, re.MULTILINE)
    assert re.search(r"^\s+\S* ┤.*[\u2801-\u28ff]", done.stdout, re.MULTILINE)
    ET.parse(tmp_path / "loss.svg")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert len((tmp_path / "points.csv").read_text().splitlines()) == 101
    both = [json.loads(line) for line in (tmp_path / "runs.json").read_text().splitlines()]
    assert [one["params"]["lr"] for one in both] == [0.1, 0.02]
    assert both[0]["artifacts"][0]["name"] == "model.txt"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, "killed"), (signal.SIGTERM, "killed")])
def test_a_signal_reaches_the_command_and_ends_the_run(
    tmp_path: Path, env: dict[str, str], number: int, status: str
) -> None:
    words = ["wherry", "track", "--name", "it", "--", "sh", "-c", "echo ready; exec sleep 60"]
    with subprocess.Popen(words, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True, process_group=0) as child:
        assert child.stdout
        assert child.stdout.readline() == "ready\n"
        if number == signal.SIGINT:
            os.killpg(child.pid, number)  # as a terminal does
        else:
            child.send_signal(number)
    assert child.returncode == 128 + number
    told = subprocess.run(["wherry", "runs", "inspect", "--format", "{{.status}} {{.exit_code}}", "it"], env=env,
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert told.stdout == f"{status} {128 + number}\n"
