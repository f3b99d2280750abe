from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.build.ambient import (
    FOLDER,
    Ambient,
    HostSide,
    Step,
    Wishes,
    extra_trust,
    merge_bundles,
    plan,
)

A = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
B = b"-----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----"
HOST = HostSide({"https_proxy": "http://proxy.example:3128"}, A)
STEP = Step(frozenset({"PATH"}), "pip install -r requirements.txt")


def env(ambient: Ambient) -> dict[str, str]:
    return dict(word.split("=", 1) for word in ambient.env)


def names(ambient: Ambient) -> list[str]:
    return [cache.name for cache in ambient.caches]


def test_every_tool_is_told_where_the_bundle_is() -> None:
    told = plan(HOST, STEP, Wishes(cache=False))
    assert told.files["ca.pem"] == A
    for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO",
                 "NODE_EXTRA_CA_CERTS", "CARGO_HTTP_CAINFO", "CONDA_SSL_VERIFY"):  # fmt: skip
        assert env(told)[name] == f"{FOLDER}/ca.pem"
    assert told.files["apt.conf"] == f'Acquire::https::CAInfo "{FOLDER}/ca.pem";\n'.encode()
    assert env(told)["APT_CONFIG"] == f"{FOLDER}/apt.conf"


def test_a_host_that_trusts_nothing_special_says_nothing() -> None:
    assert plan(HostSide({}), STEP, Wishes(cache=False)) == Ambient()


def test_proxies_come_in_both_spellings() -> None:
    told = env(plan(HOST, STEP, Wishes()))
    assert told["https_proxy"] == told["HTTPS_PROXY"] == "http://proxy.example:3128"
    assert "http_proxy" not in told


def test_no_host_ca_keeps_certificates_and_proxies_away_and_caches_stay() -> None:
    told = plan(HOST, STEP, Wishes(host_ca=False))
    assert not {name for name in env(told) if "CERT" in name or "proxy" in name.lower() or "BUNDLE" in name}
    assert not told.files
    assert "pip-0" in names(told)


def test_no_ambient_cache_brings_no_cache() -> None:
    assert plan(HOST, STEP, Wishes(cache=False)).caches == ()


def test_what_the_dockerfile_sets_is_never_touched() -> None:
    step = STEP._replace(names=frozenset({"PIP_CERT", "HTTPS_PROXY", "PIP_NO_CACHE_DIR", "UV_LINK_MODE"}))
    told = plan(HOST, step, Wishes())
    assert not {"PIP_CERT", "HTTPS_PROXY", "PIP_CACHE_DIR", "UV_CACHE_DIR", "UV_LINK_MODE"} & env(told).keys()
    assert not [name for name in names(told) if name.startswith(("pip", "uv"))]


@pytest.mark.parametrize(
    ("target", "tool"),
    [
        ("/root/.cache/pip", "pip"), ("/home/me/.cache/pip/", "pip"), ("/root/.cache", "uv"), ("/root/.npm", "npm"),
        ("/var/cache/apt", "apt"), ("/opt/conda/pkgs", "conda"), ("/root/.cache/pypoetry", "poetry"),
    ],
)  # fmt: skip
def test_a_cache_that_the_step_mounts_itself_is_left_to_it(target: str, tool: str) -> None:
    step = Step(frozenset(), "apt-get install x")
    assert [name for name in names(plan(HOST, step, Wishes())) if name.startswith(tool)]
    told = plan(HOST, step._replace(targets=(target,)), Wishes())
    assert not [name for name in names(told) if name.startswith(tool)]


def test_only_pips_downloads_outlive_the_step_and_not_the_wheels_it_built() -> None:
    (pip,) = (cache for cache in plan(HOST, STEP, Wishes()).caches if cache.name == "pip-0")
    assert pip.parts == ("http", "http-v2")


@pytest.mark.parametrize("field", ["base", "project"])
def test_what_one_image_or_project_left_in_a_cache_no_other_meets(field: str) -> None:
    step = STEP._replace(text="apt-get install pip")
    one, other = (names(plan(HOST, step._replace(**{field: value}), Wishes())) for value in ("aaaa", "bbbb"))
    assert len(one) == len(other) == 6
    assert not set(one) & set(other)


def test_poetrys_virtual_environments_stay_in_the_image() -> None:
    told = env(plan(HOST, STEP, Wishes()))
    assert told["POETRY_VIRTUALENVS_PATH"] == "~/.cache/pypoetry/virtualenvs"
    for own in ("XDG_CACHE_HOME", "POETRY_VIRTUALENVS_PATH", "POETRY_CACHE_DIR"):
        told = env(plan(HOST, STEP._replace(names=frozenset({own})), Wishes()))
        assert not [name for name in told if name.startswith("POETRY")]


def test_each_user_has_caches_of_its_own() -> None:
    assert "pip-1000" in names(plan(HOST, STEP._replace(uid=1000, gid=1000), Wishes()))


def test_apts_archives_are_offered_where_apt_checks_them_and_only_to_steps_of_root_that_name_apt() -> None:
    apt = Step(frozenset(), "apt-get update && apt-get install -y git")
    told = plan(HOST, apt, Wishes())
    (cache,) = (cache for cache in told.caches if cache.name == "apt-0")
    assert cache.is_offered
    assert b"Dir::Cache::archives" in told.files["apt.conf"]
    for other in (apt._replace(uid=5), STEP):
        assert not [name for name in names(plan(HOST, other, Wishes())) if name.startswith("apt")]


def test_of_apts_options_only_proxies_and_dates_go_in_and_no_path_of_the_host() -> None:
    dump = (
        'Acquire "";\nAcquire::Check-Date "false";\nAcquire::https::CAInfo "/etc/ssl/corp.pem";\n'
        'Acquire::http::Proxy "http://p:1";\nAcquire::http::Proxy-Auto-Detect "/usr/bin/x";\nDir "/";\n'
    )
    told = plan(HostSide({}, b"", dump), STEP, Wishes(cache=False))
    assert told.files["apt.conf"] == b'Acquire::Check-Date "false";\nAcquire::http::Proxy "http://p:1";\n'


def test_where_pip_looks_for_packages_on_the_host_does_not_leak() -> None:
    host = HostSide({"PIP_INDEX_URL": "http://u:p@in.example/", "PIP_FIND_LINKS": "/opt/w", "AWS_SECRET": "s"}, A)
    assert not {"PIP_INDEX_URL", "PIP_FIND_LINKS", "AWS_SECRET"} & env(plan(host, STEP, Wishes())).keys()


def test_every_place_is_below_dev_where_no_layer_reaches() -> None:
    told = plan(HOST, Step(frozenset(), "apt"), Wishes())
    assert all(cache.target.startswith("/dev/") for cache in told.caches)


def test_the_hosts_trust_is_a_variable_or_a_local_certificate() -> None:
    assert extra_trust({}, []) == ()
    assert extra_trust({}, ["/usr/local/share/ca-certificates/a.crt"]) == ("/usr/local/share/ca-certificates/a.crt",)
    both = {"REQUESTS_CA_BUNDLE": "/r.pem", "SSL_CERT_FILE": "/s.pem", "NODE_EXTRA_CA_CERTS": "/n.pem"}
    assert extra_trust(both, ["/s.pem"]) == ("/s.pem", "/n.pem")


def test_bundles_merge_to_each_certificate_once() -> None:
    assert (
        merge_bundles([b"# a\n" + A + b"\n", A.replace(b"\n", b"\r\n") + b"\n" + B, b"junk"]) == A + b"\n" + B + b"\n"
    )


@given(st.lists(st.sampled_from([A, B, b"\n", b"text"])))
def test_merging_again_changes_nothing(parts: list[bytes]) -> None:
    once = merge_bundles([b"\n".join(parts)])
    assert merge_bundles([once]) == once
