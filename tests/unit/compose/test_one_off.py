"""What `run` makes of a service."""

from __future__ import annotations

import pytest

from wherry.compose.model import Project, Service
from wherry.compose.model_build import Deploy, RestartPolicy
from wherry.compose.model_parts import Dependency, Port
from wherry.compose.one_off import OneOff, changed, closure

WEB = Service(
    name="web", image="x", command=("serve",), entrypoint=("/entry",), environment={"A": "file", "B": "file"},
    labels={"l": "file"}, user="7", working_dir="/app", cap_add=("NET_ADMIN",), cap_drop=("CHOWN",),
    ports=(Port(target=80),), restart="always", container_name="mine", scale=3,
    deploy=Deploy(replicas=2, restart_policy=RestartPolicy(condition="any")),
    depends_on={"db": Dependency()},
)  # fmt: skip


def test_by_itself_it_is_the_service_without_what_belongs_to_up() -> None:
    one = changed(WEB, OneOff("web"))
    assert (one.command, one.entrypoint, one.user, one.working_dir) == (("serve",), ("/entry",), "7", "/app")
    assert (one.ports, one.restart, one.container_name, one.replicas) == ((), "", "", 1)
    assert one.deploy
    assert one.deploy.restart_policy is None
    assert one.depends_on == WEB.depends_on


def test_what_is_asked_for_goes_over_the_service() -> None:
    wish = OneOff(
        "web", ("sh", "-c", "x"), environment={"A": "flag", "C": "flag"}, labels={"l": "flag"}, user="8", workdir="/w",
        cap_add=("CHOWN", "SYS_TIME"), cap_drop=("NET_ADMIN",), tty=True, stdin=True, dependencies=False,
    )  # fmt: skip
    one = changed(WEB, wish)
    assert (one.command, one.entrypoint) == (("sh", "-c", "x"), ("/entry",))
    assert one.environment == {"A": "flag", "B": "file", "C": "flag"}
    assert (one.labels, one.user, one.working_dir) == ({"l": "flag"}, "8", "/w")
    assert (one.cap_add, one.cap_drop) == (("CHOWN", "SYS_TIME"), ("NET_ADMIN",))
    assert (one.tty, one.stdin_open, one.depends_on) == (True, True, {})


@pytest.mark.parametrize(("command", "want"), [((), ()), (("a",), ("a",))])
def test_another_entrypoint_takes_the_command_with_it(command: tuple[str, ...], want: tuple[str, ...]) -> None:
    one = changed(WEB, OneOff("web", command, entrypoint=("sh",)))
    assert (one.entrypoint, one.command) == (("sh",), want)


def test_ports_come_when_they_are_asked_for() -> None:
    assert changed(WEB, OneOff("web", service_ports=True)).ports == WEB.ports


def test_its_dependencies_are_all_that_it_leads_to() -> None:
    def service(name: str, *needs: str) -> Service:
        return Service(name=name, depends_on={one: Dependency() for one in needs})

    services = {
        one.name: one
        for one in (service("web", "db", "cache"), service("db", "setup"), service("setup"), service("cache", "gone"),
                    service("other", "web"))
    }  # fmt: skip
    project = Project(name="p", working_dir="/", services=services)
    assert list(closure(project, services["web"])) == ["cache", "db", "setup"]
    assert list(closure(project, services["setup"])) == []
