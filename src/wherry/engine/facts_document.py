"""`info` and `version` in docker's JSON (API 1.45): what reads docker's reads ours. docs/inspect.md lists differences.

There is no daemon: the section Server is this same program, so that scripts that ask whether docker answers get yes.
"""

from __future__ import annotations

import os

from wherry._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from wherry.engine import Engine
    from wherry.engine.facts import Facts, Survey

__all__ = ["API_VERSION", "MIN_API_VERSION", "info", "version"]

API_VERSION, MIN_API_VERSION = "1.45", "1.24"
_LOG_DRIVERS = ("journald", "json-file", "local", "syslog")
_NETWORK_DRIVERS = ("bridge", "host", "null")


def info(engine: Engine, found: Survey) -> dict[str, Any]:
    """Keys in docker's order."""
    facts = found.facts
    return {
        "ID": _id(found),
        "Containers": found.running + found.paused + found.stopped,
        "ContainersRunning": found.running,
        "ContainersPaused": found.paused,
        "ContainersStopped": found.stopped,
        "Images": found.images,
        "Driver": "overlay",
        "DriverStatus": [["Backing Filesystem", found.file_system]],
        "Plugins": {
            "Volume": ["local"],
            "Network": list(_NETWORK_DRIVERS),
            "Authorization": None,
            "Log": list(_LOG_DRIVERS),
        },
        **_limits(found),
        "IPv4Forwarding": _reads("/proc/sys/net/ipv4/ip_forward") == "1",
        "BridgeNfIptables": _reads("/proc/sys/net/bridge/bridge-nf-call-iptables") == "1",
        "BridgeNfIp6tables": _reads("/proc/sys/net/bridge/bridge-nf-call-ip6tables") == "1",
        "Debug": False,
        "NFd": 0,
        "OomKillDisable": "oom_kill_disable" not in found.lacks,
        "NGoroutines": 0,
        "SystemTime": found.now,
        "LoggingDriver": "json-file",
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": "2" if facts.cgroup == "v2" else "1",
        "NEventsListener": 0,
        **_machine(engine, found),
        "Labels": [],
        "ExperimentalBuild": False,
        "ServerVersion": __version__,
        **_programs(found),
        "SecurityOptions": security(found),
        **_cdi(found),
        "Warnings": list(found.warnings) or None,
        "ClientInfo": {"Debug": False, **_client(facts), "Plugins": [], "Warnings": None},
    }


def _machine(engine: Engine, found: Survey) -> dict[str, Any]:
    env = engine.settings.env
    return {
        "KernelVersion": found.facts.kernel,
        "OperatingSystem": found.operating_system,
        "OSVersion": found.os_version,
        "OSType": "linux",
        "Architecture": os.uname().machine,
        "IndexServerAddress": "https://index.docker.io/v1/",
        "RegistryConfig": _registries(),
        "NCPU": found.cpus,
        "MemTotal": found.memory_bytes,
        "GenericResources": None,
        "DockerRootDir": found.root,
        "HttpProxy": _proxy(env, "http_proxy"),
        "HttpsProxy": _proxy(env, "https_proxy"),
        "NoProxy": _proxy(env, "no_proxy"),
        "Name": found.hostname,
    }


def _cdi(found: Survey) -> dict[str, Any]:
    doc: dict[str, Any] = {"CDISpecDirs": list(found.cdi_folders)}
    if found.devices:
        # As newer dockers have it; 26.1 has no such key
        doc["DiscoveredDevices"] = [{"Source": "cdi", "ID": one} for one in found.devices]
    return doc


def _limits(found: Survey) -> dict[str, bool]:
    """Whether the kernel can hold each, by docker's name."""
    names = {"MemoryLimit": "memory", "SwapLimit": "swap", "CpuCfsPeriod": "cfs", "CpuCfsQuota": "cfs",
             "CPUShares": "shares", "CPUSet": "cpuset", "PidsLimit": "pids"}  # fmt: skip
    limits = {name: word not in found.lacks for name, word in names.items()}
    return {**limits, "KernelMemoryTCP": found.facts.cgroup != "v2" and limits["MemoryLimit"]}


def _programs(found: Survey) -> dict[str, Any]:
    runc = found.runtimes.get("runc", "")
    return {
        "Runtimes": {name: {"path": name} for name in found.runtimes},
        "DefaultRuntime": found.runtime,
        "Swarm": {"NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": False, "Error": "",
                  "RemoteManagers": None},
        "LiveRestoreEnabled": False,
        "Isolation": "",
        "InitBinary": "docker-init",
        "ContainerdCommit": {"ID": "", "Expected": ""},
        "RuncCommit": {"ID": runc, "Expected": runc},
        "InitCommit": {"ID": "", "Expected": ""},
    }  # fmt: skip


def _registries() -> dict[str, Any]:
    return {
        "AllowNondistributableArtifactsCIDRs": None,
        "AllowNondistributableArtifactsHostnames": None,
        "InsecureRegistryCIDRs": ["127.0.0.0/8"],
        "IndexConfigs": {"docker.io": {"Name": "docker.io", "Mirrors": [], "Secure": True, "Official": True}},
        "Mirrors": None,
    }


def security(found: Survey) -> list[str]:
    """docker's SecurityOptions."""
    names = ["name=apparmor"] if found.apparmor else []
    names += ["name=seccomp,profile=builtin"] if found.seccomp else []
    return [*names, "name=cgroupns"] if found.facts.cgroup == "v2" else names


def _id(found: Survey) -> str:
    """The same for each call: of this machine and root."""
    import uuid

    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{_reads('/etc/machine-id')} {found.root}"))


def _reads(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read(256).strip()
    except OSError:
        return ""


def _proxy(env: Mapping[str, str], name: str) -> str:
    """What this user's environment says, without a password: info is pasted into bug reports."""
    import re

    return re.sub(r"//[^/@]*@", "//xxxxx:xxxxx@", env.get(name) or env.get(name.upper(), ""))


def _client(facts: Facts) -> dict[str, Any]:
    return {
        "Version": __version__,
        "GitCommit": "",
        "GoVersion": "",
        "Os": "linux",
        "Arch": facts.architecture,
        "BuildTime": "",
        "Context": "default",
    }


def version(facts: Facts, runtimes: Mapping[str, str]) -> dict[str, Any]:
    """`runtimes` maps what is installed to its version. Pure."""
    client = _client(facts)
    names = {"ApiVersion": API_VERSION, "DefaultAPIVersion": API_VERSION}
    shared = {name: client[name] for name in ("GitCommit", "GoVersion", "Os", "Arch")}
    more = {"KernelVersion": facts.kernel, "BuildTime": ""}
    details = {"ApiVersion": API_VERSION, "Experimental": "false", "MinAPIVersion": MIN_API_VERSION, **shared, **more}
    components = [{"Name": "Engine", "Version": __version__, "Details": dict(sorted(details.items()))}]
    components += [
        {"Name": name, "Version": version, "Details": {"GitCommit": ""}} for name, version in runtimes.items()
    ]
    return {
        "Client": {"Version": __version__, **names, **{k: v for k, v in client.items() if k != "Version"}},
        "Server": {
            "Platform": {"Name": ""},
            "Components": components,
            "Version": __version__,
            "ApiVersion": API_VERSION,
            "MinAPIVersion": MIN_API_VERSION,
            **shared,
            **more,
        },
    }
