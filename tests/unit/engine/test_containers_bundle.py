from __future__ import annotations

import pytest

from wherry.engine.containers_bundle import Start, network_request
from wherry.engine.containers_rows import ContainerRow
from wherry.errors import InputError
from wherry.oci.config import ContainerConfig, ImageConfig
from wherry.oci.platform import Platform
from wherry.runtime.options import RunOptions


def _start(*exposed: str) -> Start:
    config = ImageConfig(Platform("linux", "amd64"), ContainerConfig(exposed_ports=exposed))
    row = ContainerRow(*["0" * 64 if one == "id" else "" for one in ContainerRow._fields])  # type: ignore[arg-type]
    return Start(row, RunOptions(publish_all=True), config, "/bundle", -1)


def test_all_exposed_ports_of_the_image_are_published() -> None:
    ports = network_request(_start("80", "53/udp", "65535/tcp")).ports
    assert [(one.container_port, one.protocol) for one in ports] == [(80, "tcp"), (53, "udp"), (65535, "tcp")]


@pytest.mark.parametrize(
    "exposed", ["abc", "", "0", "-1", "65536/tcp", "99999999999999/tcp", "80/evil;x", "٨٠", "80-90"]
)
def test_what_a_hostile_image_exposes_is_refused_in_words(exposed: str) -> None:
    with pytest.raises(InputError, match="exposed port"):
        network_request(_start(exposed))
