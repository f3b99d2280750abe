"""What one user may not read is, for that user, not there: not by mount, catalog, page, tag or log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from tests.conformance import datasets
from tests.conformance.datasets import INDEX, noise
from tests.conformance.push import push_blob, uploads
from tests.conformance.wire import Wire, digest_of, with_query
from tests.unit.registry.server.asking import basic
from tests.unit.registry.server.lab import Site, serving
from wherry.registry.server.auth import AccessGuard
from wherry.registry.server.manifests import Manifests
from wherry.registry.server.metrics import Metrics
from wherry.registry.server.outside import Outside
from wherry.registry.server.pages import RegistryPages

RULES = """
[[rule]]
repositories = ["red/**"]
users = ["red"]
actions = ["pull", "push", "delete"]
[[rule]]
repositories = ["blue/**"]
users = ["blue"]
actions = ["pull", "push"]
[[rule]]
repositories = ["blue/shown"]
users = ["*"]
actions = ["pull"]
"""
SECRET = noise("secret", 4000)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    users, rules = tmp_path / "users", tmp_path / "rules.toml"
    users.write_text("".join(f"{n}:{bcrypt.hashpw(n.encode(), bcrypt.gensalt(4)).decode()}\n" for n in ("red", "blue")))
    rules.write_text(RULES)

    def make(storage: Any) -> dict[str, Any]:
        guard = AccessGuard(htpasswd=str(users), rules=str(rules))
        pages = RegistryPages(storage, Manifests(storage), guard)
        return {"guard": guard, "pages": Outside(guard, Metrics(storage), pages)}

    with serving(tmp_path / "storage", make=make) as found:
        yield found


@pytest.fixture
def red(site: Site) -> Wire:
    return site.wire(Authorization=basic("red", "red"))


@pytest.fixture
def blue(site: Site) -> Wire:
    """Has pushed what red may not see."""
    wire = site.wire(Authorization=basic("blue", "blue"))
    for repo in ("blue/hidden", "blue/shown"):
        doc = datasets.dumped(datasets._index([], annotations={"in": repo}))
        assert wire.put(f"/v2/{repo}/manifests/latest", doc, Content_Type=INDEX).status == 201
    push_blob(wire, "blue/hidden", SECRET)
    return wire


def test_a_mount_says_the_same_of_what_one_may_not_read_and_of_what_is_not_there(red: Wire, blue: Wire) -> None:
    there, nowhere = digest_of(SECRET), digest_of(b"nowhere")
    answers = [
        red.post(f"{uploads('red/app')}?mount={digest}{source}")
        for digest in (there, nowhere)
        for source in ("&from=blue/hidden", "&from=blue/none", "")
    ]
    assert {answer.status for answer in answers} == {202}
    assert {tuple(sorted(answer.headers.keys())) for answer in answers} == {tuple(sorted(answers[0].headers.keys()))}
    assert red.head(f"/v2/red/app/blobs/{there}").status == 404
    assert blue.post(f"{uploads('blue/other')}?mount={there}").status == 201, "who may read it mounts it"


def test_a_blob_that_another_holds_still_has_to_be_sent_whole(red: Wire, blue: Wire) -> None:
    """Else who knows a digest could ask whether it is there, and get the bytes."""
    where = red.post(uploads("red/app")).location
    assert red.put(with_query(where, digest=digest_of(SECRET)), SECRET[:-1]).status == 400
    where = red.post(uploads("red/app")).location
    assert red.put(with_query(where, digest=digest_of(SECRET))).status == 400
    where = red.post(uploads("red/app")).location
    assert red.put(with_query(where, digest=digest_of(SECRET)), SECRET).status == 201


@pytest.mark.parametrize("path", ["manifests/latest", "manifests/none", "tags/list", f"blobs/{digest_of(SECRET)}",
                                  f"blobs/{digest_of(b'')}", f"referrers/{digest_of(b'')}"])  # fmt: skip
def test_a_refusal_says_nothing_of_what_exists(red: Wire, blue: Wire, path: str) -> None:
    hidden, none = (red.get(f"/v2/blue/{name}/{path}") for name in ("hidden", "none"))
    assert (hidden.status, hidden.body) == (none.status, none.body)
    assert (hidden.status, hidden.codes) == (403, ["DENIED"])


def test_lists_and_pages_show_what_one_may_pull(red: Wire, blue: Wire) -> None:
    push_blob(red, "red/app", b"x")
    assert red.get("/v2/_catalog").json["repositories"] == ["blue/shown", "red/app"]
    assert blue.get("/v2/_catalog").json["repositories"] == ["blue/hidden", "blue/shown"]
    page = red.get("/").body.decode()
    assert "blue/shown" in page
    assert "blue/hidden" not in page
    for name in ("hidden", "none"):
        assert red.get(f"/browse/blue/{name}").status == 403
        assert red.get(f"/browse/blue/{name}:latest").status == 403
    assert red.get("/browse/blue/shown:latest").status == 200


def test_who_may_pull_may_not_push_or_delete(red: Wire, blue: Wire) -> None:
    doc = datasets.dumped(datasets._index([]))
    assert red.put("/v2/blue/shown/manifests/latest", doc, Content_Type=INDEX).status == 403
    assert red.post(uploads("blue/shown")).status == 403
    assert red.delete("/v2/blue/shown/manifests/latest").status == 403
    assert blue.delete("/v2/blue/shown/manifests/latest").status == 403, "push is not delete"
    assert blue.get("/v2/blue/shown/manifests/latest", Accept=INDEX).status == 200


def test_an_upload_of_another_user_cannot_be_touched(red: Wire, blue: Wire) -> None:
    where = blue.post(uploads("blue/hidden")).location
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        assert red.ask(method, where, b"x" if method in {"PATCH", "PUT"} else None).status == 403
        moved = where.replace("/blue/hidden/", "/red/app/")
        assert red.ask(method, with_query(moved, digest=digest_of(b"x")), None).status == 404
    assert blue.get(where).status == 204


def test_what_somebody_calls_himself_is_not_in_the_log_until_it_is_proved(site: Site, red: Wire, blue: Wire) -> None:
    liar = site.wire(Authorization=basic("blue\r\nanna", "wrong"))
    assert liar.get("/v2/").status == 401
    assert [one.request.user for one in site.done if one.status == 401] == [""]
