"""The page at /, asked over a loopback socket as a browser would."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest

from wherry.oci.digest import Digest
from wherry.registry.server.app import App
from wherry.registry.server.hooks import AllowAll, Decision
from wherry.registry.server.manifests import Manifests
from wherry.registry.server.pages import RegistryPages
from wherry.registry.server.storage import Storage
from wherry.web.server import HttpServer, Request

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


class NoSecrets(AllowAll):
    """Everybody may read all but what is called secret."""

    def check(self, request: Request, action: str, repository: str) -> Decision:
        if repository.startswith("secret"):
            return Decision(allowed=False, status=401, headers=(("WWW-Authenticate", 'Basic realm="r"'),))
        return Decision(allowed=True)


class Site:
    def __init__(self, folder: Path) -> None:
        self.storage = Storage(str(folder / "storage"))
        guard = NoSecrets()
        pages = RegistryPages(self.storage, Manifests(self.storage), guard)
        self.server = HttpServer(App(self.storage, guard=guard, pages=pages), ("127.0.0.1", 0))
        self.server.bind()
        self.thread = threading.Thread(target=self.server.serve)
        self.thread.start()

    def close(self) -> None:
        self.server.stop()
        self.thread.join()
        self.server.wait_idle(5)
        self.storage.close()

    def ask(self, method: str, target: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.address[1], timeout=30)
        try:
            connection.request(method, target, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, found, answer.read().decode()
        finally:
            connection.close()

    def get(self, target: str) -> str:
        status, headers, text = self.ask("GET", target)
        assert status == 200, text
        assert headers["content-type"] == "text/html; charset=utf-8"
        return text

    def blob(self, repository: str, data: bytes, media_type: str) -> dict[str, object]:
        digest = Digest.of(data)
        status, _, text = self.ask("POST", f"/v2/{repository}/blobs/uploads/?digest={digest}", data)
        assert status == 201, text
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def manifest(self, repository: str, reference: str, document: dict[str, object]) -> dict[str, object]:
        data = json.dumps(document).encode()
        kind = str(document["mediaType"])
        reference = reference or Digest.of(data)
        status, _, text = self.ask("PUT", f"/v2/{repository}/manifests/{reference}", data, Content_Type=kind)
        assert status == 201, text
        return {"mediaType": kind, "digest": Digest.of(data), "size": len(data)}

    def image(
        self, repository: str, tag: str, *, architecture: str = "amd64", label: str = "plain"
    ) -> dict[str, object]:
        config = {
            "os": "linux", "architecture": architecture, "created": "2026-01-02T03:04:05Z",
            "config": {"Cmd": ["uvicorn", "main:app"], "Labels": {label: label}, "ExposedPorts": {"8000/tcp": {}}},
            "history": [{"created_by": f"COPY . /app # {label}"}, {"created_by": "CMD", "empty_layer": True}],
        }  # fmt: skip
        document: dict[str, object] = {
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": self.blob(repository, json.dumps(config).encode(), CONFIG),
            "layers": [self.blob(repository, b"a layer" * 300, LAYER)],
            "annotations": {label: label},
        }  # fmt: skip
        return self.manifest(repository, tag, document)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


class Seen(HTMLParser):
    """What a browser would make of it: names of elements, where links lead, whatever would load or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        for name, value in attrs:
            if name == "href" and tag == "a":
                self.links.append(value or "")
            elif name in ("href", "src", "style") or name.startswith("on"):
                self.loads.append(f"{tag} {name}={value}")

    def handle_data(self, data: str) -> None:
        self.text += data


def test_an_empty_registry_says_how_to_push(site: Site) -> None:
    text = Seen(site.get("/")).text
    assert f"wherry push 127.0.0.1:{site.server.address[1]}/IMAGE" in text


def test_repositories_are_listed_with_tags_and_sizes(site: Site) -> None:
    site.image("team/app", "1")
    site.image("team/app", "2")
    seen = Seen(site.get("/"))
    assert "/browse/team/app" in seen.links
    assert "team/app2" in seen.text  # the name, then the count of tags


def test_a_repository_shows_its_tags(site: Site) -> None:
    manifest = site.image("app", "v1.0")
    seen = Seen(site.get("/browse/app"))
    assert "/browse/app:v1.0" in seen.links
    assert f"/browse/app@{manifest['digest']}" in seen.links
    assert "linux/amd64" in seen.text


def test_a_manifest_shows_layers_settings_and_how_to_pull_it(site: Site) -> None:
    site.image("app", "v1")
    text = Seen(site.get("/browse/app:v1")).text
    assert "/app:v1" in text
    assert "COPY . /app" in text
    assert '["uvicorn", "main:app"]' in text
    assert "8000/tcp" in text
    assert "2.1 kB" in text


def test_the_layers_of_one_step_are_told_apart(site: Site) -> None:
    step = "RUN pip install torch"
    history = [{"created_by": step, "comment": "wherry: torch 2.3.0"}, {"created_by": step, "comment": "buildkit"}]
    config = json.dumps({"os": "linux", "architecture": "amd64", "history": history}).encode()
    site.manifest("app", "v1", {
        "schemaVersion": 2, "mediaType": MANIFEST, "config": site.blob("app", config, CONFIG),
        "layers": [site.blob("app", data, LAYER) for data in (b"one", b"two")],
    })  # fmt: skip
    text = Seen(site.get("/browse/app:v1")).text
    assert "torch 2.3.0 by RUN pip install torch" in text
    assert "buildkit" not in text


def test_an_index_shows_its_platforms_and_what_is_not_here(site: Site) -> None:
    platforms = [{"os": "linux", "architecture": one} for one in ("amd64", "arm64")]
    children = [
        {**site.image("app", f"{one['architecture']}", architecture=one["architecture"]), "platform": one}
        for one in platforms
    ]
    absent = {
        "mediaType": MANIFEST,
        "digest": f"sha256:{'0' * 64}",
        "size": 5,
        "platform": {"os": "linux", "architecture": "s390x"},
    }
    site.manifest("app", "all", {"schemaVersion": 2, "mediaType": INDEX, "manifests": [*children, absent]})
    text = Seen(site.get("/browse/app:all")).text
    assert "linux/arm64" in text
    assert f"sha256:{'0' * 64} (not here)" in text
    assert "linux/amd64, linux/arm64, linux/s390x" in Seen(site.get("/browse/app")).text


def test_referrers_are_shown_and_lead_back(site: Site) -> None:
    subject = site.image("app", "v1")
    empty = site.blob("app", b"{}", "application/vnd.oci.empty.v1+json")
    referrer = site.manifest("app", "", {
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/spdx+json", "config": empty,
        "layers": [site.blob("app", b"{\"spdx\": 1}", "application/spdx+json")], "subject": subject,
    })  # fmt: skip
    seen = Seen(site.get("/browse/app:v1"))
    assert "application/spdx+json" in seen.text
    assert f"/browse/app@{referrer['digest']}" in seen.links
    assert f"/browse/app@{subject['digest']}" in Seen(site.get(f"/browse/app@{referrer['digest']}")).links


def test_what_clients_wrote_is_never_markup(site: Site) -> None:
    site.image("app", "v1", label=HOSTILE)
    for target in ("/", "/browse/app", "/browse/app:v1"):
        seen = Seen(site.get(target))
        assert not {"script", "img", "iframe", "form"} & set(seen.names)
        assert seen.loads == ["link href=/style.css"]
    assert HOSTILE in Seen(site.get("/browse/app:v1")).text


@pytest.mark.parametrize("name", [HOSTILE, "../../etc/passwd", "a\r\nSet-Cookie: x", "\0", "app@<b>", "%", "é"])
def test_a_name_that_is_not_there_is_answered_without_it(site: Site, name: str) -> None:
    status, headers, text = site.ask("GET", f"/browse/{quote(name)}")
    assert status == 404
    assert "Set-Cookie" not in headers
    assert "script" not in Seen(text).names


def test_nothing_may_be_loaded_from_elsewhere_or_run(site: Site) -> None:
    _, headers, _ = site.ask("GET", "/")
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
    assert headers["x-content-type-options"] == "nosniff"


def test_a_repository_that_one_may_not_read_is_not_named(site: Site) -> None:
    site.image("open", "1")
    with pytest.raises(AssertionError, match="UNAUTHORIZED"):
        site.image("secret/app", "1")
    site.storage.ledger.commit(lambda batch: batch.repository("secret/app"))
    assert "secret" not in site.get("/")
    status, headers, text = site.ask("GET", "/browse/secret/app")
    assert (status, headers["www-authenticate"]) == (401, 'Basic realm="r"')
    assert "secret/app" not in text


def test_many_tags_come_page_by_page(site: Site) -> None:
    digest = site.image("app", "t0000")["digest"]
    key = site.storage.ledger.commit(lambda batch: batch.repository("app"))
    site.storage.ledger.commit(
        lambda batch: batch.db.executemany(
            "INSERT INTO tag (repository, name, digest) VALUES (?, ?, ?)",
            [(key, f"t{number:04}", digest) for number in range(1, 250)],
        )
    )
    found, target = [], "/browse/app"
    for _ in range(3):
        seen = Seen(site.get(target))
        found += [link for link in seen.links if link.startswith("/browse/app:")]
        target = next((link for link in seen.links if "?last=" in link), "")
    assert target == ""
    assert found == [f"/browse/app:t{number:04}" for number in range(250)]


def test_other_methods_and_paths_are_the_apis(site: Site) -> None:
    assert site.ask("POST", "/")[0] == 404
    assert site.ask("GET", "/favicon.ico")[0] == 404
    status, headers, text = site.ask("HEAD", "/")
    assert (status, text) == (200, "")
    assert int(headers["content-length"]) > 100
