"""Push and pull through registries that play what the large ones do differently (tests/registries/quirks.py)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.registries import quirks
from tests.registries.fake import FakeRegistry
from tests.registries.quirks import Quirks
from wherry.engine import Engine
from wherry.engine.pull import Pulled, PullRequest, pull, pull_tags
from wherry.engine.push import Pushed, PushRequest, push
from wherry.errors import NotFound, RateLimited, RegistryError, Unauthorized
from wherry.host.fake import FakeHost
from wherry.image.tar import pack
from wherry.oci import mediatype
from wherry.oci.config import ImageConfig
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import encode
from wherry.oci.platform import Platform
from wherry.oci.reference import Reference
from wherry.registry.client import Client, Repository
from wherry.registry.credentials import Credential
from wherry.registry.hosts import Endpoint, Hosts
from wherry.registry.retry import Retry
from wherry.registry.transport import Transport
from wherry.registry.watch import Silent
from wherry.settings import Paths, Settings
from wherry.store.images import ImageRecord

ALL = {
    "a registry by the book": quirks.PLAIN,
    "docker hub": quirks.DOCKER_HUB,
    "ecr": quirks.ECR,
    "ecr public": quirks.ECR_PUBLIC,
    "ghcr": quirks.GHCR,
    "google": quirks.GAR,
    "acr": quirks.ACR,
    "quay": quirks.QUAY,
    "harbor": quirks.HARBOR,
    "gitlab": quirks.GITLAB,
    "registry 2": quirks.REGISTRY_2,
}
ARCH = Platform.of("linux", os.uname().machine).architecture
NOISE = os.urandom(6 << 20)
"""Above GHCR's 4 MiB, and not to be compressed below it."""
TEXT = b"import this\n" * 30_000
ARTIFACT = "application/vnd.example.report"


class Keys:
    """Credentials by host."""

    def __init__(self, known: Mapping[str, Credential]) -> None:
        self._known = known

    def find(self, host: str, repository: str = "") -> Credential | None:
        return self._known.get(host)


class Hub(Hosts):
    """docker.io is where `host` is."""

    def __init__(self, host: str) -> None:
        self._host = host

    def for_pull(self, reference: Reference) -> tuple[Endpoint, ...]:
        return (self.for_push(reference),)

    def for_push(self, reference: Reference) -> Endpoint:
        return Endpoint(self._host, reference.repository, fallback_http=True)


class Desk:
    """A registry, and people with stores of their own who are logged in to it."""

    def __init__(self, folder: Path, played: Quirks, stack: ExitStack) -> None:
        self.registry = stack.enter_context(FakeRegistry(played))
        self.name = "my-project/my-images/api" if played.path_parts > 1 else "team/api"
        self.registry.created |= {self.name, f"{self.name}-2"}
        self._folder, self._stack, self._count = folder, stack, 0

    @property
    def credential(self) -> Credential:
        played = self.registry.quirks
        if played.identity_token:
            return Credential("<token>", identity_token=played.identity_token)
        return Credential(*next(iter(played.users.items())))

    def reference(self, tag: str = "1", more: str = "") -> Reference:
        return Reference.parse(f"{self.registry.host}/{self.name}{more}:{tag}")

    def person(self, hosts: Hosts | None = None, *, known: bool = True) -> Engine:
        self._count += 1
        folder = self._folder / f"person{self._count}"
        settings = Settings(Paths(f"{folder}/root", f"{folder}/run"), {}, os.geteuid(), "/")
        engine = self._stack.enter_context(Engine(settings, FakeHost()))
        keys = Keys({self.registry.host: self.credential} if known else {})
        engine.registries.__dict__["hosts"] = hosts or Hosts()
        engine.registries.__dict__["client"] = Client(Transport(retry=Retry(base_s=0.001)), keys)
        return engine

    def repository(self, engine: Engine, actions: tuple[str, ...] = ("pull", "push")) -> Repository:
        endpoint = engine.registries.hosts.for_push(self.reference())
        return engine.registries.client.repository(endpoint, actions)


Open = Callable[[Quirks], Desk]


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Open]:
    with ExitStack() as stack:
        yield lambda played: Desk(tmp_path, played, stack)


@pytest.fixture(params=ALL, ids=lambda name: name.replace(" ", "-"))
def desk(request: pytest.FixtureRequest, at: Open) -> Desk:
    return at(ALL[request.param])


def image(engine: Engine, reference: Reference, *contents: bytes) -> ImageRecord:
    diff_ids = []
    for number, content in enumerate(contents):
        with engine.layers.workdir() as folder:
            os.mkdir(f"{folder}/fs", 0o755)
            Path(folder, "fs", f"file{number}").write_bytes(content)
            diff_id, size = pack.diff_id(f"{folder}/fs")
            engine.layers.commit(folder, diff_id, size, None)
            diff_ids.append(diff_id)
    config = ImageConfig(Platform("linux", ARCH), diff_ids=tuple(diff_ids))
    return engine.image_store.create(config, (reference,))


def send(engine: Engine, reference: Reference) -> Pushed:
    return push(engine, PushRequest(reference), Silent())


def fetch(engine: Engine, reference: Reference) -> Pulled:
    return pull(engine, PullRequest(reference), Silent())


def content(engine: Engine, record: ImageRecord) -> list[bytes]:
    return [Path(engine.layers.path(one), f"file{i}").read_bytes() for i, one in enumerate(record.layers)]


# -- every registry ----------------------------------------------------------------------------------------------------


def test_what_was_pushed_is_pulled_as_it_was(desk: Desk) -> None:
    here, there = desk.person(), desk.person()
    made = image(here, desk.reference(), TEXT, NOISE)
    sent = send(here, desk.reference())
    found = fetch(there, desk.reference())
    assert (found.digest, found.image.id, found.image.layers) == (sent.digest, made.id, made.layers)
    assert content(there, found.image) == [TEXT, NOISE]


def test_each_blob_goes_up_in_one_request_without_a_range(desk: Desk) -> None:
    here = desk.person()
    image(here, desk.reference(), TEXT, NOISE)
    send(here, desk.reference())
    assert not desk.registry.requests("PATCH")
    puts = [one for one in desk.registry.requests("PUT", "/blobs/uploads/") if one.length]
    assert len(puts) == 3
    assert not [one for one in desk.registry.asked if "content-range" in one.headers]


def test_an_unchanged_image_is_not_sent_again(desk: Desk) -> None:
    here = desk.person()
    image(here, desk.reference(), TEXT, NOISE)
    first = send(here, desk.reference())
    desk.registry.asked.clear()
    assert send(here, desk.reference()).digest == first.digest
    assert not desk.registry.requests("POST", "/blobs/uploads/")
    assert not desk.registry.requests("PUT", "/blobs/uploads/")


def test_layers_of_another_repository_arrive_mounted_or_sent(desk: Desk) -> None:
    here, there = desk.person(), desk.person()
    made = image(here, desk.reference(), TEXT, NOISE)
    send(here, desk.reference())
    desk.registry.asked.clear()
    here.image_store.tag(made.id, desk.reference(more="-2"))
    send(here, desk.reference(more="-2"))
    assert content(there, fetch(there, desk.reference(more="-2")).image) == [TEXT, NOISE]
    large = [one for one in desk.registry.requests("PUT", "/blobs/uploads/") if one.length > len(NOISE)]
    assert len(large) == (0 if desk.registry.quirks.mount == "yes" else 1)


def test_nobody_but_the_registry_and_its_realm_sees_who_asks(desk: Desk) -> None:
    here, there = desk.person(), desk.person()
    image(here, desk.reference(), TEXT, NOISE)
    send(here, desk.reference())
    fetch(there, desk.reference())
    secrets = [*desk.registry.quirks.users.values(), *filter(None, [desk.registry.quirks.identity_token])]
    signed = desk.registry.requests(part="/signed/")
    assert bool(signed) == bool(desk.registry.quirks.redirect)
    assert not [one for one in signed if "authorization" in one.headers or "cookie" in one.headers]
    assert not [one for one in desk.registry.asked if any(f"={secret}" in one.path for secret in secrets)]


def artifact(repository: Repository, subject: Descriptor, text: bytes) -> Digest:
    """Attach a report to `subject`."""
    import io

    parts = (b"{}", text)
    for data in parts:
        blob = Descriptor("application/octet-stream", Digest.of(data), len(data))
        repository.push_blob(blob, lambda offset, data=data: io.BytesIO(data[offset:]))  # type: ignore[misc]
    config, layer = (Descriptor("application/vnd.oci.empty.v1+json", Digest.of(data), len(data)) for data in parts)
    document = {
        "schemaVersion": 2,
        "mediaType": mediatype.MANIFEST,
        "artifactType": ARTIFACT,
        "config": config.to_json(),
        "layers": [layer.to_json()],
        "subject": subject.to_json(),
    }
    data = encode(document)
    return repository.put_manifest(str(Digest.of(data)), data, mediatype.MANIFEST)


def test_what_is_attached_to_an_image_is_found(desk: Desk) -> None:
    here = desk.person()
    image(here, desk.reference(), TEXT)
    sent = send(here, desk.reference())
    repository = desk.repository(here)
    assert repository.referrers(sent.digest) == []
    subject = Descriptor(mediatype.MANIFEST, sent.digest, sent.size)
    if desk.registry.quirks.referrers == "self":
        with pytest.raises(RegistryError, match="keeps no list of what is attached"):
            artifact(repository, subject, b"one")
        assert repository.referrers(sent.digest) == []
        return
    attached = {artifact(repository, subject, b"one"), artifact(repository, subject, b"two")}
    found = repository.referrers(sent.digest)
    assert {one.digest for one in found} == attached
    assert {one.artifact_type for one in found} == {ARTIFACT}
    assert repository.referrers(sent.digest, "application/vnd.example.other") == []


@pytest.mark.parametrize("name", [name for name, played in ALL.items() if played.challenge])
def test_who_is_not_logged_in_is_told_so(at: Open, name: str) -> None:
    desk = at(ALL[name])
    stranger = desk.person(known=False)
    image(stranger, desk.reference(), TEXT)
    with pytest.raises((Unauthorized, RegistryError)) as told:
        send(stranger, desk.reference())
    assert "login" in f"{told.value.message} {told.value.hint}"
    assert not desk.registry.manifests


# -- Amazon ------------------------------------------------------------------------------------------------------------


def test_ecr_wants_a_repository_to_be_there_and_the_error_names_it(at: Open) -> None:
    desk = at(quirks.ECR)
    desk.registry.created.clear()
    here = desk.person()
    image(here, desk.reference(), TEXT)
    with pytest.raises(NotFound, match=f"{desk.registry.host}/team/api.*name unknown"):
        send(here, desk.reference())


@pytest.mark.parametrize("played", [quirks.ECR, quirks.REGISTRY_2, quirks.PLAIN], ids=["ecr", "registry-2", "plain"])
def test_an_upload_that_breaks_in_the_middle_arrives_whole(at: Open, played: Quirks) -> None:
    desk = at(replace(played, broken_puts=2))
    here, there = desk.person(), desk.person()
    image(here, desk.reference(), NOISE)
    send(here, desk.reference())
    assert content(there, fetch(there, desk.reference()).image) == [NOISE]


# -- GitHub ------------------------------------------------------------------------------------------------------------


def test_a_signed_url_is_used_once_and_asked_for_anew(at: Open) -> None:
    desk = at(quirks.GHCR)
    here = desk.person()
    image(here, desk.reference(), NOISE)
    send(here, desk.reference())
    for _ in range(2):
        there = desk.person()
        fetch(there, desk.reference())
    urls = [one.path for one in desk.registry.requests("GET", "/signed/")]
    assert len(urls) == len(set(urls)) == 4


def test_a_signed_url_that_expired_at_once_is_asked_for_anew(at: Open) -> None:
    desk = at(replace(quirks.GHCR, expired_urls=1))
    here, there = desk.person(), desk.person()
    image(here, desk.reference(), NOISE)
    send(here, desk.reference())
    assert content(there, fetch(there, desk.reference()).image) == [NOISE]


def test_no_signature_of_a_url_is_in_an_error(at: Open) -> None:
    desk = at(replace(quirks.GHCR, expired_urls=1000))
    here, there = desk.person(), desk.person()
    image(here, desk.reference(), NOISE)
    send(here, desk.reference())
    with pytest.raises(RegistryError) as told:
        fetch(there, desk.reference())
    assert "s3cr3t" not in f"{told.value!r} {told.value.message} {told.value.hint}"


# -- Google, Azure, Quay -----------------------------------------------------------------------------------------------


def test_google_wants_project_and_repository_and_the_error_says_what_it_said(at: Open) -> None:
    desk = at(quirks.GAR)
    desk.name = "api"
    here = desk.person()
    image(here, desk.reference(), TEXT)
    with pytest.raises(RegistryError, match="name invalid"):
        send(here, desk.reference())


def test_a_busy_azure_takes_the_manifest_at_the_third_try(at: Open) -> None:
    desk = at(quirks.ACR)
    here = desk.person()
    image(here, desk.reference(), TEXT)
    sent = send(here, desk.reference())
    assert len(desk.registry.requests("PUT", "/manifests/")) == 3
    assert Digest.of(desk.registry.manifests[desk.name, "1"][0]) == sent.digest


def test_azures_identity_token_is_sent_in_a_form_and_nowhere_else(at: Open) -> None:
    desk = at(quirks.ACR)
    here = desk.person()
    image(here, desk.reference(), TEXT)
    send(here, desk.reference())
    assert desk.registry.requests("POST", "/token")
    assert not desk.registry.requests("GET", "/token")
    assert not [one for one in desk.registry.asked if one.headers.get("authorization", "").startswith("Basic")]


def test_every_tag_of_a_busy_quay_is_pulled(at: Open) -> None:
    desk = at(quirks.QUAY)
    here, there = desk.person(), desk.person()
    for tag in ("1", "2"):
        image(here, desk.reference(tag), TEXT + tag.encode())
        send(here, desk.reference(tag))
    found = list(pull_tags(there, PullRequest(desk.reference("latest")), Silent()))
    assert [one.reference.tag for one in found] == ["1", "2"]


# -- Docker Hub --------------------------------------------------------------------------------------------------------


def test_looking_for_a_newer_image_costs_nothing_at_docker_hub(at: Open) -> None:
    desk = at(replace(quirks.DOCKER_HUB, rate_limit=1))
    here, there = desk.person(), desk.person()
    image(here, desk.reference(), TEXT)
    send(here, desk.reference())
    first = fetch(there, desk.reference())
    assert [fetch(there, desk.reference()).is_new for _ in range(3)] == [False] * 3
    assert first.is_new
    assert len(desk.registry.requests("GET", "/manifests/")) == 1


def test_docker_hubs_limit_is_told_with_its_numbers(at: Open) -> None:
    desk = at(replace(quirks.DOCKER_HUB, rate_limit=0))
    here, there = desk.person(), desk.person()
    image(here, desk.reference(), TEXT)
    send(here, desk.reference())
    with pytest.raises(RateLimited, match=r"limit: 100 in 6 h, 0 left") as told:
        fetch(there, desk.reference())
    assert "wherry login" in str(told.value.hint)


def test_a_bare_name_is_an_official_image(at: Open) -> None:
    desk = at(quirks.DOCKER_HUB)
    desk.name = "library/python"
    here, there = desk.person(), desk.person(Hub(desk.registry.host), known=False)
    image(here, desk.reference("3.10"), TEXT)
    send(here, desk.reference("3.10"))
    desk.registry.asked.clear()
    found = fetch(there, Reference.parse("python:3.10"))
    assert found.image.tags == ("python:3.10",)
    assert {one.path.split("/")[3] for one in desk.registry.requests("GET", "/v2/library/")} == {"python"}


# -- things in between -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("played", [quirks.PLAIN, quirks.REGISTRY_2], ids=["plain", "registry-2"])
def test_a_proxy_that_takes_no_large_body_gets_chunks(at: Open, played: Quirks) -> None:
    desk = at(replace(played, capped_body=5 << 20))
    here, there = desk.person(), desk.person()
    image(here, desk.reference(), NOISE)
    send(here, desk.reference())
    chunks = [one.length for one in desk.registry.requests("PATCH")]
    assert chunks
    assert max(chunks) <= 4 << 20
    assert content(there, fetch(there, desk.reference()).image) == [NOISE]


@pytest.mark.parametrize("name", ["docker hub", "ghcr", "harbor", "acr"])
def test_a_token_that_expires_in_the_middle_is_bought_anew(at: Open, name: str) -> None:
    desk = at(replace(ALL[name], token_uses=3))
    here, there = desk.person(), desk.person()
    # One layer: layers side by side would use up each other's tokens
    image(here, desk.reference(), NOISE)
    send(here, desk.reference())
    assert content(there, fetch(there, desk.reference()).image) == [NOISE]
    bought = [one for one in desk.registry.token_uses.values() if one > 3]
    assert len(bought) >= 2, "tokens were refused, and others bought"
