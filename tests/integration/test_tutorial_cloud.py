"""From a folder with a program, a model and requirements to a deployment, as docs/tutorial-cloud.md types it.

AWS is moto's server. It takes no layers and starts no tasks: a registry of ours stands in for ECR, and a container of
this machine answers where the load balancer would.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.docs_text import PROJECT, runnable
from tests.integration.lesson import MAIN, Lesson, is_alone
from tests.integration.test_docs import end, free_port, listens, programs

pytestmark = [
    pytest.mark.requires("root", "runc", "nft", "mmdebstrap", "mirror", "pypi", "moto", "git"),
    pytest.mark.filterwarnings("ignore"),
]
REGISTRY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"


@pytest.fixture
def ecr(lesson: Lesson, tmp_path: Path) -> Iterator[str]:
    """A registry that answers for the account's; the path of the file that says so."""
    port = free_port()
    argv = [sys.executable, "-c", MAIN, "registry", "serve", "--addr", f"localhost:{port}"]
    process = subprocess.Popen(
        [*argv, "--storage", str(tmp_path / "registry")], env=lesson.env, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        listens(port)
        conf = tmp_path / "registries.conf"
        conf.write_text(f'[[registry]]\nprefix = "{REGISTRY}"\nlocation = "localhost:{port}"\ninsecure = true\n')
        yield str(conf)
    finally:
        end(process)


@pytest.fixture
def aws() -> Iterator[dict[str, str]]:
    """The variables under which boto3 finds moto."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
    }  # fmt: skip
    server.stop()


def python_of(lesson: Lesson) -> str:
    """One that the newest wheels are for, with the base image that `init` names for it."""
    offers = lesson.must("bootstrap", "--list")
    found = next(version for version in ("3.13", "3.12") if f"python:{version} " in offers)
    lesson.must("bootstrap", f"python:{found}-slim-trixie")
    return found


def test_from_a_folder_to_a_deployment(lesson: Lesson, ecr: str, aws: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "work"
    for name in ("flowers", "flowers-training"):
        shutil.copytree(PROJECT / "examples" / name, folder / "examples" / name)
    assert {one.name for one in (folder / "examples" / "flowers").iterdir()} == {
        "main.py", "model.safetensors", "requirements.txt"
    }  # fmt: skip
    (folder / "examples" / "flowers" / ".python-version").write_text(python_of(lesson) + "\n")
    port = free_port()

    def here(text: str) -> str:
        """A free port; and what answers on this machine, where the load balancer's address leads nowhere."""
        text = text.replace("8000:8000", f"{port}:8000").replace("localhost:8000", f"localhost:{port}")
        return text.replace("contract.yaml --yes", f"contract.yaml --verify-url http://localhost:{port} --yes")

    env = {
        **lesson.env, **aws, "CONTAINERS_REGISTRIES_CONF": ecr, "no_proxy": "localhost,127.0.0.1",
        "NO_PROXY": "localhost,127.0.0.1", "PATH": f"{programs(tmp_path / 'bin')}:{lesson.env['PATH']}",
    }  # fmt: skip
    said = []
    for block in map(here, runnable(PROJECT / "docs" / "tutorial-cloud.md")):
        done = subprocess.run(
            ["bash", "-euc", block], cwd=folder, env=env, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
        said.append(f"$ {block}{done.stdout}{done.stderr}")
    everything = "\n".join(said)
    assert '"species":"setosa"' in everything
    assert "2 requests, 0 checks, all as expected" in everything
    assert re.search(r"serves run .*\n(.*\n)*?.*learned from data irises", everything)
    assert everything.count("\nImage:     " + REGISTRY + "/wherry/flowers@sha256:") == 1
    assert "every byte is as it was written" in everything
    check_documents(folder)
    assert lesson.must("ps", "-aq") == ""
    assert is_alone(lesson.root)


def check_documents(folder: Path) -> None:
    kinds = [one["kind"] for path in (folder / "kubernetes").iterdir() for one in yaml.safe_load_all(path.read_text())]
    assert {"Deployment", "Service", "HorizontalPodAutoscaler"} <= set(kinds)
    assert "<svg" in (folder / "loss.svg").read_text()
    contract = (folder / "contract.yaml").read_text()
    assert (contract.count("!type number"), contract.count("species: virginica")) == (6, 1)
    assert "wherry verify" in (folder / "pipeline.yml").read_text()
    assert json.loads((folder / "azure" / "template.json").read_text())["resources"]
