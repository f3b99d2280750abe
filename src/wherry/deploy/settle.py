"""Wishes and the image become the `Application`: defaults are put in, contradictions explained. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import MappingProxyType

from wherry.deploy.application import Application, Health, ImageFacts, plain_name
from wherry.deploy.target import Problem
from wherry.deploy.wishes import Wishes
from wherry.errors import InputError
from wherry.oci.reference import Reference

__all__ = ["asked_path", "common_problems", "default_name", "health_of", "settle", "suspicious"]

_DEFAULT_PORT = 8000
_MOST_INSTANCES = 10_000


def settle(wishes: Wishes, image: ImageFacts) -> Application:
    """Raises: InputError: a name that no platform takes, two ports that may be meant, fewer at most than at least."""
    least, most = wishes.min_instances, wishes.max_instances
    least = min(1, 1 if most is None else most) if least is None else least
    most = max(1, least) if most is None else most
    if most < 1:
        raise InputError("max: 0 instances serve nobody", hint="wherry deploy destroy takes a deployment away")
    if max(least, most) > _MOST_INSTANCES:
        raise InputError(f"{max(least, most)} instances are more than any platform runs")
    if most < least:
        raise InputError(f"at least {least} instances (min) and at most {most} (max) contradict each other")
    if wishes.concurrency is not None and wishes.concurrency < 1:
        raise InputError("concurrency: an instance that takes no request serves nobody")
    health = health_of(image)
    defaults = Application("", image, 0)
    return Application(
        name=plain_name(wishes.name or default_name(image.reference)),
        image=image,
        port=_port(wishes, image),
        health=Health(health.ready if wishes.ready is None else wishes.ready,
                      health.live if wishes.live is None else wishes.live),
        env=MappingProxyType(dict(wishes.env or {})),
        secrets=tuple((wishes.secrets or {}).values()),
        cpu_m=defaults.cpu_m if wishes.cpu_m is None else wishes.cpu_m,
        memory_bytes=defaults.memory_bytes if wishes.memory_bytes is None else wishes.memory_bytes,
        gpu=wishes.gpu,
        min_instances=least,
        max_instances=most,
        concurrency=wishes.concurrency,
        entrypoint=wishes.entrypoint,
        command=wishes.command,
        weights=wishes.weights or (),
        labels=MappingProxyType(dict(wishes.labels or {})),
        grace_s=defaults.grace_s if wishes.grace_s is None else wishes.grace_s,
    )  # fmt: skip


def default_name(reference: str) -> str:
    """The last part of the repository, with "-" for what names can't have: "me/Iris_api:3" is iris-api."""
    last = Reference.parse(reference).repository.rpartition("/")[2]
    name = re.sub(r"[^a-z0-9]+", "-", last.lower()).strip("-")[:32].rstrip("-")
    return name if name[:1].isalpha() else f"app-{name}"[:32].rstrip("-")


def _port(wishes: Wishes, image: ImageFacts) -> int:
    if wishes.port is not None:
        return wishes.port
    for ports, where in (
        (wishes.ports or (), "the compose service publishes"),
        (image.exposed_ports, "the image exposes"),
    ):
        if len(ports) > 1:
            listed = ", ".join(map(str, ports))
            raise InputError(f"{where} several ports ({listed}): which one answers requests?",
                             hint=f"--port {ports[0]}")  # fmt: skip
        if ports:
            return ports[0]
    said = image.env.get("PORT", "")
    return int(said) if said.isdecimal() and 0 < int(said) < 65536 else _DEFAULT_PORT


_URL = re.compile(r"https?://(?:localhost|127\.0\.0\.1|\[::1\]|0\.0\.0\.0)(?::[^/'\"\s]*)?(/[^'\"\s)}]*)?")


def asked_path(test: Sequence[str]) -> str:
    """The path that a health check's command asks over HTTP, "" where it asks otherwise, or not at all."""
    if not test or test[0] == "NONE":
        return ""
    found = _URL.search(" ".join(test[1:]))
    return found.group(1) or "/" if found else ""


def health_of(image: ImageFacts) -> Health:
    """The path that the image's own HEALTHCHECK asks over HTTP. A platform asks itself, and runs no command for it."""
    path = asked_path(image.healthcheck.test if image.healthcheck else ())
    return Health(path, path)


_SECRET_WORDS = re.compile(r"(?:^|_)(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIALS?)(?:_|$)")


def suspicious(app: Application) -> list[str]:
    """Variables whose names say that their values are secrets: everybody who may look at the platform reads them."""
    return [name for name, value in app.env.items() if value and _SECRET_WORDS.search(name.upper())]


def common_problems(app: Application) -> list[Problem]:
    """What no platform takes."""
    found = []
    if app.image.platform.os != "linux":
        found.append(Problem("image", f"it is built for {app.image.platform}, and the platforms run Linux"))
    said = app.env.get("PORT")
    if said is not None and said != str(app.port):
        found.append(Problem("env", f"PORT={said} and port {app.port} contradict each other",
                             f"leave PORT out: it is set to {app.port}"))  # fmt: skip
    found += [
        Problem("env", f"{name!r} is no name of a variable")
        for name in app.env if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name)
    ]  # fmt: skip
    twice = {one.name for one in app.secrets} & app.env.keys()
    found += [Problem("secret", f"{name} is a variable and a secret at once") for name in sorted(twice)]
    if "" in app.labels:
        found.append(Problem("label", "a label without a name"))
    mounts = [one.mount for one in app.weights]
    found += [Problem("weights", f"two models are mounted at {one}")
              for one in dict.fromkeys(mounts) if mounts.count(one) > 1]  # fmt: skip
    return found
