"""Other people's projects, and our examples: every service can be asked of the engine, and every project planned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from wherry.compose.config_hash import service_hash
from wherry.compose.container_names import container_name
from wherry.compose.decide import ReconcileOptions
from wherry.compose.diverge import Standard
from wherry.compose.load import LoadRequest, load
from wherry.compose.model import Project
from wherry.compose.observe import Observed, ObservedNetwork, ObservedVolume
from wherry.compose.plan import CreateContainer
from wherry.compose.project_resources import network_wish, volume_wish
from wherry.compose.reconcile import reconcile
from wherry.compose.reconcile_resources import used_networks, used_volumes
from wherry.compose.run_options import Facts, Identity, container_request
from wherry.oci.config import ContainerConfig, ImageConfig
from wherry.oci.platform import Platform

EXAMPLES = Path(__file__).parents[3] / "examples"
IMAGE = ImageConfig(Platform("linux", "amd64"), ContainerConfig(cmd=("serve",)), ())


def projects(*folders: Path) -> Iterator[Project]:
    for folder in folders:
        for path in sorted(folder.rglob("*compose.y*ml")):
            request = LoadRequest(
                current_dir=str(path.parent), files=(path.name,), environment={"HOME": "/root"}, profiles=("*",)
            )
            yield load(request)


def check(project: Project) -> None:
    names = {name: container_name(project.name, one, 1) for name, one in project.services.items()}
    containers = {name: ((f"{place:064x}", names[name]),) for place, name in enumerate(names)}
    for name, service in project.services.items():
        request = container_request(project, service, Identity(names[name]), Facts("id", IMAGE, containers))
        assert request.options.labels["com.docker.compose.service"] == name
    networks = {network_wish(project, key).name for key in used_networks(project)}
    volumes = {volume_wish(project, key).name for key in used_volumes(project)}
    assert all(name.strip() for name in networks | volumes)
    there = Observed(
        project.name,
        networks={one.name: ObservedNetwork(one.name, "i") for one in project.networks.values() if one.external},
        volumes={one.name: ObservedVolume(one.name) for one in project.volumes.values() if one.external},
    )
    plan = reconcile(project, there, Standard(project, service_hash), ReconcileOptions())
    made = [step.operation for step in plan.steps if isinstance(step.operation, CreateContainer)]
    assert len(made) == sum(one.replicas for one in project.services.values() if one.provider is None)


def test_the_examples_can_be_planned() -> None:
    found = list(projects(EXAMPLES))
    assert found
    for project in found:
        check(project)


def test_real_projects_can_be_planned(corpus: Callable[[str], Path]) -> None:
    found = list(projects(corpus("compose")))
    assert len(found) > 30
    for project in found:
        check(project)
