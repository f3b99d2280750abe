"""From a run to the image that serves its artifact, and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.container_lab import Wherry

pytestmark = pytest.mark.requires("root", "runc", "busybox")

TRAIN = "cd $WHERRY_RUN/outputs; mkdir m; echo weights > m/model.bin; echo plot > p.svg"


@pytest.fixture
def run(wherry: Wherry, tmp_path: Path) -> dict[str, Any]:
    """A finished run with two artifacts, and data."""
    (tmp_path / "data.csv").write_text("a,b\n")
    wherry("run", "--rm", "--track", "--network", "none", "--experiment", "iris",
           "--data", f"train={tmp_path}/data.csv", "busybox", "sh", "-c", TRAIN)  # fmt: skip
    (found,) = json.loads(wherry("runs", "inspect", "latest").stdout)
    return dict(found)


def labels(wherry: Wherry, image: str) -> dict[str, str]:
    return dict(json.loads(wherry("image", "inspect", "--format", "{{json .Config.Labels}}", image).stdout))


def test_the_artifact_is_put_on_the_image_of_the_run(wherry: Wherry, run: dict[str, Any]) -> None:
    words = ("runs", "promote", run["id"][:12], "-a", "m/model.bin=/models/", "--label", "team=a")
    first = wherry(*words, "--to", "models/iris:prod", "-q").stdout
    assert wherry(*words, "--to", "models/iris:again", "-q").stdout == first
    assert (
        wherry("run", "--rm", "--network", "none", "models/iris:prod", "cat", "/models/model.bin").stdout == "weights\n"
    )
    found = labels(wherry, "models/iris:prod")
    assert (found["dev.wherry.run"], found["dev.wherry.run.experiment"], found["team"]) == (run["id"], "iris", "a")
    assert json.loads(found["dev.wherry.run.artifacts"]) == {"m/model.bin": run["artifacts"][0]["digest"]}
    assert json.loads(found["dev.wherry.run.data"]) == {"train": run["data"][0]["digest"]}
    (now,) = json.loads(wherry("runs", "inspect", run["id"]).stdout)
    assert [one["image"]["name"] for one in now["promoted"]] == ["models/iris:prod", "models/iris:again"]
    assert now["promoted"][0]["image"]["id"] == first.strip()


def test_a_dockerfile_takes_artifacts_from_the_run(wherry: Wherry, run: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "serve").mkdir()
    (tmp_path / "serve" / "main.sh").write_text("cat /app/model.bin\n")
    (tmp_path / "serve" / "serve.Dockerfile").write_text(
        'FROM busybox\nWORKDIR /app\nCOPY main.sh .\nCOPY --from=run m/model.bin p.svg ./\nCMD ["sh", "main.sh"]\n'
    )
    said = wherry("runs", "promote", run["name"], "--build", str(tmp_path / "serve"), "-f",
                  str(tmp_path / "serve" / "serve.Dockerfile"), "--to", "served")  # fmt: skip
    assert said.stdout.startswith(f"served:latest serves run {run['name']}: ")
    assert wherry("run", "--rm", "--network", "none", "served").stdout == "weights\n"
    assert labels(wherry, "served")["dev.wherry.run"] == run["id"]


def test_what_can_not_be_promoted_leaves_no_image(wherry: Wherry, run: dict[str, Any]) -> None:
    wherry("run", "--rm", "--track", "--network", "none", "busybox", "false", code=1)
    for words, said in (
        (("latest", "--to", "x:1"), "is failed\nhint: to promote it all the same: --force"),
        ((run["id"], "--to", "x:1"), "has 2 artifacts: m/model.bin, p.svg"),
        ((run["id"], "-a", "nosuch", "--to", "x:1"), "the run has no artifact nosuch"),
        ((run["id"], "-a", "p.svg"), "the image needs a name"),
        ((run["id"], "-a", "p.svg", "--image", "nosuch.invalid/x", "--to", "x:1"), "nosuch.invalid"),
        ((run["id"], "-a", "p.svg", "-f", "x", "--to", "x:1"), "--file names a Dockerfile of --build"),
    ):
        assert said in wherry("runs", "promote", *words, code=1).stderr
    assert "x:1" not in wherry("images").stdout
    assert "promoted" not in json.loads(wherry("runs", "inspect", run["id"]).stdout)[0]


def test_a_promoted_base_image_leaves_nothing_of_its_own_run(wherry: Wherry, run: dict[str, Any]) -> None:
    wherry("runs", "promote", run["id"], "-a", "p.svg", "--to", "base:1")
    wherry("run", "--rm", "--track", "--network", "none", "base:1", "sh", "-c", "echo 2 > $WHERRY_RUN/outputs/two")
    wherry("runs", "promote", "latest", "--to", "second:1")
    found = labels(wherry, "second:1")
    assert found["dev.wherry.run"] != run["id"]
    assert found["dev.wherry.run.data"] == ""
    assert found["dev.wherry.run.image"].startswith("base:1@sha256:")


def nodes(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """By relation and kind."""
    found = {(document.get("relation", ""), document["kind"]): document}
    for one in document["links"]:
        found |= nodes(one)
    return found


def test_lineage_leads_from_a_container_to_the_data_and_back_from_the_run(wherry: Wherry, run: dict[str, Any]) -> None:
    wherry("runs", "promote", run["id"], "-a", "m/model.bin", "--to", "models/iris:live")
    wherry("run", "-d", "--name", "api", "--network", "none", "models/iris:live", "sleep", "1000")
    up = nodes(json.loads(wherry("lineage", "--format", "json", "api").stdout))
    assert up["serves", "run"]["id"] == run["id"]
    assert up["learned from", "data"]["id"] == run["data"][0]["digest"]
    assert up["kept", "artifact"]["name"] == "m/model.bin"
    assert up["ran in", "image"]["id"] == run["image"]["id"]
    # A checkout without git, or of another user, has none
    commit = run.get("git", {}).get("commit")
    assert up.get(("code", "commit"), {}).get("id") == commit
    down = nodes(json.loads(wherry("lineage", "--format", "json", "--type", "run", run["name"]).stdout))
    assert down["served by", "image"]["names"] == ["models/iris:live"]
    assert down["runs as", "container"]["name"] == "api"
    lines = wherry("lineage", "models/iris:live").stdout.splitlines()
    assert lines[0].startswith("image models/iris:live (")
    assert lines[1].startswith(f"├─ serves run {run['name']} ({run['id'][:12]}) finished")
    assert lines[-1].startswith("└─ runs as container api (")

    # Without the run, the image's labels still say it
    wherry("runs", "rm", run["id"])
    told = nodes(json.loads(wherry("lineage", "--format", "json", "api").stdout))
    assert (told["serves", "run"]["name"], told["serves", "run"]["here"]) == (run["name"], False)
    assert told["learned from", "data"]["id"] == run["data"][0]["digest"]
    assert told.get(("code", "commit"), {}).get("id") == commit
    assert "not on this machine" in wherry("lineage", "api").stdout


def test_lineage_of_what_is_not_there(wherry: Wherry, run: dict[str, Any]) -> None:
    assert "No such container, image or run: nosuch" in wherry("lineage", "nosuch", code=1).stderr
    assert "No such run: busybox" in wherry("lineage", "--type", "run", "busybox", code=1).stderr
    assert '"volume" is not a valid value for --type' in wherry("lineage", "--type", "volume", "x", code=1).stderr
    wherry("runs", "promote", run["id"], "-a", "p.svg", "--to", "gone:1")
    wherry("rmi", "gone:1")
    assert "served by image gone:1 (" in wherry("lineage", run["name"]).stdout
