"""Which host answers for a name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import InputError, WherryError
from wherry.oci.reference import Reference
from wherry.registry.hosts import HUB, Endpoint, Hosts, is_loopback, split_port
from wherry.registry.hosts_conf import parse

CASES = sorted((Path(__file__).parents[2] / "cases" / "registries" / "hosts").glob("*.txt"))


def shown(endpoint: Endpoint) -> str:
    words = [
        endpoint.host if endpoint.scheme == "https" else f"{endpoint.scheme}://{endpoint.host}",
        endpoint.repository,
    ]
    words += (
        ["mirror"] * endpoint.is_mirror + ["insecure"] * (not endpoint.verify) + ["http-too"] * endpoint.fallback_http
    )
    words += [f"ca={','.join(endpoint.ca_files)}"] * bool(endpoint.ca_files)
    if endpoint.client_cert:
        words.append(f"client={endpoint.client_cert[0]}")
    return " ".join(sorted(words))


def answer(hosts: Hosts, question: str) -> str:
    verb, name = question.split()
    reference = Reference.parse(name)
    try:
        found = hosts.for_pull(reference) if verb == "pull" else (hosts.for_push(reference),)
    except WherryError as fault:
        return said(fault)
    return "\n".join(shown(endpoint) for endpoint in found)


def said(fault: WherryError) -> str:
    where = getattr(fault, "where", None)
    return f"! {where}: {fault}" if where else f"! {fault}"


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path, tmp_path: Path) -> None:
    """NAME=VALUE of the environment; `$ pull NAME` with the endpoints in order, or `! a part of the error`; files."""
    head, *files = re.split(r"^--- *(.*)\n", path.read_text().replace("HOME", str(tmp_path)), flags=re.MULTILINE)
    for name, text in zip(files[::2], files[1::2], strict=True):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    setup, *questions = re.split(r"^\$ *(.*)\n", head, flags=re.MULTILINE)
    env = {"HOME": f"{tmp_path}/home", **dict(re.findall(r"^(\w+)=(.*)$", setup, re.MULTILINE))}
    wrong = re.search(r"^! (.*)$", setup, re.MULTILINE)
    if wrong:
        with pytest.raises(InputError) as caught:
            Hosts.load(env, 0, etc=f"{tmp_path}/etc")
        assert wrong[0] in said(caught.value)
        return
    hosts = Hosts.load(env, 0, etc=f"{tmp_path}/etc")
    for question, expected in zip(questions[::2], questions[1::2], strict=True):
        found = answer(hosts, question)
        if expected.startswith("!"):
            assert expected[2:].strip() in found, question
        else:
            assert found == "\n".join(" ".join(sorted(line.split())) for line in expected.splitlines()), question


@given(
    st.text() | st.from_regex(r"(\[\[registry(\.mirror)?\]\]\n(prefix|location|insecure|mirror) = [\"\[\]a-z.*]*\n)*")
)
def test_any_text_is_rules_or_one_clear_error(text: str) -> None:
    where = "x.conf"
    try:
        parse(text, where)
    except InputError as fault:
        where = fault.where or ""
    assert where.startswith("x.conf")


def test_a_registry_as_a_whole_keeps_its_place_and_what_is_said_of_its_certificate(tmp_path: Path) -> None:
    path = tmp_path / "etc/containers/registries.conf"
    path.parent.mkdir(parents=True)
    path.write_text('[[registry]]\nlocation = "a.example"\ninsecure = true\n[[registry]]\nlocation = "docker.io"\n'
                    '[[registry.mirror]]\nlocation = "m.example"\n')  # fmt: skip
    hosts = Hosts.load({"HOME": str(tmp_path)}, 0, etc=f"{tmp_path}/etc")
    assert hosts.for_registry("a.example") == Endpoint("a.example", "", verify=False, fallback_http=True)
    assert hosts.for_registry("docker.io") == Endpoint(HUB, "")


def test_a_file_that_cannot_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "etc/containers/registries.conf"
    path.mkdir(parents=True)
    with pytest.raises(InputError, match="cannot be read"):
        Hosts.load({"HOME": str(tmp_path)}, 0, etc=f"{tmp_path}/etc")


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
