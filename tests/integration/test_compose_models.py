"""Models of a Compose file, served for real: by a stand-in for an OpenAI-compatible server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration import pull_lab
from tests.integration.container_lab import Wherry, eventually
from tests.integration.test_docs import free_port, listens

pytestmark = pytest.mark.requires("root", "busybox", "runc", "nft")

# As llama.cpp's server is called: --model FILE --alias NAME --host ADDRESS --port PORT ...
SERVER = """#!/bin/sh
args="$*"
while [ $# -gt 0 ]; do
  case $1 in --model) model=$2;; --alias) alias=$2;; --port) port=$2;; esac
  shift
done
[ -d "$model" ] && model=$model/weights
touch "$model" 2>/dev/null && echo "the model can be written" && exit 1
mkdir -p /www/v1
echo "{\\"id\\": \\"$alias\\", \\"weights\\": \\"$(cat $model)\\", \\"args\\": \\"$args\\"}" > /www/v1/models
exec httpd -f -p $port -h /www
"""
CLIENT = """
services:
  web:
    image: busybox
    command: sh -c 'wget -qO /got $$LLM_URL/models; echo $$LLM_MODEL > /name; sleep 1000'
    init: true
    stop_signal: KILL
    models: [llm]
models:
  llm:
    model: THE-MODEL
    context_size: 512
    runtime_flags: [--no-mmap]
    x-wherry:
      image: stand-in
      healthcheck: [CMD, wget, -qO-, "http://127.0.0.1:{port}/v1/models"]
"""


class Lab:
    def __init__(self, wherry: Wherry, folder: Path) -> None:
        self.wherry, self.folder = wherry, folder
        context = folder / "server"
        context.mkdir(parents=True)
        (context / "serve").write_text(SERVER)
        (context / "serve").chmod(0o755)
        (context / "Dockerfile").write_text('FROM busybox\nCOPY serve /serve\nENTRYPOINT ["/serve"]\n')
        wherry("build", "-q", "-t", "stand-in", str(context))

    def compose(self, *args: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        files = ("--project-directory", str(self.folder), "-f", f"{self.folder}/compose.yaml")
        return self.wherry("compose", *files, *args, code=code)

    def up(self, model: str) -> dict[str, Any]:
        """What the service that uses it was told, and by whom."""
        (self.folder / "compose.yaml").write_text(CLIENT.replace("THE-MODEL", model, 1))
        self.compose("up", "-d")
        root = Path(f"/proc/{self.wherry.pid('demo-web-1')}/root")
        found: dict[str, Any] = {}

        def came() -> bool:
            try:
                found.update(json.loads((root / "got").read_text()), name=(root / "name").read_text().strip())
            except (OSError, ValueError):
                return False
            return bool(found["name"])

        eventually(came, "an answer of the model")
        return found


@pytest.fixture
def lab(wherry: Wherry, tmp_path: Path) -> Iterator[Lab]:
    made = Lab(wherry, tmp_path.resolve() / "demo")
    yield made
    made.compose("down", "-t", "0")


def test_a_model_of_this_machine_is_served_to_those_that_use_it(lab: Lab) -> None:
    (lab.folder / "tiny.gguf").write_text("seven")
    found = lab.up("./tiny.gguf")
    assert (found["id"], found["name"], found["weights"]) == ("llm", "llm", "seven")
    assert found["args"] == ("--model /model/tiny.gguf --alias llm --host 0.0.0.0 --port 8080 --ctx-size 512 --no-mmap")
    names = lab.wherry("ps", "--format", "{{.Names}}").stdout.split()
    assert sorted(names) == ["demo-model-llm-1", "demo-web-1"]
    first = lab.wherry("inspect", "-f", "{{.Id}}", *sorted(names)).stdout
    lab.compose("up", "-d")
    assert lab.wherry("inspect", "-f", "{{.Id}}", *sorted(names)).stdout == first, "nothing to do, nothing done"
    assert "model-llm-1" in lab.compose("ps", "model-llm").stdout
    lab.compose("logs", "model-llm")
    asked = lab.compose("run", "--rm", "-T", "web", "sh", "-c", "wget -qO- $LLM_URL/models").stdout
    assert json.loads(asked)["weights"] == "seven"
    lab.compose("down", "-t", "0")
    assert lab.wherry("ps", "-aq").stdout == ""


def test_an_image_is_a_model(lab: Lab) -> None:
    context = lab.folder / "weights"
    context.mkdir()
    (context / "weights").write_text("from an image")
    (context / "Dockerfile").write_text("FROM scratch\nCOPY weights /weights\n")
    lab.wherry("build", "-q", "-t", "ai/tiny", str(context))
    assert lab.up("ai/tiny") | {"args": ""} == {
        "id": "ai/tiny", "name": "ai/tiny", "weights": "from an image", "args": "",
    }  # fmt: skip


def test_a_model_of_the_store_is_mounted(lab: Lab) -> None:
    (lab.folder / "packed").mkdir()
    (lab.folder / "packed" / "weights").write_text("packed")
    lab.wherry("model", "pack", "-q", str(lab.folder / "packed"), "ai/packed")
    assert lab.up("ai/packed")["weights"] == "packed"
    assert "is mounted by" in lab.wherry("model", "rm", "ai/packed", code=1).stderr
    lab.compose("down", "-t", "0")
    lab.wherry("model", "rm", "ai/packed")


@pytest.fixture
def registry(tmp_path: Path, wherry: Wherry) -> Iterator[str]:
    port = free_port()
    process = wherry.spawn(
        "registry", "serve", "--addr", f"127.0.0.1:{port}", "--storage", str(tmp_path / "reg"),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        listens(port)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _publish(host: str, repository: str, *files: tuple[str, bytes]) -> None:
    """An artifact as `oras push` makes it: a layer for each file, its name in an annotation."""
    image = pull_lab.Image()
    image.blobs = {pull_lab.digest_of(data): data for _, data in files} | {pull_lab.digest_of(b"{}"): b"{}"}
    layers = [
        image.describe(data, "application/vnd.model.raw", annotations={"org.opencontainers.image.title": name})
        for name, data in files
    ]
    image.manifest = json.dumps({
        "schemaVersion": 2, "mediaType": pull_lab.MANIFEST, "artifactType": "application/vnd.model",
        "config": image.describe(b"{}", "application/vnd.oci.empty.v1+json"), "layers": layers,
    }).encode()  # fmt: skip
    pull_lab.publish(host, repository, image, "1")


def test_an_artifact_of_a_registry_is_fetched_once_and_verified(lab: Lab, registry: str) -> None:
    _publish(registry, "ai/tiny", ("tiny.gguf", b"from far away"), ("docs/README", b"read me"))
    found = lab.up(f"{registry}/ai/tiny:1")
    assert (found["weights"], found["name"]) == ("from far away", f"{registry}/ai/tiny:1")
    (volume,) = [
        name for name in lab.wherry("volume", "ls", "-q").stdout.split() if name.startswith("wherry-artifact-")
    ]
    folder = Path(lab.wherry("volume", "inspect", "-f", "{{.Mountpoint}}", volume).stdout.strip())
    assert (folder / "docs" / "README").read_text() == "read me"
    times = (folder / "tiny.gguf").stat().st_mtime_ns
    lab.compose("down", "-v", "-t", "0")
    assert (folder / "tiny.gguf").exists(), "other projects may use it: `volume prune` takes it"
    assert lab.up(f"{registry}/ai/tiny:1")["weights"] == "from far away"
    assert (folder / "tiny.gguf").stat().st_mtime_ns == times
    lab.compose("down", "-t", "0")
    lab.wherry("volume", "rm", volume)


def test_an_artifact_that_names_files_elsewhere_is_refused(lab: Lab, registry: str) -> None:
    _publish(registry, "ai/evil", ("../../../../tmp/owned", b"x"))
    (lab.folder / "compose.yaml").write_text(CLIENT.replace("THE-MODEL", f"{registry}/ai/evil:1", 1))
    done = lab.compose("up", "-d", code=1)
    assert "a layer is named" in done.stderr
    assert lab.wherry("ps", "-aq").stdout == ""
    assert "wherry-artifact" not in lab.wherry("volume", "ls", "-q").stdout


def test_a_model_that_is_not_there_is_said_before_anything_is_made(lab: Lab) -> None:
    (lab.folder / "compose.yaml").write_text(CLIENT.replace("THE-MODEL", "./none.gguf", 1))
    assert "none.gguf is not there" in lab.compose("up", "-d", code=1).stderr
    assert lab.wherry("ps", "-aq").stdout == ""
    assert "model-llm" in lab.compose("up", "--dry-run").stdout
