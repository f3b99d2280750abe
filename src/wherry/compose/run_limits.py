"""What a service's containers get of the machine: limits, reservations, devices and GPUs. Pure."""

from __future__ import annotations

from wherry.errors import InputError, Unsupported
from wherry.runtime import parse_limits, parse_values
from wherry.runtime.options import DeviceRate, DeviceRequest, GpuRequest, Ulimit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from wherry.compose.model import Service
    from wherry.compose.model_build import DeviceRequest as DeviceModel
    from wherry.compose.model_parts import ThrottleDevice, WeightDevice

__all__ = ["limits"]


def limits(service: Service, warnings: list[str]) -> dict[str, Any]:
    """Fields of RunOptions; what means nothing on Linux or on one machine is told. Raises: InputError, Unsupported."""
    _refuse(service)
    _tell(service, warnings)
    if service.storage_opt:
        raise Unsupported(
            "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
            hint="wherry sets no size of a container's own files: take storage_opt away",
        )
    if not -1000 <= service.oom_score_adj <= 1000:
        raise InputError(f"Invalid value {service.oom_score_adj}, range for oom score adj is [-1000, 1000]")
    if not 0 <= service.mem_swappiness <= 100:
        raise InputError(f"invalid value: {service.mem_swappiness}. Valid memory swappiness range is 0-100")
    return {
        **_machine(service),
        **_deployed(service, warnings),
        **_blkio(service),
        **_devices(service),
        "ulimits": tuple(_ulimit(name, one.single, one.soft, one.hard) for name, one in service.ulimits.items()),
        "shm_size_bytes": service.shm_size,
        "cgroup_parent": _cgroup_parent(service.cgroup_parent),
        "isolation": parse_limits.isolation(service.isolation),
        "runtime": service.runtime,
    }


def _refuse(service: Service) -> None:
    """What a container without it would only seem to work."""
    if service.use_api_socket:
        raise Unsupported(
            "use_api_socket: there is no daemon, and so no socket of its API to give to a container",
            hint="what needs a daemon's API needs docker",
        )
    if service.pre_start:
        raise Unsupported(
            "pre_start: nothing is run before a container starts",
            hint="a service of its own that runs once, and depends_on it with service_completed_successfully",
        )
    if service.credential_spec is not None:
        raise Unsupported("credential_spec: group managed service accounts are for Windows containers")


def _tell(service: Service, warnings: list[str]) -> None:
    warnings += [
        f"{key} has no effect: it is for Windows containers"
        for key in ("cpu_count", "cpu_percent")
        if getattr(service, key)
    ]
    for key, chosen in service.networks.items():
        if chosen is not None and chosen.interface_name:
            warnings.append(f"networks.{key}.interface_name has no effect: interfaces are eth0, eth1, ...")
        if chosen is not None and chosen.gw_priority:
            warnings.append(f"networks.{key}.gw_priority has no effect: the first network by name is the way out")


def _machine(service: Service) -> dict[str, Any]:
    return {
        "memory_bytes": service.mem_limit,
        "memory_swap_bytes": service.memswap_limit,
        "memory_reservation_bytes": service.mem_reservation,
        # As docker-compose, where 0 can't be told from none
        "memory_swappiness": service.mem_swappiness or -1,
        "nano_cpus": round(service.cpus * 1_000_000_000),
        "cpu_shares": service.cpu_shares,
        "cpu_period_us": service.cpu_period,
        "cpu_quota_us": service.cpu_quota,
        "cpu_rt_period_us": service.cpu_rt_period,
        "cpu_rt_runtime_us": service.cpu_rt_runtime,
        "cpuset_cpus": service.cpuset,
        "pids_limit": max(service.pids_limit, 0),
        "oom_score_adj": service.oom_score_adj,
        "oom_kill_disable": service.oom_kill_disable,
    }


def _deployed(service: Service, warnings: list[str]) -> dict[str, Any]:
    """deploy.resources, which goes over the service's own keys where it says something."""
    found: dict[str, Any] = {}
    if service.deploy is None:
        return found
    top, reserved = service.deploy.resources.limits, service.deploy.resources.reservations
    if top is not None:
        values = {
            "memory_bytes": top.memory, "nano_cpus": round(top.cpus * 1_000_000_000), "pids_limit": top.pids,
        }  # fmt: skip
        found |= {name: value for name, value in values.items() if value > 0}
    if reserved is not None:
        if reserved.memory:
            found["memory_reservation_bytes"] = reserved.memory
        if reserved.cpus:
            warnings.append("deploy.resources.reservations.cpus has no effect on one machine")
        if reserved.generic_resources:
            warnings.append("deploy.resources.reservations.generic_resources has no effect: it needs a swarm")
    return found


def _blkio(service: Service) -> dict[str, Any]:
    blkio = service.blkio_config
    if blkio is None:
        return {}
    kinds = ("device_read_bps", "device_write_bps", "device_read_iops", "device_write_iops")
    if not 0 <= blkio.weight <= 0xFFFF:
        raise InputError(f"blkio_config.weight {blkio.weight} is out of range")
    return {
        "blkio_weight": blkio.weight,
        "blkio_weight_devices": tuple(_weight(one) for one in blkio.weight_device),
        **{kind: _rates(getattr(blkio, kind), kind) for kind in kinds},
    }


def _weight(one: WeightDevice) -> DeviceRate:
    return parse_limits.device_weight(f"{one.path}:{one.weight}")


def _rates(given: Sequence[ThrottleDevice], kind: str) -> tuple[DeviceRate, ...]:
    parse = parse_limits.bytes_rate if kind.endswith("bps") else parse_limits.io_rate
    return tuple(parse(f"{one.path}:{one.rate}") for one in given)


def _devices(service: Service) -> dict[str, Any]:
    from wherry.runtime.parse_gpus import is_cdi_name

    cdi = tuple(one.source for one in service.devices if is_cdi_name(one.source))
    paths = [one for one in service.devices if not is_cdi_name(one.source)]
    reserved = service.deploy.resources.reservations if service.deploy is not None else None
    asked = [*service.gpus, *(reserved.devices if reserved is not None else ())]
    requests = [_gpu(one, is_gpu=place < len(service.gpus)) for place, one in enumerate(asked)]
    return {
        "devices": tuple(_device(one.source, one.target, one.permissions) for one in paths),
        "cdi_devices": cdi,
        "device_cgroup_rules": tuple(parse_values.device_cgroup_rule(text) for text in service.device_cgroup_rules),
        "gpus": tuple(requests),
    }


def _device(source: str, target: str, permissions: str) -> DeviceRequest:
    return parse_values.device(f"{source}:{target or source}:{permissions or 'rwm'}")


def _gpu(asked: DeviceModel, *, is_gpu: bool) -> GpuRequest:
    """All of them when neither a count nor ids are said. Raises: InputError in docker's words for other devices."""
    capabilities = tuple(asked.capabilities)
    if is_gpu and "gpu" not in capabilities:
        capabilities = (*capabilities, "gpu")
    if asked.count and asked.device_ids:
        raise InputError('"count" and "device_ids" attributes are exclusive')
    if "gpu" not in capabilities:
        shown = " ".join(capabilities)
        raise InputError(
            f'could not select device driver "{asked.driver}" with capabilities: [[{shown}]]',
            hint="the capability gpu is the only one with a driver",
        )
    number = asked.count or (0 if asked.device_ids else -1)
    return GpuRequest(asked.driver, number, tuple(asked.device_ids), capabilities, dict(asked.options))


def _ulimit(name: str, single: int, soft: int, hard: int) -> Ulimit:
    low, high = (single, single) if single else (soft, hard)
    return parse_values.ulimit(f"{name}={low}:{high}")


def _cgroup_parent(text: str) -> str:
    parts = [part for part in text.split("/") if part]
    if any(part in (".", "..") for part in parts):
        raise InputError(f"invalid cgroup parent: {text}")
    return "/" + "/".join(parts) if parts else ""
