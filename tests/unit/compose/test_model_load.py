"""What `load` makes of a file: records, selections, places of faults, keys that are newer than docker-compose 2.26."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wherry.compose.config_hash import network_hash, service_hash, shown_hash, volume_hash
from wherry.compose.load import LoadRequest, load
from wherry.compose.model import Project
from wherry.errors import ComposeError, NotFound


def loaded(folder: Path, text: str, **fields: Any) -> Project:
    (folder / "compose.yaml").write_text(text)
    return load(LoadRequest(current_dir=str(folder), project_name="p", **fields))


def test_units_are_nanoseconds_and_bytes(tmp_path: Path) -> None:
    text = "services: {a: {image: x, stop_grace_period: 1m30s, mem_limit: 1.5g, healthcheck: {test: y, interval: 5ms}}}"
    service = loaded(tmp_path, text).services["a"]
    assert (service.stop_grace_period, service.mem_limit) == (90_000_000_000, 1536 << 20)
    assert service.healthcheck
    assert (service.healthcheck.interval, service.healthcheck.test) == (5_000_000, ("CMD-SHELL", "y"))


def test_newer_keys(tmp_path: Path) -> None:
    (tmp_path / "l.env").write_text("l=1\n")
    text = """
services:
  a:
    image: x
    models: [llm]
    use_api_socket: true
    label_file: l.env
    pull_policy: every_2d
    pre_start: [{command: [x], image: y, per_replica: true}]
    networks: {n: {gw_priority: 5, interface_name: eth7}}
    volumes:
    - {type: image, source: img, target: /i, image: {subpath: s}}
    - {type: volume, source: v, target: /v, volume: {labels: {a: b}, subpath: q}}
    build: {context: ., no_cache_filter: [s], provenance: mode=max, sbom: true}
    develop: {watch: [{path: ., action: sync, target: /x, include: ["*.py"], initial_sync: true}]}
  b: {provider: {type: awesome, options: {size: 1, tags: [a, b]}}}
  c: {image: z, models: {llm: {endpoint_var: URL, model_var: M}}}
networks: {n: }
volumes: {v: }
models: {llm: {model: ai/x, context_size: 1024, runtime_flags: [--a]}}
"""
    project = loaded(tmp_path, text)
    a, b, c = project.services.values()
    assert (list(a.models), a.use_api_socket, a.labels, a.pull_policy) == (["llm"], True, {"l": "1"}, "every_2d")
    assert (a.pre_start[0].command, a.pre_start[0].image, a.pre_start[0].per_replica) == (("x",), "y", True)
    network = a.networks["n"]
    assert network
    assert (network.gw_priority, network.interface_name) == (5, "eth7")
    image, volume = a.volumes
    assert image.image
    assert volume.volume
    assert a.build
    assert a.develop
    assert b.provider
    assert (image.image.subpath, volume.volume.subpath, volume.volume.labels) == ("s", "q", {"a": "b"})
    assert (a.build.no_cache_filter, a.build.provenance, a.build.sbom) == (("s",), "mode=max", "true")
    assert (a.develop.watch[0].include, a.develop.watch[0].initial_sync) == (("*.py",), True)
    assert b.provider.options == {"size": ("1",), "tags": ("a", "b")}
    assert (c.models["llm"].endpoint_var, c.models["llm"].model_var) == ("URL", "M")
    assert (project.models["llm"].model, project.models["llm"].context_size) == ("ai/x", 1024)


PROFILES = """
services:
  a: {image: x, profiles: [one]}
  b: {image: x, depends_on: [c]}
  c: {image: x}
  d: {image: x, profiles: [two], depends_on: [a]}
  e: {image: x, depends_on: {a: {condition: service_started, required: false}}}
"""


@pytest.mark.parametrize(
    ("fields", "active"),
    [
        ({}, "bce"),
        ({"profiles": ("one",)}, "abce"),
        ({"profiles": ("*",)}, "abcde"),
        ({"environment": {"COMPOSE_PROFILES": "one,two"}}, "abcde"),
        ({"environment": {"COMPOSE_PROFILES": "two"}, "profiles": ("one",)}, "abce"),
        ({"services": ("b",)}, "bc"),
        ({"services": ("b",), "with_dependencies": False}, "b"),
        ({"services": ("a",)}, "a"),
        ({"services": ("e",)}, "e"),
        ({"services": ("e", "a")}, "ae"),
    ],
)
def test_which_services_are_active(fields: dict[str, Any], active: str, tmp_path: Path) -> None:
    project = loaded(tmp_path, PROFILES, **fields)
    assert "".join(project.services) == active
    assert "".join(sorted(project.all_services())) == "abcde"


def test_a_dependency_behind_a_profile_is_told(tmp_path: Path) -> None:
    with pytest.raises(ComposeError, match='service "d" depends on undefined service "a"') as caught:
        loaded(tmp_path, PROFILES, profiles=("two",))
    assert caught.value.hint == "it takes part with --profile one; `required: false` goes on without it"
    with pytest.raises(NotFound, match="no such service: nope"):
        loaded(tmp_path, PROFILES, services=("nope",))


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("services:\n  a:\n    imag: x\n", "3:5", "services.a Additional property imag is not allowed"),
        ("services:\n  a:\n    image: [x]\n", "3:12", "services.a.image must be a string"),
        ("services:\n  a:\n    image: x\n    ports:\n    - 80\n    - http\n", "6:7", "Invalid containerPort: http"),
        ("services:\n  a:\n    image: x\n    mem_limit: 1q\n", "4:16", "services.a.mem_limit: invalid size: '1q'"),
        ("services:\n  a: {image: x, networks: [n]}\n", "2:28", 'service "a" refers to undefined network n'),
        (
            "services:\n  a:\n    image: x\n    ports: [{target: 80, host_ip: [a]}]\n",
            "4:35",
            "host_ip must be a string",
        ),
        ("services:\n  a: {image: x, configs: [{}]}\n", "2:27", 'service "a" refers to undefined config '),
        ("services:\n  a: {image: x}\nvolumes: {v: {size: 1}}\n", "3:15", "volumes.v Additional property size"),
    ],
)
def test_a_fault_has_its_place(text: str, where: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ComposeError) as caught:
        loaded(tmp_path, text)
    assert message in str(caught.value)
    assert caught.value.where == f"{tmp_path}/compose.yaml:{where}"
    assert caught.value.exit_code == 15
    assert caught.value.hint == ("did you mean image?" if "imag:" in text else None)


def test_a_long_chain_of_dependencies_is_no_recursion(tmp_path: Path) -> None:
    links = "".join(f"  s{at:04}: {{image: x, depends_on: [s{at + 1:04}]}}\n" for at in range(1500))
    assert len(loaded(tmp_path, f"services:\n{links}  s1500: {{image: x}}\n").services) == 1501
    with pytest.raises(ComposeError, match="dependency cycle detected: s0000 -> s0001 -> "):
        loaded(tmp_path, f"services:\n{links}  s1500: {{image: x, depends_on: [s0000]}}\n")


def test_a_hash_is_that_of_what_makes_a_container(tmp_path: Path) -> None:
    base = loaded(tmp_path, "services: {a: {image: x}, b: {image: y}}").services["a"]
    more = "build: ., scale: 3, profiles: [p], depends_on: [b], pull_policy: always"
    same = f"services: {{a: {{image: x, {more}}}, b: {{image: y}}}}"
    other = loaded(tmp_path, same, profiles=("p",)).services["a"]
    assert service_hash(base) == service_hash(other)
    assert shown_hash(base) == service_hash(base) != shown_hash(other)
    changed = loaded(tmp_path, "services: {a: {image: x, environment: {A: b}}}").services["a"]
    assert service_hash(changed) != service_hash(base)


def test_hashes_of_networks_and_volumes(tmp_path: Path) -> None:
    text = (
        "services: {{a: {{image: x, volumes: [vol:/v], networks: [n]}}}}\nnetworks: {{n: {0}}}\nvolumes: {{vol: {0}}}"
    )
    plain, local, other = (loaded(tmp_path, text.format(one)) for one in ("{}", "{driver: local}", "{driver: d}"))
    assert volume_hash(plain.volumes["vol"]) == volume_hash(local.volumes["vol"]) != volume_hash(other.volumes["vol"])
    assert network_hash(plain.networks["n"]) != network_hash(other.networks["n"])
