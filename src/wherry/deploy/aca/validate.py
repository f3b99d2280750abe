"""What Container Apps would refuse, all of it at once. Pure.

Spec: https://learn.microsoft.com/azure/container-apps/containers (sizes), .../gpu-serverless-overview, .../quotas and
.../manage-secrets (as of November 2026; what Azure refuses beyond them is told when it is applied)
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from wherry.deploy.aca import names
from wherry.deploy.aca.choice import Choice
from wherry.deploy.application import Application
from wherry.deploy.target import Problem

__all__ = ["GPUS", "gpu_profile", "notes", "validate", "wrong_options"]

_STEP_M, _MOST_M = 250, 4000
_MIB_PER_M = 2048 / 1000
_MOST_INSTANCES = 1000
_GRACE_S = 600
_MOST_SECRETS = 250

# kind -> workload profile, its thousandths of a CPU, its memory in MiB
GPUS = {
    "nvidia-t4": ("Consumption-GPU-NC8as-T4", 8000, 56 * 1024),
    "nvidia-a100": ("Consumption-GPU-NC24-A100", 24000, 220 * 1024),
}
_RESERVED = ("CONTAINER_APP_NAME", "CONTAINER_APP_REVISION", "CONTAINER_APP_HOSTNAME", "CONTAINER_APP_PORT",
             "CONTAINER_APP_ENV_DNS_SUFFIX", "CONTAINER_APP_REPLICA_NAME", names.MARK)  # fmt: skip
_VAULT = re.compile(r"https://[a-z0-9-]{3,24}\.vault\.azure\.net/secrets/[A-Za-z0-9-]{1,127}(?:/[0-9a-f]{32})?")
_SUBSCRIPTION = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_GROUP = re.compile(r"[\w().-]{0,89}[\w()-]")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?(?:/[a-z0-9][a-z0-9._/-]*)?")


def validate(app: Application, choice: Choice) -> list[Problem]:
    """In the order in which one reads the command line."""
    return [*_image(app), *_size(app, choice), *_gpu(app), *_scaling(app), *_variables(app), *_secrets(app),
            *_lacking(app), *_tags(app), *wrong_options(choice)]  # fmt: skip


def gpu_profile(app: Application) -> str:
    """Azure's name of the workload profile that has the GPU; "" without one."""
    return GPUS[app.gpu.kind or "nvidia-t4"][0] if app.gpu else ""


def _image(app: Application) -> Iterator[Problem]:
    platform = app.image.platform
    if (platform.os, platform.architecture) != ("linux", "amd64"):
        yield Problem("image", f"Container Apps runs linux/amd64 only, and the image is {platform}",
                      "build it with --platform linux/amd64")  # fmt: skip
    if len(app.name) < 2:
        yield Problem("name", f"an app's name has 2 letters at least, and {app.name!r} has one", "--name my-api")


def _size(app: Application, choice: Choice) -> Iterator[Problem]:
    """Consumption sells 0.25 to 4 CPUs in quarters, each with two GiB a CPU and nothing else."""
    if app.gpu is not None or choice.profile:
        return
    # The nearest pair that holds what was asked for
    steps = max(-(-app.cpu_m // _STEP_M), -(-app.memory_mib // int(_STEP_M * _MIB_PER_M)))
    cpu_m = steps * _STEP_M
    if (app.cpu_m, app.memory_mib) == (cpu_m, int(cpu_m * _MIB_PER_M)) and cpu_m <= _MOST_M:
        return
    if cpu_m > _MOST_M:
        yield Problem("cpu" if app.cpu_m > _MOST_M else "memory",
                      "the consumption plan ends at 4 CPUs with 8 GiB", "--workload-profile NAME")  # fmt: skip
        return
    asked = f"{app.cpus} CPU with {app.memory_mib} MiB"
    yield Problem("memory", f"Container Apps does not sell {asked}: a CPU comes with 2 GiB, in quarters",
                  f"--cpu {cpu_m / 1000:g} --memory {int(cpu_m * _MIB_PER_M)}m")  # fmt: skip


def _gpu(app: Application) -> Iterator[Problem]:
    if app.gpu is None:
        return
    kind = app.gpu.kind or "nvidia-t4"
    if kind not in GPUS:
        yield Problem("gpu", f"Container Apps has no {kind}", f"one of {', '.join(GPUS)}")
        return
    if app.gpu.count != 1:
        yield Problem("gpu", f"an instance has one GPU, not {app.gpu.count}", "--gpu 1, and more instances by --max")
    _, cpu_m, memory = GPUS[kind]
    if app.cpu_m > cpu_m:
        yield Problem("cpu", f"{kind} comes with {cpu_m // 1000} CPUs at most", f"--cpu {cpu_m // 1000}")
    if app.memory_mib > memory:
        yield Problem("memory", f"{kind} comes with {memory // 1024} GiB at most", f"--memory {memory // 1024}g")


def _scaling(app: Application) -> Iterator[Problem]:
    if app.max_instances > _MOST_INSTANCES:
        yield Problem("max", f"an app has {_MOST_INSTANCES} instances at most, not {app.max_instances}")
    if app.grace_s > _GRACE_S:
        yield Problem("grace", f"Container Apps waits {_GRACE_S} s at most, not {app.grace_s}", f"--grace {_GRACE_S}s")


def _variables(app: Application) -> Iterator[Problem]:
    for name in sorted({*app.env, *(secret.name for secret in app.secrets)}):
        if name in _RESERVED:
            yield Problem("env", f"{name} is set by the platform, or by wherry", "leave it out")


def _secrets(app: Application) -> Iterator[Problem]:
    called = Counter(names.secret(one.name) for one in app.secrets)
    for name, count in called.items():
        if count > 1 or name == names.REGISTRY_SECRET:
            yield Problem("secret", f"two secrets would be called {name} in the app", "give one of them another name")
        if len(name) > 253:
            yield Problem("secret", "a secret's name has 253 letters at most")
    if len(app.secrets) > _MOST_SECRETS:
        yield Problem("secret", f"an app has {_MOST_SECRETS} secrets at most, not {len(app.secrets)}")
    for secret in app.secrets:
        if secret.kind == "ref" and not _VAULT.fullmatch(secret.where):
            yield Problem("secret", f"{secret.where!r} is no secret of a Key Vault",
                          f"{secret.name}=ref:https://VAULT.vault.azure.net/secrets/NAME")  # fmt: skip


def _lacking(app: Application) -> Iterator[Problem]:
    if app.weights:
        yield Problem("weights", "Container Apps can't mount a model artifact into a container",
                      "COPY the weights into the image: they are a layer of their own, pushed once")  # fmt: skip


def _tags(app: Application) -> Iterator[Problem]:
    for key, value in app.labels.items():
        if not key or len(key) > 512 or len(value) > 256 or re.search(r"[<>%&\\?/]", key):
            yield Problem("label", f"{key[:80]}: a tag of Azure's has none of <>%&\\?/ in its name, and 256 letters of "
                          "value at most")  # fmt: skip


def wrong_options(choice: Choice) -> Iterator[Problem]:
    if choice.subscription and not _SUBSCRIPTION.fullmatch(choice.subscription):
        yield Problem("subscription", f"{choice.subscription[:80]!r} is no subscription's id",
                      "az account list has the ids; a name is not enough")  # fmt: skip
    if choice.group and not _GROUP.fullmatch(choice.group):
        yield Problem("resource-group", f"{choice.group[:100]!r} is no name of a resource group")
    if choice.location and not re.fullmatch(r"[a-z]{2,}[a-z0-9]*", choice.location):
        yield Problem("location", f"{choice.location[:80]!r} is no location of Azure's", "as westeurope")
    if choice.registry and not _HOST.fullmatch(choice.registry):
        yield Problem("registry", f"{choice.registry[:80]!r} is neither HOST nor HOST/PREFIX", "as team.azurecr.io")
    for field, value, kind in (("environment", choice.environment, "managedEnvironments"),
                               ("identity", choice.identity, "userAssignedIdentities")):  # fmt: skip
        wanted = rf"/subscriptions/[^/]+/resource[gG]roups/[^/]+/providers/[^/]+/{kind}/[^/]+|[A-Za-z0-9_-]{{2,128}}"
        if value and not re.fullmatch(wanted, value, re.IGNORECASE):
            yield Problem(field, f"{value[:120]!r} is neither a name nor an id of one of Azure's {kind}")


def notes(app: Application, choice: Choice) -> tuple[str, ...]:
    """What is not refused, and is to be known."""
    found = []
    vaults = [one.name for one in app.secrets if one.kind == "ref"]
    if vaults:
        who = names.last(choice.identity) if choice.identity else names.own(app.name)
        found.append(f"the identity {who} needs the role Key Vault Secrets User there, to read {', '.join(vaults)}")
    return tuple(found)
