"""Whatever is there: the plan can be run in any order that it allows, brings the project about, and spares the rest."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.compose.plan_cases import hash_of
from tests.unit.compose.plan_world import IMAGE, World
from wherry.compose import labels
from wherry.compose.config_hash import network_hash, volume_hash
from wherry.compose.container_names import container_name, temporary_name
from wherry.compose.decide import ReconcileOptions
from wherry.compose.diverge import Standard
from wherry.compose.model import Network, Project, Volume
from wherry.compose.model_parts import Dependency, Mount
from wherry.compose.model_service import Service
from wherry.compose.observe import Observed, ObservedContainer, ObservedNetwork, ObservedVolume
from wherry.compose.order import with_parents
from wherry.compose.plan import RemoveContainer, RemoveNetwork, RemoveVolume, Step
from wherry.compose.reconcile import reconcile
from wherry.compose.reconcile_down import DownOptions, reconcile_down

NAMES = "abcd"
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def projects(draw: st.DrawFn) -> Project:
    services = {}
    names = NAMES[: draw(st.integers(1, len(NAMES)))]
    for place, name in enumerate(names):
        before = names[:place]
        depends = {
            other: Dependency(
                condition=draw(st.sampled_from(["service_started", "service_healthy"])), restart=draw(st.booleans())
            )
            for other in before
            if draw(st.booleans())
        }
        keys: dict[str, Any] = {"networks": {key: None for key in ("default", "back") if draw(st.booleans())}}
        if before and draw(st.integers(0, 3)) == 0:
            parent = draw(st.sampled_from(before))
            keys = {"networks": {}, "network_mode": f"service:{parent}"}
            depends[parent] = Dependency(restart=True)
        mounts = [Mount(type="volume", source="data", target="/d")] if draw(st.booleans()) else []
        mounts += [Mount(type="volume", target="/anon")] if draw(st.booleans()) else []
        if place and draw(st.integers(0, 4)) == 0:
            keys["links"] = (before[-1],)
        scale = draw(st.integers(1, 3)) if name not in "".join(keys.get("network_mode", "")) else 1
        services[name] = Service(
            name=name, image="app", depends_on=depends, volumes=tuple(mounts), scale=scale, **keys
        )  # fmt: skip
    return Project(
        name="shop", working_dir="/", services=services,
        networks={key: Network(name=f"shop_{key}") for key in ("default", "back")},
        volumes={"data": Volume(name="shop_data")},
    )  # fmt: skip


@st.composite
def worlds(draw: st.DrawFn, project: Project) -> Observed:
    networks = {"bridge": ObservedNetwork("bridge", "bridge"), "foreign": ObservedNetwork("foreign", "f", "x", "other")}
    for key, network in project.networks.items():
        if draw(st.booleans()):
            mark = draw(st.sampled_from([network_hash(network), network_hash(network), "old", ""]))
            networks[network.name] = ObservedNetwork(network.name, f"id-{key}", key, "shop", mark)
    volumes = {"mine": ObservedVolume("mine"), "theirs": ObservedVolume("theirs", "data", "other")}
    if draw(st.booleans()):
        mark = draw(st.sampled_from([volume_hash(project.volumes["data"]), "old"]))
        volumes["shop_data"] = ObservedVolume("shop_data", "data", "shop", mark)
    containers: list[ObservedContainer] = []
    for name in [*project.services, "gone"]:
        for number in sorted(draw(st.sets(st.integers(1, 4), max_size=3))):
            containers.append(_container(draw, project, name, number, containers, networks, volumes))
            if draw(st.integers(0, 4)) == 0:
                containers.append(_leftover(draw, project, containers[-1], len(containers)))
    return Observed("shop", tuple(containers), networks, volumes)


def _container(
    draw: st.DrawFn,
    project: Project,
    name: str,
    number: int,
    before: list[ObservedContainer],
    networks: dict[str, ObservedNetwork],
    volumes: dict[str, ObservedVolume],
) -> ObservedContainer:
    service = project.services.get(name)
    id = f"{len(before) + 1:02x}" * 32
    one_off = draw(st.integers(0, 9)) == 0
    mark = "old"
    if service is not None and draw(st.booleans()):
        mark = hash_of(with_parents(service, {one.service: one.id for one in reversed(before) if not one.one_off}))
    status = draw(st.sampled_from(["running", "running", "exited", "created", "paused", "restarting"]))
    wanted = [project.networks[key].name for key in service.networks] if service else []
    on = tuple(one for one in wanted if one in networks)
    mounts = [
        (one.target, project.volumes[one.source].name if one.source else id, not one.source)
        for one in (service.volumes if service else ())
    ]
    called = container_name("shop", service, number) if service else f"shop-{name}-{number}"
    return ObservedContainer(
        id, f"{called}-run" if one_off else called, name, number, one_off, status,
        health=draw(st.sampled_from(["healthy", "starting"])) if status == "running" else "", image_id=IMAGE,
        labels={labels.CONFIG_HASH: mark, labels.IMAGE: IMAGE}, networks=on,
        volumes=tuple(one for one in mounts if one[2] or one[1] in volumes), created_ns=len(before),
    )  # fmt: skip


def _leftover(draw: st.DrawFn, project: Project, old: ObservedContainer, count: int) -> ObservedContainer:
    """What a recreation leaves that was killed before it removed the old one."""
    given = {**old.labels, labels.REPLACE: old.id}
    return old._replace(
        id=f"{count + 1:02x}" * 32, name=temporary_name(old.id, old.name), status="created", health="", labels=given,
        created_ns=count,
    )  # fmt: skip


OPTIONS = st.builds(
    ReconcileOptions,
    recreate=st.sampled_from(["diverged", "diverged", "force"]),
    remove_orphans=st.booleans(),
    inherit_volumes=st.booleans(),
    recreate_volumes=st.sampled_from([frozenset[str](), frozenset({"data"})]),
)


def standard(project: Project) -> Standard:
    return Standard(project, hash_of, dict.fromkeys(project.services, IMAGE))


@QUICK
@given(st.data())
def test_a_plan_can_be_run_in_any_order_and_then_nothing_is_left_to_do(data: st.DataObject) -> None:
    project = data.draw(projects())
    observed = data.draw(worlds(project))
    options = data.draw(OPTIONS)
    world = World(project, observed)
    plan = reconcile(project, observed, standard(project), options)
    world.run(plan, lambda ready: _choose(data, ready))
    again = options._replace(recreate="diverged", recreate_volumes=frozenset())
    assert reconcile(project, world.observed(), standard(project), again).text() == ""
    for name, service in project.services.items():
        there = [one for one in world.containers.values() if one.service == name and not one.one_off]
        assert len(there) == service.replicas
        assert all(one.status in ("running", "restarting") for one in there)
        assert {one.name for one in there} == {container_name("shop", service, one.number) for one in there}
    _assert_spared(observed, world, options)


def _choose(data: st.DataObject, ready: list[Step]) -> Step:
    return ready[0] if len(ready) == 1 else data.draw(st.sampled_from(ready))


def _assert_spared(observed: Observed, world: World, options: ReconcileOptions) -> None:
    """One-offs that run, orphans that nobody asked to remove, volumes with data, and all that is others'."""
    for one in observed.containers:
        is_orphan = one.service not in world.project.services
        if one.one_off and (one.is_running or not options.remove_orphans):
            assert one.id in world.containers or one.status == "exited"
        if is_orphan and not options.remove_orphans:
            assert world.containers[one.id] == one
    for name, network in observed.networks.items():
        assert network.project == "shop" or world.networks[name] == network
    for name, volume in observed.volumes.items():
        if volume.project != "shop" or not options.recreate_volumes or volume.config_hash != "old":
            assert world.volumes[name] == volume


@QUICK
@given(st.data())
def test_a_creation_that_fails_has_stopped_nothing(data: st.DataObject) -> None:
    """But where a network or a volume is made anew: that can't be done while containers use it."""
    project = data.draw(projects())
    observed = data.draw(worlds(project))
    plan = reconcile(project, observed, standard(project), data.draw(OPTIONS)._replace(remove_orphans=False))
    drifted = any(isinstance(step.operation, RemoveNetwork | RemoveVolume) for step in plan.steps)
    behind: dict[int, set[int]] = {}
    for step in plan.steps:
        behind[step.id] = set(step.needs).union(*(behind[need] for need in step.needs))
    for step in plan.steps:
        if drifted or not isinstance(step.operation, RemoveContainer) or step.cause.kind != "recreate":
            continue
        made = [other for other in plan.steps if other.id in behind[step.id] and "create container" in str(other)]
        assert any(step.operation.container.id == getattr(one.operation, "replaces", "") for one in made)


@QUICK
@given(st.data())
def test_down_leaves_nothing_of_the_project_and_all_of_others(data: st.DataObject) -> None:
    project = data.draw(projects())
    observed = data.draw(worlds(project))
    options = DownOptions(volumes=data.draw(st.booleans()), remove_orphans=data.draw(st.booleans()))
    with_file = data.draw(st.booleans())
    world = World(project, observed)
    plan = reconcile_down(observed, options, project if with_file else None)
    world.run(plan, lambda ready: _choose(data, ready))
    for one in observed.containers:
        stays = one.one_off or (with_file and one.service not in project.services)
        assert (one.id in world.containers) is (stays and not options.remove_orphans)
    assert {"foreign", "bridge"} <= world.networks.keys()
    assert {"mine", "theirs"} <= world.volumes.keys()
    if not options.volumes:
        assert dict(observed.volumes) == world.volumes
    if not world.containers:
        assert not world.observed().own_networks
