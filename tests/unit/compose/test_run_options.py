"""Each key of a service as the engine is asked for it."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.compose import labels
from wherry.compose.config_hash import service_hash
from wherry.compose.model import Config, Network, Project, Secret, Volume
from wherry.compose.model_build import (
    Deploy,
    DeviceRequest,
    GenericResource,
    Resource,
    Resources,
    RestartPolicy,
    Ulimit,
)
from wherry.compose.model_parts import (
    BindOptions,
    Blkio,
    CredentialSpec,
    Dependency,
    Device,
    FileReference,
    Healthcheck,
    Hook,
    ImageOptions,
    Logging,
    Mount,
    Port,
    ServiceNetwork,
    ThrottleDevice,
    TmpfsOptions,
    VolumeOptions,
    WeightDevice,
)
from wherry.compose.model_service import Service
from wherry.compose.run_options import ContainerRequest, Facts, Identity, container_request
from wherry.engine.containers_files import PlacedFile
from wherry.errors import NotFound, WherryError
from wherry.oci import config as oci
from wherry.oci.platform import Platform
from wherry.runtime import options as run
from wherry.runtime.options import MountRequest, NetworkJoin, PortRequest, RunOptions

IMAGE = oci.ImageConfig(Platform("linux", "amd64"), oci.ContainerConfig(cmd=("serve",), volumes=("/var/lib/x",)), ())
PARENT = ("d" * 64, "shop-db-1")
NANO = 1_000_000_000


def ask(facts: Facts | None = None, identity: Identity | None = None, **keys: Any) -> ContainerRequest:
    service = Service(**{"name": "web", "image": "app", "networks": {"default": None}, **keys})
    project = Project(
        name="shop",
        working_dir="/src/shop",
        files=("/src/shop/compose.yaml", "/src/shop/more.yaml"),
        services={"web": service},
        networks={"default": Network(name="shop_default"), "back": Network(name="backbone")},
        volumes={"data": Volume(name="shop_data")},
        secrets={
            "key": Secret(name="shop_key", file="/src/shop/key.txt"),
            "word": Secret(name="shop_word", environment="WORD", content="sesame"),
            "far": Secret(name="far", external=True),
            "unset": Secret(name="shop_unset", environment="UNSET"),
        },
        configs={
            "conf": Config(name="shop_conf", content="a = 1\n"),
            "file": Config(name="shop_file", file="/src/shop/app.conf"),
            "templated": Config(name="shop_t", content="x", template_driver="golang"),
        },
    )
    found = facts or Facts("sha256:" + "ab" * 32, IMAGE, {"db": (PARENT,)})
    return container_request(project, service, identity or Identity("shop-web-1"), found)


def deploy(limits: Resource | None = None, reservations: Resource | None = None) -> Deploy:
    return Deploy(resources=Resources(limits=limits, reservations=reservations))


ON_DEFAULT = ("shop-web-1", "web")
FIELDS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"command": ("sleep", "1")}, {"command": ("sleep", "1"), "entrypoint": None}),
    ({"command": ()}, {"command": ()}),
    ({"entrypoint": ("/x", "-y")}, {"entrypoint": ("/x", "-y"), "command": ()}),
    # As docker: the image's ENTRYPOINT goes, its CMD stays
    ({"entrypoint": ()}, {"entrypoint": (), "command": ("serve",)}),
    ({"entrypoint": (), "command": ("a",)}, {"entrypoint": (), "command": ("a",)}),
    ({"environment": {"A": "1", "EMPTY": "", "NONE": None}}, {"env": ("A=1", "EMPTY=", "NONE")}),
    ({"user": "1000:1000", "group_add": ("video", "44")}, {"user": "1000:1000", "group_add": ("video", "44")}),
    ({"working_dir": "/w"}, {"workdir": "/w"}),
    ({"tty": True, "stdin_open": True}, {"tty": True, "stdin": True}),
    ({"hostname": "h", "domainname": "d.example"}, {"hostname": "h", "domainname": "d.example"}),
    ({"init": True}, {"init": True}),
    ({"init": False}, {"init": False}),
    ({"annotations": {"a": "b"}}, {"annotations": {"a": "b"}}),
    ({"platform": "linux/arm64", "runtime": "crun"}, {"platform": "linux/arm64", "runtime": "crun"}),
    ({"stop_signal": "SIGINT"}, {"stop_signal": "SIGINT"}),
    ({"stop_grace_period": 90 * NANO}, {"stop_timeout_s": 90}),
    ({"stop_grace_period": 0}, {"stop_timeout_s": 0}),
    ({"stop_grace_period": NANO * 3 // 2}, {"stop_timeout_s": 1}),
    ({}, {"stop_timeout_s": None, "health": None, "restart": run.RestartPolicy(), "pull": "never"}),
    ({"restart": "always"}, {"restart": run.RestartPolicy("always")}),
    ({"restart": "on-failure:3"}, {"restart": run.RestartPolicy("on-failure", 3)}),
    (
        {"restart": "always", "deploy": Deploy(restart_policy=RestartPolicy(condition="on-failure", max_attempts=2))},
        {"restart": run.RestartPolicy("on-failure", 2)},
    ),
    ({"deploy": Deploy(restart_policy=RestartPolicy(condition="any"))}, {"restart": run.RestartPolicy("always")}),
    ({"deploy": Deploy(restart_policy=RestartPolicy(condition="none"))}, {"restart": run.RestartPolicy("no")}),
    (
        {"healthcheck": Healthcheck(test=("CMD", "true"), interval=5 * NANO, timeout=NANO, retries=4, start_period=1)
         .replace(start_period=2 * NANO, start_interval=3 * NANO)},
        {"health": oci.Healthcheck(("CMD", "true"), 5 * NANO, NANO, 2 * NANO, 3 * NANO, 4)},
    ),
    ({"healthcheck": Healthcheck(disable=True)}, {"health": oci.Healthcheck(("NONE",))}),
    ({"healthcheck": Healthcheck(interval=NANO)}, {"health": oci.Healthcheck((), NANO)}),
    (
        {"logging": Logging(driver="local", options={"max-size": "1m"})},
        {"log": run.LogConfig("local", {"max-size": "1m"})},
    ),
    # Networks
    ({}, {"network": "shop_default", "network_aliases": ON_DEFAULT, "networks": None}),
    ({"networks": {}}, {"network": "none"}),
    ({"networks": {}, "network_mode": "host"}, {"network": "host"}),
    ({"networks": {}, "network_mode": "bridge"}, {"network": "bridge", "network_aliases": ()}),
    ({"networks": {}, "network_mode": "none"}, {"network": "none"}),
    ({"networks": {}, "network_mode": "service:db"}, {"network": f"container:{PARENT[0]}"}),
    ({"networks": {}, "network_mode": "container:other"}, {"network": "container:other"}),
    (
        {"networks": {"default": ServiceNetwork(aliases=("w", "web"), ipv4_address="10.0.0.9", ipv6_address="fd00::9",
                                                mac_address="02-42-AC-11-00-99", link_local_ips=("169.254.1.2",))}},
        {"network_aliases": ("shop-web-1", "web", "w"), "ip": "10.0.0.9", "ip6": "fd00::9",
         "mac_address": "02:42:ac:11:00:99", "link_local_ips": ("169.254.1.2",)},
    ),
    ({"mac_address": "02:42:ac:11:00:01"}, {"mac_address": "02:42:ac:11:00:01"}),
    (
        {"networks": {"default": None, "back": ServiceNetwork(priority=5, driver_opts={"a": "b"})}},
        {"network": "backbone", "networks": (
            NetworkJoin("backbone", ON_DEFAULT, driver_opts=("a=b",)), NetworkJoin("shop_default", ON_DEFAULT))},
    ),
    (
        {"links": ("db:database", "db"), "external_links": ("old:legacy", "plain")},
        {"links": (*(f"name=shop-db-1:{name}" for name in ("database", "db-1", "shop-db-1", "db", "db-1", "shop-db-1")),
                   "name=old:legacy", "name=plain:plain")},
    ),
    (
        {"networks": {}, "network_mode": "bridge", "links": ("db",)},
        {"links": tuple(f"{PARENT[0]}:{name}" for name in ("db", "db-1", "shop-db-1"))},
    ),
    (
        {"ports": (Port(target=80, published="8080", protocol="tcp"), Port(target=53, protocol="udp"),
                   Port(target=90, published="9000-9010", host_ip="127.0.0.1"), Port(target=1, host_ip="::1"))},
        {"ports": (PortRequest(80, "tcp", "", 8080, 8080), PortRequest(53, "udp"),
                   PortRequest(90, "tcp", "127.0.0.1", 9000, 9010), PortRequest(1, "tcp", "::1"))},
    ),
    ({"expose": ("80", "90-91/udp")}, {"expose": ("80/tcp", "90/udp", "91/udp")}),
    (
        {"dns": ("1.1.1.1",), "dns_search": ("x.example",), "dns_opt": ("ndots:1",)},
        {"dns": ("1.1.1.1",), "dns_search": ("x.example",), "dns_options": ("ndots:1",)},
    ),
    (
        {"extra_hosts": {"a": ("10.0.0.1", "fd00::1"), "gw": ("host-gateway",)}},
        {"extra_hosts": ("a:10.0.0.1", "a:fd00::1", "gw:host-gateway")},
    ),
    # Namespaces and rights
    ({"ipc": "host", "pid": "host", "uts": "host"}, {"ipc": "host", "pid": "host", "uts": "host"}),
    (
        {"ipc": "service:db", "pid": "service:db"},
        {"ipc": f"container:{PARENT[0]}", "pid": f"container:{PARENT[0]}"},
    ),
    ({"cgroup": "host", "userns_mode": "host"}, {"cgroupns": "host", "userns": "host"}),
    ({"cgroup_parent": "a//b/"}, {"cgroup_parent": "/a/b"}),
    (
        {"cap_add": ("net_admin",), "cap_drop": ("ALL",), "privileged": True, "read_only": True},
        {"cap_add": ("CAP_NET_ADMIN",), "cap_drop": ("ALL",), "privileged": True, "read_only": True},
    ),
    (
        {"security_opt": ("no-new-privileges:true", "seccomp:unconfined")},
        {"no_new_privileges": True, "seccomp": "unconfined"},
    ),
    ({"sysctls": {"net.core.somaxconn": "1024"}}, {"sysctls": {"net.core.somaxconn": "1024"}}),
    # Limits
    (
        {"ulimits": {"nofile": Ulimit(soft=100, hard=200), "nproc": Ulimit(single=60)}},
        {"ulimits": (run.Ulimit("nofile", 100, 200), run.Ulimit("nproc", 60, 60))},
    ),
    ({"shm_size": 1 << 20, "oom_score_adj": 5, "oom_kill_disable": True}, {
        "shm_size_bytes": 1 << 20, "oom_score_adj": 5, "oom_kill_disable": True}),
    (
        {"mem_limit": 4 << 20, "memswap_limit": -1, "mem_reservation": 1 << 20, "mem_swappiness": 60},
        {"memory_bytes": 4 << 20, "memory_swap_bytes": -1, "memory_reservation_bytes": 1 << 20,
         "memory_swappiness": 60},
    ),
    (
        {"cpus": 0.3, "cpu_shares": 7, "cpu_period": 1000, "cpu_quota": 500, "cpuset": "0-1", "cpu_rt_period": 3,
         "cpu_rt_runtime": 4},
        {"nano_cpus": 300_000_000, "cpu_shares": 7, "cpu_period_us": 1000, "cpu_quota_us": 500, "cpuset_cpus": "0-1",
         "cpu_rt_period_us": 3, "cpu_rt_runtime_us": 4},
    ),
    ({"pids_limit": 10}, {"pids_limit": 10}),
    ({"pids_limit": -1}, {"pids_limit": 0}),
    (
        {"cpus": 2, "mem_limit": 1, "deploy": deploy(limits=Resource(cpus=0.5, memory=50 << 20, pids=10),
                                                     reservations=Resource(memory=20 << 20))},
        {"nano_cpus": 500_000_000, "memory_bytes": 50 << 20, "pids_limit": 10, "memory_reservation_bytes": 20 << 20},
    ),
    ({"mem_limit": 9, "deploy": deploy(limits=Resource(cpus=1))}, {"memory_bytes": 9, "nano_cpus": NANO}),
    (
        {"blkio_config": Blkio(weight=300, weight_device=(WeightDevice(path="/dev/sda", weight=400),),
                               device_read_bps=(ThrottleDevice(path="/dev/sda", rate=1024),),
                               device_write_iops=(ThrottleDevice(path="/dev/sda", rate=5),))},
        {"blkio_weight": 300, "blkio_weight_devices": (run.DeviceRate("/dev/sda", 400),),
         "device_read_bps": (run.DeviceRate("/dev/sda", 1024),),
         "device_write_iops": (run.DeviceRate("/dev/sda", 5),)},
    ),
    (
        {"devices": (Device(source="/dev/a", target="/dev/b", permissions="r"), Device(source="/dev/c"),
                     Device(source="nvidia.com/gpu=all", target="nvidia.com/gpu=all"))},
        {"devices": (run.DeviceRequest("/dev/a", "/dev/b", "r"), run.DeviceRequest("/dev/c", "/dev/c")),
         "cdi_devices": ("nvidia.com/gpu=all",)},
    ),
    ({"device_cgroup_rules": ("c 1:3 mr",)}, {"device_cgroup_rules": ("c 1:3 mr",)}),
    ({"gpus": (DeviceRequest(count=-1),)}, {"gpus": (run.GpuRequest("", -1),)}),
    (
        {"gpus": (DeviceRequest(device_ids=("0", "1"), driver="nvidia", options={"a": "b"}),)},
        {"gpus": (run.GpuRequest("nvidia", 0, ("0", "1"), ("gpu",), {"a": "b"}),)},
    ),
    (
        {"deploy": deploy(reservations=Resource(devices=(DeviceRequest(capabilities=("gpu", "utility"), count=2),)))},
        {"gpus": (run.GpuRequest("", 2, (), ("gpu", "utility")),)},
    ),
    (
        {"deploy": deploy(reservations=Resource(devices=(DeviceRequest(capabilities=("gpu",)),)))},
        {"gpus": (run.GpuRequest("", -1),)},
    ),
    # Mounts
    (
        {"volumes": (Mount(type="bind", source="/src/shop/a", target="/a", bind=BindOptions(create_host_path=True)),)},
        {"mounts": (MountRequest("bind", "/src/shop/a", "/a", create_source=True, mode="rw"),)},
    ),
    (
        {"volumes": (Mount(type="bind", source="/h", target="/a/", read_only=True,
                           bind=BindOptions(create_host_path=True, selinux="z", propagation="rslave")),)},
        {"mounts": (MountRequest("bind", "/h", "/a", True, True, propagation="rslave", mode="ro,z,rslave"),)},
    ),
    (
        {"volumes": (Mount(type="bind", source="/h", target="/a", bind=BindOptions(recursive="disabled")),)},
        {"mounts": (MountRequest("bind", "/h", "/a", recursive=False, is_mount=True),)},
    ),
    (
        {"volumes": (Mount(type="volume", source="data", target="/d", read_only=True,
                           volume=VolumeOptions(nocopy=True, subpath="x/./y")),)},
        {"mounts": (MountRequest("volume", "shop_data", "/d", True, copy=False, subpath="x/y", is_mount=True),)},
    ),
    (
        {"volumes": (Mount(type="volume", target="/d", volume=VolumeOptions()),)},
        {"mounts": (MountRequest("volume", "", "/d", is_mount=True),)},
    ),
    (
        {"volumes": (Mount(type="tmpfs", target="/t", tmpfs=TmpfsOptions(size=1024, mode=0o1777)),)},
        {"mounts": (MountRequest("tmpfs", "", "/t", options=("size=1024", "mode=1777"), is_mount=True),)},
    ),
    (
        {"volumes": (Mount(type="image", source="models", target="/m", image=ImageOptions(subpath="a")),)},
        {"mounts": (MountRequest("image", "models", "/m", True, copy=False, subpath="a", is_mount=True),)},
    ),
    ({"tmpfs": ("/run:size=1m", "/x")}, {
        "mounts": (MountRequest("tmpfs", "", "/run", options=("size=1m",)), MountRequest("tmpfs", "", "/x"))}),
    ({"volumes_from": ("db:ro", "container:other")}, {"volumes_from": (f"{PARENT[0]}:ro", "other")}),
    (
        {"secrets": (FileReference(source="key"),), "configs": (FileReference(source="file", target="/etc/app.conf"),)},
        {"mounts": (MountRequest("bind", "/src/shop/key.txt", "/run/secrets/key", True, is_mount=True),
                    MountRequest("bind", "/src/shop/app.conf", "/etc/app.conf", True, is_mount=True))},
    ),
    ({"secrets": (FileReference(source="key", target="sub/k"),)}, {
        "mounts": (MountRequest("bind", "/src/shop/key.txt", "/run/secrets/sub/k", True, is_mount=True),)}),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "expected"), FIELDS, ids=lambda one: "-".join(one)[:40])
def test_a_key_becomes_an_option(keys: dict[str, Any], expected: dict[str, Any]) -> None:
    request = ask(**keys)
    found = {name: getattr(request.options, name) for name in expected}
    assert found == expected
    assert RunOptions.from_json(request.options.to_json()) == request.options


def test_content_becomes_a_file_with_owner_and_mode() -> None:
    request = ask(
        secrets=(FileReference(source="word", uid="100", gid="200", mode=0o400),),
        configs=(FileReference(source="conf"), FileReference(source="conf", target="/etc/c.txt")),
    )
    assert request.files == (
        PlacedFile("/run/secrets/word", b"sesame", 100, 200, 0o400),
        PlacedFile("/conf", b"a = 1\n"),
        PlacedFile("/etc/c.txt", b"a = 1\n"),
    )
    assert b"sesame".decode() not in str(request.options)


def test_anonymous_volumes_are_taken_over_where_they_still_have_a_place() -> None:
    facts = Facts("i", IMAGE, inherited=(("/d", "old1"), ("/var/lib/x", "old2"), ("/gone", "old3"), ("/n", "old4")))
    volumes = (
        Mount(type="volume", target="/d", volume=VolumeOptions()),
        Mount(type="volume", source="data", target="/n", volume=VolumeOptions()),
    )
    assert ask(facts, volumes=volumes).options.mounts == (
        MountRequest("volume", "old1", "/d", is_mount=True, is_inherited=True),
        MountRequest("volume", "shop_data", "/n", is_mount=True),
        MountRequest("volume", "old2", "/var/lib/x", is_inherited=True),
    )
    covered = ask(facts, tmpfs=("/var/lib/x",)).options.mounts
    assert covered == (MountRequest("tmpfs", "", "/var/lib/x"),)


def test_labels_are_docker_composes() -> None:
    depends = {"mq": Dependency(condition="service_healthy", restart=True), "db": Dependency()}
    keys: dict[str, Any] = {"labels": {"mine": "1"}, "depends_on": depends}
    found = ask(identity=Identity("shop-web-2", 2, replaces="o" * 64), **keys).options.labels
    service = Service(name="web", image="app", networks={"default": None}, **keys)
    prefix = "com.docker.compose."
    assert {name.removeprefix(prefix): value for name, value in found.items() if name != labels.VERSION} == {
        "mine": "1",
        "config-hash": service_hash(service),
        "container-number": "2",
        "depends_on": "db:service_started:false,mq:service_healthy:true",
        "image": "sha256:" + "ab" * 32,
        "oneoff": "False",
        "project": "shop",
        "project.config_files": "/src/shop/compose.yaml,/src/shop/more.yaml",
        "project.working_dir": "/src/shop",
        "service": "web",
        "replace": "o" * 64,
    }


def test_the_hash_of_one_that_shares_is_that_of_what_it_shares_with() -> None:
    keys: dict[str, Any] = {"networks": {}, "network_mode": "service:db"}
    service = Service(name="web", image="app", networks={}, network_mode=f"container:{PARENT[0]}")
    assert ask(**keys).options.labels[labels.CONFIG_HASH] == service_hash(service)


def test_one_off_containers_have_a_slug_and_know_their_service() -> None:
    facts = Facts("i", IMAGE, {"web": (("w" * 64, "0a0a0a0a0a0a_shop-web-1"),)})
    request = ask(facts, Identity("shop-web-run-ab", one_off=True, slug="ab" * 32))
    assert request.options.labels[labels.ONE_OFF] == "True"
    assert request.options.labels[labels.SLUG] == "ab" * 32
    assert request.options.links == tuple(f"name=shop-web-1:{name}" for name in ("web", "web-1", "shop-web-1"))
    assert request.options.network_aliases == ("shop-web-run-ab", "web")
    plain = ask(facts, Identity("shop-web-run-ab", one_off=True, use_aliases=False)).options
    assert plain.network_aliases == ("shop-web-run-ab",)


def test_every_key_of_a_service_has_a_meaning() -> None:
    """Here, or with those who read it: what is built, planned, run after the start, watched, shown."""
    here = {key for keys, _ in FIELDS for key in keys}
    told = {"credential_spec", "use_api_socket", "pre_start", "storage_opt", "isolation", "cpu_count", "cpu_percent"}
    elsewhere = {
        "name", "image", "build", "develop", "attach", "profiles", "extends", "env_file", "label_file", "pull_policy",
        "pull_refresh_after", "scale", "container_name", "models", "provider", "post_start", "pre_stop", "extensions",
        "labels", "depends_on",
    }  # fmt: skip
    assert {*Service._order} == here | told | elsewhere


def test_a_service_without_an_image_has_the_name_it_is_built_as() -> None:
    assert ask(image="").image == "shop-web"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"cpu_count": 2}, "cpu_count has no effect"),
        ({"cpu_percent": 2.0}, "cpu_percent has no effect"),
        ({"networks": {"default": ServiceNetwork(interface_name="eth7")}}, "interface_name has no effect"),
        ({"networks": {"default": ServiceNetwork(gw_priority=7)}}, "gw_priority has no effect"),
        ({"deploy": Deploy(restart_policy=RestartPolicy(delay=5))}, "restart_policy.delay has no effect"),
        ({"deploy": Deploy(restart_policy=RestartPolicy(window=5))}, "restart_policy.window has no effect"),
        ({"deploy": deploy(reservations=Resource(cpus=1))}, "reservations.cpus has no effect"),
        (
            {"deploy": deploy(reservations=Resource(generic_resources=(GenericResource(kind="a", value=1),)))},
            "generic_resources has no effect",
        ),
        ({"secrets": (FileReference(source="key", uid="1"),)}, "secrets `uid`, `gid` and `mode` are not supported"),
    ],
    ids=lambda one: next(iter(one)) if isinstance(one, dict) else "",
)
def test_what_has_no_effect_is_told(keys: dict[str, Any], said: str) -> None:
    warnings = ask(**keys).warnings
    assert len(warnings) == 1
    assert said in warnings[0]
    assert warnings[0].startswith('service "web": ')


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"restart": "sometimes"}, "unknown policy 'sometimes'"),
        (
            {"deploy": Deploy(restart_policy=RestartPolicy(condition="any", max_attempts=3))},
            "maximum retry count can only be used with 'on-failure'",
        ),
        ({"healthcheck": Healthcheck(test=("CMD", "x"), interval=1000)}, "cannot be less than 1ms"),
        ({"credential_spec": CredentialSpec(file="x")}, "for Windows containers"),
        ({"use_api_socket": True}, "there is no daemon"),
        ({"pre_start": (Hook(command=("x",)),)}, "nothing is run before a container starts"),
        ({"storage_opt": {"size": "1G"}}, "--storage-opt is supported only for overlay over xfs"),
        ({"ports": (Port(target=80, published="70000"),)}, "Invalid hostPort: 70000"),
        ({"ports": (Port(target=80, protocol="smtp"),)}, "Invalid proto: smtp"),
        ({"ports": (Port(target=80, host_ip="nowhere"),)}, "Invalid ip address: nowhere"),
        ({"expose": ("x",)}, "invalid range format"),
        ({"dns": ("x",)}, "IP address is not correctly formatted: x"),
        ({"extra_hosts": {"a": ("x",)}}, "invalid IP address in add-host"),
        ({"sysctls": {"kernel.panic": "1"}}, "is not allowed"),
        ({"cap_add": ("FLY",)}, "invalid CapAdd"),
        ({"ipc": "sideways"}, "invalid IPC mode: sideways"),
        ({"userns_mode": "auto"}, "invalid USER mode"),
        ({"security_opt": ("magic=1",)}, "invalid --security-opt"),
        ({"ulimits": {"nofiles": Ulimit(single=1)}}, "invalid ulimit type: nofiles"),
        ({"mem_swappiness": 101}, "Valid memory swappiness range is 0-100"),
        ({"oom_score_adj": 2000}, "range for oom score adj"),
        ({"cgroup_parent": "../up"}, "invalid cgroup parent"),
        ({"isolation": "hyperv"}, "Invalid isolation"),
        ({"devices": (Device(source="relative"),)}, "relative is not an absolute path"),
        ({"device_cgroup_rules": ("all",)}, "invalid device cgroup format"),
        ({"gpus": (DeviceRequest(count=1, device_ids=("0",)),)}, "exclusive"),
        (
            {"deploy": deploy(reservations=Resource(devices=(DeviceRequest(capabilities=("tpu",)),)))},
            'could not select device driver "" with capabilities: [[tpu]]',
        ),
        ({"volumes": (Mount(type="npipe", source="a", target="/b"),)}, "npipe is Windows's"),
        ({"volumes": (Mount(type="cluster", source="a", target="/b"),)}, "need a swarm"),
        ({"volumes": (Mount(type="volume", target="x"),)}, "mount path must be absolute"),
        ({"volumes": (Mount(type="volume", target="/"),)}, "destination can't be '/'"),
        (
            {"volumes": (Mount(type="volume", source="data", target="/d", volume=VolumeOptions(subpath="../x")),)},
            "subpath must be a relative path",
        ),
        ({"tmpfs": ("/t:wild",)}, 'invalid tmpfs option "wild"'),
        ({"secrets": (FileReference(source="far"),)}, "unsupported external secret far"),
        ({"secrets": (FileReference(source="nowhere"),)}, "undefined secret nowhere"),
        ({"secrets": (FileReference(source="key", target="../../etc/passwd"),)}, "leads out of /run/secrets/"),
        ({"secrets": (FileReference(source="word", uid="root"),)}, "uid root is not a number"),
        ({"secrets": (FileReference(source="unset"),)}, 'environment variable "UNSET" required'),
        ({"configs": (FileReference(source="templated"),)}, "template_driver is not supported"),
        ({"uts": "host", "hostname": "h"}, "conflicting options: hostname and the UTS mode"),
        (
            {"networks": {}, "network_mode": "service:db", "ports": (Port(target=80),)},
            "port publishing and the container type network mode",
        ),
        ({"mac_address": "zz"}, "not a valid mac address"),
        ({"networks": {"default": ServiceNetwork(ipv4_address="x")}}, "invalid IPv4 address: x"),
        ({"logging": Logging(driver="json-file", options={"colour": "red"})}, "colour"),
    ],
    ids=lambda one: next(iter(one)) if isinstance(one, dict) else "",
)
def test_wrong_values_are_refused_by_name_of_the_service(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(WherryError) as caught:
        ask(**keys)
    assert said in caught.value.message
    assert caught.value.message.startswith("service web: ")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"networks": {}, "network_mode": "service:off"}, "cannot share network namespace with service off"),
        ({"ipc": "service:off"}, "cannot share IPC namespace with service off: container missing"),
        ({"pid": "service:off"}, "cannot share PID namespace with service off: container missing"),
        ({"volumes_from": ("off:ro",)}, "cannot share volume with service off: container missing"),
    ],
)
def test_what_is_shared_with_must_be_there(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(NotFound, match=said):
        ask(**keys)


def test_a_seccomp_profile_is_read_from_the_project() -> None:
    asked: list[str] = []

    def read(path: str) -> bytes:
        asked.append(path)
        return b'{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}'

    request = ask(Facts("i", IMAGE, read=read), security_opt=("seccomp:./profile.json",))
    assert asked == ["/src/shop/./profile.json"]
    assert "SCMP_ACT_ALLOW" in request.options.seccomp
