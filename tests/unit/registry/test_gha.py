from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.registries.fake_gha import FakeGha
from wherry.cancel import Cancel
from wherry.errors import Cancelled, InputError, IntegrityError, NotFound, RegistryError, Unauthorized
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.registry import gha, gha_v1, gha_v2
from wherry.registry.gha import GhaCache, Service, service_of
from wherry.registry.retry import Retry
from wherry.registry.transport import Transport


@pytest.fixture(params=[1, 2])
def fake(request: pytest.FixtureRequest) -> Iterator[FakeGha]:
    with FakeGha(version=request.param) as fake:
        yield fake


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (gha, gha_v1, gha_v2):
        monkeypatch.setattr(module, "_PIECE", 1000)


@pytest.fixture
def wire() -> Iterator[Transport]:
    with closing(Transport(retry=Retry(base_s=0.0))) as wire:
        yield wire


@pytest.fixture
def here(fake: FakeGha, wire: Transport) -> GhaCache:
    service = service_of(fake.env)
    assert service
    return GhaCache(wire, service)


def blob(data: bytes) -> Descriptor:
    return Descriptor("x", Digest.of(data), len(data))


@pytest.mark.parametrize("size", [0, 1, 1000, 1001, 5500])
def test_what_was_saved_is_read(fake: FakeGha, here: GhaCache, size: int) -> None:
    data = (bytes(range(256)) * 22)[:size]
    told: list[int] = []
    assert here.save("key", size, io.BytesIO(data), progress=told.append)
    assert here.open("key", blob(data)).read() == data
    assert not told or told[-1] == size
    assert here.find("key") is not None
    assert here.find("ke") is None


def test_the_token_goes_to_the_api_and_nowhere_else(fake: FakeGha, here: GhaCache) -> None:
    here.save("key", 2500, io.BytesIO(bytes(2500)))
    here.open("key", blob(bytes(2500))).read()
    for _, path, authorization in fake.asked:
        assert authorization == ("" if path.startswith("/signed/") else f"Bearer {fake.token}")


def test_the_newest_of_a_prefix_is_found(here: GhaCache) -> None:
    for key in ("a#1", "b#1", "a#2", "a-other#9"):
        here.save(key, 1, io.BytesIO(b"x"))
    found = here.find("a#", is_prefix=True)
    assert found
    assert found.key == "a#2"
    assert here.find("c#", is_prefix=True) is None


def test_a_key_that_is_taken_is_left_alone(here: GhaCache) -> None:
    assert here.save("key", 3, io.BytesIO(b"one"))
    assert not here.save("key", 3, io.BytesIO(b"two"))
    assert here.open("key", blob(b"one")).read() == b"one"


def test_bytes_that_are_others_are_refused(here: GhaCache) -> None:
    here.save("key", 4, io.BytesIO(b"evil"))
    with pytest.raises(IntegrityError):
        here.open("key", blob(b"good")).read()


def test_an_entry_that_is_not_there_is_not_found(here: GhaCache) -> None:
    with pytest.raises(NotFound, match="has no key"):
        here.open("key", blob(b"good")).read()


def test_a_service_that_is_busy_is_asked_again(fake: FakeGha, here: GhaCache) -> None:
    fake.fail = {"caches" if fake.version == 1 else "CreateCacheEntry": [429], "cache?": [500], "/signed/": [503]}
    here.save("key", 3, io.BytesIO(b"one"))
    assert here.open("key", blob(b"one")).read() == b"one"


def test_a_token_that_is_no_good_is_said(fake: FakeGha, wire: Transport) -> None:
    bad = GhaCache(wire, Service(f"{fake.api}/", "other", fake.version))
    with pytest.raises(Unauthorized, match="401: no such token"):
        bad.find("key")
    with pytest.raises(Unauthorized):
        bad.save("key", 1, io.BytesIO(b"x"))


def test_a_source_that_ends_early_leaves_no_entry(fake: FakeGha, here: GhaCache) -> None:
    with pytest.raises(RegistryError, match="ended after"):
        here.save("key", 2000, io.BytesIO(bytes(1500)))
    assert fake.keys() == []


def test_ctrl_c_ends_an_upload(fake: FakeGha, here: GhaCache) -> None:
    cancel = Cancel()
    with pytest.raises(Cancelled):
        here.save("key", 5000, io.BytesIO(bytes(5000)), cancel=cancel, progress=lambda done: cancel.set("x"))
    assert fake.keys() == []


def test_what_the_service_does_not_take_is_no_entry(fake: FakeGha, here: GhaCache) -> None:
    fake.takes = False
    with pytest.raises(RegistryError):
        here.save("key", 3, io.BytesIO(b"one"))
    assert here.find("key") is None


def test_signed_urls_are_as_safe_as_the_api() -> None:
    wire = gha.Wire(Transport(), Service("https://results.example/", "t", 2))
    assert str(wire.signed("https://storage.example/x?sig=1")) == "https://storage.example/x?sig=1"
    with pytest.raises(RegistryError, match="not https"):
        wire.signed("http://storage.example/x")
    with pytest.raises(RegistryError, match="is not the cache service"):
        wire.ask("GET", "https://elsewhere.example/x", None, "asking", None)


def test_which_service_a_job_has() -> None:
    both = {"ACTIONS_CACHE_URL": "https://one", "ACTIONS_RESULTS_URL": "https://two/", "ACTIONS_RUNTIME_TOKEN": "t"}
    assert service_of({}) is None
    assert service_of({"ACTIONS_RUNTIME_TOKEN": "t"}) is None
    assert service_of({"ACTIONS_CACHE_URL": "https://one"}) is None
    assert service_of(both) == Service("https://one/", "t", 1)
    assert service_of({**both, "ACTIONS_CACHE_SERVICE_V2": "True"}) == Service("https://two/", "t", 2)
    assert service_of({"ACTIONS_RESULTS_URL": "https://two", "ACTIONS_RUNTIME_TOKEN": "t"}) == (
        Service("https://two/", "t", 2)
    )
    assert service_of(both, version=2, token="other") == Service("https://two/", "other", 2)
    assert service_of(both, url_v2="https://three") == Service("https://three/", "t", 2)
    with pytest.raises(InputError, match="the URL of the gha cache"):
        GhaCache(Transport(), Service("nonsense/", "t", 1))
