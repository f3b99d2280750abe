"""Pure parts of the container verbs: filters, status texts, signals, log bounds, probes."""

from __future__ import annotations

import pytest

from wherry.engine.containers_bundle import Start, effective_health
from wherry.engine.containers_list import parse_filters, status_text
from wherry.engine.containers_rows import ContainerRow
from wherry.errors import InputError
from wherry.oci.config import ContainerConfig, Healthcheck, ImageConfig
from wherry.oci.platform import Platform
from wherry.runtime.options import RunOptions
from wherry.runtime.parse_values import signal_name, signal_number
from wherry.runtime.state import ContainerState


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("TERM", 15), ("SIGTERM", 15), ("sigkill", 9), ("9", 9), ("HUP", 1), ("RTMIN+3", 37), ("RTMAX-1", 63),
        ("SIGRTMAX", 64),
    ],
)  # fmt: skip
def test_signals_by_name_and_number(text: str, number: int) -> None:
    assert signal_number(text) == number
    assert signal_name(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "NOPE", "0", "99", "-1", "SIG", "DFL", "RTMIN+x", "SIG_IGN", "RTMIN-3", "RTMIN+31", "RTMAX-31", "\u0663"],
)
def test_signals_that_are_none(text: str) -> None:
    """Neither for `kill` nor for `create --stop-signal`, which once took what `stop` then refused."""
    for read in (signal_number, signal_name):
        with pytest.raises(InputError, match="invalid signal"):
            read(text)


def test_filters_collect_values_by_key() -> None:
    assert parse_filters(["status=exited", "label=a=b", "label=c"]) == {"status": ["exited"], "label": ["a=b", "c"]}
    assert parse_filters(["label!=a", "until=24h"], prune=True) == {"label!": ["a"], "until": ["24h"]}


@pytest.mark.parametrize(
    "word", ["nonsense=1", "status", "status=asleep", "until=1h", "=x", "exited=soon", "health=fair", "is-task=perhaps"]
)
def test_filters_that_are_none(word: str) -> None:
    with pytest.raises(InputError):
        parse_filters([word])


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (ContainerState("created"), "Created"),
        (ContainerState("running"), "Up 3 hours"),
        (ContainerState("paused"), "Up 3 hours (Paused)"),
        (ContainerState("running", health={"Status": "starting"}), "Up 3 hours (health: starting)"),
        (ContainerState("running", health={"Status": "unhealthy"}), "Up 3 hours (unhealthy)"),
        (ContainerState("exited", exit_code=137, finished_ns=1), "Exited (137) 3 hours ago"),
        (ContainerState("restarting", exit_code=1), "Restarting (1) 3 hours ago"),
        (ContainerState("removing"), "Removal In Progress"),
    ],
)
def test_status_texts_are_dockers(state: ContainerState, text: str) -> None:
    assert status_text(state, "3 hours") == text


def start(image: Healthcheck | None, own: Healthcheck | None) -> Start:
    row = ContainerRow("a" * 64, "n", "i", "i", 1, "ready", "", ("x",), {}, (), False, "{}")
    config = ImageConfig(Platform("linux", "amd64"), ContainerConfig(healthcheck=image))
    return Start(row, RunOptions(health=own), config, "/bundle", -1)


def test_own_probes_are_laid_over_the_images() -> None:
    image = Healthcheck(("CMD", "a"), interval_ns=5, retries=2)
    assert effective_health(start(image, None)) == image
    assert effective_health(start(image, Healthcheck((), retries=9))) == image._replace(retries=9)
    assert effective_health(start(None, Healthcheck(("CMD", "b")))) == Healthcheck(("CMD", "b"))


def test_none_switches_probes_off() -> None:
    image = Healthcheck(("CMD", "a"))
    assert effective_health(start(image, Healthcheck(("NONE",)))) is None
    assert effective_health(start(Healthcheck(("NONE",)), None)) is None
    assert effective_health(start(None, None)) is None
