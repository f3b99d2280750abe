from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.oci.config import Healthcheck
from wherry.runtime.options import (
    DeviceRequest,
    LogConfig,
    MountRequest,
    PortRequest,
    RestartPolicy,
    RunOptions,
    Ulimit,
)

FULL = RunOptions(
    command=("sh", "-c", "true"),
    entrypoint=(),
    env=("A=1", "B"),
    labels={"a": "b"},
    restart=RestartPolicy("on-failure", 3),
    health=Healthcheck(("CMD", "true"), interval_ns=5),
    log=LogConfig("json-file", {"max-size": "1m"}),
    mounts=(
        MountRequest("tmpfs", "", "/t", options=("size=1m",)),
        MountRequest("volume", "v", "/v", labels={"x": "y"}),
    ),
    ports=(PortRequest(80, host_port=8080, host_port_last=8080),),
    devices=(DeviceRequest("/dev/fuse", "/dev/fuse"),),
    ulimits=(Ulimit("nofile", 1, 2),),
    stop_timeout_s=0,
    sysctls={"net.core.somaxconn": "1024"},
)


def test_options_survive_the_database() -> None:
    assert RunOptions.from_json(json.loads(json.dumps(FULL.to_json()))) == FULL


def test_default_options_take_no_room() -> None:
    assert RunOptions().to_json() == {}
    assert RunOptions.from_json({}) == RunOptions()


def test_no_entrypoint_and_the_images_entrypoint_stay_apart() -> None:
    assert RunOptions.from_json(RunOptions(entrypoint=()).to_json()).entrypoint == ()
    assert RunOptions.from_json(RunOptions().to_json()).entrypoint is None


def test_a_row_of_a_newer_version_still_reads() -> None:
    doc = {**FULL.to_json(), "teleport": True, "ports": [{"container_port": 80, "colour": "red"}]}
    assert RunOptions.from_json(doc).ports == (PortRequest(80),)


texts = st.text(max_size=8)


@settings(max_examples=40)
@given(
    st.builds(
        RunOptions,
        command=st.lists(texts).map(tuple),
        entrypoint=st.none() | st.lists(texts).map(tuple),
        env=st.lists(texts).map(tuple),
        labels=st.dictionaries(texts, texts),
        tty=st.booleans(),
        memory_bytes=st.integers(0, 1 << 60),
        stop_timeout_s=st.none() | st.integers(-1, 100),
        mounts=st.lists(
            st.builds(MountRequest, texts, texts, texts, options=st.lists(texts).map(tuple), copy=st.booleans())
        ).map(tuple),
    )
)
def test_any_options_survive_the_database(options: RunOptions) -> None:
    assert RunOptions.from_json(json.loads(json.dumps(options.to_json()))) == options
