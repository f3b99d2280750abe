"""The compact text of plan cases: services and containers, one a line, as words and KEY=VALUE.

    == desired
    db: volumes=data:/data networks=default
    web: depends=db(healthy,restart) replicas=2
    == observed
    network default
    volume data drifted
    db 1 running healthy
    web 1 exited(3) stale
    == options
    services=web recreate=force
    == plan
    ...

A container's id is its line's number in hex, 32 times; it has its service's networks and volumes unless the line says
others. The hash of a service is its name with what it shares; `stale` is another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wherry.compose import labels
from wherry.compose.config_hash import network_hash, volume_hash
from wherry.compose.container_names import container_name
from wherry.compose.decide import ReconcileOptions
from wherry.compose.diverge import Standard
from wherry.compose.model import Network, Project, Volume
from wherry.compose.model_parts import Dependency, Hook, Mount, Provider
from wherry.compose.model_service import Service
from wherry.compose.observe import Observed, ObservedContainer, ObservedNetwork, ObservedVolume
from wherry.compose.order import with_parents
from wherry.compose.reconcile_down import DownOptions

CONDITIONS = {
    "started": "service_started", "healthy": "service_healthy", "completed": "service_completed_successfully",
}  # fmt: skip


def sections(text: str) -> dict[str, str]:
    parts = re.split(r"^== (\w+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def lines(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        if words := line.split("#")[0].split():
            yield words


def settings(words: list[str]) -> dict[str, str]:
    return {word.partition("=")[0]: word.partition("=")[2] for word in words}


def pairs(text: str) -> list[tuple[str, str]]:
    """ "a:/b,/c" as (source, target); without a source, it is anonymous."""
    found = []
    for entry in filter(None, text.split(",")):
        source, colon, target = entry.partition(":")
        found.append((source, target) if colon else ("", source))
    return found


def service(name: str, has: dict[str, str]) -> Service:
    mode = has.get("network_mode", "")
    networks = [] if mode else has.get("networks", "default").split(",")
    depends = {}
    for entry in re.findall(r"(\w+)(?:\(([\w,]*)\))?", has.get("depends", "")):
        words = entry[1].split(",")
        condition = next((CONDITIONS[word] for word in words if word in CONDITIONS), "service_started")
        depends[entry[0]] = Dependency(
            condition=condition, restart="restart" in words, required="optional" not in words
        )  # fmt: skip
    fields: dict[str, Any] = {
        "image": has.get("image", "app"),
        "networks": dict.fromkeys(filter(None, networks)),
        "depends_on": depends,
        "volumes": tuple(
            Mount(type="volume", source=source, target=target) for source, target in pairs(has.get("volumes", ""))
        ),
        "network_mode": mode,
        "links": tuple(filter(None, has.get("links", "").split(","))),
        "volumes_from": tuple(filter(None, has.get("volumes_from", "").split(","))),
        "container_name": has.get("container_name", ""),
        "scale": int(has["replicas"]) if "replicas" in has else None,
        "post_start": (Hook(command=("true",)),) * int(has.get("post_start", "0")),
        "pre_stop": (Hook(command=("true",)),) * int(has.get("pre_stop", "0")),
        "provider": Provider(type=has["provider"]) if "provider" in has else None,
    }
    return Service(name=name, **fields)


def project(text: str) -> Project:
    active: dict[str, Service] = {}
    disabled: dict[str, Service] = {}
    networks: dict[str, Network] = {}
    volumes: dict[str, Volume] = {}
    for words in lines(text):
        has = settings(words[1:])
        if words[0] == "network":
            key = words[1]
            networks[key] = Network(name=has.get("name", f"shop_{key}"), external="external" in has)
            continue
        if words[0] == "volume":
            key = words[1]
            volumes[key] = Volume(name=has.get("name", f"shop_{key}"), external="external" in has)
            continue
        one = service(words[0].rstrip(":"), has)
        (disabled if "disabled" in has else active)[one.name] = one
        for key in one.networks:
            networks.setdefault(key, Network(name=f"shop_{key}"))
        for mount in one.volumes:
            if mount.source:
                volumes.setdefault(mount.source, Volume(name=f"shop_{mount.source}"))
    return Project(
        name="shop", working_dir="/shop", services=active, disabled_services=disabled, networks=networks,
        volumes=volumes,
    )  # fmt: skip


def hash_of(one: Service) -> str:
    return f"{one.name} {one.network_mode} {','.join(one.volumes_from)}"


def observed(text: str, desired: Project) -> Observed:
    networks = {name: ObservedNetwork(name, name) for name in ("bridge", "host", "none")}
    volumes: dict[str, ObservedVolume] = {}
    containers: list[ObservedContainer] = []
    for place, words in enumerate(lines(text), 1):
        has = settings(words)
        owner = has.get("project", "shop")
        if words[0] == "network":
            name, wanted = has.get("name", f"shop_{words[1]}"), desired.networks.get(words[1])
            mark = "old" if "drifted" in has else network_hash(wanted) if wanted and "nohash" not in has else ""
            networks[name] = ObservedNetwork(name, f"{place:02x}" * 32, words[1] if owner else "", owner, mark)
        elif words[0] == "volume":
            name, there = has.get("name", f"shop_{words[1]}"), desired.volumes.get(words[1])
            mark = "old" if "drifted" in has else volume_hash(there) if there and "nohash" not in has else ""
            volumes[name] = ObservedVolume(name, words[1] if owner else "", owner, mark)
        else:
            containers.append(_container(f"{place:02x}" * 32, place, words, desired, containers))
    containers.sort(key=lambda one: (one.service, one.one_off, one.number, one.created_ns))
    return Observed("shop", tuple(containers), networks, volumes)


def _container(
    id: str, place: int, words: list[str], desired: Project, before: list[ObservedContainer]
) -> ObservedContainer:
    """A parent's line stands before those that share with it."""
    has, name, number = settings(words), words[0], int(words[1])
    wanted = desired.all_services().get(name)
    status, _, code = words[2].rstrip(")").partition("(")
    given = {labels.CONFIG_HASH: "old", labels.IMAGE: has.get("image", "sha256:" + "ab" * 32)}
    if wanted is not None and "stale" not in has:
        given[labels.CONFIG_HASH] = hash_of(with_parents(wanted, {one.service: one.id for one in reversed(before)}))
    if "replaces" in has:
        given[labels.REPLACE] = has["replaces"] * 32
    if "depends" in has:
        given[labels.DEPENDS_ON] = has["depends"]
    return ObservedContainer(
        id,
        has.get("name", container_name("shop", wanted, number) if wanted else f"shop-{name}-{number}"),
        name,
        number,
        "oneoff" in has,
        status,
        int(code or 0),
        next((word for word in words if word in ("healthy", "unhealthy", "starting")), ""),
        "sha256:" + "ab" * 32,
        given,
        _networks(has, wanted, desired),
        _volumes(has, wanted, desired, id),
        place,
    )


def _networks(has: dict[str, str], wanted: Service | None, desired: Project) -> tuple[str, ...]:
    if "networks" in has:
        return tuple(f"shop_{key}" for key in has["networks"].split(","))
    return tuple(desired.networks[key].name for key in wanted.networks) if wanted else ("shop_default",)


def _volumes(
    has: dict[str, str], wanted: Service | None, desired: Project, id: str
) -> tuple[tuple[str, str, bool], ...]:  # fmt: skip
    if "volumes" in has:
        found = [(target, f"shop_{key}" if key else id, not key) for key, target in pairs(has["volumes"])]
    else:
        mounts = wanted.volumes if wanted else ()
        found = [
            (one.target, desired.volumes[one.source].name if one.source else id, not one.source) for one in mounts
        ]  # fmt: skip
    return tuple(sorted(found))


def standard(desired: Project, text: str) -> Standard:
    """`image=SERVICE` has another image by now; `keys=...` is what changed."""
    images = dict.fromkeys(desired.services, "sha256:" + "ab" * 32)
    keys: tuple[str, ...] = ()
    for words in lines(text):
        has = settings(words)
        if "image" in has:
            images[has["image"]] = "sha256:" + "cd" * 32
        if "keys" in has:
            keys = tuple(has["keys"].split(","))
    return Standard(desired, hash_of, images, keys_of=lambda *_: keys)


def options(text: str) -> ReconcileOptions:
    has = settings([word for words in lines(text) for word in words])
    return ReconcileOptions(
        services=tuple(filter(None, has.get("services", "").split(","))),
        recreate=has.get("recreate", "diverged"),
        recreate_dependencies=has.get("dependencies", "diverged"),
        inherit_volumes="renew" not in has,
        start="nostart" not in has,
        remove_orphans="orphans" in has,
        ignore_orphans="ignore" in has,
        scale={name: int(count) for name, count in re.findall(r"(\w+):(\d+)", has.get("scale", ""))},
        timeout_s=int(has["timeout"]) if "timeout" in has else None,
        recreate_volumes=frozenset(filter(None, has.get("volumes", "").split(","))),
    )


def down_options(text: str) -> DownOptions:
    has = settings([word for words in lines(text) for word in words])
    return DownOptions(
        services=tuple(filter(None, has.get("services", "").split(","))),
        volumes="volumes" in has,
        remove_orphans="orphans" in has,
        images=tuple(filter(None, has.get("images", "").split(","))),
    )


def cases(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.txt"))
