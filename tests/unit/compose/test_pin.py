"""`compose.pin`: tags become digests."""

from __future__ import annotations

from wherry.compose.model import Project, Service
from wherry.compose.pin import pinned
from wherry.errors import Unreachable

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def test_tags_become_digests_and_what_can_not_be_asked_is_told() -> None:
    images = {"a": "redis", "b": "ghcr.io/x/y:1", "c": f"redis:7@{TWO}", "d": "away:1", "e": ""}
    project = Project(
        name="p", working_dir="/", services={name: Service(name=name, image=image) for name, image in images.items()}
    )
    asked: list[str] = []
    told: list[str] = []

    def digest_of(image: str) -> str:
        asked.append(image)
        if image == "away:1":
            raise Unreachable("cannot reach away")
        return ONE

    found = pinned(project, digest_of, told.append)
    assert {name: service.image for name, service in found.services.items()} == {
        "a": f"docker.io/library/redis:latest@{ONE}",
        "b": f"ghcr.io/x/y:1@{ONE}",
        "c": f"docker.io/library/redis@{TWO}",
        "d": "away:1",
        "e": "",
    }
    assert asked == ["redis", "ghcr.io/x/y:1", "away:1"]
    assert told == ["services.d: away:1 is not pinned: cannot reach away"]
