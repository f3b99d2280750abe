"""What Cloud Run would refuse, all of it at once. Pure.

Spec: https://cloud.google.com/run/docs/configuring/services/cpu, .../memory-limits, .../gpu and
https://cloud.google.com/run/docs/container-contract
(limits as of November 2026; Google raises them: what it refuses beyond them is told when it is applied)
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from wherry.deploy.application import Application
from wherry.deploy.cloudrun.choice import Choice
from wherry.deploy.target import Problem

__all__ = ["ACCELERATORS", "MEMORY_MIB", "notes", "validate", "wrong_options"]

# Thousandths of a CPU -> least and most memory, MiB
MEMORY_MIB = {1000: (128, 4096), 2000: (128, 8192), 4000: (2048, 16384), 6000: (4096, 24576), 8000: (4096, 32768)}

# kind -> least thousandths of a CPU, least memory in MiB
ACCELERATORS = {"nvidia-l4": (4000, 16384), "nvidia-rtx-pro-6000": (20000, 81920)}
_RESERVED = ("PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION")
_GRACE_S = 10
_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_VALUE = re.compile(r"[a-z0-9_-]{0,63}")


def validate(app: Application, choice: Choice) -> list[Problem]:
    """In the order in which one reads the command line."""
    return [*_image(app), *_size(app), *_gpu(app), *_listening(app), *_scaling(app, choice), *_variables(app),
            *_lacking(app), *_labels(app), *wrong_options(choice)]  # fmt: skip


def _image(app: Application) -> Iterator[Problem]:
    platform = app.image.platform
    if (platform.os, platform.architecture) != ("linux", "amd64"):
        yield Problem("image", f"Cloud Run runs linux/amd64 only, and the image is {platform}",
                      "build it with --platform linux/amd64")  # fmt: skip


def _size(app: Application) -> Iterator[Problem]:
    if app.gpu is not None:
        return
    if app.cpu_m < 1000:
        yield from _fraction(app)
    elif app.cpu_m not in MEMORY_MIB:
        near = next((one for one in MEMORY_MIB if one >= app.cpu_m), 8000)
        yield Problem(
            "cpu", f"Cloud Run sells less than 1, or 1, 2, 4, 6 or 8 CPUs, not {app.cpus}", f"--cpu {near // 1000}"
        )
    else:
        least, most = MEMORY_MIB[app.cpu_m]
        if app.memory_mib < least:
            yield Problem("memory", f"with {app.cpus} CPUs it must be {least} MiB at least", f"--memory {least}m")
        elif app.memory_mib > most:
            more = next((one for one, (_, high) in MEMORY_MIB.items() if high >= app.memory_mib), None)
            yield Problem("memory", f"with {app.cpus} CPU it can be {most} MiB at most",
                          f"--cpu {more // 1000}" if more else "32 GiB is the most: deploy to kubernetes")  # fmt: skip


def _fraction(app: Application) -> Iterator[Problem]:
    if app.cpu_m < 80:
        yield Problem("cpu", f"the least is 0.08 CPU, not {app.cpus}", "--cpu 0.08")
    most = 512 if app.cpu_m < 500 else 1024
    if app.memory_mib > most:
        yield Problem("memory", f"with {app.cpus} CPU it can be {most} MiB at most", "--cpu 1")
    if app.concurrency != 1:
        yield Problem("concurrency", "with less than 1 CPU an instance takes one request at a time", "--concurrency 1")


def _gpu(app: Application) -> Iterator[Problem]:
    if app.gpu is None:
        return
    kind = app.gpu.kind or "nvidia-l4"
    if kind not in ACCELERATORS:
        yield Problem("gpu", f"Cloud Run has no {kind}", f"one of {', '.join(ACCELERATORS)}")
        return
    if app.gpu.count != 1:
        yield Problem("gpu", f"an instance has one GPU, not {app.gpu.count}", "--gpu 1, and more instances by --max")
    cpu_m, memory = ACCELERATORS[kind]
    if app.cpu_m < cpu_m:
        yield Problem("cpu", f"{kind} needs {cpu_m // 1000} CPUs at least", f"--cpu {cpu_m // 1000}")
    if app.memory_mib < memory:
        yield Problem("memory", f"{kind} needs {memory // 1024} GiB at least", f"--memory {memory // 1024}g")


def _listening(app: Application) -> Iterator[Problem]:
    if not 1 <= app.port <= 65535:
        yield Problem("port", f"a port is 1 to 65535, not {app.port}")
    for path in (app.health.ready, app.health.live):
        if path and (not path.startswith("/") or re.search(r"\s", path)):
            yield Problem("health", f"a probe asks for a path like /health, not {path[:80]!r}")


def _scaling(app: Application, choice: Choice) -> Iterator[Problem]:
    if app.max_instances < 1:
        yield Problem("max", "at least one instance must be allowed", "--max 1")
    if app.concurrency is not None and not 1 <= app.concurrency <= 1000:
        yield Problem("concurrency", f"an instance takes 1 to 1000 requests at once, not {app.concurrency}")
    if not 1 <= choice.timeout_s <= 3600:
        yield Problem("request-timeout", f"a request may take 1 to 3600 s, not {choice.timeout_s}")


def _variables(app: Application) -> Iterator[Problem]:
    for name in sorted({*app.env, *(secret.name for secret in app.secrets)}):
        if name in _RESERVED:
            yield Problem("env", f"{name} is set by Cloud Run itself", "leave it out: wherry gives it the right port")
    for secret in app.secrets:
        if secret.name in app.env:
            yield Problem("secret", f"{secret.name} is both a variable and a secret", "keep the secret")


def _lacking(app: Application) -> Iterator[Problem]:
    if app.weights:
        yield Problem("weights", "Cloud Run can't mount a model artifact into a container",
                      "COPY the weights into the image: they are a layer of their own, pushed once")  # fmt: skip


def _labels(app: Application) -> Iterator[Problem]:
    for key, value in app.labels.items():
        if not _KEY.fullmatch(key) or not _VALUE.fullmatch(value):
            yield Problem("label", f"{key}={value}: a label of Google's is small letters, digits, - and _, 63 at most")


def wrong_options(choice: Choice) -> Iterator[Problem]:
    if choice.project and not re.fullmatch(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", choice.project):
        yield Problem("project", f"{choice.project!r} is no project's id", "its id, not its name or number")
    if choice.region and not re.fullmatch(r"[a-z]+-[a-z]+\d{1,2}", choice.region):
        yield Problem("region", f"{choice.region!r} is no region of Google's", "as europe-west1")
    if choice.repository and not re.fullmatch(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?", choice.repository):
        yield Problem("repository", f"{choice.repository!r} is no name of a repository in Artifact Registry")
    if choice.service_account and not re.fullmatch(r"[^\s@]+@[a-z0-9.-]+\.[a-z]+", choice.service_account):
        yield Problem("service-account", f"{choice.service_account[:80]!r} is no service account's address",
                      "as NAME@PROJECT.iam.gserviceaccount.com")  # fmt: skip


def notes(app: Application) -> tuple[str, ...]:
    """What is not refused, and not as asked."""
    if app.grace_s <= _GRACE_S:
        return ()
    return (f"Cloud Run kills {_GRACE_S} s after SIGTERM, not {app.grace_s} s",)
