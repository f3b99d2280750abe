"""Which host answers for a name."""

from __future__ import annotations

import pytest

from wherry.oci.reference import Reference
from wherry.registry.hosts import HUB, Endpoint, Hosts, is_loopback, split_port


@pytest.mark.parametrize(
    ("name", "host", "repository"),
    [
        ("python", HUB, "library/python"),
        ("docker.io/python", HUB, "library/python"),
        ("index.docker.io/user/app", HUB, "user/app"),
        ("registry-1.docker.io/user/app", HUB, "user/app"),
        ("ghcr.io/user/app:1", "ghcr.io", "user/app"),
        ("registry.example:5000/a/b/c", "registry.example:5000", "a/b/c"),
    ],
)
def test_a_bare_name_is_docker_io_and_any_other_is_its_host(name: str, host: str, repository: str) -> None:
    assert Hosts().for_pull(Reference.parse(name)) == (Endpoint(host, repository),)
    assert Hosts().for_push(Reference.parse(name)) == Endpoint(host, repository)


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("localhost", True), ("localhost:5000", True), ("127.0.0.1", True), ("127.9.9.9:80", True),
        ("[::1]:5000", True),
        ("127.0.0.1.example.com", False), ("localhost.example.com", False), ("10.0.0.1:5000", False), ("[::2]", False),
        ("127.0.0.256", False), ("docker.io", False),
    ],
)  # fmt: skip
def test_only_this_machine_falls_back_to_http_by_itself(host: str, is_ours: bool) -> None:
    assert is_loopback(host) is is_ours
    assert Hosts().for_registry(host).fallback_http is is_ours


def test_a_port_is_split_from_addresses_of_both_kinds() -> None:
    assert split_port("[::1]:5000") == ("::1", "5000")
    assert split_port("[fd00::1]") == ("fd00::1", "")
    assert split_port("a.example:443") == ("a.example", "443")
    assert split_port("a.example") == ("a.example", "")
