"""The keys of a service for `tests.compose_files`: each with a random value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.compose_files import Files

__all__ = ["build", "service_keys"]

PORTS = (
    "80",
    8080,
    "80:80",
    "127.0.0.1:3000:3000",
    "3000-3002:4000-4002",
    "9998-10001",
    "[::1]:53:53/udp",
    "53:53/udp",
    "8000-8010:80",
    "0.0.0.0::90",
    "6060:6060/TCP",
    "${NUMBER}:80",
    "127.0.0.1:5000-5001:5000-5001/sctp",
)
VOLUMES = (
    "/anon",
    "./src:/app",
    "../up:/up:ro",
    "~/h:/h",
    "/abs:/x/../y",
    "data:/data",
    "one:/one:nocopy",
    "./z:/z:z,ro",
    "/p:/p:rshared",
    "a",
    "C:\\win:/w",
    "./q:/q:cached",
    ".:/dot/",
    "\\\\pipe:/pipe",
    "two:/t:rw,Z",
)


def service_keys(made: Files, name: str) -> dict[str, Callable[[], Any]]:
    """Every key with what makes its value."""
    one, some, number = made.one, made.some, made.number
    texts = (
        "cgroup_parent",
        "cpuset",
        "hostname",
        "domainname",
        "ipc",
        "isolation",
        "mac_address",
        "pid",
        "runtime",
        "stop_signal",
        "user",
        "userns_mode",
        "uts",
        "working_dir",
        "platform",
        "restart",
        "container_name",
    )
    lists = ("cap_add", "cap_drop", "device_cgroup_rules", "dns_opt", "group_add", "security_opt", "external_links")
    ints = (
        "cpu_count",
        "cpu_period",
        "cpu_quota",
        "cpu_rt_period",
        "cpu_rt_runtime",
        "cpu_shares",
        "oom_score_adj",
        "pids_limit",
    )
    flags = ("attach", "init", "oom_kill_disable", "privileged", "read_only", "stdin_open", "tty")
    return {
        **dict.fromkeys(texts, made.plain),
        **dict.fromkeys(lists, lambda: some(("A", "B", "c 1", "d:e", "NET_ADMIN"), 0, 3)),
        **dict.fromkeys(ints, made.integer),
        **dict.fromkeys(flags, made.flag),
        **dict.fromkeys(("mem_limit", "mem_reservation", "memswap_limit", "shm_size"), made.size),
        **dict.fromkeys(("dns", "dns_search", "tmpfs"), made.strings),
        **dict.fromkeys(("command", "entrypoint"), made.command),
        **dict.fromkeys(("annotations", "environment", "labels"), made.pairs),
        **dict.fromkeys(("post_start", "pre_stop"), lambda: [hook(made) for _ in range(number(0, 2))]),
        "blkio_config": lambda: blkio(made),
        "cgroup": lambda: one(("host", "private")),
        "configs": lambda: files(made, "configs"),
        "secrets": lambda: files(made, "secrets"),
        "cpus": lambda: one((0.5, "0.25", 2, 1.1, "1.5")),
        "cpu_percent": lambda: one(("50", "12.5")),
        "credential_spec": lambda: one(({"file": "f"}, {"registry": "r"}, {"config": "c"})),
        "depends_on": lambda: depends_on(made, name),
        "deploy": lambda: deploy(made),
        "develop": lambda: develop(made),
        "devices": lambda: one((["/dev/a"], ["/dev/a:/dev/b:r", "/dev/c:/dev/d"], [{"source": "/dev/x"}], ["v/c=all"])),
        "env_file": lambda: one(
            ("a.env", ["a.env", "b.env"], [{"path": "b.env"}, {"path": "no.env", "required": False}])
        ),
        "expose": lambda: one((["80", 90], ["1-3/udp"], [])),
        "external_links": lambda: some(("x", "y:z"), 0, 2),
        "extra_hosts": lambda: one(
            (["a:1.2.3.4", "b=::1", "c:[::1]", "a=5.6.7.8"], {"h": "1.1.1.1", "g": ["2.2.2.2", "::2"]})
        ),
        "gpus": lambda: one(
            ("all", [{"count": 2}], [{"driver": "n", "capabilities": ["gpu"], "device_ids": ["0", "1"]}])
        ),
        "healthcheck": lambda: health(made),
        "links": lambda: [one((link, f"{link}:alias")) for link in some(made.services, 0, 2) if link != name],
        "logging": lambda: one(
            ({"driver": "json-file"}, {"options": made.options()}, {"driver": "x", "options": {"a": 1}}, {})
        ),
        "network_mode": lambda: one(("host", "none", "bridge", f"service:{made.service_name()}", "container:abc")),
        "networks": lambda: networks(made),
        "ports": lambda: [port(made) for _ in range(number(0, 3))],
        "profiles": lambda: some(("dev", "prod", "test"), 0, 2),
        "pull_policy": lambda: one(("always", "never", "build", "if_not_present", "missing")),
        "scale": lambda: one((0, 1, 3, "2")),
        "stop_grace_period": made.duration,
        "storage_opt": lambda: one(({"size": "10G"}, {"size": 1, "x": "y"})),
        "sysctls": lambda: one(({"net.core.somaxconn": 1024, "a": "b"}, ["x.y=1", "z=0"])),
        "ulimits": lambda: ulimits(made),
        "volumes": lambda: [volume(made) for _ in range(number(0, 3))],
        "volumes_from": lambda: some((*(other for other in made.services if other != name), "container:q:ro"), 0, 2),
        "x-own": made.extension,
        "mem_swappiness": made.integer,
    }


def build(made: Files) -> Any:
    """A build."""
    if made.chance(0.2):
        return made.one((".", "./ctx", "https://example.org/r.git#main:sub", "../up"))
    return made.subset(
        {
            "context": lambda: made.one((".", "./c", "/abs", "~/c", "git@example.org:r.git")),
            "dockerfile": lambda: made.one(("D", "sub/D", "../D")),
            "args": made.pairs,
            "labels": made.labels,
            "cache_from": made.strings,
            "cache_to": lambda: ["type=local,dest=x"],
            "no_cache": made.flag,
            "pull": made.flag,
            "network": made.plain,
            "target": made.plain,
            "tags": lambda: ["a:1", "b"],
            "platforms": lambda: ["linux/amd64", "linux/arm64"],
            "shm_size": made.size,
            "ulimits": lambda: ulimits(made),
            "privileged": made.flag,
            "isolation": made.plain,
            "extra_hosts": lambda: ["a:1.1.1.1", "b=::1"],
            "ssh": lambda: made.one((["default"], {"default": None})),
            "additional_contexts": lambda: made.one(
                (["x=./y", "z=docker-image://a"], {"k": "../v", "u": "https://e.org"})
            ),
            "secrets": lambda: files(made, "secrets"),
            "entitlements": lambda: ["network.host"],
            "x-b": made.extension,
        },
        0,
        6,
    )


def hook(made: Files) -> Any:
    return {
        "command": made.one(("a b", ["c", "d"])),
        **made.subset(
            {"user": made.plain, "privileged": made.flag, "working_dir": made.plain, "environment": made.pairs}, 0, 2
        ),
    }


def blkio(made: Files) -> Any:
    rate = [{"path": "/dev/sda", "rate": made.one(("12mb", 300, "1k"))}]
    return made.subset(
        {
            "weight": lambda: made.number(10, 900),
            "weight_device": lambda: [{"path": "/dev/a", "weight": 20}],
            **dict.fromkeys(
                ("device_read_bps", "device_read_iops", "device_write_bps", "device_write_iops"), lambda: rate
            ),
        },
        0,
        3,
    )


def files(made: Files, kind: str) -> Any:
    long = {
        "source": made.refer(kind),
        **made.subset(
            {
                "target": lambda: "/t",
                "uid": lambda: "1000",
                "gid": lambda: "5",
                "mode": lambda: made.one((0o440, "288", 0o777)),
                "x-f": made.extension,
            },
            0,
            3,
        ),
    }
    return [made.one((made.refer(kind), long)) for _ in range(made.number(0, 2))]


def depends_on(made: Files, name: str) -> Any:
    others = made.some([other for other in made.services if other != name or made.chance(0.01)], 0, 2)
    if made.chance(0.5):
        return others
    conditions = ("service_started", "service_healthy", "service_completed_successfully")
    return {
        other: {
            "condition": made.one(conditions),
            **made.subset({"restart": made.flag, "required": lambda: made.one((True, True, False))}, 0, 2),
        }
        for other in others
    }


def deploy(made: Files) -> Any:
    update = {
        "parallelism": made.one((0, 2)),
        "delay": made.duration(),
        "order": "start-first",
        "max_failure_ratio": 0.3,
        "monitor": "1m",
        "failure_action": "pause",
    }
    devices = [
        {
            "capabilities": ["gpu"],
            **made.one(({"count": 1}, {"count": "all"}, {"device_ids": ["0"]}, {})),
            **made.one(({}, {"options": {"b": 1, "a": "x"}}, {"driver": "nvidia"})),
        }
    ]
    generic = [{"discrete_resource_spec": {"kind": "gpu", "value": 2}}]
    limits = {"cpus": made.one((0.5, "0.25", 2)), "memory": made.size(), "pids": made.number(0, 9)}
    reserved = made.one(({"memory": "1g"}, {"devices": devices}, {"generic_resources": generic}, {"cpus": "0.1"}, {}))
    policy = {"condition": "on-failure", "delay": made.duration(), "max_attempts": made.one((0, 3)), "window": "2m"}
    return made.subset(
        {
            "mode": lambda: "replicated",
            "replicas": lambda: made.one((0, 1, 3, "2")),
            "labels": made.labels,
            "endpoint_mode": lambda: "vip",
            "update_config": lambda: {key: update[key] for key in made.some(update, 0, 4)},
            "rollback_config": lambda: {key: update[key] for key in made.some(update, 0, 4)},
            "resources": lambda: made.one(
                ({"limits": {key: limits[key] for key in made.some(limits, 0, 3)}}, {"reservations": reserved}, {})
            ),
            "restart_policy": lambda: {key: policy[key] for key in made.some(policy, 0, 4)},
            "placement": lambda: made.one(
                (
                    {"constraints": ["node.role==x"]},
                    {"preferences": [{"spread": "z"}]},
                    {"max_replicas_per_node": 2},
                    {},
                )
            ),
            "x-d": made.extension,
        },
        0,
        4,
    )


def develop(made: Files) -> Any:
    rule = {
        "path": made.one((".", "./a", "/abs")),
        "action": made.one(("sync", "rebuild", "sync+restart", "restart")),
        "target": "/t",
        **made.one(({}, {"ignore": ["x/", "y"]}, {"x-r": 1})),
    }
    return made.one(({"watch": [rule]}, {"watch": []}, {}))


def health(made: Files) -> Any:
    tests: tuple[Any, ...] = ("curl -f http://x", ["CMD", "a", "b"], ["CMD-SHELL", "a | b"], ["NONE"])
    return made.subset(
        {
            "test": lambda: made.one(tests),
            "interval": made.duration,
            "timeout": made.duration,
            "retries": made.integer,
            "start_period": made.duration,
            "start_interval": made.duration,
            "disable": made.flag,
            "x-h": made.extension,
        },
        0,
        5,
    )


def networks(made: Files) -> Any:
    known = made.some([*made.named["networks"], "default"], 0, 2)
    if made.chance(0.4):
        return known
    return {
        key: made.subset(
            {
                "aliases": lambda: ["x", "y"],
                "ipv4_address": lambda: "10.0.0.9",
                "ipv6_address": lambda: "fd00::9",
                "link_local_ips": lambda: ["169.254.1.1"],
                "mac_address": lambda: "02:42:ac:11:00:03",
                "priority": made.number,
                "driver_opts": made.options,
                "x-sn": made.extension,
            },
            0,
            3,
            also=(None,),
        )
        for key in known
    }


def port(made: Files) -> Any:
    if made.chance(0.7):
        return made.one(PORTS)
    return {
        "target": made.one((80, 90)),
        **made.subset(
            {
                "published": lambda: made.one(("8080", 8081, "8000-8010")),
                "protocol": lambda: made.one(("tcp", "udp")),
                "mode": lambda: made.one(("host", "ingress")),
                "host_ip": lambda: "127.0.0.1",
                "name": made.plain,
                "app_protocol": lambda: "http",
                "x-p": made.extension,
            },
            0,
            4,
        ),
    }


def ulimits(made: Files) -> Any:
    limits = (
        {"nofile": 1024},
        {"nproc": {"soft": 1, "hard": 2}},
        {"core": 0, "nofile": {"soft": 3, "hard": -1}},
        {"a": "5"},
    )
    return made.one(limits)


def volume(made: Files) -> Any:
    if made.chance(0.6):
        known = [
            text for text in VOLUMES if not text.split(":")[0].isalpha() or text.split(":")[0] in made.named["volumes"]
        ]
        return made.one(known)
    kind = made.one(("bind", "volume", "tmpfs"))
    base: dict[str, Any] = {"type": kind, "target": made.one(("/t", "/t/", "/a/../b"))}
    if kind == "bind":
        base["source"] = made.one(("./s", "/s", "~/s", "../s"))
        bind = {"propagation": "rshared", "create_host_path": made.flag(), "selinux": "z", "recursive": "disabled"}
        base["bind"] = {key: bind[key] for key in made.some(bind, 0, 2)}
    elif kind == "volume" and made.named["volumes"]:
        base["source"] = made.refer("volumes")
        base["volume"] = made.one(({"nocopy": True}, {"subpath": "x"}, {}))
    elif kind == "tmpfs":
        base["tmpfs"] = made.one(({"size": made.size()}, {"mode": 0o755}, {}))
    return {
        **base,
        **made.subset({"read_only": made.flag, "consistency": lambda: "cached", "x-m": made.extension}, 0, 2),
    }
