"""`compose.record`: frozen records with defaults."""

from __future__ import annotations

import pytest

from wherry.compose.model import Network, Project, Service, Volume
from wherry.compose.model_build import Deploy, SshKey
from wherry.compose.model_parts import Port


def test_defaults_are_what_an_absent_key_means() -> None:
    service = Service(name="web")
    assert (service.image, service.command, service.ports, dict(service.labels)) == ("", None, (), {})
    assert service == Service(name="web", image="", ports=())
    assert service != Service(name="web", image="x")
    assert Network() != Volume()


def test_a_record_is_frozen() -> None:
    port = Port(target=80)
    with pytest.raises(AttributeError):
        port.target = 81  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del port.target
    with pytest.raises(TypeError):
        Service(name="web").labels["a"] = "b"  # type: ignore[index]


def test_unknown_and_missing_fields_are_told() -> None:
    with pytest.raises(TypeError, match="no field 'imag'"):
        Service(name="web", imag="x")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="needs 'id'"):
        SshKey()  # type: ignore[call-arg]


def test_replace_changes_a_copy() -> None:
    service = Service(name="web", image="x")
    assert service.replace(image="y").image == "y"
    assert service.image == "x"


@pytest.mark.parametrize(
    ("service", "replicas"),
    [
        (Service(name="a"), 1),
        (Service(name="a", scale=0), 0),
        (Service(name="a", deploy=Deploy(replicas=3)), 3),
        (Service(name="a", scale=2, deploy=Deploy(replicas=3)), 2),
    ],
)
def test_replicas(service: Service, replicas: int) -> None:
    assert service.replicas == replicas
    assert service.scaled(7).replicas == 7


def test_all_services_are_the_active_and_the_disabled_ones() -> None:
    project = Project(
        name="p", working_dir="/", services={"a": Service(name="a")}, disabled_services={"b": Service(name="b")}
    )
    assert list(project.all_services()) == ["a", "b"]
    assert project.service("b") is None
