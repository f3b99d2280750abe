"""What a monitor is told of its log."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from wherry.engine.containers_bundle import Start
from wherry.engine.containers_log_plan import log_config, log_dropped, log_file, log_plan
from wherry.engine.containers_rows import ContainerRow
from wherry.oci.config import ContainerConfig, ImageConfig
from wherry.oci.platform import Platform
from wherry.runtime.options import LogConfig, RunOptions

ID = "ab" * 32


def plan(driver: str, options: dict[str, str], **more: Any) -> dict[str, Any] | None:
    row = ContainerRow(ID, "web", "sha256:" + "cd" * 32, "shop:1", 1, "ready", "", ("x",), {}, (), False, "{}")
    image = ContainerConfig(labels={"app": "image", "b1": "x"}, env=("PATH=/bin", "E=1"), cmd=("serve", "all"))
    config = ImageConfig(Platform("linux", "amd64"), image)
    return log_plan(Start(row, RunOptions(log=LogConfig(driver, options), **more), config, "/bundle", -1))


def test_json_file_without_options_is_bounded_and_has_no_attributes() -> None:
    assert plan("json-file", {}) == {
        "driver": "json-file", "path": "/bundle/container.log", "max_bytes": 10_000_000, "max_files": 3, "attrs": {},
        "squeezer": [], "ring_bytes": 0, "cache": True, "remote": None,
    }  # fmt: skip


def test_the_users_labels_and_variables_win_over_the_images() -> None:
    found = plan(
        "json-file", {"labels": "app,nosuch", "labels-regex": "^b", "env": "E,F", "tag": "{{.Name}} {{.ImageName}}"},
        labels={"app": "mine"}, env=("F=2", "E=3", "G"),
    )  # fmt: skip
    assert found
    assert found["attrs"] == {"E": "3", "F": "2", "app": "mine", "b1": "x", "tag": "web shop:1"}
    assert list(found["attrs"]) == sorted(found["attrs"])


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("", ID[:12]),
        ("{{.ID}}|{{.FullID}}|{{.ContainerName}}", f"{ID[:12]}|{ID}|/web"),
        ("{{.ImageID}} {{.ImageFullID}}", f"sha256:{'cd' * 32}"[:12] + f" sha256:{'cd' * 32}"),
        ("{{.Hostname}}", os.uname().nodename),
        ("{{.Command}} {{.DaemonName}}", "serve all docker"),
    ],
)
def test_the_fields_of_a_tag_are_dockers(template: str, text: str) -> None:
    found = plan("syslog", {"tag": template} if template else {})
    assert found
    assert found["remote"]["tag"] == text


def test_what_is_no_utf8_can_still_be_told() -> None:
    found = plan("json-file", {"env": "X", "tag": "t\udcff"}, env=("X=\udce9",))
    assert found
    assert json.dumps(found).encode()
    assert found["attrs"] == {"X": "\ufffd", "tag": "t\ufffd"}


def test_a_driver_that_sends_has_its_own_part_and_a_copy() -> None:
    found = plan("syslog", {"syslog-address": "tcp://logs:601", "syslog-format": "rfc5424", "cache-max-size": "1m"})
    assert found
    assert (found["path"], found["max_bytes"], found["max_files"]) == ("/bundle/local.log", 1 << 20, 5)
    assert (found["remote"]["network"], found["remote"]["address"]) == ("tcp", "logs:601")
    assert (found["remote"]["waits"], found["remote"]["ring_bytes"]) == (True, 1 << 20)
    loose = plan("syslog", {"mode": "non-blocking", "max-buffer-size": "2m", "cache-disabled": "true"})
    assert loose
    assert (loose["remote"]["waits"], loose["remote"]["ring_bytes"], loose["cache"]) == (False, 2 << 20, False)


def test_a_journals_fields_are_dockers() -> None:
    found = plan("journald", {"labels": "app,_x.y-z"}, labels={"_x.y-z": "v"})
    assert found
    assert dict(found["remote"]["fields"]) == {
        "CONTAINER_ID": ID[:12], "CONTAINER_ID_FULL": ID, "CONTAINER_NAME": "web", "CONTAINER_TAG": ID[:12],
        "IMAGE_NAME": "shop:1", "SYSLOG_IDENTIFIER": ID[:12], "APP": "image", "X_Y_Z": "v",
    }  # fmt: skip


def test_driver_none_has_no_plan_and_no_file() -> None:
    assert plan("none", {}) is None
    assert log_file("/bundle", "none") == ""


def test_only_a_log_with_a_bound_is_compressed() -> None:
    squeezed, endless = plan("local", {}), plan("local", {"max-size": "0"})
    assert squeezed
    assert endless
    assert squeezed["squeezer"]
    assert endless["squeezer"] == []


def test_inspect_shows_the_bounds_that_nobody_asked_for() -> None:
    assert log_config(LogConfig()) == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
    assert log_config(LogConfig("local", {})) == {"Type": "local", "Config": {}}


def test_what_was_lost_is_the_target_of_a_link(tmp_path: Path) -> None:
    assert log_dropped(str(tmp_path), "json-file") == 0
    (tmp_path / "container.log-dropped").symlink_to("812")
    assert log_dropped(str(tmp_path), "json-file") == 812
